// The fixed schedule of gradual pruning that EauDeQN is compared with. Pure; next_sparsity.h is the adaptive rule.
#pragma once

#include <cstdint>

namespace eaudeqn {

// final (1 - (1 - (step - start) / (end - start))^3): 0 up to `start`, exactly `final` from `end` on, never falling
// (Zhu & Gupta 2017; PolyPruneQN in Vincent et al. 2025). start < end; final in [0, 1].
double polynomial_sparsity(std::int64_t step, std::int64_t start, std::int64_t end, double final);

}  // namespace eaudeqn
