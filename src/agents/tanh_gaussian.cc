// See tanh_gaussian.h.
#include "agents/tanh_gaussian.h"

#include <cmath>
#include <numbers>
#include <numeric>

namespace eaudeqn {
namespace {

constexpr float kHalfLogTwoPi = 0.918938533F;

// tanh(u) and 1 - tanh(u)^2, the latter also where tanh rounds to 1: both from e = exp(-2 |u|).
struct Squashed {
  float value, slope, log_slope;
};
Squashed squash(float u) {
  const float e = std::exp(-2.0F * std::abs(u));
  const float rest = 1.0F / (1.0F + e);
  const float log_slope = 2.0F * (std::numbers::ln2_v<float> - std::abs(u) - std::log1p(e));
  return {std::copysign((1.0F - e) * rest, u), 4.0F * e * rest * rest, log_slope};
}

}  // namespace

double PolicySample::mean_log_probability() const {
  return std::accumulate(log_probabilities.begin(), log_probabilities.end(), 0.0) /
         static_cast<double>(log_probabilities.size());
}

std::vector<float> output_rows(const Workspace& outputs, std::size_t batch, std::size_t units) {
  std::vector<float> rows(batch * units);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = outputs.output(i / units, i % units);
  return rows;
}

void sample_policy(std::span<const float> outputs, std::size_t actions, RandomStream& noise, PolicySample& sample) {
  const std::size_t batch = outputs.size() / (2 * actions);
  for (auto* values : {&sample.actions, &sample.slopes, &sample.deviations, &sample.log_deviation_slopes}) {
    values->resize(batch * actions);
  }
  sample.log_probabilities.resize(batch);
  for (std::size_t b = 0; b < batch; ++b) {
    float log_probability = 0;
    for (std::size_t i = 0; i < actions; ++i) {
      const std::size_t at = b * actions + i;
      const Squashed raw = squash(outputs[2 * b * actions + actions + i]);
      const float log_deviation = -9.0F + 11.0F * raw.value;  // rounds less than -20 + 11 (1 + tanh)
      const auto normal = static_cast<float>(noise.normal());
      sample.deviations[at] = std::exp(log_deviation) * normal;
      sample.log_deviation_slopes[at] = 11.0F * raw.slope;
      const Squashed action = squash(outputs[2 * b * actions + i] + sample.deviations[at]);
      sample.actions[at] = action.value;
      sample.slopes[at] = action.slope;
      log_probability += -0.5F * normal * normal - log_deviation - kHalfLogTwoPi - action.log_slope;
    }
    sample.log_probabilities[b] = log_probability;
  }
}

// With u = m + s n and the log density of u corrected by -log(1 - tanh(u)^2), whose derivative is 2 tanh(u):
// d log pi / dm = 2 a, d log pi / d log s = 2 a s n - 1.
void set_policy_gradient(const PolicySample& sample, std::span<const float> value_gradients, double temperature,
                         Workspace& outputs) {
  const std::size_t batch = sample.log_probabilities.size();
  const std::size_t actions = sample.actions.size() / batch;
  const auto alpha = static_cast<float>(temperature);
  const float share = 1.0F / static_cast<float>(batch);
  outputs.clear_output_gradient();
  for (std::size_t b = 0; b < batch; ++b) {
    for (std::size_t i = 0; i < actions; ++i) {
      const std::size_t at = b * actions + i;
      const float of_mean = 2.0F * alpha * sample.actions[at] - value_gradients[at] * sample.slopes[at];
      const float of_log_deviation = of_mean * sample.deviations[at] - alpha;
      outputs.set_output_gradient(b, i, share * of_mean);
      outputs.set_output_gradient(b, actions + i, share * of_log_deviation * sample.log_deviation_slopes[at]);
    }
  }
}

void scale_action(std::span<const float> action, std::span<const float> low, std::span<const float> high,
                  std::span<float> scaled) {
  for (std::size_t i = 0; i < action.size(); ++i) {
    scaled[i] = low[i] + 0.5F * (action[i] + 1.0F) * (high[i] - low[i]);
  }
}

}  // namespace eaudeqn
