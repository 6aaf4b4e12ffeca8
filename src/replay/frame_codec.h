// One frame to and from compressed bytes (LZ4), on its own or relative to a reference frame. Not a container: sizes and
// which frame refers to which are segment.h's business.
//
// Consecutive game frames share most of their pixels. Given an earlier frame as LZ4's dictionary, a frame shrinks to
// the pixels that changed, scrolled picture parts included, and becomes faster to restore. bench/replay_bench.cc
// measures it on frames of one's own.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace eaudeqn {

// The largest number of bytes that a compressed frame can take.
std::size_t compressed_frame_bound(std::size_t frame_bytes);

// Holds the compressor's tables. What it writes is a function of the arguments alone. Thread safety: one owner.
class FrameEncoder {
 public:
  FrameEncoder();
  ~FrameEncoder();
  FrameEncoder(FrameEncoder&&) noexcept;
  FrameEncoder& operator=(FrameEncoder&&) noexcept;

  // Appends the compressed form of `frame` to `out`. An empty `reference` means that the frame stands alone.
  void append(std::span<const std::byte> frame, std::span<const std::byte> reference, std::vector<std::byte>& out);

  std::size_t memory_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Fills `frame` from what FrameEncoder wrote with the same reference. False when the bytes are damaged or of a frame of
// another size; `frame` is unspecified then. Reads and writes nothing outside the spans, whatever the bytes are.
bool decode_frame(std::span<const std::byte> compressed, std::span<const std::byte> reference,
                  std::span<std::byte> frame);

}  // namespace eaudeqn
