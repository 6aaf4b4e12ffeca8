// Which instruction set the kernels chose on this machine. Chooses nothing itself.
#pragma once

#include <cstddef>

namespace eaudeqn {

const char* instruction_set();  // "AVX2", "AVX3" (AVX-512), "NEON", ...
std::size_t vector_floats();    // that fit one vector

// Whether loads of a whole vector of 16 floats that cross a cache line are quicker than twice as many of half of it, of
// which half do. So on AMD (measured on Zen 5: an action takes a tenth less time).
bool wide_loads_pay();

}  // namespace eaudeqn
