// Segments as byte images: nothing gets lost, no damage gets through, and no bytes whatever make the reader misbehave.
#include "replay/segment.h"

#include <gtest/gtest.h>

#include <cstring>

#include "core/files.h"
#include "core/random.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

constexpr SegmentFormat kFormat = {.frame_bytes = 48, .compress = true};
constexpr std::size_t kHeaderBytes = 56;
constexpr std::size_t kChecksumPosition = 48;

std::vector<std::byte> frame_number(std::size_t n, std::size_t frame_bytes = kFormat.frame_bytes) {
  std::vector<std::byte> frame(frame_bytes, std::byte{7});
  for (std::size_t i = 0; i < 4 && i < frame_bytes; ++i)
    frame[i * 11 % frame_bytes] = static_cast<std::byte>(n + i * n);
  return frame;
}

void append_records(Segment& segment, std::size_t count, FrameEncoder& encoder, std::size_t frame_bytes) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t record = segment.records();
    segment.append(frame_number(record, frame_bytes), encoder);
    segment.set_step(record, static_cast<int>(record % 18), static_cast<float>(record) / 8);
  }
}

Segment segment_of(std::size_t records, const SegmentFormat& format = kFormat) {
  FrameEncoder encoder;
  Segment segment(format, 3);
  append_records(segment, records, encoder, format.frame_bytes);
  return segment;
}

std::string error_of(std::span<const std::byte> image, const SegmentFormat& format = kFormat,
                     std::uint64_t number = 3) {
  try {
    Segment::parse(image, format, number, "file x");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::failure);
    return error.what();
  }
  return "";
}

class SegmentImage : public testing::TestWithParam<bool> {};

TEST_P(SegmentImage, HoldsEverything) {
  const SegmentFormat format = {.frame_bytes = 48, .compress = GetParam()};
  for (const std::size_t records : {std::size_t{1}, std::size_t{21}, kRecordsPerSegment}) {
    const auto image = segment_of(records, format).image();
    const Segment parsed = Segment::parse(image, format, 3, "file x");
    ASSERT_EQ(parsed.records(), records);
    FrameReader reader;
    std::vector<std::byte> frame(48);
    for (std::size_t i = 0; i < records; ++i) {
      const std::size_t record = i * 1021 % records;  // jumps between groups
      ASSERT_TRUE(reader.read(parsed, record, frame));
      ASSERT_EQ(frame, frame_number(record));
      ASSERT_EQ(parsed.action(record), static_cast<int>(record % 18));
      ASSERT_EQ(parsed.reward(record), static_cast<float>(record) / 8);
    }
    EXPECT_EQ(parsed.image(), image);
  }
}

TEST_P(SegmentImage, GrowsOnToTheSameBits) {
  const SegmentFormat format = {.frame_bytes = 48, .compress = GetParam()};
  for (std::size_t records = 0; records < 20; ++records) {
    Segment parsed = Segment::parse(segment_of(records, format).image(), format, 3, "file x");
    FrameEncoder encoder;
    append_records(parsed, 30 - records, encoder, 48);
    EXPECT_EQ(parsed.image(), segment_of(30, format).image()) << "continued after " << records;
  }
}

INSTANTIATE_TEST_SUITE_P(Both, SegmentImage, testing::Bool());

TEST(Segment, StoresFramesThatDoNotCompress) {
  const SegmentFormat format = {.frame_bytes = 5000, .compress = true};
  RandomStream random(1, "noise");
  FrameEncoder encoder;
  Segment segment(format, 0);
  std::vector<std::vector<std::byte>> frames;
  for (int i = 0; i < 20; ++i) {
    std::vector<std::byte> frame(format.frame_bytes);
    for (auto& value : frame) value = static_cast<std::byte>(random.below(256));
    segment.append(frame, encoder);
    frames.push_back(frame);
  }
  FrameReader reader;
  std::vector<std::byte> frame(format.frame_bytes);
  for (std::size_t i = 0; i < frames.size(); ++i) {
    ASSERT_TRUE(reader.read(segment, i, frame));
    EXPECT_EQ(frame, frames[i]);
  }
}

