// What all kernel files share: loop unrolling for arrays of vectors that must stay in registers. Include inside none of
// Highway's per-target passes; nothing here depends on the target.
#pragma once

#if defined(__clang__)
#define EAUDEQN_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define EAUDEQN_UNROLL _Pragma("GCC unroll 32")
#else
#define EAUDEQN_UNROLL
#endif

namespace eaudeqn {

// Keeps the compiler from taking an address apart: left alone it holds a dozen `base + constant` in registers that are
// not there, instead of letting the loads add constants for nothing.
template <typename T>
inline __attribute__((always_inline)) T* whole_address(T* pointer) {
  __asm__("" : "+r"(pointer));
  return pointer;
}

}  // namespace eaudeqn
