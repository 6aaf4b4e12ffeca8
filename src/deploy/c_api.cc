// The C functions of eaudeqn/eaudeqn.h over runtime.h: checks pointers, turns exceptions into status codes. Decides
// nothing else.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "deploy/runtime.h"
#include "eaudeqn/eaudeqn.h"
#include "eaudeqn/error.h"
#include "engine/kernels/instruction_set.h"

#ifndef EAUDEQN_VERSION
#error "EAUDEQN_VERSION comes from the build"
#endif

using eaudeqn::Error;
using eaudeqn::Runtime;
using eaudeqn::RuntimeSession;

struct eaudeqn_policy {
  explicit eaudeqn_policy(const char* file) : runtime(std::make_shared<const Runtime>(file)) { describe(); }
  eaudeqn_policy(const eaudeqn_policy&) = delete;
  eaudeqn_policy& operator=(const eaudeqn_policy&) = delete;

  std::shared_ptr<const Runtime> runtime;
  eaudeqn_spec spec{};

 private:
  void describe();

  std::vector<const char*> action_names_, keys_, values_;
};

struct eaudeqn_session {
  RuntimeSession session;
};

namespace {

// Fixed, so that an error can be reported when memory has run out.
thread_local std::array<char, 1024> last_error{};

eaudeqn_status fail(eaudeqn_status status, const char* message) {
  const std::size_t length = std::min(std::strlen(message), last_error.size() - 1);
  std::memcpy(last_error.data(), message, length);
  last_error[length] = '\0';
  return status;
}

// Runs `work`; whatever it throws becomes a status, and an Error::failure becomes `failure`.
template <typename Work>
eaudeqn_status guarded(eaudeqn_status failure, const Work& work) {
  try {
    work();
    return EAUDEQN_OK;
  } catch (const Error& error) {
    return fail(error.kind() == Error::Kind::usage ? EAUDEQN_ERROR_ARGUMENT : failure, error.what());
  } catch (const std::bad_alloc&) {
    return fail(EAUDEQN_ERROR_MEMORY, "memory ran out");
  } catch (const std::exception& error) {
    return fail(EAUDEQN_ERROR_INTERNAL, error.what());
  } catch (...) {
    return fail(EAUDEQN_ERROR_INTERNAL, "an unknown exception");
  }
}

void require(const void* pointer, const char* problem) {
  if (pointer == nullptr) throw Error::usage(problem);
}

std::span<const std::byte> bytes_of(const void* data, std::size_t size) {
  return {static_cast<const std::byte*>(data), size};
}

}  // namespace

void eaudeqn_policy::describe() {
  const eaudeqn::Architecture& architecture = runtime->architecture();
  spec.observation_type = architecture.byte_input ? EAUDEQN_UINT8 : EAUDEQN_FLOAT32;
  spec.observation_rank = architecture.input.size();
  std::fill(std::begin(spec.observation_shape), std::end(spec.observation_shape), std::size_t{1});
  std::copy(architecture.input.begin(), architecture.input.end(), std::begin(spec.observation_shape));
  // (C, H, W) inside, (H, W, C) outside.
  if (runtime->images()) std::rotate(spec.observation_shape, spec.observation_shape + 1, spec.observation_shape + 3);
  spec.observation_bytes = runtime->observation_bytes();
  spec.frame_bytes = runtime->images() ? spec.observation_bytes / architecture.input[0] : 0;
  spec.outputs = runtime->outputs();
  spec.actions = runtime->continuous() ? 0 : spec.outputs;
  spec.action_dimensions = runtime->action_low().size();
  if (runtime->continuous()) {
    spec.action_low = runtime->action_low().data();
    spec.action_high = runtime->action_high().data();
  }
  for (const std::string& name : runtime->action_names()) action_names_.push_back(name.c_str());
  if (!action_names_.empty()) spec.action_names = action_names_.data();
  spec.weights = runtime->weights();
  spec.active_weights = runtime->active_weights();
  spec.sparsity = 1.0 - static_cast<double>(spec.active_weights) / static_cast<double>(spec.weights);
  for (const auto& [key, value] : runtime->metadata()) {
    keys_.push_back(key.c_str());
    values_.push_back(value.c_str());
  }
  spec.metadata_count = keys_.size();
  spec.metadata_keys = keys_.data();
  spec.metadata_values = values_.data();
}

