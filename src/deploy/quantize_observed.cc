// See quantize_observed.h.
#include "deploy/quantize_observed.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numeric>

#include "deploy/equalize.h"
#include "deploy/fit_integers.h"
#include "deploy/quantize.h"

namespace eaudeqn {
namespace {

// Row `row` of `layer` as whole numbers, `before` being the same layer with its own weights; error and mask are still
// to be set.
RowFit fit_of(PolicyLayer& layer, const PolicyLayer& before, std::size_t row, const LayerSamples& samples) {
  const std::size_t begin = layer.row_starts[row], size = layer.row_starts[row + 1] - begin;
  RowFit fit;
  fit.samples = &samples;
  fit.columns = std::span(layer.columns).subspan(begin, size);
  fit.original = std::span(before.values).subspan(begin, size);
  fit.values = std::span(layer.values).subspan(begin, size);
  fit.bias = &layer.bias[row];
  fit.scale = layer.scales[row];
  return fit;
}

// The sums of all rows: [row][sample].
std::vector<std::vector<float>> sums_of(const PolicyLayer& layer, const LayerSamples& samples, ThreadPool& pool) {
  std::vector<std::vector<float>> sums(layer.bias.size());
  pool.for_each(sums.size(), [&](std::size_t row, int) { sums[row] = row_sums(layer, row, samples); });
  return sums;
}

// Counts the weights that were fitted. `add` by any thread; only the calling one tells.
class FittedWeights {
 public:
  // All layers but the last, the last of these twice.
  FittedWeights(const Policy& policy, const FitProgress& progress) : progress_(&progress) {
    for (std::size_t l = 0; l + 1 < policy.layers.size(); ++l) all_ += policy.layers[l].values.size();
    all_ += policy.layers[policy.layers.size() - 2].values.size();
  }

  void add(std::size_t weights, int worker) {
    const std::size_t done = done_.fetch_add(weights) + weights;
    if (worker == 0 && *progress_) (*progress_)(static_cast<double>(done) / static_cast<double>(all_));
  }

 private:
  const FitProgress* progress_;
  std::size_t all_ = 0;
  std::atomic<std::size_t> done_{0};
};

// `layer` is rounded; its rows' sums on `samples` are to be `wanted`.
void fit_rows(PolicyLayer& layer, const PolicyLayer& before, const LayerSamples& samples,
              const std::vector<std::vector<float>>& wanted, ThreadPool& pool, FittedWeights& fitted) {
  pool.for_each(layer.bias.size(), [&](std::size_t row, int worker) {
    RowFit fit = fit_of(layer, before, row, samples);
    fit.mask.assign(samples.count, 1.0F);
    fit.error = wanted[row];
    const std::vector<float> sums = row_sums(layer, row, samples);
    for (std::size_t s = 0; s < samples.count; ++s) fit.error[s] -= sums[s];
    fit_integers(fit);
    fitted.add(fit.values.size(), worker);
  });
}

// What the last layer makes of the units below it, as far as the choice of an action depends on it: of discrete actions
// how far each output is from their mean; of continuous ones the first half of the outputs, which are the means.
class Outputs {
 public:
  Outputs(const PolicyLayer& last, std::size_t units, bool discrete)
      : outputs_(discrete ? last.bias.size() : std::max<std::size_t>(last.bias.size() / 2, 1)) {
    weights_.resize(units * outputs_);
    for (std::size_t a = 0; a < outputs_; ++a) {
      for (std::size_t i = last.row_starts[a]; i < last.row_starts[a + 1]; ++i) {
        weights_[last.columns[i] * outputs_ + a] = last.values[i];
      }
    }
    for (std::size_t u = 0; u < units; ++u) {
      const std::span<float> own = std::span(weights_).subspan(u * outputs_, outputs_);
      const float mean = std::accumulate(own.begin(), own.end(), 0.0F) / static_cast<float>(outputs_);
      for (float& weight : own) weight -= discrete ? mean : 0.0F;
      importance_.push_back(std::inner_product(own.begin(), own.end(), own.begin(), 0.0F));
    }
  }

  std::size_t size() const { return outputs_; }
  std::span<const float> weights_of(std::size_t unit) const {
    return std::span(weights_).subspan(unit * outputs_, outputs_);
  }
  float importance(std::size_t unit) const { return importance_[unit]; }

  // Units that matter, those that matter most first.
  std::vector<std::size_t> units_in_order() const {
    std::vector<std::size_t> order;
    for (std::size_t unit = 0; unit < importance_.size(); ++unit) {
      if (importance_[unit] > 0) order.push_back(unit);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return importance_[a] > importance_[b]; });
    return order;
  }

 private:
  std::size_t outputs_;
  std::vector<float> weights_;     // [unit][output]
  std::vector<float> importance_;  // [unit]: the sum of its squared weights
};

// How far the outputs are off: [output][sample]. `outputs` must outlive it.
class OutputErrors {
 public:
  OutputErrors(const Outputs& outputs, std::size_t samples)
      : outputs_(&outputs), samples_(samples), errors_(outputs.size() * samples) {}

