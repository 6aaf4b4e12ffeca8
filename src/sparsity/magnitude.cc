// Magnitude pruning: see magnitude.h. Linear time: a threshold is found by counting, nothing is sorted or copied.
#include "sparsity/magnitude.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "eaudeqn/error.h"
#include "sparsity/entries.h"

namespace eaudeqn {
namespace {

using Mask = std::vector<std::uint8_t>;

constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();

// A layer whose mask is being thinned. `kept` is its largest active entry (the last of equals), which is never pruned.
struct Thinning {
  std::span<const float> weights;
  Mask mask;
  std::size_t kept = kNone;
  std::size_t inactive = 0;

  explicit Thinning(const PrunableLayer& layer) : weights(layer.weights), mask(layer.mask.begin(), layer.mask.end()) {
    for (std::size_t i = 0; i < mask.size(); ++i) {
      mask[i] = mask[i] != 0 ? 1 : 0;
      if (mask[i] == 0) {
        ++inactive;
      } else if (kept == kNone || magnitude_key(weights[i]) >= magnitude_key(weights[kept])) {
        kept = i;
      }
    }
  }

  bool prunable(std::size_t i) const { return mask[i] != 0 && i != kept; }
  std::size_t prunable_entries() const { return kept == kNone ? 0 : mask.size() - inactive - 1; }
};

// The key of the `rank`-th smallest prunable entry (0 = smallest) of all layers together and how many of the entries
// with exactly that key are among the smallest `rank`: a radix selection over 31 bits, 11 + 10 + 10.
struct Threshold {
  std::uint32_t key = 0;
  std::size_t equal_before = 0;
};

Threshold select(std::span<const Thinning> layers, std::size_t rank) {
  struct Digit {
    unsigned shift, bits;
  };
  std::uint32_t prefix = 0;  // the digits found so far
  for (const auto [shift, bits] : {Digit{20, 11}, Digit{10, 10}, Digit{0, 10}}) {
    std::array<std::size_t, 2048> histogram{};
    const std::uint32_t digit_mask = (1u << bits) - 1;
    for (const Thinning& layer : layers) {
      for (std::size_t i = 0; i < layer.mask.size(); ++i) {
        const std::uint32_t digits = magnitude_key(layer.weights[i]) >> shift;
        if (layer.prunable(i) && digits >> bits == prefix) ++histogram[digits & digit_mask];
      }
    }
    std::uint32_t digit = 0;
    while (rank >= histogram[digit]) rank -= histogram[digit++];
    prefix = prefix << bits | digit;
  }
  return {prefix, rank};
}

// Makes the `count` smallest prunable entries of all layers together inactive; equals in order of layer, then index.
void prune_smallest(std::span<Thinning> layers, std::size_t count) {
  std::size_t available = 0;
  for (const Thinning& layer : layers) available += layer.prunable_entries();
  count = std::min(count, available);
  if (count == 0) return;

  auto [key, equals_left] = select(layers, count - 1);
  ++equals_left;  // the entry of that rank goes too
  for (Thinning& layer : layers) {
    for (std::size_t i = 0; i < layer.mask.size(); ++i) {
      if (!layer.prunable(i)) continue;
      const std::uint32_t entry = magnitude_key(layer.weights[i]);
      if (entry > key || (entry == key && equals_left == 0)) continue;
      if (entry == key) --equals_left;
      layer.mask[i] = 0;
    }
  }
}

std::vector<double> erk_sparsities(std::span<const std::vector<std::size_t>> shapes, double sparsity) {
  std::vector<double> densities(shapes.size(), 0.0);
  std::vector<bool> dense(shapes.size(), false);
  double total = 0;
  for (const auto& shape : shapes) total += static_cast<double>(elements(shape));

  // Fixing a layer at density 1 leaves more for the others, so a layer once above 1 stays above: at most one round
  // each.
  for (bool settled = false; !settled;) {
    settled = true;
    double budget = (1.0 - sparsity) * total;
    double scale = 0;  // sum of n_l * raw density = sum of the dimensions
    for (std::size_t l = 0; l < shapes.size(); ++l) {
      if (dense[l]) {
        budget -= static_cast<double>(elements(shapes[l]));
      } else {
        scale += static_cast<double>(std::accumulate(shapes[l].begin(), shapes[l].end(), std::size_t{0}));
      }
    }
    for (std::size_t l = 0; l < shapes.size(); ++l) {
      if (dense[l]) continue;
      const std::size_t dimensions = std::accumulate(shapes[l].begin(), shapes[l].end(), std::size_t{0});
      densities[l] = budget / scale * static_cast<double>(dimensions) / static_cast<double>(elements(shapes[l]));
      if (densities[l] <= 1.0) continue;
      densities[l] = 1.0;
      dense[l] = true;
      settled = false;
    }
  }
  for (double& density : densities) density = std::clamp(1.0 - density, 0.0, 1.0);
  return densities;
}

void check_sizes(std::span<const PrunableLayer> layers) {
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const std::size_t n = elements(layers[l].shape);
    if (layers[l].weights.size() == n && layers[l].mask.size() == n) continue;
    throw Error::failure(
        fmt::format("magnitude_masks: layer {} has {} weights and a mask of {}, its shape says {}; pass "
                    "every entry, zeros where inactive",
                    l, layers[l].weights.size(), layers[l].mask.size(), n));
  }
}

}  // namespace

