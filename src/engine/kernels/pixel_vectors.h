// A pixel of rows.h as vectors, and how kernels of dense layers load and store one of several blocks of the batch. For
// kernel files alone: included inside each of Highway's per-target passes, after <hwy/highway.h>, hence the guard of
// its own.
#if defined(EAUDEQN_PIXEL_VECTORS_TARGET) == defined(HWY_TARGET_TOGGLE)
#ifdef EAUDEQN_PIXEL_VECTORS_TARGET
#undef EAUDEQN_PIXEL_VECTORS_TARGET
#else
#define EAUDEQN_PIXEL_VECTORS_TARGET
#endif

#include <hwy/highway.h>

#include <cstddef>

#include "engine/kernels/simd.h"
#include "engine/tensor_layout.h"

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, kLanes>;
using Vector = hn::Vec<Tag>;
using Distance = std::ptrdiff_t;

constexpr std::size_t kVectorWidth = hn::MaxLanes(Tag());
constexpr std::size_t kVectors = kLanes / kVectorWidth;  // of one pixel

template <std::size_t kBlocks>
HWY_INLINE void load_pixels(const float* HWY_RESTRICT at, Distance pitch, Vector (&pixels)[kBlocks][kVectors]) {
  EAUDEQN_UNROLL
  for (std::size_t b = 0; b < kBlocks; ++b) {
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) {
      pixels[b][v] = hn::Load(Tag(), at + static_cast<Distance>(b) * pitch + v * kVectorWidth);
    }
  }
}

template <std::size_t kBlocks>
HWY_INLINE void store_pixels(const Vector (&pixels)[kBlocks][kVectors], float* HWY_RESTRICT at, Distance pitch) {
  EAUDEQN_UNROLL
  for (std::size_t b = 0; b < kBlocks; ++b) {
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) {
      hn::Store(pixels[b][v], Tag(), at + static_cast<Distance>(b) * pitch + v * kVectorWidth);
    }
  }
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
