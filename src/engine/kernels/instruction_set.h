// Which instruction set the kernels chose on this machine. Chooses nothing itself.
#pragma once

namespace eaudeqn {

const char* instruction_set();  // "AVX2", "AVX3" (AVX-512), "NEON", ...

}  // namespace eaudeqn
