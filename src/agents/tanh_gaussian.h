// The policy of soft actor-critic: tanh of a Gaussian, one for each action dimension, whose mean and raw log standard
// deviation are a network's outputs; and the gradient of the actor's loss with respect to these outputs (Haarnoja et
// al. 2018, appendix C). No networks, no losses of critics.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/random.h"
#include "engine/workspace.h"

namespace eaudeqn {

// Actions in (-1, 1) with their log probabilities, and what the gradient needs of how they came about.
struct PolicySample {
  std::vector<float> actions;               // [B][A] a = tanh(u), u = mean + deviation
  std::vector<float> log_probabilities;     // [B]
  std::vector<float> slopes;                // [B][A] da / du
  std::vector<float> deviations;            // [B][A] standard deviation times noise
  std::vector<float> log_deviation_slopes;  // [B][A] d log standard deviation / d raw output

  double mean_log_probability() const;
};

// The outputs of a batch, row by row: [B][units].
std::vector<float> output_rows(const Workspace& outputs, std::size_t batch, std::size_t units);

// outputs: [B][2 A]. Unit i < A is a mean, unit A + i a raw x: log standard deviation = -20 + 11 (1 + tanh(x)).
// Draws B x A normal numbers, sample by sample.
void sample_policy(std::span<const float> outputs, std::size_t actions, RandomStream& noise, PolicySample& sample);

// Sets the output gradients of the loss  mean(temperature log pi(a|s) - Q(s, a)),  Q's part of which is given as dQ/da
// [B][A], the noise being held fixed. Lanes past the batch get 0.
void set_policy_gradient(const PolicySample& sample, std::span<const float> value_gradients, double temperature,
                         Workspace& outputs);

// From [-1, 1] to the bounds of each dimension.
void scale_action(std::span<const float> action, std::span<const float> low, std::span<const float> high,
                  std::span<float> scaled);

}  // namespace eaudeqn
