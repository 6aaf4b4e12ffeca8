// What a stacked observation is, and that the two pixel orders convert into each other.
#include "core/frame_stack.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

using testing::ElementsAre;

std::vector<std::byte> bytes(const std::vector<int>& values) {
  std::vector<std::byte> out;
  for (const int value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

std::vector<int> numbers(std::span<const std::byte> raw) {
  std::vector<int> out;
  for (const std::byte value : raw) out.push_back(std::to_integer<int>(value));
  return out;
}

TEST(FrameStack, BeginsWithZerosBeforeTheFirstFrame) {
  FrameStack stack(3, 2);
  stack.reset(bytes({1, 2}));
  EXPECT_THAT(numbers(stack.planes()), ElementsAre(0, 0, 0, 0, 1, 2));
}

TEST(FrameStack, KeepsTheNewestFrameLastAndDropsTheOldest) {
  FrameStack stack(3, 2);
  stack.reset(bytes({1, 2}));
  for (int frame = 1; frame <= 3; ++frame) stack.push(bytes({10 * frame, 10 * frame + 1}));
  EXPECT_THAT(numbers(stack.planes()), ElementsAre(10, 11, 20, 21, 30, 31));
}

TEST(FrameStack, ResetForgetsTheEpisodeBefore) {
  FrameStack stack(2, 1);
  stack.reset(bytes({1}));
  stack.push(bytes({2}));
  stack.reset(bytes({3}));
  EXPECT_THAT(numbers(stack.planes()), ElementsAre(0, 3));
}

TEST(FrameStack, OfOneFrameIsThatFrame) {
  FrameStack stack(1, 2);
  stack.reset(bytes({1, 2}));
  stack.push(bytes({3, 4}));
  EXPECT_THAT(numbers(stack.planes()), ElementsAre(3, 4));
}

TEST(FrameStack, LoadsWhatPlanesGaveAndNothingOfAnotherSize) {
  FrameStack stack(2, 2);
  stack.reset(bytes({1, 2}));
  stack.push(bytes({3, 4}));
  const std::vector<std::byte> saved(stack.planes().begin(), stack.planes().end());
  FrameStack other(2, 2);
  other.load(saved);
  other.push(bytes({5, 6}));
  EXPECT_THAT(numbers(other.planes()), ElementsAre(3, 4, 5, 6));
  EXPECT_THROW(other.load(bytes({1, 2, 3})), Error);
}

TEST(InterleavePlanes, PutsTheChannelsOfAPixelSideBySide) {
  const auto planes = bytes({1, 2, 3, 11, 12, 13});  // two channels of three pixels
  std::vector<std::byte> interleaved(6);
  interleave_planes(planes, 2, interleaved);
  EXPECT_THAT(numbers(interleaved), ElementsAre(1, 11, 2, 12, 3, 13));
}

TEST(InterleavePlanes, ComesBackByDeinterleaving) {
  std::vector<std::byte> planes(4 * 84 * 84);
  for (std::size_t i = 0; i < planes.size(); ++i) planes[i] = static_cast<std::byte>((i * 2654435761U) >> 13U);
  std::vector<std::byte> interleaved(planes.size());
  std::vector<std::byte> back(planes.size());
  interleave_planes(planes, 4, interleaved);
  EXPECT_NE(interleaved, planes);
  deinterleave_planes(interleaved, 4, back);
  EXPECT_EQ(back, planes);
}

TEST(InterleavePlanes, RefusesSizesThatDoNotFit) {
  const auto planes = bytes({1, 2, 3, 4});
  std::vector<std::byte> out(4);
  std::vector<std::byte> small(3);
  EXPECT_THROW(interleave_planes(planes, 2, small), Error);
  EXPECT_THROW(interleave_planes(planes, 3, out), Error);
  EXPECT_THROW(deinterleave_planes(planes, 3, out), Error);
}

}  // namespace
}  // namespace eaudeqn
