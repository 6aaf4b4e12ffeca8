// The properties that the pruning rule promises, on random cases and at the edges.
#include "sparsity/next_sparsity.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>

namespace eaudeqn {
namespace {

constexpr int kCases = 20'000;
constexpr double kNoLimit = 1.0;

struct Case {
  double sparsity;
  std::int64_t step, total_steps, period;
  double exponent, max_speed;
};

double call(const Case& c) {
  return next_sparsity(c.sparsity, c.step, c.total_steps, c.period, c.exponent, c.max_speed);
}

// Random cases in which extremes (0, 1, the end of the run and beyond) are common.
class Cases {
 public:
  Case next() {
    Case c{};
    c.sparsity = extreme(0.1) ? static_cast<double>(random_() % 2) : share();
    c.total_steps = 1 + static_cast<std::int64_t>(share() * 1e7);
    c.step = extreme(0.1) ? c.total_steps - static_cast<std::int64_t>(random_() % 3)
                          : static_cast<std::int64_t>(share() * 1.2 * static_cast<double>(c.total_steps));
    c.step = std::max<std::int64_t>(c.step, 0);
    c.period = extreme(0.1) ? 1 : 1 + static_cast<std::int64_t>(share() * 20'000);
    c.exponent = extreme(0.1) ? 0.0 : 3.0 * share();
    c.max_speed = extreme(0.1) ? 0.0 : extreme(0.3) ? kNoLimit : 0.05 * share();
    return c;
  }
  double share() { return static_cast<double>(random_()) / 4294967296.0; }

 private:
  bool extreme(double probability) { return share() < probability; }
  std::mt19937 random_{7};
};

TEST(NextSparsity, IsTheFormula) {
  // H 1000, t 200, T 80: base 0.9; 1 - 0.5 * 0.9^2 = 0.595.
  EXPECT_NEAR(next_sparsity(0.5, 200, 1000, 80, 2.0, kNoLimit), 0.595, 1e-15);
  EXPECT_NEAR(next_sparsity(0.0, 200, 1000, 80, 1.0, kNoLimit), 0.1, 1e-15);
  EXPECT_NEAR(next_sparsity(0.5, 200, 1000, 80, 2.0, 0.01), 0.51, 1e-15);
  // The released setting at the first update: 8,000 of 10M steps, u = 3: 1 - (1248/1249)^3, in exact fractions.
  EXPECT_NEAR(next_sparsity(0.0, 8'000, 10'000'000, 8'000, 3.0, 0.01), 0.0023999989747702163, 1e-15);

  Cases cases;
  for (int i = 0; i < kCases; ++i) {
    const Case c = cases.next();
    if (c.step >= c.total_steps) continue;
    const double ratio = static_cast<double>(c.period) / static_cast<double>(c.total_steps - c.step);
    const double base = std::clamp(1.0 - ratio, 0.0, 1.0);
    const double expected = std::min(1.0 - (1.0 - c.sparsity) * std::pow(base, c.exponent), c.sparsity + c.max_speed);
    ASSERT_NEAR(call(c), expected, 4e-16) << "case " << i;
  }
}

TEST(NextSparsity, StaysBetweenTheCurrentSparsityAndTheSpeedLimitAndOne) {
  Cases cases;
  for (int i = 0; i < kCases; ++i) {
    const Case c = cases.next();
    const double next = call(c);
    ASSERT_FALSE(std::isnan(next)) << "case " << i;
    ASSERT_GE(next, c.sparsity) << "case " << i;
    ASSERT_LE(next, c.sparsity + c.max_speed) << "case " << i;
    ASSERT_LE(next, 1.0) << "case " << i;
  }
}

TEST(NextSparsity, NeverFallsWhenTheExponentGrows) {
  Cases cases;
  for (int i = 0; i < kCases; ++i) {
    Case lower = cases.next();
    Case higher = lower;
    lower.exponent = 3.0 * cases.share();
    higher.exponent = lower.exponent + 1e-9 + cases.share();
    ASSERT_LE(call(lower), call(higher)) << "case " << i;
  }
}

TEST(NextSparsity, WithExponentZeroKeepsTheSparsityToTheBit) {
  Cases cases;
  for (int i = 0; i < kCases; ++i) {
    Case c = cases.next();
    c.exponent = 0.0;
    ASSERT_EQ(call(c), c.sparsity) << "case " << i;
  }
}

TEST(NextSparsity, WithSpeedZeroKeepsTheSparsityToTheBit) {
  Cases cases;
  for (int i = 0; i < kCases; ++i) {
    Case c = cases.next();
    c.max_speed = 0.0;
    ASSERT_EQ(call(c), c.sparsity) << "case " << i;
  }
}

// With one exponent throughout and no speed limit, restarting at every period walks along 1 - (1 - t/H)^u.
TEST(NextSparsity, FollowsThePolynomialScheduleWhenTheExponentIsFixed) {
  constexpr std::int64_t kTotal = 100'000, kPeriod = 500;
  for (const double exponent : {0.5, 1.0, 2.0, 3.0}) {
    double sparsity = 0.0;
    for (std::int64_t step = 0; step < kTotal; step += kPeriod) {
      sparsity = next_sparsity(sparsity, step, kTotal, kPeriod, exponent, kNoLimit);
      const double left = 1.0 - static_cast<double>(step + kPeriod) / static_cast<double>(kTotal);
      ASSERT_NEAR(sparsity, 1.0 - std::pow(left, exponent), 1e-12) << "step " << step << ", exponent " << exponent;
    }
    EXPECT_EQ(sparsity, 1.0);
  }
}

TEST(NextSparsity, InTheLastPeriodAndPastTheEndAimsAtOneUnderTheSpeedLimit) {
  for (const std::int64_t step : {920, 960, 999, 1000, 1001, 5000}) {
    EXPECT_EQ(next_sparsity(0.25, step, 1000, 80, 2.0, kNoLimit), 1.0) << step;
    EXPECT_EQ(next_sparsity(0.25, step, 1000, 80, 2.0, 0.01), 0.26) << step;
    EXPECT_EQ(next_sparsity(0.25, step, 1000, 80, 0.0, kNoLimit), 0.25) << step;
  }
  EXPECT_LT(next_sparsity(0.25, 919, 1000, 80, 2.0, kNoLimit), 1.0);
}

TEST(NextSparsity, IsOneOnceItIsOne) {
  EXPECT_EQ(next_sparsity(1.0, 200, 1000, 80, 2.0, 0.01), 1.0);
  EXPECT_EQ(next_sparsity(0.995, 999, 1000, 80, 2.0, 0.01), 1.0);
}

}  // namespace
}  // namespace eaudeqn
