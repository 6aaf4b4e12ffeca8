// A network without the units that no output depends on: what structured pruning is for. Which units exist is
// unit_classes.h; which ones pruning takes is sparsity/units.h.
#pragma once

#include "engine/network.h"

namespace eaudeqn {

// The same outputs, to float rounding, from a network without gradients in which every removed channel and neuron is
// gone from all layers that made or read it; its architecture says so in `units`. A unit is removed if no active weight
// of any consumer reads it, directly or through units that are removed themselves; so any sparse network can get
// smaller, not only one pruned by units. At least one unit of each class stays. A network that loses nothing comes back
// with its architecture as it was.
Network without_dead_units(const Network& network);

}  // namespace eaudeqn
