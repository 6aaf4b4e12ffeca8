// Masks that magnitude alone does not decide: random ones, and the moves of SET and RigL, which drop some active
// weights and grow as many others. Pure functions (random ones: of a stream); no network, no schedule of events.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/random.h"
#include "sparsity/magnitude.h"

namespace eaudeqn {

// Per layer exactly floor(s_l * n_l) entries are inactive, every choice of them equally likely; no layer is emptied.
// s_l = layer_sparsities(shapes, sparsity, distribution), so `global` is refused.
std::vector<std::vector<std::uint8_t>> random_masks(std::span<const std::vector<std::size_t>> shapes, double sparsity,
                                                    Distribution distribution, RandomStream& stream);

// The share zeta of the active weights that a move at `step` drops: initial / 2 (1 + cos(pi t)), t from 0 at `start` to
// 1 at `end`; exactly `initial` up to start and exactly 0 from end on (Evci et al. 2020). start < end.
double drop_share(std::int64_t step, std::int64_t start, std::int64_t end, double initial);

// Entries of one layer, ascending; equally many of both. Dropped ones were active, grown ones were not, so the layer
// keeps its sparsity and no entry is in both (deviation: in RigL a weight may be dropped and grown by the same move).
struct Move {
  std::vector<std::size_t> dropped, grown;
};

// Both drop the floor(share * active) smallest active entries by |w|, ties by index (lower index goes first), but no
// more than there are inactive ones to grow and never all. SET (Mocanu et al. 2018) grows inactive entries at random,
// RigL (Evci et al. 2020) those with the largest |gradient|, ties by index (lower index first); `gradient` has one
// value for every entry.
Move set_move(const PrunableLayer& layer, double share, RandomStream& stream);
Move rigl_move(const PrunableLayer& layer, std::span<const float> gradient, double share);

}  // namespace eaudeqn
