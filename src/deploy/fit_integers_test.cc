// One row fitted to samples: compared with rounding each weight for itself, with trying everything, and with doing
// nothing where there is nothing to do.
#include "deploy/fit_integers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/random.h"

namespace eaudeqn {
namespace {

// A row of weights over inputs that go together: each is a mixture of a few common causes.
struct Problem {
  explicit Problem(std::size_t weights, std::size_t count, std::uint64_t seed) {
    constexpr std::size_t kCauses = 3;
    RandomStream stream(seed, "fit_integers_test");
    std::vector<double> causes(kCauses * count), mixture(kCauses * weights);
    for (double& cause : causes) cause = stream.normal();
    for (double& part : mixture) part = stream.uniform(0, 1);
    samples.count = count;
    for (std::size_t i = 0; i < weights; ++i) {
      columns.push_back(static_cast<std::uint32_t>(i));
      original.push_back(static_cast<float>(stream.uniform(-1, 1)));
      rounded.push_back(std::nearbyint(original[i] / scale) * scale);
      for (std::size_t s = 0; s < count; ++s) {
        double value = 1 + 0.2 * stream.normal();
        for (std::size_t c = 0; c < kCauses; ++c) value += mixture[c * weights + i] * causes[c * count + s];
        samples.values.push_back(static_cast<float>(value));
      }
    }
    mask.assign(count, 1.0F);
  }

  // What the row's sum lacks with these weights and this bias, in one sample.
  double error(const std::vector<float>& values, double bias, std::size_t s) const {
    double error = -bias;
    for (std::size_t i = 0; i < values.size(); ++i) {
      error += (static_cast<double>(original[i]) - values[i]) * samples.inputs(i)[s];
    }
    return error;
  }
  double squared_error(const std::vector<float>& values, double bias) const {
    double sum = 0;
    for (std::size_t s = 0; s < samples.count; ++s) sum += mask[s] * std::pow(error(values, bias, s), 2);
    return sum;
  }
  double best_bias(const std::vector<float>& values) const {
    double sum = 0, active = 0;
    for (std::size_t s = 0; s < samples.count; ++s) sum += mask[s] * error(values, 0, s), active += mask[s];
    return sum / active;
  }
  RowFit fit(std::vector<float>& values, float& bias) const {
    RowFit row;
    row.samples = &samples;
    row.columns = columns;
    row.original = original;
    row.values = values;
    row.bias = &bias;
    row.scale = scale;
    row.mask = mask;
    for (std::size_t s = 0; s < samples.count; ++s) row.error.push_back(static_cast<float>(error(values, bias, s)));
    return row;
  }

