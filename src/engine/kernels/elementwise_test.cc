// Adam as a specification: the plain formula bit for bit, and moments that fade end at 0. Masks. The other elementwise
// kernels are tested with the layers that need them (kernels_test.cc, byte_input_test.cc, engine_test.cc).
#include "engine/kernels/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "core/random.h"

namespace eaudeqn {
namespace {

struct Weights {
  std::vector<float> weights, first_moment, second_moment;

  void step(const AdamStep& step, const std::vector<float>& gradient) {
    adam_update(step, weights.size(), gradient.data(), weights.data(), first_moment.data(), second_moment.data());
  }
};

constexpr float kSmallest = std::numeric_limits<float>::min();

void plain_step(const AdamStep& step, const std::vector<float>& gradient, Weights& w) {
  for (std::size_t i = 0; i < w.weights.size(); ++i) {
    float& m = w.first_moment[i];
    float& v = w.second_moment[i];
    m = 0.9F * m + static_cast<float>(1.0 - 0.9) * gradient[i];
    v = 0.999F * v + static_cast<float>(1.0 - 0.999) * (gradient[i] * gradient[i]);
    if (std::abs(m) < kSmallest) m = 0;
    if (v < kSmallest) v = 0;
    w.weights[i] -= step.rate * m / (std::sqrt(v) + step.epsilon);
  }
}

TEST(Adam, EqualsThePlainFormula) {
  for (const std::size_t count : {1, 15, 16, 17, 70}) {
    RandomStream stream(3, "elementwise_test", count);
    Weights fast{std::vector<float>(count), std::vector<float>(count), std::vector<float>(count)};
    for (float& weight : fast.weights) weight = static_cast<float>(stream.uniform(-1, 1));
    Weights plain = fast;
    for (int t = 1; t <= 20; ++t) {
      std::vector<float> gradient(count);
      for (float& g : gradient)
        g = std::ldexp(static_cast<float>(stream.uniform(-1, 1)), -static_cast<int>(stream.below(90)));
      const AdamStep step(1e-3, 1e-8, t);
      fast.step(step, gradient);
      plain_step(step, gradient, plain);
    }
    EXPECT_EQ(fast.weights, plain.weights) << count;
    EXPECT_EQ(fast.first_moment, plain.first_moment) << count;
    EXPECT_EQ(fast.second_moment, plain.second_moment) << count;
  }
}

// They stayed at the least denormal number, for ever, where a processor multiplies a hundred times more slowly.
TEST(Adam, MomentsOfWeightsWithoutGradientsEndAtZero) {
  Weights w{{1.0F, 1.0F}, {1e-3F, -1e-3F}, {1e-36F, 1e-36F}};
  const AdamStep step(1e-3, 1e-8, 10'000);
  for (int t = 0; t < 8'000; ++t) {
    w.step(step, {0.0F, 0.0F});
    for (const float m : w.first_moment) ASSERT_TRUE(m == 0 || std::abs(m) >= kSmallest) << "step " << t;
    for (const float v : w.second_moment) ASSERT_TRUE(v == 0 || v >= kSmallest) << "step " << t;
  }
  EXPECT_EQ(w.first_moment, std::vector<float>(2, 0.0F));
  EXPECT_EQ(w.second_moment, std::vector<float>(2, 0.0F));
}

TEST(Adam, KeepsNaN) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Weights w{{1.0F}, {0.0F}, {0.0F}};
  w.step(AdamStep(1e-3, 1e-8, 1), {nan});
  EXPECT_TRUE(std::isnan(w.weights[0]) && std::isnan(w.first_moment[0]) && std::isnan(w.second_moment[0]));
}

TEST(KeepMasked, ZeroesWhatIsInactive) {
  for (const std::size_t count : {1, 16, 37}) {
    std::vector<std::uint8_t> mask(count);
    std::vector<float> values(count), expected(count);
    for (std::size_t i = 0; i < count; ++i) {
      mask[i] = i % 3 == 0 ? 1 : 0;
      values[i] = static_cast<float>(i) + 1;
      expected[i] = mask[i] != 0 ? values[i] : 0;
    }
    keep_masked(mask.data(), count, values.data());
    EXPECT_EQ(values, expected) << count;
  }
}

}  // namespace
}  // namespace eaudeqn
