// Structured pruning: which filters and neurons a pruned copy keeps (granularity = "unit"). Pure, over one network's
// layers; single weights: magnitude.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/unit_classes.h"
#include "sparsity/magnitude.h"

namespace eaudeqn {

// New masks: whole units become inactive, with all their incoming weights and what consumers read of them, one after
// the other until at least floor(sparsity * n) weights are inactive (so at most one unit's beyond that). Next goes the
// unit with the smallest L2 norm of its incoming weights (of all its producers), the lower index of equals,
//   uniform: of the class that has lost the smallest share of its units, the earlier class of equals;
//   global: of all classes.
// `erk` has no meaning for units: Error::usage. The last unit of a class stays. Masks only shrink; NaN counts as
// largest.
std::vector<std::vector<std::uint8_t>> unit_masks(std::span<const PrunableLayer> layers,
                                                  std::span<const UnitClass> classes, double sparsity,
                                                  Distribution distribution);

// For each class which units are there: those with an active incoming weight.
std::vector<std::vector<std::uint8_t>> present_units(std::span<const PrunableLayer> layers,
                                                     std::span<const UnitClass> classes);

}  // namespace eaudeqn
