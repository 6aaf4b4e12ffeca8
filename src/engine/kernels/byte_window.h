// A window of an image of bytes as floats, whole numbers as byte_input.h wants them, that fits the first-level cache:
// an input is converted once for all weights that read it, where a kernel of bytes converts it for each. Thread safety:
// pure apart from the window.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/tensor_layout.h"

namespace eaudeqn {

constexpr std::size_t kWindowPixels = 12;        // of an output row, whose inputs a window holds
constexpr std::size_t kWindowFloats = 7 * 1024;  // 28 KB

// Pixels of a window: channel by channel from `first_channel` on, `rows` rows of `columns`, one after the other. In the
// image a row is `row_pitch` bytes behind the other, a channel `channel_pitch`.
struct WindowShape {
  std::size_t first_channel = 0, channels = 0, rows = 0, columns = 0;
  std::ptrdiff_t row_pitch = 0, channel_pitch = 0;
};

// What `pixels` neighbours of an output row read, at most kWindowPixels, whose windows begin `step` bytes apart, the
// first one at `bytes` in channel 0.
// window: channels x rows x columns pixels, at most kWindowFloats, aligned to 64 bytes.
void widen_window(const WindowShape& shape, const std::uint8_t* bytes, std::size_t pixels, std::ptrdiff_t step,
                  float* window);

}  // namespace eaudeqn
