// Saved environment states: what goes in comes out, and nothing else is accepted.
#include "environments/state_bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

std::vector<std::byte> example() {
  StateWriter writer("a/Game");
  writer.value<std::int64_t>(-7);
  writer.value(0.1);
  writer.value(true);
  const std::string text = "state";
  writer.bytes(std::as_bytes(std::span(text)));
  return writer.finish();
}

TEST(StateBytes, ComeBackInTheOrderTheyWereWritten) {
  const auto content = example();
  StateReader reader("a/Game", content);
  EXPECT_EQ(reader.value<std::int64_t>(), -7);
  EXPECT_EQ(reader.value<double>(), 0.1);
  EXPECT_TRUE(reader.value<bool>());
  const auto text = reader.bytes();
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(text.data()), text.size()), "state");
  EXPECT_NO_THROW(reader.finish());
}

TEST(StateBytes, OfAnotherTitleAreRefused) {
  try {
    StateReader("another/Game", example());
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::failure);
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("another/Game"), testing::HasSubstr("a/Game")));
  }
}

// With right checksums, as a forger would write them.
TEST(StateBytes, OfATitleWithLineBreaksAreRefusedInOneLine) {
  const auto content = StateWriter("a\nb").finish();
  try {
    StateReader("a/Game", content);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("'eaudeqn environment state 1: a?b'"));
  }
}

TEST(StateBytes, WithABoolOfAnotherByteThanZeroAndOneAreRefused) {
  StateWriter writer("a/Game");
  writer.value<std::uint8_t>(2);
  const auto content = writer.finish();
  StateReader reader("a/Game", content);
  EXPECT_THROW((void)reader.value<bool>(), Error);
}

TEST(StateBytes, WithAnyByteChangedAreRefused) {
  const auto content = example();
  for (std::size_t i = 0; i < content.size(); ++i) {
    auto damaged = content;
    damaged[i] ^= std::byte{0x10};
    EXPECT_THROW(StateReader("a/Game", damaged), Error) << "byte " << i;
  }
}

TEST(StateBytes, CutAtAnyLengthAreRefused) {
  const auto content = example();
  for (std::size_t length = 0; length < content.size(); ++length) {
    EXPECT_THROW(StateReader("a/Game", std::span(content).first(length)), Error) << "length " << length;
  }
}

TEST(StateBytes, ReadPastTheirEndOrNotToTheirEndAreRefused) {
  const auto content = example();
  StateReader reader("a/Game", content);
  EXPECT_THROW(reader.finish(), Error);
  (void)reader.value<std::int64_t>();
  (void)reader.value<double>();
  (void)reader.value<bool>();
  (void)reader.bytes();
  EXPECT_THROW((void)reader.value<bool>(), Error);
}

}  // namespace
}  // namespace eaudeqn
