// Weights of 8 bits fitted to observations: nearer to the policy than plain rounding, on observations that were not
// given as well; a policy of 8 bits like any other.
#include "deploy/quantize_observed.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/files.h"
#include "core/test_directory.h"
#include "deploy/quantize.h"
#include "deploy/test_observed.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kGiven = 512;

// Root mean square of how far the differences between outputs are off: what a choice depends on.
double choice_error(const std::vector<float>& a, const std::vector<float>& b, std::size_t outputs) {
  double sum = 0;
  for (std::size_t row = 0; row < a.size(); row += outputs) {
    double mean = 0;
    for (std::size_t i = row; i < row + outputs; ++i)
      mean += (static_cast<double>(a[i]) - b[i]) / static_cast<double>(outputs);
    for (std::size_t i = row; i < row + outputs; ++i) sum += std::pow(static_cast<double>(a[i]) - b[i] - mean, 2);
  }
  return std::sqrt(sum / static_cast<double>(a.size()));
}

class QuantizedByObservations : public testing::TestWithParam<std::pair<std::string, bool>> {
 protected:
  Architecture architecture_ = small_architecture(GetParam().first, GetParam().second);
  Policy policy_ = sparse_policy(architecture_);
  std::vector<std::byte> given_ = random_observations(architecture_, kGiven, 2);
  std::vector<std::byte> others_ = random_observations(architecture_, kGiven, 3);
  ThreadPool pool_{2};
};

TEST_P(QuantizedByObservations, ActsMoreLikeThePolicyThanPlainRoundingDoes) {
  const Policy fitted = quantize_observed(policy_, {"test", given_, kGiven}, pool_);
  for (const auto& observations : {given_, others_}) {
    const auto wanted = outputs_on(policy_, observations, kGiven);
    const double plain =
        choice_error(wanted, outputs_on(quantize(policy_), observations, kGiven), architecture_.outputs);
    const double now = choice_error(wanted, outputs_on(fitted, observations, kGiven), architecture_.outputs);
    EXPECT_LT(now, 0.6 * plain) << (observations == given_ ? "given" : "others");
  }
}

TEST_P(QuantizedByObservations, IsAPolicyOfEightBitsWithTheSameActiveWeights) {
  const Policy fitted = quantize_observed(policy_, {"test", given_, kGiven}, pool_);
  ASSERT_EQ(fitted.layers.size(), policy_.layers.size());
  for (std::size_t l = 0; l < fitted.layers.size(); ++l) {
    EXPECT_EQ(fitted.layers[l].columns, policy_.layers[l].columns);
    EXPECT_EQ(fitted.layers[l].row_starts, policy_.layers[l].row_starts);
    if (l + 1 == fitted.layers.size()) continue;
    EXPECT_EQ(dequantize(fitted.layers[l], integers_of(fitted.layers[l])), fitted.layers[l].values);
  }
  EXPECT_EQ(fitted.layers.back().values, policy_.layers.back().values);
  EXPECT_EQ(fitted.layers.back().bias, policy_.layers.back().bias);
  const TestDirectory directory;
  write_policy(fitted, directory / "policy.safetensors");
  EXPECT_EQ(read_policy(directory / "policy.safetensors").layers[0].values, fitted.layers[0].values);
}

TEST_P(QuantizedByObservations, TellsHowFarItIs) {
  ThreadPool one(1);
  std::vector<double> shares;
  quantize_observed(policy_, {"test", given_, kGiven}, one, [&](double share) { shares.push_back(share); });
  ASSERT_GT(shares.size(), 10U);
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_LT(shares.front(), 0.5);
  EXPECT_EQ(shares.back(), 1.0);
}

// Of several threads the calling one may get few rows, or none: a machine with other work once left it eight. What it
// does alone at the end is told in any case.
TEST_P(QuantizedByObservations, TellsHowFarItIsWhateverTheThreadsShareOut) {
  ThreadPool many(8);
  std::vector<double> shares;
  quantize_observed(policy_, {"test", given_, kGiven}, many, [&](double share) { shares.push_back(share); });
  ASSERT_GE(shares.size(), policy_.layers.size() - 1);
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_EQ(shares.back(), 1.0);
}

