// Which instruction set the kernels chose on this machine. Chooses nothing itself.
#pragma once

#include <cstddef>

namespace eaudeqn {

const char* instruction_set();  // "AVX2", "AVX3" (AVX-512), "NEON", ...
std::size_t vector_floats();    // that fit one vector

}  // namespace eaudeqn
