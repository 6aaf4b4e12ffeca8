// A run of consecutive replay records in memory and as the bytes of a file. It knows frames, actions and rewards; which
// episode a record belongs to, and whether an action followed its frame, is the replay's knowledge and not stored here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "replay/frame_codec.h"

namespace eaudeqn {

// A record is a frame and the action taken after it, with its reward. An episode's last frame has no action: zeros.
inline constexpr std::size_t kRecordsPerSegment = 4096;
// Records whose frames are stored relative to the first of them. It divides kRecordsPerSegment, so that a segment
// depends on no other. Measured on ten Atari games: larger groups save little more, and this frame is the price of
// starting in the middle.
inline constexpr std::size_t kRecordsPerGroup = 8;
static_assert(kRecordsPerSegment % kRecordsPerGroup == 0);

struct SegmentFormat {
  std::size_t frame_bytes = 0;
  bool compress = false;
};

// Thread safety: as the standard containers.
class Segment {
 public:
  // Segment number n holds the records n * kRecordsPerSegment and following.
  Segment(const SegmentFormat& format, std::uint64_t number);

  std::uint64_t number() const { return number_; }
  std::size_t records() const { return actions_.size(); }
  bool full() const { return records() == kRecordsPerSegment; }

  // Appends a record. Not when full. `encoder` is used when the format compresses.
  void append(std::span<const std::byte> frame, FrameEncoder& encoder);
  void set_step(std::size_t record, int action, float reward);
  void shrink_to_fit();  // for a segment that grows no more

  int action(std::size_t record) const { return actions_[record]; }
  float reward(std::size_t record) const { return rewards_[record]; }

  // The segment as a self-describing, checksummed byte image, and back. `parse` throws Error::failure that begins with
  // `origin` and names the first check that failed; nothing it returns can fail later, every frame has been decoded.
  std::vector<std::byte> image() const;
  static Segment parse(std::span<const std::byte> image, const SegmentFormat& format, std::uint64_t number,
                       const std::string& origin);
  static std::uint64_t image_checksum(std::span<const std::byte> image);  // as its header says; of an image only

  std::size_t memory_bytes() const;  // heap held

 private:
  friend class FrameReader;
  std::span<const std::byte> stored(std::size_t record) const {
    return std::span(frames_).subspan(frame_starts_[record], frame_starts_[record + 1] - frame_starts_[record]);
  }
  void check_frames(const std::string& origin) const;

  SegmentFormat format_;
  std::uint64_t number_;
  std::vector<std::uint32_t> frame_starts_ = {0};  // [records + 1], into frames_
  std::vector<std::byte> frames_;
  std::vector<std::int32_t> actions_;
  std::vector<float> rewards_;
  std::vector<std::byte> group_frame_;  // the first frame of the group that append works on
};

// The largest frame for which every segment's size fits its 32-bit offsets.
std::size_t largest_frame_bytes();

// Restores frames, keeping the newest group's first frame at hand: consecutive records cost one decoding each. Valid
// while the segments that it read stay unchanged and in place. Thread safety: one owner.
class FrameReader {
 public:
  // False when the stored bytes are damaged; never after Segment::append or Segment::parse.
  bool read(const Segment& segment, std::size_t record, std::span<std::byte> frame);

 private:
  const Segment* segment_ = nullptr;
  std::size_t group_ = 0;
  std::vector<std::byte> group_frame_;
};

}  // namespace eaudeqn