  LayerSamples samples;
  std::vector<std::uint32_t> columns;
  std::vector<float> original, rounded, mask;
  float scale = 0.125F;
};

TEST(FitIntegers, IsFarNearerThanRoundingEachWeightForItself) {
  const Problem problem(40, 1000, 1);
  std::vector<float> values = problem.rounded;
  float bias = 0;
  RowFit row = problem.fit(values, bias);
  fit_integers(row);
  const double before = problem.squared_error(problem.rounded, problem.best_bias(problem.rounded));
  EXPECT_LT(problem.squared_error(values, bias), 0.3 * before);
  EXPECT_NEAR(bias, problem.best_bias(values), 1e-4);
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(values[i], std::nearbyint(values[i] / problem.scale) * problem.scale);
    EXPECT_LE(std::abs(values[i] - problem.original[i]), 4 * problem.scale);
  }
  for (std::size_t s = 0; s < problem.samples.count; ++s) {
    EXPECT_NEAR(row.error[s], problem.error(values, bias, s), 1e-4) << "error is what is left";
  }
}

TEST(FitIntegers, NoSingleStepMakesItBetter) {
  const Problem problem(6, 200, 2);
  std::vector<float> values = problem.rounded;
  float bias = 0;
  RowFit row = problem.fit(values, bias);
  fit_integers(row);
  const double reached = problem.squared_error(values, bias);
  for (float& value : values) {
    for (const float step : {problem.scale, -problem.scale}) {
      value += step;
      // The weight on staying near may forgo this much.
      EXPECT_GE(problem.squared_error(values, problem.best_bias(values)), 0.98 * reached);
      value -= step;
    }
  }
}

TEST(FitIntegers, WhatIsMaskedDoesNotCount) {
  Problem problem(10, 400, 3);
  for (std::size_t s = 0; s < problem.samples.count; s += 2) problem.mask[s] = 0;
  std::vector<float> values = problem.rounded, wild_values = problem.rounded;
  float bias = 0, wild_bias = 0;
  RowFit row = problem.fit(values, bias);
  RowFit wild = problem.fit(wild_values, wild_bias);
  for (std::size_t s = 0; s < problem.samples.count; s += 2) wild.error[s] = 1e6F;
  fit_integers(row);
  fit_integers(wild);
  EXPECT_EQ(values, wild_values);
  EXPECT_EQ(bias, wild_bias);
  EXPECT_LT(problem.squared_error(values, bias), problem.squared_error(problem.rounded, 0));
}

TEST(FitIntegers, WithoutAnErrorOrAnySampleNothingChanges) {
  Problem problem(10, 100, 4);
  problem.original = problem.rounded;
  std::vector<float> values = problem.rounded;
  float bias = 0.5F;
  RowFit row = problem.fit(values, bias);
  std::fill(row.error.begin(), row.error.end(), 0.0F);
  fit_integers(row);
  EXPECT_EQ(values, problem.rounded);
  EXPECT_EQ(bias, 0.5F);
  std::fill(row.error.begin(), row.error.end(), 1.0F);
  std::fill(row.mask.begin(), row.mask.end(), 0.0F);
  fit_integers(row);
  EXPECT_EQ(values, problem.rounded);
  EXPECT_EQ(bias, 0.5F);
}

TEST(FitIntegers, InputsThatNeverChangeMoveTheBiasAlone) {
  Problem problem(3, 50, 5);
  std::fill(problem.samples.values.begin(), problem.samples.values.end(), 2.0F);
  std::vector<float> values = problem.rounded;
  float bias = 0;
  RowFit row = problem.fit(values, bias);
  fit_integers(row);
  EXPECT_EQ(values, problem.rounded);
  EXPECT_NEAR(problem.squared_error(values, bias), 0, 1e-9);
}

// Inputs far from 0: what is left of the error's mean must not pull at them.
TEST(FitIntegers, DoesNotGetWorseByInputsFarFromZero) {
  Problem problem(40, 1000, 7);
  for (const std::size_t far : {0U, 7U}) {
    for (std::size_t s = 0; s < problem.samples.count; ++s) {
      problem.samples.values[far * problem.samples.count + s] += 3000.0F;
    }
  }
  std::vector<float> values = problem.rounded;
  float bias = 0;
  RowFit row = problem.fit(values, bias);
  fit_integers(row);
  const double best = problem.squared_error(values, problem.best_bias(values));
  EXPECT_LT(best, 0.3 * problem.squared_error(problem.rounded, problem.best_bias(problem.rounded)));
}

TEST(FitIntegers, AnInputThatNeverChangesBesideOthersKeepsItsWeight) {
  Problem problem(10, 500, 8);
  std::fill_n(problem.samples.values.begin(), problem.samples.count, 100.0F);
  std::vector<float> values = problem.rounded;
  float bias = 0;
  RowFit row = problem.fit(values, bias);
  fit_integers(row);
  EXPECT_EQ(values[0], problem.rounded[0]);
  EXPECT_NE(values, problem.rounded);
}

// A sensor's "nothing seen", say: its square is no float.
TEST(FitIntegers, WhatIsBeyondFloatsLeavesTheRowAsItIs) {
  for (const float huge : {1e20F, std::numeric_limits<float>::max()}) {
    Problem problem(4, 100, 9);
    std::vector<float> values = problem.rounded;
    float bias = 0.5F;
    RowFit row = problem.fit(values, bias);
    problem.samples.values[3] = huge;
    fit_integers(row);
    EXPECT_EQ(values, problem.rounded);
    EXPECT_EQ(bias, 0.5F);
    row.error[5] = std::numeric_limits<float>::quiet_NaN();
    fit_integers(row);
    EXPECT_EQ(bias, 0.5F);
  }
}

TEST(FitIntegers, ARowOfZerosStaysOne) {
  Problem problem(4, 100, 10);
  std::fill(problem.original.begin(), problem.original.end(), 0.0F);
  std::vector<float> values(4, 0.0F);
  float bias = 0;
  RowFit row = problem.fit(values, bias);
  for (std::size_t s = 0; s < 100; ++s) row.error[s] = 5 * problem.samples.inputs(0)[s];
  fit_integers(row);
  EXPECT_EQ(values, std::vector<float>(4, 0.0F));
  EXPECT_GT(bias, 0);
}

TEST(FitIntegers, StaysWithin127Steps) {
  Problem problem(2, 100, 6);
  problem.original = {127 * problem.scale, -127 * problem.scale};
  std::vector<float> values = problem.original;
  float bias = 0;
  RowFit row = problem.fit(values, bias);
  for (std::size_t s = 0; s < 100; ++s) {
    row.error[s] = 10 * (problem.samples.inputs(0)[s] - problem.samples.inputs(1)[s]);  // wants more of both
  }
  fit_integers(row);
  EXPECT_EQ(values[0], 127 * problem.scale);
  EXPECT_GE(values[1], -127 * problem.scale);
}

}  // namespace
}  // namespace eaudeqn
