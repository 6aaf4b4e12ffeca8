// See single_dense.h.
#include "engine/single_dense.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "engine/kernels/matrix_vector.h"
#include "engine/kernels/plane_moves.h"

namespace eaudeqn {
namespace {

// Denser than this, columns win (measured: docs/performance.md); with few outputs they always do.
constexpr double kColumnDensity = 0.2;
constexpr std::size_t kFewOutputs = 8;
// A step of two windows costs as much as this many steps of a group (measured).
constexpr double kWindowCost = 0.8;
constexpr std::size_t kMaxPlaces = std::numeric_limits<std::uint16_t>::max() + std::size_t{1};

std::size_t rounded(std::size_t count, std::size_t step) { return (count + step - 1) / step * step; }

std::vector<std::size_t> count_rows(const LayerWeights& weights, std::size_t outputs, std::size_t inputs) {
  std::vector<std::size_t> counts(outputs);
  for (std::size_t o = 0; o < outputs; ++o) {
    const auto row = weights.mask.begin() + static_cast<std::ptrdiff_t>(o * inputs);
    counts[o] = static_cast<std::size_t>(std::count(row, row + static_cast<std::ptrdiff_t>(inputs), std::uint8_t{1}));
  }
  return counts;
}

}  // namespace

void SingleDense::sort_outputs(std::span<const std::size_t> counts) {
  order_.resize(counts.size());
  std::iota(order_.begin(), order_.end(), 0U);
  std::stable_sort(order_.begin(), order_.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return counts[a] < counts[b]; });
}

void SingleDense::copy(const LayerSpec& spec, const LayerWeights& weights, std::span<const std::uint32_t> places) {
  *this = {};
  outputs_ = spec.out;
  inputs_ = spec.in;
  const auto counts = count_rows(weights, outputs_, inputs_);
  const double density = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::size_t{0})) /
                         static_cast<double>(weights.mask.size());
  const std::size_t span = places.empty() ? 0 : places.back() + std::size_t{1};
  if (density > kColumnDensity || outputs_ <= kFewOutputs || span > kMaxPlaces) {
    form_ = Form::columns;
    order_.resize(outputs_);
    std::iota(order_.begin(), order_.end(), 0U);
    arrange_columns(weights, places);
  } else {
    sort_outputs(counts);
    form_ = Form::windows;
    if (window_width() > 0) arrange_windows(weights, places);
    const double group_steps =
        static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::size_t{0})) / kGroup;
    if (starts_.empty() || static_cast<double>(starts_.back()) * 2 * kWindowCost > group_steps * 2) {
      form_ = Form::groups;
      arrange_groups(weights, places);
    }
  }
  biases_ = AlignedBuffer(scratch_sums(spec));
  for (std::size_t i = 0; i < outputs_; ++i) biases_.data()[i] = weights.bias[order_[i]];
}

// [block of outputs][input][output within the block]
void SingleDense::arrange_columns(const LayerWeights& weights, std::span<const std::uint32_t> places) {
  column_of_.assign(places.empty() ? 0 : places.back() + std::size_t{1}, 0);
  for (std::size_t i = 0; i < places.size(); ++i) column_of_[places[i]] = static_cast<std::uint32_t>(i);
  values_ = AlignedBuffer(rounded(outputs_, 8) * inputs_);
  float* block = values_.data();
  for (std::size_t first = 0; first < outputs_; first += kColumnBlock) {
    const std::size_t width = std::min(kColumnBlock, rounded(outputs_ - first, 8));
    for (std::size_t o = first; o < std::min(first + width, outputs_); ++o) {
      for (std::size_t i = 0; i < inputs_; ++i) block[i * width + o - first] = weights.weights[o * inputs_ + i];
    }
    block += width * inputs_;
  }
}

void SingleDense::arrange_groups(const LayerWeights& weights, std::span<const std::uint32_t> places) {
  const std::size_t groups = (outputs_ + kGroup - 1) / kGroup;
  const auto counts = count_rows(weights, outputs_, inputs_);
  starts_.assign(1, 0);
  for (std::size_t g = 0; g < groups; ++g) {  // the last of a group has most weights
    starts_.push_back(starts_.back() + counts[order_[std::min((g + 1) * kGroup, outputs_) - 1]]);
  }
  values_ = AlignedBuffer(starts_.back() * kGroup);
  indices_.assign(starts_.back() * kGroup, 0);
  for (std::size_t lane = 0; lane < outputs_; ++lane) {
    const std::size_t row = order_[lane] * inputs_;
    std::size_t at = starts_[lane / kGroup] * kGroup + lane % kGroup;
    for (std::size_t i = 0; i < inputs_; ++i) {
      if (weights.mask[row + i] == 0) continue;
      values_.data()[at] = weights.weights[row + i];
      indices_[at] = static_cast<std::uint16_t>(places[i]);
      at += kGroup;
    }
  }
}

