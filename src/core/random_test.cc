// Streams are fixed forever: golden values here change only with a new format of all checkpoints.
#include "core/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "core/philox.h"

namespace eaudeqn {
namespace {

// The three vectors for philox4x32 with 10 rounds that the authors publish with Random123.
TEST(Philox, GivesThePublishedKnownAnswers) {
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, {0, 0}), (PhiloxBlock{0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8}));
  constexpr std::uint32_t kOnes = 0xFFFFFFFF;
  EXPECT_EQ(philox4x32_10({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (PhiloxBlock{0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD}));
  EXPECT_EQ(philox4x32_10({0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344}, {0xA4093822, 0x299F31D0}),
            (PhiloxBlock{0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1}));
}

TEST(RandomStream, IsFixedForever) {
  RandomStream replay(1, "replay");
  EXPECT_EQ(replay.next_u64(), 0xF3C331C7A270E87Fu);
  RandomStream network(18'446'744'073'709'551'615u, "initialisation", 4);
  network.seek(1'000'000'000'003);
  EXPECT_EQ(network.next_u64(), 0x61CF3E8AB7B5DBA8u);
  RandomStream exploration(0, "");
  EXPECT_EQ(exploration.uniform(), 0x1.b303ba42b14ecp-3);
  EXPECT_EQ(exploration.below(1000), 484u);
}

TEST(RandomStream, DependsOnNothingButSeedPurposeIndexAndPosition) {
  RandomStream first(7, "exploration", 2);
  for (int i = 0; i < 5; ++i) first.next_u32();
  RandomStream second(7, "exploration", 2);
  second.seek(first.position());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(first.next_u64(), second.next_u64());
}

TEST(RandomStream, DiffersBySeedByPurposeAndByIndex) {
  std::set<std::uint64_t> firsts;
  std::size_t streams = 0;
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    for (const char* purpose : {"exploration", "replay", "initialisation", "selection"}) {
      for (std::uint64_t index = 0; index < 50; ++index) {
        firsts.insert(RandomStream(seed, purpose, index).next_u64());
        ++streams;
      }
    }
  }
  EXPECT_EQ(firsts.size(), streams);
}

TEST(RandomStream, CountsPositionsInWords) {
  RandomStream stream(1, "test");
  stream.next_u32();
  EXPECT_EQ(stream.position(), 1u);
  stream.next_u64();
  EXPECT_EQ(stream.position(), 3u);
  stream.uniform();
  EXPECT_EQ(stream.position(), 5u);
  stream.normal();
  EXPECT_EQ(stream.position(), 9u);
  stream.below(16);
  EXPECT_EQ(stream.position(), 11u);
}

TEST(RandomStream, JoinsTwoWordsLowFirstAlsoAcrossBlocks) {
  for (std::uint64_t position = 0; position < 9; ++position) {
    RandomStream words(3, "test"), pairs(3, "test");
    words.seek(position);
    pairs.seek(position);
    const std::uint64_t low = words.next_u32();
    const std::uint64_t high = words.next_u32();
    EXPECT_EQ(pairs.next_u64(), low | high << 32) << position;
  }
}

TEST(RandomStream, UniformFillsItsInterval) {
  RandomStream stream(5, "test");
  double sum = 0, sum_of_squares = 0, least = 1, greatest = 0;
  constexpr int kDraws = 100'000;
  for (int i = 0; i < kDraws; ++i) {
    const double value = stream.uniform();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
    sum_of_squares += value * value;
    least = std::min(least, value);
    greatest = std::max(greatest, value);
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 0.005);  // five standard errors
  EXPECT_NEAR(sum_of_squares / kDraws, 1.0 / 3, 0.005);
  EXPECT_LT(least, 0.001);
  EXPECT_GT(greatest, 0.999);
}

TEST(RandomStream, UniformNeverReachesItsUpperBound) {
  RandomStream stream(5, "test");
  const double low = 1.0, high = std::nextafter(1.0, 2.0);  // half of all sums would round to `high`
  for (int i = 0; i < 100; ++i) EXPECT_EQ(stream.uniform(low, high), low);
  for (int i = 0; i < 1000; ++i) {
    const double value = stream.uniform(-3.0, 2.0);
    EXPECT_GE(value, -3.0);
    EXPECT_LT(value, 2.0);
  }
}

TEST(RandomStream, BelowIsUnbiased) {
  RandomStream stream(9, "test");
  std::vector<int> counts(6);
  constexpr int kDraws = 60'000;
  for (int i = 0; i < kDraws; ++i) ++counts.at(stream.below(6));
  double chi_square = 0;
  for (const int count : counts) chi_square += (count - 10'000.0) * (count - 10'000.0) / 10'000.0;
  EXPECT_LT(chi_square, 20.5);  // 99.9 % of 5 degrees of freedom
}

// Without the rejection the lower two thirds of these n = 3/4 * 2^64 would come out unevenly.
TEST(RandomStream, BelowIsUnbiasedForHugeRanges) {
  RandomStream stream(9, "test");
  constexpr std::uint64_t kThird = std::uint64_t{1} << 62;
  std::vector<int> counts(3);
  for (int i = 0; i < 30'000; ++i) ++counts.at(stream.below(3 * kThird) / kThird);
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 400);
  std::vector<int> remainders(3);
  for (int i = 0; i < 30'000; ++i) ++remainders.at(stream.below(3 * kThird) % 3);
  for (const int count : remainders) EXPECT_NEAR(count, 10'000, 400);
}

TEST(RandomStream, BelowOneIsZeroAndBelowTheGreatestIsAccepted) {
  RandomStream stream(9, "test");
  EXPECT_EQ(stream.below(1), 0u);
  EXPECT_LT(stream.below(std::numeric_limits<std::uint64_t>::max()), std::numeric_limits<std::uint64_t>::max());
}

TEST(RandomStream, NormalHasTheMomentsOfANormal) {
  RandomStream stream(11, "test");
  constexpr int kDraws = 200'000;
  double sum = 0, squares = 0, fourths = 0;
  int beyond_two = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double value = stream.normal();
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
    squares += value * value;
    fourths += value * value * value * value;
    beyond_two += std::abs(value) > 2 ? 1 : 0;
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.012);
  EXPECT_NEAR(squares / kDraws, 1, 0.016);
  EXPECT_NEAR(fourths / kDraws, 3, 0.11);
  EXPECT_NEAR(beyond_two / double{kDraws}, 0.0455, 0.0024);
}

}  // namespace
}  // namespace eaudeqn
