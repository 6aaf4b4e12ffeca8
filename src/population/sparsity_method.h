// The one interface to every sparsity method: when the masks of a network change and how. Applies the pure functions of
// sparsity/ to whole networks; knows no environment, no loss and no population, so value networks, critics and actors
// use the same code.
//
// clang-format off
//   method      a new network  after a gradient step, every `period`        at a target update
//   dense       dense          -                                            -
//   eaude       dense          -                                            others: copies of the selected, next_sparsity
//   distill     dense          -                                            all: copies of the selected, polynomial
//   polynomial  dense          magnitude, polynomial_sparsity               -
//   static      random         -                                            -
//   set         random         drop the smallest, grow at random            -
//   rigl        random         drop the smallest, grow largest gradients    -
// clang-format on
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/random.h"
#include "eaudeqn/config.h"
#include "engine/network.h"
#include "sparsity/magnitude.h"

namespace eaudeqn {

// By layer: d loss / d weight of all weights, in full order (all_weight_gradients).
using WeightGradients = std::vector<std::vector<float>>;

// `to` becomes a copy of `from` in which the smallest weights are inactive (magnitude_masks); they may be the same.
void copy_pruned(const Network& from, double sparsity, Distribution distribution, Network& to);
// The same by whole units (unit_masks). Their biases stay, but no output depends on them.
void copy_without_units(const Network& from, double sparsity, Distribution distribution, Network& to);

// Steps are those of the config's schedules: environment steps, or gradient steps where nothing acts. Stateless: what a
// checkpoint needs is the position of the streams, which the caller owns. Thread safety: const methods.
class SparsityMethod {
 public:
  explicit SparsityMethod(const Config& config);

  // Gives a newly initialised network its first masks; only the random methods draw from the stream. They scale the
  // weights that stay by 1 / sqrt(density of the layer), so that signals keep their variance (Evci et al. 2022,
  // "Gradient Flow in Sparse Neural Networks").
  void begin(Network& network, RandomStream& stream) const;

  // Whether `change` is to be called after the gradient step at `step`, and whether it then wants gradients.
  bool changes_at(std::int64_t step) const;
  bool wants_gradients() const { return method_ == Method::rigl; }
  // Sparsity never falls: polynomial masks only shrink, SET and RigL keep every layer's number of active weights. A
  // grown weight and its moments are 0. `gradients` may be empty unless wants_gradients().
  void change(Network& network, std::int64_t step, const WeightGradients& gradients, RandomStream& stream) const;

  // At the target update of `step`: the sparsity of an online network that becomes a pruned copy of the selected one,
  // whose sparsity is given; nothing: it stays as it is. Only eaude draws from the stream.
  std::optional<double> copy_sparsity(double selected_sparsity, std::int64_t step, RandomStream& stream) const;
  // Whether target updates prune: eaude and distill.
  bool prunes_copies() const { return method_ == Method::eaude || method_ == Method::distill; }
  // Whether the selected network is such a copy too (distill), or stays unpruned (eaude).
  bool prunes_selected() const { return method_ == Method::distill; }

  // `to` becomes a copy of `from` pruned by magnitude, in the config's distribution and granularity; they may be the
  // same.
  void prune(const Network& from, double sparsity, Network& to) const;

 private:
  enum class Method { dense, eaude, distill, polynomial, fixed, set, rigl };
  static Method parse(const std::string& name);
  bool moves() const { return method_ == Method::set || method_ == Method::rigl; }

  Method method_;
  SparsityConfig config_;
  Distribution distribution_;
  std::int64_t steps_, target_update_period_;
};

}  // namespace eaudeqn
