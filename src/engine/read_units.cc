// See read_units.h.
#include "engine/read_units.h"

#include <algorithm>

namespace eaudeqn {
namespace {

// Whether a row that is read has an active weight for unit `u`.
bool is_read(const Mask& mask, const ReadLayer& layer, std::size_t u, std::size_t width) {
  const std::size_t row_size = layer.entries.size();
  for (std::size_t o = 0; o < layer.rows.size(); ++o) {
    if (layer.rows[o] == 0) continue;
    const auto first = mask.begin() + static_cast<std::ptrdiff_t>(o * row_size + u * width);
    const auto last = first + static_cast<std::ptrdiff_t>(width);
    if (std::find(first, last, std::uint8_t{1}) != last) return true;
  }
  return false;
}

// Takes the units of one class that nothing reads out of `layers`; returns how many stay.
std::size_t leave_out_unread(const UnitClass& units, const std::vector<const Mask*>& masks,
                             std::vector<ReadLayer>& layers) {
  std::vector<std::size_t> unread;
  for (std::size_t u = 0; u < units.units; ++u) {
    const bool read = std::any_of(units.consumers.begin(), units.consumers.end(), [&](std::size_t l) {
      return is_read(*masks[l], layers[l], u, layers[l].entries.size() / units.units);
    });
    if (!read) unread.push_back(u);
  }
  if (unread.size() == units.units) unread.pop_back();
  for (const std::size_t u : unread) {
    for (const std::size_t l : units.producers) layers[l].rows[u] = 0;
    for (const std::size_t l : units.consumers) {
      const std::size_t width = layers[l].entries.size() / units.units;
      std::fill_n(layers[l].entries.begin() + static_cast<std::ptrdiff_t>(u * width), width, std::uint8_t{0});
    }
  }
  return units.units - unread.size();
}

}  // namespace

ReadUnits read_units(const NetworkSpec& spec, const std::vector<UnitClass>& classes,
                     const std::vector<const Mask*>& masks) {
  ReadUnits read;
  for (const LayerSpec& layer : spec.layers) {
    read.layers.push_back({Mask(layer.out, std::uint8_t{1}), Mask(layer.row_size(), std::uint8_t{1})});
  }
  for (const UnitClass& units : classes) read.units.push_back(units.units);
  // From the outputs on, so that what only units read that nothing reads goes too. A class that skip connections tie
  // has consumers on both sides of its inner classes: repeated until nothing more goes.
  for (bool changed = true; changed;) {
    changed = false;
    for (std::size_t c = classes.size(); c-- > 0;) {
      const std::size_t before = read.units[c];
      read.units[c] = leave_out_unread(classes[c], masks, read.layers);
      changed = changed || read.units[c] != before;
    }
  }
  return read;
}

}  // namespace eaudeqn