  // The unit's sum was `before` and is `after`; what it gives on is what is above 0.
  void change(std::size_t unit, const std::vector<float>& before, const std::vector<float>& after) {
    const auto weights = outputs_->weights_of(unit);
    for (std::size_t a = 0; a < weights.size(); ++a) {
      if (weights[a] == 0) continue;
      float* const errors = errors_.data() + a * samples_;
      for (std::size_t s = 0; s < samples_; ++s) {
        errors[s] += weights[a] * (std::max(after[s], 0.0F) - std::max(before[s], 0.0F));
      }
    }
  }

  // What the unit would have to give more, in every sample, for the outputs to be as near as it alone can bring them.
  std::vector<float> lacking(std::size_t unit) const {
    std::vector<float> lacking(samples_, 0.0F);
    const auto weights = outputs_->weights_of(unit);
    for (std::size_t a = 0; a < weights.size(); ++a) {
      const float* const errors = errors_.data() + a * samples_;
      const float share = weights[a] / outputs_->importance(unit);
      for (std::size_t s = 0; s < samples_; ++s) lacking[s] -= share * errors[s];
    }
    return lacking;
  }

  double squared() const { return std::inner_product(errors_.begin(), errors_.end(), errors_.begin(), 0.0); }

 private:
  const Outputs* outputs_;
  std::size_t samples_;
  std::vector<float> errors_;
};

// One unit of `layer`, whose sums are `sums`, so that the outputs are nearer. The fit counts the samples in which the
// unit is active now; what it does to the others is seen afterwards, and taken back where it is no gain.
void fit_unit(PolicyLayer& layer, const PolicyLayer& before, std::size_t unit, const LayerSamples& samples,
              std::vector<float>& sums, OutputErrors& errors) {
  constexpr std::size_t kFewest = 64;  // samples in which a unit is active, below which nothing is learned about it
  RowFit fit = fit_of(layer, before, unit, samples);
  for (const float sum : sums) fit.mask.push_back(sum > 0 ? 1.0F : 0.0F);
  if (std::accumulate(fit.mask.begin(), fit.mask.end(), 0.0) < kFewest) return;
  const std::vector<float> values(fit.values.begin(), fit.values.end());
  const float bias = *fit.bias;
  const OutputErrors errors_before = errors;
  fit.error = errors.lacking(unit);
  fit_integers(fit);
  std::vector<float> after = row_sums(layer, unit, samples);
  errors.change(unit, sums, after);
  if (errors.squared() < errors_before.squared()) {
    sums = std::move(after);
  } else {
    errors = errors_before;
    std::copy(values.begin(), values.end(), fit.values.begin());
    *fit.bias = bias;
  }
}

// `layer` is the last one of 8 bits; it feeds the last one through ReLU. `wanted` are its sums in the policy.
void fit_outputs(PolicyLayer& layer, const PolicyLayer& before, const Outputs& outputs, const LayerSamples& samples,
                 const std::vector<std::vector<float>>& wanted, ThreadPool& pool, FittedWeights& fitted) {
  std::vector<std::vector<float>> sums = sums_of(layer, samples, pool);
  OutputErrors errors(outputs, samples.count);
  for (std::size_t unit = 0; unit < sums.size(); ++unit) errors.change(unit, wanted[unit], sums[unit]);
  std::size_t unread = layer.values.size();  // in units that no output reads
  for (const std::size_t unit : outputs.units_in_order()) {
    fit_unit(layer, before, unit, samples, sums[unit], errors);
    const std::size_t weights = layer.row_starts[unit + 1] - layer.row_starts[unit];
    fitted.add(weights, 0);
    unread -= weights;
  }
  fitted.add(unread, 0);
}

bool all_finite(const Policy& policy) {
  return std::all_of(policy.layers.begin(), policy.layers.end(), [](const PolicyLayer& layer) {
    const auto finite = [](float value) { return std::isfinite(value); };
    return std::all_of(layer.values.begin(), layer.values.end(), finite) &&
           std::all_of(layer.bias.begin(), layer.bias.end(), finite);
  });
}

}  // namespace

bool can_be_fitted(const Policy& policy, std::size_t observations) {
  return observations >= kFewestObservations && policy.layers.size() > 1 && policy.layers.front().scales.empty();
}

Policy quantize_observed(const Policy& policy, const ObservedPolicy& observed, ThreadPool& pool,
                         const FitProgress& progress) {
  if (!can_be_fitted(policy, observed.count)) return quantize(policy);
  Policy before = equalize(policy, observed, pool);
  if (!all_finite(before)) before = policy;
  const Policy rounded = quantize(before);
  Policy fitted = before;  // becomes `rounded`, layer by layer
  fitted.metadata = rounded.metadata;
  FittedWeights done(before, progress);
  for (std::size_t l = 0; l + 1 < policy.layers.size(); ++l) {
    const PolicyLayer& own = before.layers[l];
    const std::vector<std::vector<float>> wanted = sums_of(own, layer_samples(before, l, observed, pool), pool);
    const LayerSamples samples = layer_samples(fitted, l, observed, pool);
    PolicyLayer layer = rounded.layers[l];
    fit_rows(layer, own, samples, wanted, pool, done);
    if (l + 2 == policy.layers.size()) {
      const Outputs outputs(before.layers.back(), layer.bias.size(), policy.discrete_actions());
      fit_outputs(layer, own, outputs, samples, wanted, pool, done);
    }
    fitted.layers[l] = std::move(layer);
  }
  return fitted;
}

}  // namespace eaudeqn
