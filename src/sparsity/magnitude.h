// Which weights a pruned copy keeps: masks by magnitude, unstructured. Pure functions over one network's layers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace eaudeqn {

enum class Distribution { uniform, erk, global };

Distribution parse_distribution(const std::string& name);  // throws Error::usage

// One prunable weight tensor (rank > 1), flattened; inactive entries are exactly 0 and listed in no order.
struct PrunableLayer {
  std::vector<std::size_t> shape;      // {out, in} or {out, in, rows, columns}
  std::span<const float> weights;      // all entries, zeros where inactive
  std::span<const std::uint8_t> mask;  // 1 = active
};

// The share of zeros that each layer should have so that the whole reaches `sparsity`.
// uniform: every layer the same. erk: density proportional to (out + in + rows + columns) / (out * in * rows *
// columns), layers that would exceed 1 stay dense (Evci et al. 2020, appendix). global: not defined here (depends on
// magnitudes).
std::vector<double> layer_sparsities(std::span<const std::vector<std::size_t>> shapes, double sparsity,
                                     Distribution distribution);

// New masks: per layer the smallest floor(s_l * n_l) entries by |w| are inactive (inactive ones are 0 and go first),
// ties by index (lower index goes first); `global` ranks all layers together. Result is nested in the given masks;
// sparsity of a layer never falls: a layer that is already sparser keeps its mask. No layer is emptied: at least one
// entry, its largest, stays active. NaN weights count as largest.
std::vector<std::vector<std::uint8_t>> magnitude_masks(std::span<const PrunableLayer> layers, double sparsity,
                                                       Distribution distribution);

// Share of inactive entries over all layers.
double overall_sparsity(std::span<const std::vector<std::uint8_t>> masks);

}  // namespace eaudeqn
