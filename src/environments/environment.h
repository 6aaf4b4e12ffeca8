// What an agent acts in: reset, step, and the newest frame. Stacking frames into observations is frame_stack.h's job,
// clipping rewards the agent's. Implementations: atari (ALE), classic (built in), mujoco (libmujoco).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace eaudeqn {

enum class ElementType { uint8, float32 };

inline std::size_t element_size(ElementType type) { return type == ElementType::uint8 ? 1 : 4; }

// An observation is the last `stack` frames, newest last, zeros before an episode's first frame. Actions are either
// discrete, and action_names counts them, or continuous, vectors whose bounds are action_low and action_high.
struct EnvironmentSpec {
  std::string name;  // "atari/Pong"
  ElementType frame_type = ElementType::float32;
  std::vector<std::size_t> frame_shape;   // {84, 84} or {n}
  std::size_t stack = 1;                  // 4 for Atari, else 1
  std::vector<std::string> action_names;  // size = number of discrete actions; Atari: the minimal action set in order
  std::vector<float> action_low, action_high;  // per dimension of a continuous action; empty where actions are discrete
  bool clip_rewards = false;                   // learning clips rewards to [-1, 1] (Atari)
  std::int64_t default_horizon = 0;  // steps before truncation that the task itself defines (500 for CartPole-v1)
  double step_seconds = 0;           // of the game's or the simulation's own time; 0: not told

  std::size_t actions() const { return action_names.size(); }  // 0 where actions are continuous
  bool continuous() const { return !action_low.empty(); }
  std::size_t action_dimensions() const { return action_low.size(); }
  double learning_reward(double reward) const { return clip_rewards ? std::clamp(reward, -1.0, 1.0) : reward; }
  std::string npy_type() const { return frame_type == ElementType::uint8 ? "u1" : "f4"; }  // of a frame's elements
  std::size_t frame_elements() const;
  std::size_t frame_bytes() const { return frame_elements() * element_size(frame_type); }
};

struct StepResult {
  double reward = 0;       // unclipped
  bool terminal = false;   // the task ended: no bootstrap
  bool truncated = false;  // cut at the horizon and not terminal: bootstrap
};

// For people to look at.
struct Picture {
  std::size_t width = 0, height = 0;
  std::vector<std::uint8_t> rgb;  // height rows from the top, of width pixels of three bytes
};

// Thread safety: one owner. Determinism: everything follows from the constructor's seed and the calls made.
class Environment {
 public:
  virtual ~Environment() = default;
  virtual const EnvironmentSpec& spec() const = 0;

  virtual void reset() = 0;  // starts an episode; must be called before the first step

  // One step, not after terminal or truncated without reset; of the two kinds only the one that the spec names.
  // Otherwise Error::usage. A discrete action is in 0..actions()-1. A continuous one has action_dimensions() finite
  // numbers; the simulator, not this interface, holds them to their bounds. It is an overload because rewards may be
  // computed in the action's own precision: agents act in float, `trace` also in double.
  virtual StepResult step(int action);
  virtual StepResult step_continuous(std::span<const float> action);
  virtual StepResult step_continuous(std::span<const double> action);

  // The newest frame as agents, replay and networks take it; valid until the next reset, step, load or initial state.
  virtual std::span<const std::byte> frame() const = 0;
  // The same before its rounding to float32, where the task defines double precision (MuJoCo); else empty.
  virtual std::span<const double> frame64() const { return {}; }

  // What the environment looks like now, in colour; changes nothing of its future. The first call may take long. Throws
  // Error::failure where there is nothing to look at, or nothing to draw it with, and then says what would help.
  virtual Picture picture();

  // Replaces the drawn start state after a reset (classic control: the state vector; MuJoCo: qpos, then qvel). Throws
  // Error::usage where the environment has no such thing or the size is wrong.
  virtual void set_initial_state(std::span<const double> state) = 0;

  // The whole state, random streams included: after load(save()) the future is bit for bit the same.
  // load throws Error::failure on bytes that save did not write.
  virtual std::vector<std::byte> save() const = 0;
  virtual void load(std::span<const std::byte> state) = 0;
};

// `seed` is ALE's random_seed for Atari (0 .. 2^31-1). `horizon` 0 means the task's own. Throws Error::usage for an
// unknown name (listing close ones), Error::failure where the environment cannot start (missing ROM: where it looked).
std::unique_ptr<Environment> make_environment(const std::string& name, std::uint64_t seed, std::int64_t horizon = 0);

// All names, sorted, by family ("atari/Adventure" ... "classic/CartPole-v1" ...): those whose make would succeed.
std::vector<std::string> list_environments();

}  // namespace eaudeqn
