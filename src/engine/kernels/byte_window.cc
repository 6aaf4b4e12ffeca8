// See byte_window.h.
#include "engine/kernels/byte_window.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/byte_window.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/kernels/input_vectors.h"

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

void widen_window_target(const WindowShape& shape, const std::uint8_t* bytes, std::size_t pixels, std::ptrdiff_t step,
                         float* HWY_RESTRICT window) {
  const std::size_t bytes_of_row = shape.columns * kLanes - (kWindowPixels - pixels) * static_cast<std::size_t>(step);
  for (std::size_t c = 0; c < shape.channels; ++c) {
    for (std::size_t r = 0; r < shape.rows; ++r) {
      const std::uint8_t* HWY_RESTRICT from =
          bytes + static_cast<std::ptrdiff_t>(shape.first_channel + c) * shape.channel_pitch +
          static_cast<std::ptrdiff_t>(r) * shape.row_pitch;
      float* HWY_RESTRICT to = window + (c * shape.rows + r) * shape.columns * kLanes;
      for (std::size_t i = 0; i < bytes_of_row; i += hn::MaxLanes(InputTag())) {
        hn::Store(load_input(from + i), InputTag(), to + i);
      }
    }
  }
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace eaudeqn {

HWY_EXPORT(widen_window_target);

void widen_window(const WindowShape& shape, const std::uint8_t* bytes, std::size_t pixels, std::ptrdiff_t step,
                  float* window) {
  HWY_DYNAMIC_DISPATCH(widen_window_target)(shape, bytes, pixels, step, window);
}

}  // namespace eaudeqn
#endif
