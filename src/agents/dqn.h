// Deep Q-learning on a population: how to act, what y is, what the loss is (Mnih et al. 2015; Vincent et al. 2025,
// algorithm 1). With one network and no pruning it is exactly DQN; offline algorithms add CQL's penalty to the loss
// (cql.h). No environment loop: that is experiment/.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/archive.h"
#include "core/parallel.h"
#include "core/random.h"
#include "eaudeqn/config.h"
#include "engine/passes.h"
#include "engine/single_forward.h"
#include "environments/environment.h"
#include "population/population.h"
#include "replay/replay.h"

namespace eaudeqn {

// The architecture that a config gives to an environment's observations and actions.
Architecture make_architecture(const NetworkConfig& network, const std::vector<std::size_t>& input, bool byte_input,
                               std::size_t actions);
Architecture make_architecture(const NetworkConfig& network, const EnvironmentSpec& environment);

// Linear from epsilon_start to epsilon_end over epsilon_duration steps; 1 during the initial samples.
double exploration_epsilon(const TrainingConfig& training, std::int64_t step);

// Runs networks on single observations, on the calling thread: acting and evaluation.
class GreedyActor {
 public:
  explicit GreedyActor(const std::shared_ptr<const NetworkPlan>& plan);

  // For act(): nothing is in it yet.
  SingleWeights make_weights() const { return SingleWeights(forward_.geometry()); }
  // argmax_a Q(observation, a), the lower index of equals, NaN never; observation: planes of one sample.
  int act(const SingleWeights& weights, std::span<const std::byte> observation);
  const std::vector<float>& values() const { return values_; }  // Q of the last act

 private:
  SingleForward forward_;
  std::vector<float> values_;
};

// Thread safety: one owner.
class DqnAgent {
 public:
  DqnAgent(const Config& config, const Architecture& architecture);

  // epsilon-greedily with an online network k drawn with p_k ~ 1 / (L_k + 1e-6).
  int act(std::span<const std::byte> observation, std::int64_t step);

  // One batch, one target y shared by all K networks; each takes one Adam step on its mean squared error (and CQL's
  // penalty), which is added to L_k. Returns the K losses.
  std::vector<double> update(const Batch& batch, ThreadPool& pool);

  // Lets the sparsity method change masks if it does so at `step`; returns whether it did. `batch` is that of the
  // update before, and only read by methods that want gradients (at the current weights).
  bool change_masks(const Batch& batch, std::int64_t step, ThreadPool& pool);
  TargetUpdate update_target(std::int64_t step) { return population_.update_target(step); }

  Population& population() { return population_; }
  const Population& population() const { return population_; }
  const NetworkPlan& plan() const { return *plan_; }
  std::shared_ptr<const NetworkPlan> shared_plan() const { return plan_; }

  void save(ArchiveWriter& archive) const;
  void load(const ArchiveReader& archive);

 private:
  // Loads the batch and returns its y.
  std::vector<float> targets(const Batch& batch, ThreadPool& pool);
  // Forward pass, losses and their output gradients of these members, in the workspaces from first_workspace on.
  std::vector<Pass> forward_losses(std::span<const std::size_t> members, std::size_t first_workspace,
                                   const Batch& batch, const std::vector<float>& y, std::span<double> losses,
                                   ThreadPool& pool);
  double add_penalty(Workspace& workspace, std::size_t b, std::size_t action, float slope,
                     std::size_t batch_size) const;
  void reserve_workspaces(std::size_t count);

  Config config_;
  std::shared_ptr<const NetworkPlan> plan_;
  Population population_;
  GreedyActor actor_;
  std::vector<SingleWeights> acting_weights_;  // one per online network
  RandomStream exploration_;
  InputTensor observations_, next_observations_;
  Workspace target_workspace_;
  std::vector<Workspace> workspaces_;  // for the online networks that are updated at once, one per thread at most
};

}  // namespace eaudeqn
