// The last `stack` frames of an episode as one observation. Zeros stand before the first frame.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace eaudeqn {

// Storage order is planes: [frame, oldest first][frame bytes], the order in which networks read it.
class FrameStack {
 public:
  FrameStack(std::size_t stack, std::size_t frame_bytes);

  void clear();                                        // zeros
  void reset(std::span<const std::byte> first_frame);  // zeros, then the frame
  void push(std::span<const std::byte> frame);
  std::span<const std::byte> planes() const { return planes_; }  // stack * frame_bytes
  void load(std::span<const std::byte> planes);                  // what planes() gave; throws Error::failure on size

 private:
  std::size_t frame_bytes_;
  std::vector<std::byte> planes_;
};

// planes [C][H*W] of uint8 <-> interleaved (H, W, C) as in the files of `trace` and `forward` and for those who run
// policies.
void interleave_planes(std::span<const std::byte> planes, std::size_t channels, std::span<std::byte> interleaved);
void deinterleave_planes(std::span<const std::byte> interleaved, std::size_t channels, std::span<std::byte> planes);

}  // namespace eaudeqn
