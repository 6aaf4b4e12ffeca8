// Scales between layers: the outputs stay, what rounding adds becomes less, and only where a layer has its inputs to
// itself.
#include "deploy/equalize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "deploy/quantize.h"
#include "deploy/test_observed.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kEqualized = 64;

// Channels of very different sizes, as networks of real tasks have them: unit u of every layer times a factor of its
// own.
Policy uneven(Policy policy) {
  for (std::size_t l = 0; l + 1 < policy.layers.size(); ++l) {
    PolicyLayer& layer = policy.layers[l];
    for (std::size_t row = 0; row < layer.bias.size(); ++row) {
      const auto factor = static_cast<float>(std::pow(4.0, static_cast<double>(row % 3) - 1));
      for (std::size_t i = layer.row_starts[row]; i < layer.row_starts[row + 1]; ++i) layer.values[i] *= factor;
      layer.bias[row] *= factor;
    }
  }
  return policy;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::pow(static_cast<double>(a[i]) - b[i], 2);
  return std::sqrt(sum);
}

// The variance of what is between them, of all outputs: means are for biases to take.
double variance_between(const std::vector<float>& a, const std::vector<float>& b, std::size_t outputs) {
  double variance = 0;
  for (std::size_t output = 0; output < outputs; ++output) {
    double sum = 0, squares = 0;
    for (std::size_t i = output; i < a.size(); i += outputs) {
      const double between = static_cast<double>(a[i]) - b[i];
      sum += between, squares += between * between;
    }
    const double count = static_cast<double>(a.size() / outputs);
    variance += squares / count - sum / count * sum / count;
  }
  return variance;
}

// With plain rounding of that layer alone.
Policy rounded_in(Policy policy, std::size_t l) {
  policy.layers[l].values = quantize(policy).layers[l].values;
  return policy;
}

class Equalized : public testing::TestWithParam<std::string> {};

TEST_P(Equalized, ComputesTheSameAndIsRoundedWithLessHarm) {
  const Architecture architecture = small_architecture(GetParam(), false);
  const Policy policy = uneven(sparse_policy(architecture));
  const auto observations = random_observations(architecture, kEqualized, 7);
  ThreadPool pool(2);
  const Policy equalized = equalize(policy, {"test", observations, kEqualized}, pool);
  const auto wanted = outputs_on(policy, observations, kEqualized),
             got = outputs_on(equalized, observations, kEqualized);
  const double size = distance(wanted, std::vector<float>(wanted.size(), 0.0F));
  EXPECT_LT(distance(wanted, got), 1e-5 * size);
  double before = 0, after = 0;
  for (std::size_t l = 1; l + 1 < policy.layers.size(); ++l) {
    if (equalized.layers[l].values == policy.layers[l].values) continue;
    before += variance_between(wanted, outputs_on(rounded_in(policy, l), observations, kEqualized), 3);
    after += variance_between(wanted, outputs_on(rounded_in(equalized, l), observations, kEqualized), 3);
  }
  EXPECT_GT(before, 0) << "some layers were changed";
  EXPECT_LT(after, (GetParam() == "mlp" ? 0.6 : 1.0) * before);
  for (std::size_t l = 0; l < policy.layers.size(); ++l) {
    EXPECT_EQ(equalized.layers[l].columns, policy.layers[l].columns);
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Equalized, testing::Values("nature", "impala", "mlp"));

TEST(Equalize, LeavesWhatResidualsAndPoolingShare) {
  const Architecture architecture = small_architecture("impala", false);
  const Policy policy = uneven(sparse_policy(architecture));
  const auto observations = random_observations(architecture, kEqualized, 7);
  ThreadPool pool(1);
  const Policy equalized = equalize(policy, {"test", observations, kEqualized}, pool);
  const NetworkSpec spec = make_network_spec(architecture);
  std::size_t changed = 0;
  for (const Operation& operation : spec.operations) {
    if (operation.kind != OperationKind::convolution && operation.kind != OperationKind::dense) continue;
    const bool same = equalized.layers[operation.layer].bias == policy.layers[operation.layer].bias;
    const bool pooled = std::any_of(spec.operations.begin(), spec.operations.end(), [&](const Operation& reader) {
      return reader.kind == OperationKind::max_pool && reader.input == operation.output;
    });
    // Only the first convolution of a residual block writes what one other layer alone reads.
    EXPECT_TRUE(same || (operation.residual < 0 && !pooled)) << operation.layer;
    changed += same ? 0U : 1U;
  }
  EXPECT_GT(changed, 0U);
}

// It may be awake in another game, and its weights then need steps as well.
TEST(Equalize, AUnitThatSleepsIsNotShrunkAway) {
  const Architecture architecture = small_architecture("mlp", false);
  Policy policy = sparse_policy(architecture);
  policy.layers[0].bias[0] = -100;
  PolicyLayer& reader = policy.layers[1];
  for (std::size_t i = 0; i < reader.values.size(); ++i) {
    if (reader.columns[i] == 0) reader.values[i] *= 100;  // the largest of every row that has one
  }
  const auto observations = random_observations(architecture, kEqualized, 7);
  ThreadPool pool(1);
  const Policy equalized = equalize(policy, {"test", observations, kEqualized}, pool);
  const float factor = policy.layers[0].bias[0] / equalized.layers[0].bias[0];
  EXPECT_GT(factor, 0.1F);
  EXPECT_LT(factor, 0.9F);
}

TEST(Equalize, ChangesNothingWhereNothingIsMultiplied) {
  const Architecture architecture = small_architecture("mlp", false);
  const Policy policy = sparse_policy(architecture);
  const std::vector<std::byte> zeros(kEqualized * architecture.input[0] * sizeof(float));
  ThreadPool pool(1);
  const Policy equalized = equalize(policy, {"test", zeros, kEqualized}, pool);
  for (std::size_t l = 0; l < policy.layers.size(); ++l) {
    EXPECT_EQ(equalized.layers[l].values, policy.layers[l].values);
  }
}

}  // namespace
}  // namespace eaudeqn