extern "C" {

const char* eaudeqn_version(void) { return EAUDEQN_VERSION; }

const char* eaudeqn_instruction_set(void) { return eaudeqn::instruction_set(); }

const char* eaudeqn_last_error(void) { return last_error.data(); }

eaudeqn_status eaudeqn_policy_load(const char* file, eaudeqn_policy** policy) {
  if (policy == nullptr) return fail(EAUDEQN_ERROR_ARGUMENT, "eaudeqn_policy_load: the place for the policy is NULL");
  *policy = nullptr;
  return guarded(EAUDEQN_ERROR_FILE, [&] {
    require(file, "eaudeqn_policy_load: the file's name is NULL");
    *policy = std::make_unique<eaudeqn_policy>(file).release();
  });
}

void eaudeqn_policy_free(eaudeqn_policy* policy) { delete policy; }

const eaudeqn_spec* eaudeqn_policy_spec(const eaudeqn_policy* policy) {
  return policy == nullptr ? nullptr : &policy->spec;
}

const char* eaudeqn_policy_metadata(const eaudeqn_policy* policy, const char* key) {
  if (policy == nullptr || key == nullptr) return nullptr;
  for (std::size_t i = 0; i < policy->spec.metadata_count; ++i) {
    if (std::strcmp(policy->spec.metadata_keys[i], key) == 0) return policy->spec.metadata_values[i];
  }
  return nullptr;
}

eaudeqn_status eaudeqn_session_create(const eaudeqn_policy* policy, eaudeqn_session** session) {
  if (session == nullptr) {
    return fail(EAUDEQN_ERROR_ARGUMENT, "eaudeqn_session_create: the place for the session is NULL");
  }
  *session = nullptr;
  return guarded(EAUDEQN_ERROR_INTERNAL, [&] {
    require(policy, "eaudeqn_session_create: the policy is NULL");
    *session = new eaudeqn_session{RuntimeSession(policy->runtime)};
  });
}

void eaudeqn_session_free(eaudeqn_session* session) { delete session; }

eaudeqn_status eaudeqn_forward(eaudeqn_session* session, const void* observations, size_t bytes, size_t batch,
                               float* outputs) {
  return guarded(EAUDEQN_ERROR_NUMBERS, [&] {
    require(session, "eaudeqn_forward: the session is NULL");
    require(observations, "eaudeqn_forward: the observations are NULL");
    require(outputs, "eaudeqn_forward: the place for the outputs is NULL");
    session->session.forward(bytes_of(observations, bytes), batch,
                             {outputs, batch * session->session.runtime().outputs()});
  });
}

eaudeqn_status eaudeqn_act(eaudeqn_session* session, const void* observation, size_t bytes, size_t* action) {
  return guarded(EAUDEQN_ERROR_NUMBERS, [&] {
    require(session, "eaudeqn_act: the session is NULL");
    require(observation, "eaudeqn_act: the observation is NULL");
    require(action, "eaudeqn_act: the place for the action is NULL");
    *action = session->session.act(bytes_of(observation, bytes));
  });
}

eaudeqn_status eaudeqn_act_continuous(eaudeqn_session* session, const void* observation, size_t bytes, float* action) {
  return guarded(EAUDEQN_ERROR_NUMBERS, [&] {
    require(session, "eaudeqn_act_continuous: the session is NULL");
    require(observation, "eaudeqn_act_continuous: the observation is NULL");
    require(action, "eaudeqn_act_continuous: the place for the action is NULL");
    session->session.act_continuous(bytes_of(observation, bytes),
                                    {action, session->session.runtime().action_low().size()});
  });
}

eaudeqn_status eaudeqn_reset(eaudeqn_session* session) {
  return guarded(EAUDEQN_ERROR_INTERNAL, [&] {
    require(session, "eaudeqn_reset: the session is NULL");
    session->session.reset();
  });
}

eaudeqn_status eaudeqn_act_on_frame(eaudeqn_session* session, const void* frame, size_t bytes, size_t* action) {
  return guarded(EAUDEQN_ERROR_NUMBERS, [&] {
    require(session, "eaudeqn_act_on_frame: the session is NULL");
    require(frame, "eaudeqn_act_on_frame: the frame is NULL");
    require(action, "eaudeqn_act_on_frame: the place for the action is NULL");
    *action = session->session.act_on_frame(bytes_of(frame, bytes));
  });
}

}  // extern "C"
