// The implementation of frame_stack.h.
#include "core/frame_stack.h"

#include <algorithm>
#include <string>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

void require_size(const char* what, std::size_t got, std::size_t wanted) {
  if (got == wanted) return;
  throw Error::failure(std::string(what) + " has " + std::to_string(got) + " bytes where " + std::to_string(wanted) +
                       " are expected");
}

// Constant channels let the compiler use vectors; 0: any number.
template <std::size_t kChannels>
void deinterleave(std::span<const std::byte> interleaved, std::size_t channels, std::span<std::byte> planes) {
  const std::size_t step = kChannels == 0 ? channels : kChannels;
  const std::size_t pixels = planes.size() / step;
  for (std::size_t channel = 0; channel < step; ++channel) {
    const auto plane = planes.subspan(channel * pixels, pixels);
    for (std::size_t pixel = 0; pixel < pixels; ++pixel) plane[pixel] = interleaved[pixel * step + channel];
  }
}

}  // namespace

FrameStack::FrameStack(std::size_t stack, std::size_t frame_bytes)
    : frame_bytes_(frame_bytes), planes_(stack * frame_bytes) {}

void FrameStack::clear() { std::fill(planes_.begin(), planes_.end(), std::byte{0}); }

void FrameStack::reset(std::span<const std::byte> first_frame) {
  clear();
  push(first_frame);
}

void FrameStack::push(std::span<const std::byte> frame) {
  require_size("frame", frame.size(), frame_bytes_);
  // Moving some 20 kB costs less than making every reader of planes() cope with a ring.
  std::copy(planes_.begin() + static_cast<std::ptrdiff_t>(frame_bytes_), planes_.end(), planes_.begin());
  std::copy(frame.begin(), frame.end(), planes_.end() - static_cast<std::ptrdiff_t>(frame_bytes_));
}

void FrameStack::load(std::span<const std::byte> planes) {
  require_size("frame stack", planes.size(), planes_.size());
  std::copy(planes.begin(), planes.end(), planes_.begin());
}

void interleave_planes(std::span<const std::byte> planes, std::size_t channels, std::span<std::byte> interleaved) {
  require_size("interleaved observation", interleaved.size(), planes.size());
  const std::size_t pixels = planes.size() / channels;
  require_size("observation planes", planes.size(), pixels * channels);
  for (std::size_t channel = 0; channel < channels; ++channel) {
    const auto plane = planes.subspan(channel * pixels, pixels);
    for (std::size_t pixel = 0; pixel < pixels; ++pixel) interleaved[pixel * channels + channel] = plane[pixel];
  }
}

void deinterleave_planes(std::span<const std::byte> interleaved, std::size_t channels, std::span<std::byte> planes) {
  require_size("observation planes", planes.size(), interleaved.size());
  const std::size_t pixels = planes.size() / channels;
  require_size("interleaved observation", interleaved.size(), pixels * channels);
  if (channels == 4) {
    deinterleave<4>(interleaved, channels, planes);
  } else {
    deinterleave<0>(interleaved, channels, planes);
  }
}

}  // namespace eaudeqn
