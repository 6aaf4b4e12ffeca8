// Runs trained policies from C++20: eaudeqn.h, where the contract is, as two classes. Header only, so that the
// library's binary interface is that of C, whatever compiler and standard library the program uses.
//
//   const auto policy = eaudeqn::deploy::Policy::load("policy.safetensors");
//   eaudeqn::deploy::Session session(policy);                    // one for each thread
//   session.reset();                                             // an episode begins
//   const std::size_t action = session.act_on_frame(frame);      // 84 * 84 bytes; or act(observation), the whole stack
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "eaudeqn/eaudeqn.h"
#include "eaudeqn/error.h"

namespace eaudeqn::deploy {

// Throws eaudeqn::Error: usage for EAUDEQN_ERROR_ARGUMENT, failure for every other status.
inline void check(eaudeqn_status status) {
  if (status == EAUDEQN_OK) return;
  throw Error(status == EAUDEQN_ERROR_ARGUMENT ? Error::Kind::usage : Error::Kind::failure, eaudeqn_last_error());
}

// The weights, read only. Copies share them. Thread safety: immutable.
class Policy {
 public:
  static Policy load(const std::string& file) {
    eaudeqn_policy* policy = nullptr;
    check(eaudeqn_policy_load(file.c_str(), &policy));
    return Policy(policy);
  }

  const eaudeqn_spec& spec() const { return *eaudeqn_policy_spec(policy_.get()); }
  // Empty where the file does not say.
  std::string metadata(const std::string& key) const {
    const char* value = eaudeqn_policy_metadata(policy_.get(), key.c_str());
    return value == nullptr ? std::string() : std::string(value);
  }
  const eaudeqn_policy* get() const { return policy_.get(); }

 private:
  explicit Policy(eaudeqn_policy* policy) : policy_(policy, eaudeqn_policy_free) {}

  std::shared_ptr<const eaudeqn_policy> policy_;
};

// Working memory of one thread, and the frame stack of one episode. Movable. Thread safety: one owner. Everything
// throws eaudeqn::Error, and nothing but the constructor allocates, unless it throws.
class Session {
 public:
  explicit Session(const Policy& policy) : policy_(policy) {
    eaudeqn_session* session = nullptr;
    check(eaudeqn_session_create(policy.get(), &session));
    session_.reset(session);
  }

  const Policy& policy() const { return policy_; }

  // Whole observations: (rows, columns, frames) of bytes, or (n) floats.
  std::size_t act(std::span<const std::uint8_t> observation) { return act_on(EAUDEQN_UINT8, observation); }
  std::size_t act(std::span<const float> observation) { return act_on(EAUDEQN_FLOAT32, observation); }
  void act_continuous(std::span<const float> observation, std::span<float> action) {
    check_type(EAUDEQN_FLOAT32);
    check_size(action.size(), policy_.spec().action_dimensions, "the action");
    check(eaudeqn_act_continuous(session_.get(), observation.data(), observation.size_bytes(), action.data()));
  }

  // Images, frame by frame.
  void reset() { check(eaudeqn_reset(session_.get())); }
  std::size_t act_on_frame(std::span<const std::uint8_t> frame) {
    std::size_t action = 0;
    check(eaudeqn_act_on_frame(session_.get(), frame.data(), frame.size_bytes(), &action));
    return action;
  }

  // `batch` observations side by side; outputs: [batch][spec().outputs].
  void forward(std::span<const std::uint8_t> observations, std::size_t batch, std::span<float> outputs) {
    forward_on(EAUDEQN_UINT8, observations, batch, outputs);
  }
  void forward(std::span<const float> observations, std::size_t batch, std::span<float> outputs) {
    forward_on(EAUDEQN_FLOAT32, observations, batch, outputs);
  }

 private:
  struct Free {
    void operator()(eaudeqn_session* session) const { eaudeqn_session_free(session); }
  };

  void check_type(eaudeqn_type type) const {
    if (policy_.spec().observation_type == type) return;
    throw Error::usage(type == EAUDEQN_UINT8 ? "the observation: got uint8, the policy wants float32"
                                             : "the observation: got float32, the policy wants uint8");
  }
  static void check_size(std::size_t got, std::size_t wanted, const std::string& what) {
    if (got == wanted) return;
    throw Error::usage(what + ": got " + std::to_string(got) + " numbers, wants " + std::to_string(wanted));
  }

  template <typename T>
  std::size_t act_on(eaudeqn_type type, std::span<const T> observation) {
    check_type(type);
    std::size_t action = 0;
    check(eaudeqn_act(session_.get(), observation.data(), observation.size_bytes(), &action));
    return action;
  }

  template <typename T>
  void forward_on(eaudeqn_type type, std::span<const T> observations, std::size_t batch, std::span<float> outputs) {
    check_type(type);
    check_size(outputs.size(), batch * policy_.spec().outputs, "the outputs");
    check(eaudeqn_forward(session_.get(), observations.data(), observations.size_bytes(), batch, outputs.data()));
  }

  Policy policy_;
  std::unique_ptr<eaudeqn_session, Free> session_;
};

}  // namespace eaudeqn::deploy
