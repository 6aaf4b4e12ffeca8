// Soft actor-critic on a population of twin critics: how to act, what y is, what the losses are (Haarnoja et al. 2018;
// Vincent et al. 2025, EauDeSAC). With one twin and no pruning it is SAC. Selection and pruning of the critics are
// population/'s; no environment loop: that is experiment/.
//
// Notation: Q_k,1 and Q_k,2 the twins of online critic k, Q_bar the target pair, pi the actor, alpha the temperature,
// A the number of action dimensions. Actions lie in [-1, 1]^A.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agents/tanh_gaussian.h"
#include "core/archive.h"
#include "core/parallel.h"
#include "core/random.h"
#include "eaudeqn/config.h"
#include "engine/passes.h"
#include "engine/single_forward.h"
#include "population/population.h"
#include "replay/vector_replay.h"

namespace eaudeqn {

// The price of entropy, learned so that the policy keeps a target entropy. Thread safety: one owner.
class Temperature {
 public:
  Temperature(double initial, double learning_rate, double adam_epsilon);

  double value() const;
  // One Adam step of log alpha on  alpha (entropy - target entropy).
  void update(double entropy, double target_entropy);

  void save(ArchiveWriter& archive, const std::string& prefix) const;
  void load(const ArchiveReader& archive, const std::string& prefix);

 private:
  double learning_rate_, adam_epsilon_;
  struct State {
    double log = 0, first_moment = 0, second_moment = 0;
    std::int64_t steps = 0;
  } state_;
};

// Runs an actor on single observations, on the calling thread: acting and evaluation. Actions are valid until the next
// call. SingleWeights as for GreedyActor.
class ContinuousActor {
 public:
  explicit ContinuousActor(const std::shared_ptr<const NetworkPlan>& plan);

  SingleWeights make_weights() const { return SingleWeights(forward_.geometry()); }
  std::span<const float> mean_action(const SingleWeights& weights, std::span<const float> observation);
  std::span<const float> sample_action(const SingleWeights& weights, std::span<const float> observation,
                                       RandomStream& noise);

 private:
  std::size_t actions_;
  SingleForward forward_;
  PolicySample sample_;
};

// Thread safety: one owner.
class SacAgent {
 public:
  SacAgent(const Config& config, std::size_t observation_size, std::size_t actions);

  // Uniformly random during the initial samples, then drawn from pi. Valid until the next call.
  std::span<const float> act(std::span<const float> observation, std::int64_t step);

  // One batch: an Adam step of every critic on its loss against one shared y, the selection of psi, a step of the
  // target pair towards it, an Adam step of the actor on critic psi, and one of the temperature. Returns the K losses.
  std::vector<double> update(const VectorBatch& batch, std::int64_t step, ThreadPool& pool);

  // After the update of each step: lets the sparsity method change the masks of critics and actor if it does so at
  // `step` (by a schedule, SET, RigL); returns whether it did. The target loses and gains the same weights.
  bool change_masks(std::int64_t step);

  // Every T steps: the other critics become pruned copies of critic psi, and the actor is pruned as it shall be.
  TargetUpdate update_target(std::int64_t step);

  Population& critics() { return critics_; }
  const Population& critics() const { return critics_; }
  Network& actor() { return actor_; }
  const Network& actor() const { return actor_; }
  double temperature() const { return temperature_.value(); }
  double entropy() const { return entropy_; }  // of the policy in the last update's batch; 0 before the first

  void save(ArchiveWriter& archive) const;
  void load(const ArchiveReader& archive);

 private:
  std::vector<float> targets(const VectorBatch& batch, ThreadPool& pool);
  std::vector<double> update_critics(const std::vector<float>& y, std::int64_t step, ThreadPool& pool);
  double differentiate_loss(const std::vector<float>& y, Workspace& workspace) const;
  void update_actor(std::int64_t step, ThreadPool& pool);
  std::vector<float> value_gradients(ThreadPool& pool);
  bool wants_gradients(std::int64_t step) const;
  void compute_unread(bool compute);
  void prune_actor(double critic_sparsity, std::int64_t step);

  Config config_;
  std::size_t observation_size_, actions_, batch_size_;
  std::shared_ptr<const NetworkPlan> actor_plan_, critic_plan_;
  Population critics_;
  Network actor_;
  Temperature temperature_;
  double entropy_ = 0;
  ContinuousActor acting_;
  SingleWeights acting_weights_;
  RandomStream exploration_, noise_, actor_pruning_;
  std::vector<float> random_action_;
  // Of the last update, at the weights before its Adam steps, where RigL wants them: critic by critic, and the actor's.
  std::vector<WeightGradients> critic_gradients_;
  WeightGradients actor_gradients_;

  InputTensor observations_, next_observations_;  // of the actor
  InputTensor pairs_, next_pairs_;                // of the critics: observation, then action
  Workspace actor_workspace_, next_actor_workspace_, target_workspace_;
  std::vector<Workspace> critic_workspaces_;  // for the networks that are updated at once, one per thread at most
  std::vector<Workspace> value_workspaces_;   // of critic psi, whose input gradient the actor needs
  PolicySample sample_, next_sample_;
};

}  // namespace eaudeqn