Distribution parse_distribution(const std::string& name) {
  if (name == "uniform") return Distribution::uniform;
  if (name == "erk") return Distribution::erk;
  if (name == "global") return Distribution::global;
  throw Error::usage(fmt::format("sparsity.distribution: unknown value '{}'; use uniform, erk or global", name));
}

std::vector<double> layer_sparsities(std::span<const std::vector<std::size_t>> shapes, double sparsity,
                                     Distribution distribution) {
  if (distribution == Distribution::global) {
    throw Error::failure(
        "layer_sparsities: 'global' has no shares per layer, they follow from the magnitudes; use "
        "magnitude_masks");
  }
  if (distribution == Distribution::erk) return erk_sparsities(shapes, sparsity);
  return std::vector<double>(shapes.size(), sparsity);
}

std::vector<Mask> magnitude_masks(std::span<const PrunableLayer> layers, double sparsity, Distribution distribution) {
  check_sizes(layers);
  std::vector<Thinning> thinnings(layers.begin(), layers.end());
  // `wanted` zeros in `group`, of which some are there already.
  const auto thin = [](std::span<Thinning> group, std::size_t wanted) {
    std::size_t inactive = 0;
    for (const Thinning& layer : group) inactive += layer.inactive;
    if (wanted > inactive) prune_smallest(group, wanted - inactive);
  };

  if (distribution == Distribution::global) {
    std::size_t total = 0;
    for (const Thinning& layer : thinnings) total += layer.mask.size();
    thin(thinnings, share_of(sparsity, total));
  } else {
    std::vector<std::vector<std::size_t>> shapes;
    for (const PrunableLayer& layer : layers) shapes.push_back(layer.shape);
    const std::vector<double> shares = layer_sparsities(shapes, sparsity, distribution);
    for (std::size_t l = 0; l < thinnings.size(); ++l) {
      thin({&thinnings[l], 1}, share_of(shares[l], thinnings[l].mask.size()));
    }
  }

  std::vector<Mask> masks;
  masks.reserve(thinnings.size());
  for (Thinning& layer : thinnings) masks.push_back(std::move(layer.mask));
  return masks;
}

double overall_sparsity(std::span<const Mask> masks) {
  std::size_t total = 0, inactive = 0;
  for (const Mask& mask : masks) {
    total += mask.size();
    inactive += static_cast<std::size_t>(std::count(mask.begin(), mask.end(), std::uint8_t{0}));
  }
  return total == 0 ? 0.0 : static_cast<double>(inactive) / static_cast<double>(total);
}

}  // namespace eaudeqn
