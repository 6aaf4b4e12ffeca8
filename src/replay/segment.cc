// Segment image: Header, then frame starts (u32, records + 1), actions (i32), rewards (f32), the frames' stored bytes.
// Little endian, no padding, nothing after it.
#include "replay/segment.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <type_traits>

#include "core/files.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

static_assert(std::endian::native == std::endian::little, "images are little endian and are copied as they are");

constexpr std::array<char, 8> kMagic = {'E', 'D', 'Q', 'N', 'S', 'E', 'G', '\x1A'};
constexpr std::uint32_t kSegmentVersion = 1;

struct Header {
  std::array<char, 8> magic = kMagic;
  std::uint32_t version = kSegmentVersion;
  std::uint32_t records = 0;
  std::uint64_t number = 0;
  std::uint64_t frame_bytes = 0;
  std::uint32_t compressed = 0;
  std::uint32_t records_per_group = kRecordsPerGroup;
  std::uint64_t stored_frame_bytes = 0;
  std::uint64_t checksum =
      0;  // of everything after the header, whose fields the reader all compares with what it expects
};
static_assert(sizeof(Header) == 56 && std::is_trivially_copyable_v<Header>);

std::size_t image_bytes(const Header& header) {
  const std::size_t records = header.records;
  return sizeof(Header) + (records + 1) * sizeof(std::uint32_t) + records * (sizeof(std::int32_t) + sizeof(float)) +
         header.stored_frame_bytes;
}

template <typename T>
void put(std::byte*& to, const std::vector<T>& values) {
  if (values.empty()) return;
  std::memcpy(to, values.data(), values.size() * sizeof(T));
  to += values.size() * sizeof(T);
}

template <typename T>
void take(const std::byte*& from, std::size_t count, std::vector<T>& values) {
  values.resize(count);
  if (count == 0) return;
  std::memcpy(values.data(), from, count * sizeof(T));
  from += count * sizeof(T);
}

[[noreturn]] void fail(const std::string& origin, const std::string& what) {
  throw Error::failure(fmt::format("{}: {}; resume from another checkpoint", origin, what));
}

Header checked_header(std::span<const std::byte> image, const SegmentFormat& format, std::uint64_t number,
                      const std::string& origin) {
  Header header;
  if (image.size() < sizeof(Header)) fail(origin, "damaged replay segment: shorter than its header");
  std::memcpy(&header, image.data(), sizeof(Header));
  if (header.magic != kMagic) fail(origin, "not a replay segment: wrong magic");
  if (header.version != kSegmentVersion)
    fail(origin, fmt::format("replay segment of unknown version {}", header.version));
  if (header.records > kRecordsPerSegment || header.stored_frame_bytes > std::numeric_limits<std::uint32_t>::max() ||
      image.size() != image_bytes(header)) {
    fail(origin, "damaged replay segment: its size does not match its header");
  }
  if (checksum(image.subspan(sizeof(Header))) != header.checksum)
    fail(origin, "damaged replay segment: wrong checksum");
  if (header.frame_bytes != format.frame_bytes || header.compressed != (format.compress ? 1U : 0U) ||
      header.records_per_group != kRecordsPerGroup) {
    fail(origin, "replay segment of frames of another size or compression");
  }
  if (header.number != number) {
    fail(origin, fmt::format("replay segment has number {} instead of {}", header.number, number));
  }
  return header;
}

}  // namespace

Segment::Segment(const SegmentFormat& format, std::uint64_t number) : format_(format), number_(number) {}

void Segment::append(std::span<const std::byte> frame, FrameEncoder& encoder) {
  if (!format_.compress) {
    frames_.insert(frames_.end(), frame.begin(), frame.end());
  } else if (records() % kRecordsPerGroup == 0) {
    encoder.append(frame, {}, frames_);
    group_frame_.assign(frame.begin(), frame.end());
  } else {
    encoder.append(frame, group_frame_, frames_);
  }
  frame_starts_.push_back(static_cast<std::uint32_t>(frames_.size()));
  actions_.push_back(0);
  rewards_.push_back(0);
}

void Segment::set_step(std::size_t record, int action, float reward) {
  actions_[record] = action;
  rewards_[record] = reward;
}

