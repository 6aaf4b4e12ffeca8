// Start here. Runs trained policies (policy.safetensors): the C API, for C99 and C++. Not a trainer and no environment.
// The same as C++ classes is policy.h; training, in C++ and not part of the installed library, is config.h and train.h.
// What a policy file holds: docs/policy_format.md. How to link the library: docs/deploy.md.
//
// The contract
// - Objects. eaudeqn_policy: the weights, loaded once, never changed afterwards. eaudeqn_session: the memory in which
//   one thread runs it, and the frame stack of one episode. A session keeps what it needs of its policy alive, so the
//   two can be freed in any order.
// - Threads. Any number of threads may use one policy at once, each with a session of its own. One session: one thread
//   at a time. The library starts no thread.
// - Memory. eaudeqn_policy_load and eaudeqn_session_create allocate; nothing else does, unless it fails. Pointers in a
//   spec belong to the policy and live as long as it does. All other memory is the caller's, of any alignment for what
//   goes in, and the library keeps no pointer to it.
// - Observations, as the environment shows them, in C order. Images: uint8 (rows, columns, frames), newest frame last;
//   (84, 84, 4) for Atari. Vectors: float32 (n), all finite. The division by 255 that images need is the network's.
// - Actions. Discrete: the index of the largest output, the first of equals; NaN never acts. Continuous: the mean
//   action, float32, scaled to the bounds in the spec.
// - Results are functions of the policy file, the observation and the processor's instruction set alone: neither of the
//   batch in which it stands, as long as nothing overflows, nor of the thread or earlier calls, the frame stack apart.
// - Errors. A status other than EAUDEQN_OK leaves the objects usable and output arguments unspecified; a pointer to a
//   new object is then NULL. eaudeqn_last_error() says what, where and what to do, in one line. Wrong sizes, null
//   pointers, numbers that are not finite and damaged files are errors; pointers to something else than their types say
//   are not detected. No exception leaves the library.
#ifndef EAUDEQN_EAUDEQN_H_
#define EAUDEQN_EAUDEQN_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum eaudeqn_status {
  EAUDEQN_OK = 0,
  EAUDEQN_ERROR_ARGUMENT = 1,  // the call is wrong: a size, a null pointer, NaN, another kind of action or observation
  EAUDEQN_ERROR_FILE = 2,      // the file is missing, unreadable, damaged, or no policy
  EAUDEQN_ERROR_MEMORY = 3,    // memory ran out
  EAUDEQN_ERROR_NUMBERS = 4,   // no action: the network's outputs are NaN (its weights are too large)
  EAUDEQN_ERROR_INTERNAL = 5   // a fault of this library
} eaudeqn_status;

typedef enum eaudeqn_type { EAUDEQN_UINT8 = 0, EAUDEQN_FLOAT32 = 1 } eaudeqn_type;

typedef struct eaudeqn_policy eaudeqn_policy;
typedef struct eaudeqn_session eaudeqn_session;

// What a policy takes and gives. Later versions add members at the end only.
typedef struct eaudeqn_spec {
  eaudeqn_type observation_type;
  size_t observation_rank;      // 3: (rows, columns, frames); 1: (n)
  size_t observation_shape[3];  // 1 behind the rank
  size_t observation_bytes;     // of one observation
  size_t frame_bytes;           // of one frame, (rows, columns); 0 where observations are vectors
  size_t outputs;               // numbers that eaudeqn_forward gives for each observation

  size_t actions;                   // number of discrete actions, which is `outputs`; 0 where they are continuous
  const char* const* action_names;  // [actions] in order, or NULL where the file does not name them
  size_t action_dimensions;         // of continuous actions; then outputs are means and raw log standard deviations
  const float* action_low;          // [action_dimensions], NULL where actions are discrete
  const float* action_high;

  size_t weights;  // biases not counted
  size_t active_weights;
  double sparsity;  // share of the weights that are not active

  size_t metadata_count;  // everything the file says in words, sorted by key: environment, algorithm, step, ...
  const char* const* metadata_keys;
  const char* const* metadata_values;
} eaudeqn_spec;

const char* eaudeqn_version(void);          // "0.1.0"
const char* eaudeqn_instruction_set(void);  // what the kernels use on this machine: "AVX3" (AVX-512), "AVX2", "NEON"
const char* eaudeqn_last_error(void);       // of this thread's last call that failed; never NULL

eaudeqn_status eaudeqn_policy_load(const char* file, eaudeqn_policy** policy);
void eaudeqn_policy_free(eaudeqn_policy* policy);  // NULL is fine
const eaudeqn_spec* eaudeqn_policy_spec(const eaudeqn_policy* policy);
const char* eaudeqn_policy_metadata(const eaudeqn_policy* policy, const char* key);  // NULL: no such key

eaudeqn_status eaudeqn_session_create(const eaudeqn_policy* policy, eaudeqn_session** session);
void eaudeqn_session_free(eaudeqn_session* session);  // NULL is fine

// `batch` observations, side by side: `bytes` is batch * observation_bytes. outputs: [batch][spec.outputs].
eaudeqn_status eaudeqn_forward(eaudeqn_session* session, const void* observations, size_t bytes, size_t batch,
                               float* outputs);

// One whole observation. The first where actions are discrete, the second, action: [action_dimensions], where not.
eaudeqn_status eaudeqn_act(eaudeqn_session* session, const void* observation, size_t bytes, size_t* action);
eaudeqn_status eaudeqn_act_continuous(eaudeqn_session* session, const void* observation, size_t bytes, float* action);

// For images, one new frame (rows, columns) at a time: eaudeqn_reset before an episode's first frame makes all frames
// of the stack black, as a new session's are; eaudeqn_act_on_frame pushes the frame and acts on the stack.
eaudeqn_status eaudeqn_reset(eaudeqn_session* session);
eaudeqn_status eaudeqn_act_on_frame(eaudeqn_session* session, const void* frame, size_t bytes, size_t* action);

#ifdef __cplusplus
}
#endif

#endif
