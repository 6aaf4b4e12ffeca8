// See population.h.
#include "population/population.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "eaudeqn/error.h"
#include "population/network_archive.h"

namespace eaudeqn {

std::optional<std::size_t> smallest_loss(const std::vector<double>& losses) {
  std::optional<std::size_t> best;
  for (std::size_t k = 0; k < losses.size(); ++k) {
    if (!std::isnan(losses[k]) && (!best || losses[k] < losses[*best])) best = k;
  }
  return best;
}

std::vector<double> choice_probabilities(const std::vector<double>& losses) {
  std::vector<double> probabilities(losses.size(), 0.0);
  double sum = 0;
  for (std::size_t k = 0; k < losses.size(); ++k) {
    if (!std::isnan(losses[k])) probabilities[k] = 1.0 / (losses[k] + 1e-6);
    sum += probabilities[k];
  }
  for (double& p : probabilities) p = sum > 0 ? p / sum : 1.0 / static_cast<double>(losses.size());
  return probabilities;
}

Population::Population(std::shared_ptr<const NetworkPlan> plan, const Config& config, std::size_t parts)
    : plan_(std::move(plan)),
      config_(config),
      method_(config),
      same_as_(static_cast<std::size_t>(config.population.networks)),
      averages_(parts),
      losses_(static_cast<std::size_t>(config.population.networks), 0.0),
      acting_stream_(static_cast<std::uint64_t>(config.seed), "acting network"),
      selection_stream_(static_cast<std::uint64_t>(config.seed), "selection") {
  std::iota(same_as_.begin(), same_as_.end(), std::size_t{0});
  const auto seed = static_cast<std::uint64_t>(config.seed);
  for (std::size_t i = 0; i < losses_.size() * parts; ++i) {
    RandomStream stream(seed, "initialization", i);
    networks_.emplace_back(plan_, true);
    networks_.back().initialize(stream);
  }
  for (std::size_t k = 0; k < losses_.size(); ++k) {
    pruning_streams_.emplace_back(seed, "pruning", k);
    for (std::size_t part = 0; part < parts; ++part) method_.begin(networks_[k * parts + part], pruning_streams_[k]);
  }
  for (std::size_t part = 0; part < parts; ++part) {
    targets_.emplace_back(plan_, false);
    targets_.back().copy_from(networks_[part]);
    averages_[part].index(targets_.back());
  }
}

std::vector<std::size_t> Population::distinct() const {
  std::vector<std::size_t> members;
  for (std::size_t k = 0; k < size(); ++k) {
    if (same_as_[k] == k) members.push_back(k);
  }
  return members;
}

std::vector<double> Population::of_all(const std::vector<std::size_t>& members,
                                       const std::vector<double>& values) const {
  std::vector<double> all(size());
  for (std::size_t i = 0; i < members.size(); ++i) all[members[i]] = values[i];
  for (std::size_t k = 0; k < size(); ++k) all[k] = all[same_as_[k]];
  return all;
}

double Population::sparsity(std::size_t k) const {
  double sum = 0;
  for (std::size_t part = 0; part < parts(); ++part) sum += network(k, part).sparsity();
  return sum / static_cast<double>(parts());  // all parts have the same number of weights
}

std::size_t Population::draw_acting_network() {
  if (size() == 1) return 0;
  const auto probabilities = choice_probabilities(losses_);
  double rest = acting_stream_.uniform();
  for (std::size_t k = 0; k + 1 < probabilities.size(); ++k) {
    if (rest < probabilities[k]) return k;
    rest -= probabilities[k];
  }
  // Rounding can leave a remainder for a network of probability 0; the last one that may act takes it.
  for (std::size_t k = probabilities.size(); k-- > 0;) {
    if (probabilities[k] > 0) return k;
  }
  return 0;
}

std::size_t Population::select(std::int64_t step) {
  const auto best = smallest_loss(losses_);
  if (!best) {
    throw Error::failure("step " + std::to_string(step) +
                         ": the loss of every network is NaN; the last checkpoint is " +
                         "kept; lower training.learning_rate or look for broken rewards or observations");
  }
  if (config_.population.selection == "smallest_loss") return *best;
  std::size_t k = 0;
  do {
    k = selection_stream_.below(size());
  } while (std::isnan(losses_[k]));
  return k;
}

TargetUpdate Population::update_target(std::int64_t step) {
  selected_ = select(step);
  for (std::size_t part = 0; part < parts(); ++part) targets_[part].copy_from(network(selected_, part));
  return replace(step);
}

void Population::move_target(std::int64_t step, double tau) {
  // The random control keeps what it drew at the last event, unless that was lost since.
  if (config_.population.selection == "smallest_loss" || std::isnan(losses_[selected_])) selected_ = select(step);
  for (std::size_t part = 0; part < parts(); ++part) {
    averages_[part].move(network(selected_, part), tau, targets_[part]);
  }
}

TargetUpdate Population::replace_others(std::int64_t step) {
  selected_ = select(step);
  TargetUpdate update = replace(step);
  follow_masks();
  return update;
}

void Population::follow_masks() {
  for (std::size_t part = 0; part < parts(); ++part) {
    std::vector<const Network*> online;
    for (std::size_t k = 0; k < size(); ++k) online.push_back(&network(k, part));
    averages_[part].follow_masks(online, targets_[part]);
  }
}

// Those that were the same as it are from now on the same as k.
void Population::give_own_networks(std::size_t k) {
  const std::size_t shared = same_as_[k];
  if (shared == k) return;
  for (std::size_t part = 0; part < parts(); ++part) {
    std::swap(networks_[k * parts() + part], networks_[shared * parts() + part]);
  }
  std::replace(same_as_.begin(), same_as_.end(), shared, k);
}

// copied[j]: the sparsity of the copy that replaced member j in this replacement.
void Population::replace_by_copy(std::size_t k, double sparsity, std::vector<double>& copied) {
  if (shares_copies()) {
    const auto same = std::find(copied.begin(), copied.end(), sparsity);
    same_as_[k] = same != copied.end() ? static_cast<std::size_t>(same - copied.begin()) : k;
    if (same_as_[k] != k) return;
    copied[k] = sparsity;
  }
  for (std::size_t part = 0; part < parts(); ++part) {
    method_.prune(network(selected_, part), sparsity, network(k, part));
  }
}

// After loading: each member has its own networks, some of them equal.
void Population::find_the_same() {
  if (!shares_copies()) return;
  for (std::size_t k = 1; k < size(); ++k) {
    for (std::size_t other = 0; other < k && same_as_[k] == k; ++other) {
      bool same = true;
      for (std::size_t part = 0; part < parts(); ++part)
        same = same && equal_bits(network(k, part), network(other, part));
      if (same) same_as_[k] = same_as_[other];
    }
  }
}

// What every target update does once psi is chosen and the target is what it shall be.
TargetUpdate Population::replace(std::int64_t step) {
  TargetUpdate update;
  update.losses = losses_;
  update.selected = selected_;
  update.sparsity = sparsity(selected_);
  give_own_networks(selected_);
  std::vector<double> copied(size(), std::numeric_limits<double>::quiet_NaN());  // equal to nothing
  for (std::size_t k = 0; k < size(); ++k) {
    if (k == selected_ && !method_.prunes_selected()) continue;
    const auto sparsity = method_.copy_sparsity(update.sparsity, step, pruning_streams_[k]);
    if (sparsity) replace_by_copy(k, *sparsity, copied);
  }
  for (std::size_t k = 0; k < size(); ++k) {
    // Moments that are no numbers would spoil the copy at its next step.
    if (!config_.population.reset_optimizer && std::isfinite(losses_[k])) continue;
    for (std::size_t part = 0; part < parts(); ++part) network(k, part).reset_optimizer();
  }
  for (std::size_t k = 0; k < size(); ++k) update.sparsities.push_back(sparsity(k));
  losses_.assign(size(), 0.0);
  return update;
}

namespace {

// "network3/", and "network3.1/" for the second part of member 3.
std::string part_name(const std::string& name, std::size_t part) {
  return part == 0 ? name + "/" : name + "." + std::to_string(part) + "/";
}
std::string network_name(std::size_t k, std::size_t part = 0) { return part_name("network" + std::to_string(k), part); }

}  // namespace

void Population::save(ArchiveWriter& archive, const std::string& prefix) const {
  for (std::size_t k = 0; k < size(); ++k) {
    for (std::size_t part = 0; part < parts(); ++part) {
      save_network(archive, prefix + network_name(k, part), network(k, part));
    }
    archive.add_value(prefix + network_name(k) + "pruning_stream", pruning_streams_[k].position());
  }
  for (std::size_t part = 0; part < parts(); ++part) {
    save_network(archive, prefix + part_name("target", part), targets_[part]);
  }
  archive.add<double>(prefix + "losses", losses_);
  archive.add_value(prefix + "selected", static_cast<std::uint64_t>(selected_));
  archive.add_value(prefix + "acting_stream", acting_stream_.position());
  archive.add_value(prefix + "selection_stream", selection_stream_.position());
}

void Population::load(const ArchiveReader& archive, const std::string& prefix) {
  std::iota(same_as_.begin(), same_as_.end(), std::size_t{0});
  for (std::size_t k = 0; k < size(); ++k) {
    for (std::size_t part = 0; part < parts(); ++part) {
      load_network(archive, prefix + network_name(k, part), network(k, part));
    }
    pruning_streams_[k].seek(archive.value<std::uint64_t>(prefix + network_name(k) + "pruning_stream"));
  }
  for (std::size_t part = 0; part < parts(); ++part) {
    load_network(archive, prefix + part_name("target", part), targets_[part]);
    averages_[part].index(targets_[part]);
  }
  losses_ = archive.values<double>(prefix + "losses");
  selected_ = archive.value<std::uint64_t>(prefix + "selected");
  if (losses_.size() != size() || selected_ >= size()) {
    throw Error::failure(archive.file().string() + ": the population in it has another number of networks");
  }
  find_the_same();
  acting_stream_.seek(archive.value<std::uint64_t>(prefix + "acting_stream"));
  selection_stream_.seek(archive.value<std::uint64_t>(prefix + "selection_stream"));
}

}  // namespace eaudeqn
