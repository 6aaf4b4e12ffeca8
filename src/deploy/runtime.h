// Runs a policy on raw observations: what the public headers eaudeqn/eaudeqn.h (where the contract is) and
// eaudeqn/policy.h stand for. No environment, no trainer; not the C functions themselves (c_api.cc).
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/frame_stack.h"
#include "engine/single_forward.h"
#include "engine/single_weights.h"

namespace eaudeqn {

class Network;
struct Policy;

// A policy ready to run. Thread safety: immutable.
class Runtime {
 public:
  // Throws Error::failure naming the file: whatever read_policy and make_network refuse, and actions that do not fit
  // the outputs.
  explicit Runtime(const std::filesystem::path& file);
  // Of a policy in memory; `origin` is what errors call it.
  Runtime(const Policy& policy, const std::string& origin);

  const Architecture& architecture() const { return geometry_->spec().architecture; }
  const SingleWeights& network() const { return network_; }
  const std::shared_ptr<const SingleGeometry>& geometry() const { return geometry_; }
  std::size_t weights() const { return geometry_->spec().weights(); }
  std::size_t active_weights() const { return active_weights_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  bool images() const { return architecture().input.size() == 3; }
  std::size_t observation_bytes() const;
  std::size_t outputs() const { return architecture().outputs; }

  bool continuous() const { return !action_low_.empty(); }
  const std::vector<std::string>& action_names() const { return action_names_; }  // may be empty
  const std::vector<float>& action_low() const { return action_low_; }            // empty: actions are discrete
  const std::vector<float>& action_high() const { return action_high_; }

 private:
  Runtime(const Policy& policy, const Network& network, const std::string& origin);
  void read_actions(const std::string& origin);

  std::map<std::string, std::string> metadata_;
  std::shared_ptr<const SingleGeometry> geometry_;
  SingleWeights network_;
  std::size_t active_weights_ = 0;
  std::vector<std::string> action_names_;
  std::vector<float> action_low_, action_high_;
};

// Working memory of one thread and the frame stack of one episode; nothing is allocated after construction. Throws
// Error::usage for a wrong call, Error::failure where the outputs are NaN. Thread safety: one owner.
//
// Batches run one observation at a time: the kernels for single observations take no longer for each than the passes
// for batches do, which have to fill their lanes first.
class RuntimeSession {
 public:
  explicit RuntimeSession(std::shared_ptr<const Runtime> runtime);

  const Runtime& runtime() const { return *runtime_; }

  void forward(std::span<const std::byte> observations, std::size_t batch, std::span<float> outputs);
  std::size_t act(std::span<const std::byte> observation);
  void act_continuous(std::span<const std::byte> observation, std::span<float> action);
  void reset();
  std::size_t act_on_frame(std::span<const std::byte> frame);

 private:
  // The network's outputs for one raw observation; valid until the next call.
  std::span<const float> outputs_of(std::span<const std::byte> observation);

  std::shared_ptr<const Runtime> runtime_;
  SingleForward forward_;
  // Both empty where observations are vectors.
  std::vector<std::byte> planes_;  // of an observation
  FrameStack frames_;              // of the episode
};

}  // namespace eaudeqn
