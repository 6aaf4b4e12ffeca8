// K online networks and the target network they all learn from: losses, selection, replacement (Vincent et al. 2025,
// algorithm 1). Knows no environment, no replay and no loss formula: agents/ computes those and calls in here.
//
// A member of the population is one network, or several `parts` that live and die together: the two of a twin critic.
// Its target has as many. Targets are copied at each target update, or follow by small steps (Polyak averaging).
//
// Notation: theta_1..K online, theta_bar target, L_k cumulated loss of network k, psi the selected network.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/archive.h"
#include "core/parallel.h"
#include "core/random.h"
#include "eaudeqn/config.h"
#include "engine/network.h"
#include "population/polyak.h"
#include "population/sparsity_method.h"

namespace eaudeqn {

// The index with the smallest loss, NaN ignored, the lower one of equals; nothing if all are NaN.
std::optional<std::size_t> smallest_loss(const std::vector<double>& losses);

// p_k proportional to 1 / (L_k + 1e-6), 0 where L_k is NaN; uniform if all are NaN.
std::vector<double> choice_probabilities(const std::vector<double>& losses);

// What a target update did, for metrics.
struct TargetUpdate {
  std::size_t selected = 0;
  std::vector<double> losses;      // before the reset
  double sparsity = 0;             // of the selected network
  std::vector<double> sparsities;  // of all K after the replacement
};

// Thread safety: one owner. All randomness comes from streams named by purpose, saved with the population.
class Population {
 public:
  // K members of independently initialised networks, dense or with the random masks of their method; the target starts
  // as member 0.
  Population(std::shared_ptr<const NetworkPlan> plan, const Config& config, std::size_t parts = 1);

  std::size_t size() const { return pruning_streams_.size(); }
  std::size_t parts() const { return targets_.size(); }
  // Two members that are the same share their networks: see same_as().
  Network& network(std::size_t k, std::size_t part = 0) { return networks_[same_as_[k] * parts() + part]; }
  const Network& network(std::size_t k, std::size_t part = 0) const { return networks_[same_as_[k] * parts() + part]; }
  // Copies that were pruned to the same sparsity are equal to the last bit and learn the same until the next
  // replacement: of those only one, the member same_as(k), is to be computed. The speed limit of eaude makes many.
  std::size_t same_as(std::size_t k) const { return same_as_[k]; }
  std::vector<std::size_t> distinct() const;  // the members to be computed, ascending
  // values[i] belongs to member members[i] of distinct(); of every member.
  std::vector<double> of_all(const std::vector<std::size_t>& members, const std::vector<double>& values) const;
  Network& target(std::size_t part = 0) { return targets_[part]; }
  double sparsity(std::size_t k) const;               // of member k, all parts
  std::size_t selected() const { return selected_; }  // psi of the last selection; 0 before the first
  const std::vector<double>& losses() const { return losses_; }

  void add_loss(std::size_t k, double loss) { losses_[k] += loss; }
  // L_k <- (1 - weight) L_k + weight loss.
  void average_loss(std::size_t k, double loss, double weight) {
    losses_[k] = (1.0 - weight) * losses_[k] + weight * loss;
  }

  // The network that acts at this step, drawn with choice_probabilities.
  std::size_t draw_acting_network();

  // theta_bar <- theta_psi; pruned copies of theta_psi replace networks as the method says: with eaude every other one,
  // with its own draw of the exponent, while network psi stays as it is. Optimizers are reset and L <- 0. `step` is t,
  // of config.training.steps = H. Throws Error::failure when every loss is NaN, before anything is changed.
  TargetUpdate update_target(std::int64_t step);

  // For targets that follow: psi is selected anew (unless it is drawn: then it stays until the next replacement), and
  // theta_bar <- (1 - tau) theta_bar + tau theta_psi. Throws as update_target.
  void move_target(std::int64_t step, double tau);
  // update_target without the copy: the target keeps its values, but only where some network has active weights.
  TargetUpdate replace_others(std::int64_t step);

  // After the gradient step of a step at which method().changes_at(step): the masks of one network change. Targets do
  // not follow, but for follow_masks: that makes active in the target exactly what is active in some network.
  const SparsityMethod& method() const { return method_; }
  void change_masks(std::size_t k, std::size_t part, std::int64_t step, const WeightGradients& gradients) {
    method_.change(network(k, part), step, gradients, pruning_streams_[k]);
  }
  void follow_masks();

  void save(ArchiveWriter& archive, const std::string& prefix) const;
  void load(const ArchiveReader& archive, const std::string& prefix);

 private:
  std::size_t select(std::int64_t step);
  TargetUpdate replace(std::int64_t step);
  void replace_by_copy(std::size_t k, double sparsity, std::vector<double>& copied);
  void give_own_networks(std::size_t k);
  // Where moments stay they differ from copy to copy.
  bool shares_copies() const {
    return method_.prunes_copies() && !method_.prunes_selected() && config_.population.reset_optimizer;
  }
  void find_the_same();

  std::shared_ptr<const NetworkPlan> plan_;
  Config config_;
  SparsityMethod method_;
  std::vector<Network> networks_;  // member by member; of those that are the same as another one, anything
  std::vector<std::size_t> same_as_;
  std::vector<Network> targets_;  // the parts of the one target
  std::vector<PolyakAverage> averages_;
  std::vector<double> losses_;
  std::size_t selected_ = 0;
  RandomStream acting_stream_, selection_stream_;
  std::vector<RandomStream> pruning_streams_;  // one per member: exponents, random masks
};

}  // namespace eaudeqn