TEST(Segment, DetectsEveryFlippedBit) {
  const auto image = segment_of(20).image();
  for (std::size_t position = 0; position < image.size(); ++position) {
    for (int bit = 0; bit < 8; ++bit) {
      auto damaged = image;
      damaged[position] ^= static_cast<std::byte>(1 << bit);
      EXPECT_NE(error_of(damaged), "") << "byte " << position << " bit " << bit;
    }
  }
}

TEST(Segment, DetectsEveryTruncationAndTrailingBytes) {
  auto image = segment_of(20).image();
  for (std::size_t length = 0; length < image.size(); ++length) {
    EXPECT_NE(error_of(std::span(image).first(length)), "") << "first " << length << " bytes";
  }
  image.push_back(std::byte{0});
  EXPECT_NE(error_of(image), "");
}

TEST(Segment, SaysWhatIsWrong) {
  const auto image = segment_of(20).image();
  const auto with_byte = [&](std::size_t position, int value) {
    auto changed = image;
    changed[position] = static_cast<std::byte>(value);
    return error_of(changed);
  };
  EXPECT_EQ(error_of(image), "");
  EXPECT_EQ(with_byte(0, 'X'), "file x: not a replay segment: wrong magic; resume from another checkpoint");
  EXPECT_EQ(with_byte(8, 9), "file x: replay segment of unknown version 9; resume from another checkpoint");
  EXPECT_EQ(with_byte(image.size() - 1, 200),
            "file x: damaged replay segment: wrong checksum; resume from another checkpoint");
  EXPECT_EQ(error_of(image, kFormat, 4),
            "file x: replay segment has number 3 instead of 4; resume from another checkpoint");
  EXPECT_EQ(error_of(image, {.frame_bytes = 49, .compress = true}),
            "file x: replay segment of frames of another size or compression; resume from another checkpoint");
}

std::vector<std::byte> with_right_checksum(std::vector<std::byte> image) {
  const std::uint64_t right = checksum(std::span(image).subspan(kHeaderBytes));
  std::memcpy(image.data() + kChecksumPosition, &right, sizeof(right));
  return image;
}

TEST(Segment, RefusesFramePositionsOutOfOrder) {
  auto image = segment_of(20).image();
  const std::uint32_t beyond_the_next = 1'000;
  std::memcpy(image.data() + kHeaderBytes + 5 * sizeof(std::uint32_t), &beyond_the_next, sizeof(beyond_the_next));
  EXPECT_NE(error_of(with_right_checksum(image)).find("frame positions out of order"), std::string::npos);
}

TEST(FrameCodec, RefusesAFrameOfAnotherSize) {
  FrameEncoder encoder;
  std::vector<std::byte> compressed;
  encoder.append(frame_number(1), {}, compressed);
  std::vector<std::byte> frame(kFormat.frame_bytes);
  EXPECT_TRUE(decode_frame(compressed, {}, frame));
  EXPECT_EQ(frame, frame_number(1));
  frame.resize(kFormat.frame_bytes + 1);
  EXPECT_FALSE(decode_frame(compressed, {}, frame));
  frame.resize(kFormat.frame_bytes - 1);
  EXPECT_FALSE(decode_frame(compressed, {}, frame));
}

// Whoever computes the checksum anew can write anything. It is refused, or it is a segment of which all can be read.
TEST(Segment, SurvivesDamageUnderARightChecksum) {
  for (const bool compress : {true, false}) {
    const SegmentFormat format = {.frame_bytes = 48, .compress = compress};
    const auto image = segment_of(20, format).image();
    RandomStream random(2, "damage");
    int refused = 0;
    for (int trial = 0; trial < 20'000; ++trial) {
      auto damaged = image;
      for (std::uint64_t flips = 1 + random.below(3); flips > 0; --flips) {
        damaged[kHeaderBytes + random.below(image.size() - kHeaderBytes)] = static_cast<std::byte>(random.below(256));
      }
      try {
        const Segment segment = Segment::parse(with_right_checksum(damaged), format, 3, "file x");
        FrameReader reader;
        std::vector<std::byte> frame(format.frame_bytes);
        for (std::size_t i = 0; i < segment.records(); ++i) ASSERT_TRUE(reader.read(segment, i, frame));
      } catch (const Error&) {
        ++refused;
      }
    }
    EXPECT_GT(refused, 1000);
  }
}

}  // namespace
}  // namespace eaudeqn
