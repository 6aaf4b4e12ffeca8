// Which units of a network its outputs depend on, by the masks alone: whole networks leave the others out of their
// passes (network.h), smaller ones have none of them (smaller_network.h). No weights, no values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/unit_classes.h"

namespace eaudeqn {

using Mask = std::vector<std::uint8_t>;

// Of one layer: its outputs that are read, and its entries of a row whose inputs are. 1 where they are.
struct ReadLayer {
  Mask rows, entries;
};

struct ReadUnits {
  std::vector<ReadLayer> layers;
  std::vector<std::size_t> units;  // that are read, of each class
};

// masks: of every layer, all entries. A unit is read if an active weight of any consumer reads it in a row that is read
// itself; the network's outputs are. At least one unit of each class counts as read, for the sake of shapes.
ReadUnits read_units(const NetworkSpec& spec, const std::vector<UnitClass>& classes,
                     const std::vector<const Mask*>& masks);

}  // namespace eaudeqn