// A window begins at the first input that any output of the group still waits for.
void SingleDense::arrange_windows(const LayerWeights& weights, std::span<const std::uint32_t> places) {
  const std::size_t width = window_width();
  const std::size_t pairs = (outputs_ + 2 * width - 1) / (2 * width);
  struct Entry {
    std::uint32_t place;
    float value;
  };
  std::vector<float> values;
  const auto fill = [&](std::size_t half, std::size_t begin) {  // the steps of one group, from step `begin` on
    std::vector<std::vector<Entry>> rows(width);
    std::vector<std::size_t> next(width, 0);
    for (std::size_t i = 0; i < width; ++i) {
      const std::size_t lane = half * width + i;
      if (lane >= outputs_) continue;
      const std::size_t row = order_[lane] * inputs_;
      for (std::size_t k = 0; k < inputs_; ++k) {
        if (weights.mask[row + k] != 0) rows[i].push_back({places[k], weights.weights[row + k]});
      }
    }
    for (std::size_t step = begin;; ++step) {
      std::uint32_t base = std::numeric_limits<std::uint32_t>::max();
      for (std::size_t i = 0; i < width; ++i) {
        if (next[i] < rows[i].size()) base = std::min(base, rows[i][next[i]].place);
      }
      if (base == std::numeric_limits<std::uint32_t>::max()) return step;
      const std::size_t at = 2 * step + half % 2;
      if (values.size() < (2 * step + 2) * width) {
        values.resize((2 * step + 2) * width, 0.0F);
        picks_.resize(values.size(), 0);
        bases_.resize(2 * step + 2, 0);
      }
      bases_[at] = base;
      for (std::size_t i = 0; i < width; ++i) {
        if (next[i] >= rows[i].size() || rows[i][next[i]].place >= base + width) continue;
        values[at * width + i] = rows[i][next[i]].value;
        picks_[at * width + i] = static_cast<std::uint8_t>(rows[i][next[i]].place - base);
        ++next[i];
      }
    }
  };
  starts_.assign(1, 0);
  for (std::size_t pair = 0; pair < pairs; ++pair) {
    const std::size_t begin = starts_.back();
    starts_.push_back(std::max(fill(2 * pair, begin), fill(2 * pair + 1, begin)));
  }
  values_ = AlignedBuffer(values.size());
  std::copy(values.begin(), values.end(), values_.data());
}

void SingleDense::refer_to(const LayerSpec& spec, const LayerPlan& plan, const Layer& layer, bool masks_changed) {
  outputs_ = spec.out;
  inputs_ = spec.in;
  plan_ = &plan;
  layer_ = &layer;
  form_ = layer.compact ? Form::rows : Form::dense_rows;
  if (!layer.compact || !masks_changed) return;
  std::vector<std::size_t> counts(outputs_);
  for (std::size_t o = 0; o < outputs_; ++o) {
    counts[o] = layer.forward.starts[(o + 1) * plan.segments] - layer.forward.starts[o * plan.segments];
  }
  sort_outputs(counts);
}

void SingleDense::run_columns(const DenseInput& input, SingleDenseScratch& scratch) const {
  const std::size_t found = find_nonzero(input.planes, input.size, scratch.nonzero.data());
  for (std::size_t k = 0; k < found; ++k) {
    scratch.inputs.data()[k] = input.planes[scratch.nonzero[k]];
    scratch.columns[k] = column_of_[scratch.nonzero[k]];
  }
  const float* block = values_.data();
  for (std::size_t first = 0; first < outputs_; first += kColumnBlock) {
    const std::size_t width = std::min(kColumnBlock, rounded(outputs_ - first, 8));
    multiply_columns(block, width, scratch.columns.data(), scratch.inputs.data(), found, scratch.sums.data() + first);
    block += width * inputs_;
  }
}

void SingleDense::run(const DenseInput& input, SingleDenseScratch& scratch, float* outputs) const {
  if (form_ == Form::rows) {
    multiply_rows({layer_->forward.starts.data(), plan_->segments, layer_->forward.offsets.data(),
                   layer_->weights.data(), layer_->bias.data(), order_.data(), outputs_},
                  input.flat, outputs);
    return;
  }
  if (form_ == Form::dense_rows) {
    multiply_dense_rows(layer_->weights.data(), layer_->bias.data(), outputs_, inputs_, input.flat, outputs);
    return;
  }
  std::copy_n(biases_.data(), biases_.size(), scratch.sums.data());
  if (form_ == Form::columns) run_columns(input, scratch);
  if (form_ == Form::groups) {
    multiply_groups({starts_.data(), values_.data(), indices_.data(), starts_.size() - 1}, input.planes,
                    scratch.sums.data());
  }
  if (form_ == Form::windows) {
    multiply_windows({starts_.data(), values_.data(), picks_.data(), bases_.data(), starts_.size() - 1}, input.planes,
                     scratch.sums.data());
  }
  for (std::size_t i = 0; i < outputs_; ++i) outputs[order_[i]] = scratch.sums.data()[i];
}

}  // namespace eaudeqn
