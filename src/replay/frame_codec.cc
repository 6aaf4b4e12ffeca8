// LZ4 calls behind frame_codec.h. Only functions of LZ4's stable interface, so that any installed version serves.
#include "replay/frame_codec.h"

#include <lz4.h>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

const char* chars(std::span<const std::byte> bytes) { return reinterpret_cast<const char*>(bytes.data()); }

}  // namespace

struct FrameEncoder::State {
  LZ4_stream_t stream;
  std::vector<std::byte> input;  // the reference, then the frame
  std::vector<std::byte> scratch;
};

FrameEncoder::FrameEncoder() : state_(std::make_unique<State>()) {
  LZ4_initStream(&state_->stream, sizeof(state_->stream));
}
FrameEncoder::~FrameEncoder() = default;
FrameEncoder::FrameEncoder(FrameEncoder&&) noexcept = default;
FrameEncoder& FrameEncoder::operator=(FrameEncoder&&) noexcept = default;

std::size_t compressed_frame_bound(std::size_t frame_bytes) {
  // LZ4's documented worst case, written out because its own macro gives 0 beyond its size limit.
  return frame_bytes + frame_bytes / 255 + 16;
}

void FrameEncoder::append(std::span<const std::byte> frame, std::span<const std::byte> reference,
                          std::vector<std::byte>& out) {
  auto& scratch = state_->scratch;
  scratch.resize(compressed_frame_bound(frame.size()));
  // LZ4 compresses otherwise when the frame happens to lie right behind its reference in memory. Here it always does,
  // or equal frames would not always give equal bytes.
  auto& input = state_->input;
  input.assign(reference.begin(), reference.end());
  input.insert(input.end(), frame.begin(), frame.end());
  // Loading a dictionary, even an empty one, also resets the stream: nothing of former frames is left in its tables.
  LZ4_loadDict(&state_->stream, chars(input), static_cast<int>(reference.size()));
  const int written = LZ4_compress_fast_continue(&state_->stream, chars(input) + reference.size(),
                                                 reinterpret_cast<char*>(scratch.data()),
                                                 static_cast<int>(frame.size()), static_cast<int>(scratch.size()), 1);
  if (written <= 0) throw Error::failure("replay: LZ4 could not compress a frame; report this as a bug");
  out.insert(out.end(), scratch.begin(), scratch.begin() + written);
}

std::size_t FrameEncoder::memory_bytes() const {
  return sizeof(State) + state_->input.capacity() + state_->scratch.capacity();
}

bool decode_frame(std::span<const std::byte> compressed, std::span<const std::byte> reference,
                  std::span<std::byte> frame) {
  const int restored = LZ4_decompress_safe_usingDict(
      chars(compressed), reinterpret_cast<char*>(frame.data()), static_cast<int>(compressed.size()),
      static_cast<int>(frame.size()), chars(reference), static_cast<int>(reference.size()));
  return restored >= 0 && static_cast<std::size_t>(restored) == frame.size();
}

}  // namespace eaudeqn
