// The fixed schedule: its end points exactly, worked values, and that it never falls.
#include "sparsity/polynomial.h"

#include <gtest/gtest.h>

namespace eaudeqn {
namespace {

TEST(PolynomialSparsity, HitsItsEndPointsExactly) {
  for (const double final : {0.0, 0.3, 0.95, 1.0}) {
    EXPECT_EQ(polynomial_sparsity(0, 100, 900, final), 0.0);
    EXPECT_EQ(polynomial_sparsity(100, 100, 900, final), 0.0);
    EXPECT_EQ(polynomial_sparsity(900, 100, 900, final), final);
    EXPECT_EQ(polynomial_sparsity(1'000'000, 100, 900, final), final);
  }
}

TEST(PolynomialSparsity, IsTheCubeOfWhatIsLeft) {
  EXPECT_DOUBLE_EQ(polynomial_sparsity(500, 100, 900, 1.0), 1.0 - 0.125);
  EXPECT_DOUBLE_EQ(polynomial_sparsity(300, 100, 900, 0.5), 0.5 * (1.0 - 27.0 / 64.0));
  EXPECT_DOUBLE_EQ(polynomial_sparsity(5'000'000, 2'000'000, 8'000'000, 0.95), 0.95 * 0.875) << "the Atari setting";
}

TEST(PolynomialSparsity, NeverFallsAndNeverPassesTheFinalSparsity) {
  double before = 0;
  for (std::int64_t step = 0; step <= 1'100; ++step) {
    const double now = polynomial_sparsity(step, 37, 1'001, 0.95);
    EXPECT_GE(now, before) << step;
    EXPECT_LE(now, 0.95) << step;
    before = now;
  }
}

}  // namespace
}  // namespace eaudeqn
