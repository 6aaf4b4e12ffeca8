// K online networks and the target network they all learn from: losses, selection, replacement (Vincent et al. 2025,
// algorithm 1). Knows no environment, no replay and no loss formula: agents/ computes those and calls in here.
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
#include "sparsity/magnitude.h"

namespace eaudeqn {

// The index with the smallest loss, NaN ignored, the lower one of equals; nothing if all are NaN.
std::optional<std::size_t> smallest_loss(const std::vector<double>& losses);

// p_k proportional to 1 / (L_k + 1e-6), 0 where L_k is NaN; uniform if all are NaN.
std::vector<double> choice_probabilities(const std::vector<double>& losses);

// `to` becomes a copy of `from` in which the smallest weights are inactive (magnitude_masks); they may be the same.
void copy_pruned(const Network& from, double sparsity, Distribution distribution, Network& to);

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
  // K independently initialised dense networks; the target starts as network 0.
  Population(std::shared_ptr<const NetworkPlan> plan, const Config& config);

  std::size_t size() const { return networks_.size(); }
  Network& network(std::size_t k) { return networks_[k]; }
  const Network& network(std::size_t k) const { return networks_[k]; }
  Network& target() { return target_; }
  std::size_t selected() const { return selected_; }  // psi of the last target update; 0 before the first
  const std::vector<double>& losses() const { return losses_; }

  void add_loss(std::size_t k, double loss) { losses_[k] += loss; }

  // The network that acts at this step, drawn with choice_probabilities.
  std::size_t draw_acting_network();

  // theta_bar <- theta_psi; every other network becomes a pruned copy of theta_psi with its own draw of the exponent;
  // network psi stays as it is. Optimizers are reset and L <- 0. `step` is t, of config.training.steps = H.
  // Throws Error::failure when every loss is NaN, before anything is changed.
  TargetUpdate update_target(std::int64_t step);

  void save(ArchiveWriter& archive, const std::string& prefix) const;
  void load(const ArchiveReader& archive, const std::string& prefix);

 private:
  std::size_t select(std::int64_t step);

  std::shared_ptr<const NetworkPlan> plan_;
  Config config_;
  Distribution distribution_;
  std::vector<Network> networks_;
  Network target_;
  std::vector<double> losses_;
  std::size_t selected_ = 0;
  RandomStream acting_stream_, selection_stream_;
  std::vector<RandomStream> pruning_streams_;  // one per network
};

}  // namespace eaudeqn
