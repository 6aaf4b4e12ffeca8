// See single_dense.h.
#include "engine/single_dense.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "engine/kernels/matrix_vector.h"
#include "engine/kernels/plane_moves.h"

namespace eaudeqn {
namespace {

// Denser than this, columns win (measured: docs/performance.md).
constexpr double kColumnDensity = 0.4;
// A window costs as much as this many steps of a group (measured).
constexpr double kWindowCost = 0.33;
constexpr std::size_t kMaxInputs = std::numeric_limits<std::uint16_t>::max() + std::size_t{1};

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

void SingleDense::copy(const LayerSpec& spec, const LayerWeights& weights) {
  *this = {};
  outputs_ = spec.out;
  inputs_ = spec.in;
  const auto counts = count_rows(weights, outputs_, inputs_);
  const double density = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::size_t{0})) /
                         static_cast<double>(weights.mask.size());
  if (density > kColumnDensity || inputs_ > kMaxInputs) {
    form_ = Form::columns;
    order_.resize(outputs_);
    std::iota(order_.begin(), order_.end(), 0U);
    arrange_columns(weights);
  } else {
    sort_outputs(counts);
    form_ = Form::windows;
    if (window_width() > 0) arrange_windows(weights);
    const double group_steps =
        static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::size_t{0})) / kGroup;
    if (starts_.empty() || static_cast<double>(bases_.size()) * kWindowCost > group_steps) {
      form_ = Form::groups;
      picks_ = {};
      bases_ = {};
      arrange_groups(weights);
    }
  }
  biases_ = AlignedBuffer(scratch_sums(spec));
  for (std::size_t i = 0; i < outputs_; ++i) biases_.data()[i] = weights.bias[order_[i]];
}

// [block of outputs][input][output within the block]
void SingleDense::arrange_columns(const LayerWeights& weights) {
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

void SingleDense::arrange_groups(const LayerWeights& weights) {
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
      indices_[at] = static_cast<std::uint16_t>(i);
      at += kGroup;
    }
  }
}

namespace {

struct WindowEntry {
  std::uint32_t input;
  float value;
};

}  // namespace

// A window begins at the first input that any output of the group still waits for, or at the aligned one before it.
void SingleDense::arrange_windows(const LayerWeights& weights) {
  const std::size_t width = window_width(), inputs = window_inputs();
  const auto alignment = static_cast<std::uint32_t>(inputs > width ? width : 1);
  constexpr std::size_t kBlockParts = kWindowSteps * kWindowGroups;
  const std::size_t sets = (outputs_ + kWindowGroups * width - 1) / (kWindowGroups * width);
  std::vector<float> values;
  const auto fill = [&](std::size_t group, std::size_t step) {  // from this step on; returns the end
    std::vector<std::vector<WindowEntry>> rows(width);          // what each output still waits for, last first
    for (std::size_t i = 0; i < width && group * width + i < outputs_; ++i) {
      const std::size_t row = order_[group * width + i] * inputs_;
      for (std::size_t k = inputs_; k-- > 0;) {
        if (weights.mask[row + k] != 0) rows[i].push_back({static_cast<std::uint32_t>(k), weights.weights[row + k]});
      }
    }
    for (;; ++step) {
      std::uint32_t base = std::numeric_limits<std::uint32_t>::max();
      for (const auto& row : rows) {
        if (!row.empty()) base = std::min(base, row.back().input);
      }
      if (base == std::numeric_limits<std::uint32_t>::max()) return step;
      base -= base % alignment;
      const std::size_t part = step * kWindowGroups + group % kWindowGroups;
      if (bases_.size() <= part) {
        bases_.resize(rounded(part + 1, kBlockParts), 0);
        values.resize(bases_.size() * width, 0.0F);
        picks_.resize(bases_.size() / kWordParts * width, 0);
      }
      bases_[part] = static_cast<std::uint16_t>(base);
      for (std::size_t i = 0; i < width; ++i) {
        if (rows[i].empty() || rows[i].back().input >= base + inputs) continue;
        values[part * width + i] = rows[i].back().value;
        picks_[part / kWordParts * width + i] |= (rows[i].back().input - base) << (kPickBits * (part % kWordParts));
        rows[i].pop_back();
      }
    }
  };
  starts_.assign(1, 0);
  for (std::size_t set = 0; set < sets; ++set) {
    const std::size_t begin = starts_.back() * kWindowSteps;
    std::size_t end = begin;
    for (std::size_t h = 0; h < kWindowGroups; ++h) end = std::max(end, fill(set * kWindowGroups + h, begin));
    starts_.push_back((end + kWindowSteps - 1) / kWindowSteps);
  }
  values_ = AlignedBuffer(values.size());
  std::copy(values.begin(), values.end(), values_.data());
}