TEST_P(QuantizedByObservations, IsTheSameForAnyNumberOfThreads) {
  ThreadPool one(1), three(3);
  const Policy a = quantize_observed(policy_, {"test", given_, kGiven}, one);
  const Policy b = quantize_observed(policy_, {"test", given_, kGiven}, three);
  for (std::size_t l = 0; l < a.layers.size(); ++l) {
    EXPECT_EQ(a.layers[l].values, b.layers[l].values);
    EXPECT_EQ(a.layers[l].bias, b.layers[l].bias);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, QuantizedByObservations,
                         testing::Values(std::pair("nature", true), std::pair("nature", false),
                                         std::pair("impala", false), std::pair("mlp", false), std::pair("mlp", true)),
                         [](const testing::TestParamInfo<std::pair<std::string, bool>>& parameter) {
                           return parameter.param.first + (parameter.param.second ? "_bytes" : "_floats");
                         });

TEST(QuantizeObserved, OfTooFewObservationsOrOfEightBitsAlreadyItIsQuantize) {
  const Architecture architecture = small_architecture("mlp", false);
  const Policy policy = sparse_policy(architecture);
  ThreadPool pool(1);
  const auto observations = random_observations(architecture, kFewestObservations, 2);
  const auto fewer = std::span(observations).first(observations.size() - observations.size() / kFewestObservations);
  EXPECT_EQ(quantize_observed(policy, {"test", {}, 0}, pool).layers[0].values, quantize(policy).layers[0].values);
  EXPECT_EQ(quantize_observed(policy, {"test", fewer, kFewestObservations - 1}, pool).layers[0].values,
            quantize(policy).layers[0].values);
  EXPECT_NE(quantize_observed(policy, {"test", observations, kFewestObservations}, pool).layers[0].values,
            quantize(policy).layers[0].values);
  const Policy again = quantize_observed(quantize(policy), {"test", observations, kFewestObservations}, pool);
  EXPECT_EQ(again.layers[0].values, quantize(policy).layers[0].values);
}

// Of continuous actions the outputs are means and what noise they had in training, which nobody reads any more.
TEST(QuantizeObserved, OfContinuousActionsTheMeansCount) {
  Architecture architecture = small_architecture("mlp", false);
  architecture.outputs = 6;
  Policy policy = sparse_policy(architecture);
  policy.metadata["actions"] = R"({"low":[-1,-1,-1],"high":[1,1,1]})";
  const auto given = random_observations(architecture, kGiven, 2),
             others = random_observations(architecture, kGiven, 3);
  const auto error_of_means = [&](const Policy& rounded) {
    const auto wanted = outputs_on(policy, others, kGiven), got = outputs_on(rounded, others, kGiven);
    double sum = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (i % 6 < 3) sum += std::pow(static_cast<double>(wanted[i]) - got[i], 2);
    }
    return std::sqrt(sum);
  };
  ThreadPool pool(1);
  const double fitted = error_of_means(quantize_observed(policy, {"test", given, kGiven}, pool));
  EXPECT_LT(fitted, 0.3 * error_of_means(quantize(policy)));
  PolicyLayer& last = policy.layers.back();
  for (std::size_t i = last.row_starts[3]; i < last.values.size(); ++i) last.values[i] *= 1000;
  EXPECT_NEAR(error_of_means(quantize_observed(policy, {"test", given, kGiven}, pool)), fitted, 1e-5 * fitted);
}

// A weight of an input that was always 0, in a unit whose readers ask for smaller steps.
TEST(QuantizeObserved, WeightsThatWouldOverflowBetweenLayersStayFinite) {
  const Architecture architecture = small_architecture("mlp", false);
  Policy policy = sparse_policy(architecture);
  policy.layers[0].values[0] = 3e38F;  // of row 0
  const std::size_t unused = policy.layers[0].columns[0];
  for (std::size_t i = 0; i < policy.layers[1].values.size(); ++i) {
    if (policy.layers[1].columns[i] == 0) policy.layers[1].values[i] *= 100;
  }
  auto observations = random_observations(architecture, kGiven, 2);
  for (std::size_t row = 0; row < kGiven; ++row) {
    const auto at = static_cast<std::ptrdiff_t>((row * architecture.input[0] + unused) * sizeof(float));
    std::fill_n(observations.begin() + at, sizeof(float), std::byte{0});
  }
  ThreadPool pool(1);
  const Policy fitted = quantize_observed(policy, {"test", observations, kGiven}, pool);
  for (const PolicyLayer& layer : fitted.layers) {
    for (const float value : layer.values) ASSERT_TRUE(std::isfinite(value));
    for (const float value : layer.bias) ASSERT_TRUE(std::isfinite(value));
  }
}

}  // namespace
}  // namespace eaudeqn
