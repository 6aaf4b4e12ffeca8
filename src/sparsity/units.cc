// See units.h.
#include "sparsity/units.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "eaudeqn/error.h"
#include "sparsity/entries.h"

namespace eaudeqn {
namespace {

using Mask = std::vector<std::uint8_t>;

std::size_t row_size(const PrunableLayer& layer) { return layer.weights.size() / layer.shape[0]; }

// A unit that can still be removed.
struct Unit {
  std::size_t index;
  double norm;
};

// Of one class the units that are there, the next to go last.
std::vector<Unit> candidates(std::span<const PrunableLayer> layers, const UnitClass& units, const Mask& present) {
  std::vector<Unit> order;
  for (std::size_t u = 0; u < units.units; ++u) {
    if (present[u] == 0) continue;
    double sum = 0;
    for (const std::size_t l : units.producers) {
      const std::size_t row = row_size(layers[l]);
      for (const float weight : layers[l].weights.subspan(u * row, row)) {
        sum += static_cast<double>(weight) * static_cast<double>(weight);
      }
    }
    order.push_back({u, std::isnan(sum) ? std::numeric_limits<double>::infinity() : sum});
  }
  std::sort(order.begin(), order.end(),
            [](const Unit& a, const Unit& b) { return a.norm != b.norm ? a.norm > b.norm : a.index > b.index; });
  return order;
}

// Makes the entries inactive; returns how many were active.
std::size_t clear(std::span<std::uint8_t> mask) {
  const auto active = std::count(mask.begin(), mask.end(), std::uint8_t{1});
  std::fill(mask.begin(), mask.end(), std::uint8_t{0});
  return static_cast<std::size_t>(active);
}

std::size_t remove(std::span<const PrunableLayer> layers, const UnitClass& units, std::size_t u,
                   std::vector<Mask>& masks) {
  std::size_t removed = 0;
  for (const std::size_t l : units.producers) {
    const std::size_t row = row_size(layers[l]);
    removed += clear(std::span(masks[l]).subspan(u * row, row));
  }
  for (const std::size_t l : units.consumers) {
    const std::size_t row = row_size(layers[l]);
    const std::size_t width = row / units.units;
    for (std::size_t o = 0; o < layers[l].shape[0]; ++o) {
      removed += clear(std::span(masks[l]).subspan(o * row + u * width, width));
    }
  }
  return removed;
}

// The class whose unit goes next, or none.
std::size_t next_class(std::span<const UnitClass> classes, const std::vector<std::vector<Unit>>& order,
                       Distribution distribution) {
  std::size_t best = classes.size();
  const auto better = [&](std::size_t c) {
    if (best == classes.size()) return true;
    if (distribution == Distribution::global) return order[c].back().norm < order[best].back().norm;
    // The share that is left, compared without division.
    return order[c].size() * classes[best].units > order[best].size() * classes[c].units;
  };
  for (std::size_t c = 0; c < classes.size(); ++c) {
    if (order[c].size() > 1 && better(c)) best = c;
  }
  return best;
}

}  // namespace

std::vector<Mask> present_units(std::span<const PrunableLayer> layers, std::span<const UnitClass> classes) {
  std::vector<Mask> present;
  for (const UnitClass& units : classes) {
    Mask& mask = present.emplace_back(units.units, std::uint8_t{0});
    for (std::size_t u = 0; u < units.units; ++u) {
      for (const std::size_t l : units.producers) {
        const std::size_t row = row_size(layers[l]);
        const auto incoming = layers[l].mask.subspan(u * row, row);
        if (std::find(incoming.begin(), incoming.end(), std::uint8_t{1}) != incoming.end()) mask[u] = 1;
      }
    }
  }
  return present;
}

std::vector<Mask> unit_masks(std::span<const PrunableLayer> layers, std::span<const UnitClass> classes, double sparsity,
                             Distribution distribution) {
  if (distribution == Distribution::erk) {
    throw Error::usage(
        "sparsity.distribution \"erk\" is for single weights: set it to \"uniform\" or \"global\" for "
        "sparsity.granularity = \"unit\"");
  }
  std::vector<Mask> masks;
  std::size_t total = 0;
  std::size_t inactive = 0;
  for (const PrunableLayer& layer : layers) {
    masks.emplace_back(layer.mask.begin(), layer.mask.end());
    total += layer.mask.size();
    inactive += static_cast<std::size_t>(std::count(layer.mask.begin(), layer.mask.end(), std::uint8_t{0}));
  }
  const std::size_t wanted = share_of(sparsity, total);
  const std::vector<Mask> present = present_units(layers, classes);
  std::vector<std::vector<Unit>> order;
  for (std::size_t c = 0; c < classes.size(); ++c) order.push_back(candidates(layers, classes[c], present[c]));
  while (inactive < wanted) {
    const std::size_t c = next_class(classes, order, distribution);
    if (c == classes.size()) break;
    inactive += remove(layers, classes[c], order[c].back().index, masks);
    order[c].pop_back();
  }
  return masks;
}

}  // namespace eaudeqn
