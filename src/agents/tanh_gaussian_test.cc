// The policy's samples, densities and gradients against plain formulas in double precision.
#include "agents/tanh_gaussian.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numbers>

#include "engine/workspace.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kActions = 3;

std::shared_ptr<const NetworkPlan> plan() {
  Architecture architecture;
  architecture.kind = "mlp";
  architecture.input = {1};
  architecture.outputs = 2 * kActions;
  return std::make_shared<NetworkPlan>(make_network_spec(architecture));
}

struct Exact {
  std::vector<double> actions;
  double log_probability = 0;
};

Exact exact(const std::vector<double>& outputs, const std::vector<double>& noise) {
  Exact result;
  for (std::size_t i = 0; i < kActions; ++i) {
    const double log_deviation = -20 + 11 * (1 + std::tanh(outputs[kActions + i]));
    const double u = outputs[i] + std::exp(log_deviation) * noise[i];
    result.actions.push_back(std::tanh(u));
    const double log_slope = std::log(4.0) - 2 * std::abs(u) - 2 * std::log1p(std::exp(-2 * std::abs(u)));
    result.log_probability +=
        -0.5 * noise[i] * noise[i] - log_deviation - 0.5 * std::log(2 * std::numbers::pi) - log_slope;
  }
  return result;
}

std::vector<float> random_outputs(std::size_t batch, RandomStream& stream) {
  std::vector<float> values;
  for (std::size_t i = 0; i < batch * 2 * kActions; ++i) {
    const bool mean = i % (2 * kActions) < kActions;
    values.push_back(static_cast<float>(mean ? 2 * stream.normal() : stream.uniform(0.5, 1.5)));
  }
  return values;
}

std::vector<double> row(const std::vector<float>& values, std::size_t b) {
  const auto first = values.begin() + static_cast<std::ptrdiff_t>(b * 2 * kActions);
  return {first, first + 2 * kActions};
}

std::vector<double> draw_noise(RandomStream& noise) {
  std::vector<double> values;
  for (std::size_t i = 0; i < kActions; ++i) values.push_back(static_cast<float>(noise.normal()));
  return values;
}

TEST(TanhGaussian, ActionsAndDensitiesAreThoseOfTheFormula) {
  const std::size_t batch = 40;
  RandomStream stream(1, "outputs"), noise(2, "noise"), same_noise(2, "noise");
  const auto values = random_outputs(batch, stream);
  PolicySample sample;
  sample_policy(values, kActions, noise, sample);
  for (std::size_t b = 0; b < batch; ++b) {
    const Exact expected = exact(row(values, b), draw_noise(same_noise));
    for (std::size_t i = 0; i < kActions; ++i) {
      EXPECT_NEAR(sample.actions[b * kActions + i], expected.actions[i], 4e-6);  // log s rounds at 1e-6
    }
    EXPECT_NEAR(sample.log_probabilities[b], expected.log_probability, 3e-5 * (1 + std::abs(expected.log_probability)));
  }
}

// Far out tanh rounds to 1, and log(1 - tanh^2) must not become -infinity; nor may a vanishing deviation.
TEST(TanhGaussian, ExtremesStayFinite) {
  for (const float extreme : {-1e3F, -30.0F, 0.0F, 30.0F, 1e3F}) {
    RandomStream noise(3, "noise");
    PolicySample sample;
    sample_policy(std::vector<float>{extreme, extreme, 0, extreme, 0, -extreme}, kActions, noise, sample);
    Workspace workspace(plan(), 1, true);
    EXPECT_TRUE(std::isfinite(sample.log_probabilities[0])) << extreme;
    for (const float action : sample.actions) EXPECT_LE(std::abs(action), 1.0F);
    set_policy_gradient(sample, std::vector<float>(kActions, 1.0F), 0.2, workspace);
    for (std::size_t i = 0; i < 2 * kActions; ++i) {
      EXPECT_TRUE(std::isfinite(workspace.gradient(1)[i * kLanes])) << extreme;
    }
  }
}

TEST(TanhGaussian, GradientsEqualFiniteDifferencesOfTheLoss) {
  const std::size_t batch = 20;
  const double alpha = 0.3, h = 1e-6;
  RandomStream stream(4, "outputs"), noise(5, "noise"), same_noise(5, "noise");
  const auto values = random_outputs(batch, stream);
  std::vector<float> value_gradients;  // Q is linear in the action: its slopes
  for (std::size_t i = 0; i < batch * kActions; ++i) value_gradients.push_back(static_cast<float>(stream.normal()));
  Workspace workspace(plan(), batch, true);
  PolicySample sample;
  sample_policy(values, kActions, noise, sample);
  set_policy_gradient(sample, value_gradients, alpha, workspace);
  for (std::size_t b = 0; b < batch; ++b) {
    const auto fixed_noise = draw_noise(same_noise);
    const auto loss = [&](std::size_t unit, double change) {
      auto changed = row(values, b);
      changed[unit] += change;
      const Exact result = exact(changed, fixed_noise);
      double sum = alpha * result.log_probability;
      for (std::size_t i = 0; i < kActions; ++i) sum -= value_gradients[b * kActions + i] * result.actions[i];
      return sum / batch;
    };
    for (std::size_t unit = 0; unit < 2 * kActions; ++unit) {
      const double expected = (loss(unit, h) - loss(unit, -h)) / (2 * h);
      const TensorLayout layout = workspace.gradient_layout(1);
      const float ours =
          workspace.gradient(1)[b / kLanes * layout.block_pitch() + layout.offset(unit, 0, 0) + b % kLanes];
      EXPECT_NEAR(ours, expected, 1e-5 * (1 + std::abs(expected))) << "sample " << b << ", unit " << unit;
    }
  }
}

TEST(TanhGaussian, ActionsAreScaledToTheBounds) {
  const std::vector<float> action = {-1, 0, 1}, low = {-0.4F, -0.4F, 2}, high = {0.4F, 0.6F, 6};
  std::vector<float> scaled(3);
  scale_action(action, low, high, scaled);
  EXPECT_THAT(scaled, testing::Pointwise(testing::FloatEq(), {-0.4F, 0.1F, 6.0F}));
}

}  // namespace
}  // namespace eaudeqn