void Segment::shrink_to_fit() {
  frame_starts_.shrink_to_fit();
  frames_.shrink_to_fit();
  actions_.shrink_to_fit();
  rewards_.shrink_to_fit();
  group_frame_ = {};
}

std::vector<std::byte> Segment::image() const {
  Header header;
  header.records = static_cast<std::uint32_t>(records());
  header.number = number_;
  header.frame_bytes = format_.frame_bytes;
  header.compressed = format_.compress ? 1 : 0;
  header.stored_frame_bytes = frames_.size();
  std::vector<std::byte> image(image_bytes(header));
  std::memcpy(image.data(), &header, sizeof(Header));
  std::byte* to = image.data() + sizeof(Header);
  put(to, frame_starts_);
  put(to, actions_);
  put(to, rewards_);
  put(to, frames_);
  header.checksum = checksum(std::span(image).subspan(sizeof(Header)));
  std::memcpy(image.data(), &header, sizeof(Header));
  return image;
}

std::uint64_t Segment::image_checksum(std::span<const std::byte> image) {
  Header header;
  std::memcpy(&header, image.data(), sizeof(Header));
  return header.checksum;
}

Segment Segment::parse(std::span<const std::byte> image, const SegmentFormat& format, std::uint64_t number,
                       const std::string& origin) {
  const Header header = checked_header(image, format, number, origin);
  Segment segment(format, number);
  const std::byte* from = image.data() + sizeof(Header);
  take(from, header.records + std::size_t{1}, segment.frame_starts_);
  take(from, header.records, segment.actions_);
  take(from, header.records, segment.rewards_);
  take(from, header.stored_frame_bytes, segment.frames_);
  segment.check_frames(origin);
  const std::size_t last_group_start = segment.records() / kRecordsPerGroup * kRecordsPerGroup;
  if (format.compress && last_group_start < segment.records()) {  // the next append needs it
    segment.group_frame_.resize(format.frame_bytes);
    FrameReader().read(segment, last_group_start, segment.group_frame_);
  }
  return segment;
}

void Segment::check_frames(const std::string& origin) const {
  if (frame_starts_.front() != 0 || frame_starts_.back() != frames_.size() ||
      !std::is_sorted(frame_starts_.begin(), frame_starts_.end())) {
    fail(origin, "damaged replay segment: frame positions out of order");
  }
  FrameReader reader;
  std::vector<std::byte> frame(format_.frame_bytes);
  for (std::size_t record = 0; record < records(); ++record) {
    if (!reader.read(*this, record, frame)) {
      fail(origin, fmt::format("damaged replay segment: frame {} cannot be decoded", record));
    }
  }
}

std::size_t Segment::memory_bytes() const {
  return frame_starts_.capacity() * sizeof(std::uint32_t) + frames_.capacity() +
         actions_.capacity() * sizeof(std::int32_t) + rewards_.capacity() * sizeof(float) + group_frame_.capacity();
}

std::size_t largest_frame_bytes() {
  std::size_t frame_bytes = std::numeric_limits<std::uint32_t>::max() / kRecordsPerSegment;
  while (compressed_frame_bound(frame_bytes) * kRecordsPerSegment > std::numeric_limits<std::uint32_t>::max()) {
    --frame_bytes;
  }
  return frame_bytes;
}

bool FrameReader::read(const Segment& segment, std::size_t record, std::span<std::byte> frame) {
  if (!segment.format_.compress) {
    const auto stored = segment.stored(record);
    if (stored.size() != frame.size()) return false;
    std::copy(stored.begin(), stored.end(), frame.begin());
    return true;
  }
  const std::size_t group = record / kRecordsPerGroup;
  const std::size_t group_start = group * kRecordsPerGroup;
  if (segment_ != &segment || group_ != group) {
    segment_ = nullptr;
    group_frame_.resize(frame.size());
    if (!decode_frame(segment.stored(group_start), {}, group_frame_)) return false;
    segment_ = &segment;
    group_ = group;
  }
  if (record == group_start) {
    std::copy(group_frame_.begin(), group_frame_.end(), frame.begin());
    return true;
  }
  return decode_frame(segment.stored(record), group_frame_, frame);
}

}  // namespace eaudeqn