void SingleDense::refer_to(const LayerSpec& spec, const Layer& layer) {
  outputs_ = spec.out;
  inputs_ = spec.in;
  layer_ = &layer;
  form_ = !layer.compact ? Form::panels : layer.by_input() ? Form::input_columns : Form::rows;
}

std::size_t SingleDense::list_nonzero(const float* input, SingleDenseScratch& scratch) const {
  const std::size_t found = find_nonzero(input, inputs_, scratch.nonzero.data());
  std::fill_n(scratch.nonzero.begin() + static_cast<std::ptrdiff_t>(found), kColumnsAhead, 0U);
  for (std::size_t k = 0; k < found; ++k) scratch.inputs.data()[k] = input[scratch.nonzero[k]];
  return found;
}

void SingleDense::run_columns(const float* input, SingleDenseScratch& scratch) const {
  const std::size_t found = list_nonzero(input, scratch);
  const float* block = values_.data();
  for (std::size_t first = 0; first < outputs_; first += kColumnBlock) {
    const std::size_t width = std::min(kColumnBlock, rounded(outputs_ - first, 8));
    multiply_columns(block, width, scratch.nonzero.data(), scratch.inputs.data(), found, scratch.sums.data() + first);
    block += width * inputs_;
  }
}

void SingleDense::run_panels(const float* input, SingleDenseScratch& scratch, float* outputs) const {
  const std::size_t found = list_nonzero(input, scratch);
  std::copy_n(layer_->bias.data(), outputs_, scratch.sums.data());
  const float* panel = layer_->weights.data();
  for (std::size_t first = 0; first < outputs_; first += kPanelOutputs) {
    multiply_columns(panel, kPanelOutputs, scratch.nonzero.data(), scratch.inputs.data(), found,
                     scratch.sums.data() + first);
    panel += kPanelOutputs * inputs_;
  }
  std::copy_n(scratch.sums.data(), outputs_, outputs);
}

void SingleDense::run(const float* input, SingleDenseScratch& scratch, float* outputs) const {
  if (form_ == Form::panels) return run_panels(input, scratch, outputs);
  if (layer_ != nullptr) {
    std::copy_n(layer_->bias.data(), outputs_, outputs);
    const LayerIndex& index = layer_->forward;
    for (std::size_t segment = 0; form_ == Form::rows && segment < index.segments; ++segment) {
      multiply_rows({index.starts.data() + segment * outputs_, index.offsets.data(), layer_->weights.data(), outputs_},
                    input, outputs);
    }
    const ColumnIndex& columns = layer_->columns;
    for (std::size_t segment = 0; form_ == Form::input_columns && segment < columns.segments; ++segment) {
      multiply_input_columns(
          {columns.starts.data() + segment * columns.columns, columns.outputs.data(), layer_->weights.data()},
          columns.columns, input, outputs);
    }
    return;
  }
  std::copy_n(biases_.data(), biases_.size(), scratch.sums.data());
  if (form_ == Form::columns) run_columns(input, scratch);
  if (form_ == Form::groups) {
    multiply_groups({starts_.data(), values_.data(), indices_.data(), starts_.size() - 1}, input, scratch.sums.data());
  }
  if (form_ == Form::windows) {
    multiply_windows({starts_.data(), values_.data(), picks_.data(), bases_.data(), starts_.size() - 1}, input,
                     scratch.sums.data());
  }
  for (std::size_t i = 0; i < outputs_; ++i) outputs[order_[i]] = scratch.sums.data()[i];
}

}  // namespace eaudeqn
