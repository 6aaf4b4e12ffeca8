#include "deploy/column_gaps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace eaudeqn {
namespace {

using ::testing::ElementsAre;

using Columns = std::vector<std::uint32_t>;
using Bytes = std::vector<std::uint8_t>;

TEST(ColumnGaps, SayWhatIsSkipped) {
  const Columns columns = {0, 1, 5, 3, 4}, starts = {0, 3, 3, 5};
  EXPECT_THAT(encode_gaps(columns, starts), ElementsAre(0, 0, 3, 3, 0));
}

TEST(ColumnGaps, OfMoreThanAByteGoOn) {
  const Columns columns = {254, 510, 766, 1277}, starts = {0, 4};
  // 254 fits; 255 is 255 and nothing more; 255; 510 is twice 255 and nothing more.
  EXPECT_THAT(encode_gaps(columns, starts), ElementsAre(254, 255, 0, 255, 0, 255, 255, 0));
  EXPECT_EQ(decode_gaps(encode_gaps(columns, starts), starts, 1278), columns);
}

TEST(ColumnGaps, RoundTripAtEveryDensity) {
  std::mt19937 random(1);
  for (const double density : {0.001, 0.01, 0.05, 0.5, 1.0}) {
    Columns columns, starts = {0};
    for (int row = 0; row < 20; ++row) {
      for (std::uint32_t column = 0; column < 3000; ++column) {
        if (static_cast<double>(random()) < density * 4294967296.0) columns.push_back(column);
      }
      starts.push_back(static_cast<std::uint32_t>(columns.size()));
    }
    EXPECT_EQ(decode_gaps(encode_gaps(columns, starts), starts, 3000), columns) << density;
  }
}

TEST(ColumnGaps, ThatMakeOtherColumnsAreRefused) {
  const Columns starts = {0, 1, 2};
  EXPECT_EQ(decode_gaps(Bytes{2, 1}, starts, 3), (Columns{2, 1}));
  EXPECT_FALSE(decode_gaps(Bytes{3, 1}, starts, 3)) << "outside of the row";
  EXPECT_FALSE(decode_gaps(Bytes{2}, starts, 3)) << "too few";
  EXPECT_FALSE(decode_gaps(Bytes{2, 1, 0}, starts, 3)) << "too many";
  EXPECT_FALSE(decode_gaps(Bytes{2, 255}, starts, 3000)) << "a gap without end";
  EXPECT_FALSE(decode_gaps(Bytes{}, Columns{}, 3)) << "no rows at all";
  EXPECT_EQ(decode_gaps(Bytes{}, Columns{0}, 3), Columns{});
}

}  // namespace
}  // namespace eaudeqn
