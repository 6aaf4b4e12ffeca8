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

#include "core/parallel.h"
#include "engine/network.h"
#include "engine/single_forward.h"
#include "engine/single_weights.h"
#include "engine/workspace.h"

namespace eaudeqn {

struct Policy;

// A policy ready to run. Thread safety: immutable.
class Runtime {
 public:
  // Throws Error::failure naming the file: whatever read_policy and make_network refuse, and actions that do not fit
  // the outputs.
  explicit Runtime(const std::filesystem::path& file);

  const Network& network() const { return network_; }
  const Architecture& architecture() const { return network_.spec().architecture; }
  const SingleWeights& single_weights() const { return single_weights_; }
  const std::shared_ptr<const SingleGeometry>& geometry() const { return geometry_; }
  std::size_t weights() const { return network_.spec().weights(); }
  std::size_t active_weights() const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  bool images() const { return architecture().input.size() == 3; }
  std::size_t observation_bytes() const;
  std::size_t outputs() const { return architecture().outputs; }

  bool continuous() const { return !action_low_.empty(); }
  const std::vector<std::string>& action_names() const { return action_names_; }  // may be empty
  const std::vector<float>& action_low() const { return action_low_; }            // empty: actions are discrete
  const std::vector<float>& action_high() const { return action_high_; }

 private:
  Runtime(Policy policy, const std::string& origin);
  void read_actions(const std::string& origin);

  std::map<std::string, std::string> metadata_;
  Network network_;  // for batches
  std::shared_ptr<const SingleGeometry> geometry_;
  SingleWeights single_weights_;
  std::vector<std::string> action_names_;
  std::vector<float> action_low_, action_high_;
};

// Working memory of one thread and the frame stack of one episode; nothing is allocated after construction. Throws
// Error::usage for a wrong call, Error::failure where the outputs are NaN. Thread safety: one owner.
class RuntimeSession {
 public:
  RuntimeSession(std::shared_ptr<const Runtime> runtime, std::size_t largest_batch);

  const Runtime& runtime() const { return *runtime_; }

  void forward(std::span<const std::byte> observations, std::size_t batch, std::span<float> outputs);
  std::size_t act(std::span<const std::byte> observation);
  void act_continuous(std::span<const std::byte> observation, std::span<float> action);
  void reset();
  std::size_t act_on_frame(std::span<const std::byte> frame);

 private:
  // Copies `count` observations into arranged_ as the engine reads them: planes of images, floats.
  std::span<const std::byte> arrange(std::span<const std::byte> observations, std::size_t count);
  void forward_pass(std::span<const std::byte> observations, std::size_t count, float* outputs);
  void forward_single(std::span<const std::byte> observation, float* outputs);
  std::size_t largest_output(std::span<const std::byte> planes);

  std::shared_ptr<const Runtime> runtime_;
  std::size_t largest_batch_;
  SingleForward single_;
  std::vector<std::byte> arranged_;
  std::vector<std::byte> frames_;  // [frame, oldest first][rows * columns]; empty where observations are vectors
  // For batches; empty where the largest batch does not need them.
  ThreadPool pool_{1};
  std::vector<InputTensor> input_;
  std::vector<Workspace> workspace_;
};

}  // namespace eaudeqn
