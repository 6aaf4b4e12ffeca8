// See single_geometry.h.
#include "engine/single_geometry.h"

#include <algorithm>
#include <bit>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

// Runs are computed in whole vectors of up to 16 floats.
std::size_t whole_vectors(std::size_t floats) { return (floats + 15) / 16 * 16; }

// Rows that begin at whole vectors let fewer loads cross a cache line; worth it while they grow by a tenth at most.
std::size_t aligned_pitch(std::size_t pitch) {
  const std::size_t aligned = (pitch + 7) / 8 * 8;
  return (aligned - pitch) * 8 <= pitch ? aligned : pitch;
}

// The smallest pitch at which the phases of a padded row of `inputs` cells can share their borders: column `last` read
// right of a phase's cells must fall into the next row's left border.
std::size_t split_pitch(std::size_t inputs, std::size_t kernel, std::size_t stride) {
  const SamePadding padding = same_padding(inputs, kernel, stride);
  std::size_t pitch = padding.outputs;
  for (std::size_t phase = 0; phase < stride; ++phase) {
    const std::size_t left = padding.before > phase ? (padding.before - phase + stride - 1) / stride : 0;
    const std::size_t end = padding.before + inputs;  // first padded column right of the cells
    if (end > phase) pitch = std::max(pitch, (end - phase + stride - 1) / stride);
    if (kernel > phase) {
      const std::size_t read = (kernel - 1 - phase) / stride + padding.outputs;  // columns read: [0, read)
      if (read > left) pitch = std::max(pitch, read - left);
    }
  }
  return pitch;
}

}  // namespace

SingleGeometry::SingleGeometry(std::shared_ptr<const NetworkPlan> plan) : plan_(std::move(plan)) {
  std::vector<bool> in_planes(spec().tensors.size(), false);
  std::size_t readers_of_input = 0;
  for (std::size_t i = 0; i < spec().operations.size(); ++i) {
    const Operation& operation = spec().operations[i];
    if (operation.kind == OperationKind::convolution || operation.kind == OperationKind::max_pool) {
      in_planes[operation.input] = in_planes[operation.output] = true;
    }
    if (operation.stride > kMaxStride) throw Error::usage("a stride of more than 8 has no single-observation form");
    if (operation.input == 0) {
      ++readers_of_input;
      if (operation.kind == OperationKind::convolution && operation.stride > 1) input_splitter_ = static_cast<int>(i);
    }
    if (operation.residual == 0) ++readers_of_input;
  }
  if (readers_of_input != 1) input_splitter_ = -1;
  // Tensors that are added or copied cell by cell lie alike.
  for (bool changed = true; changed;) {
    changed = false;
    for (const Operation& operation : spec().operations) {
      const auto join = [&](std::size_t a, std::size_t b) {
        if (in_planes[a] != in_planes[b]) in_planes[a] = in_planes[b] = changed = true;
      };
      if (operation.kind == OperationKind::relu) join(operation.input, operation.output);
      if (operation.residual >= 0) join(static_cast<std::size_t>(operation.residual), operation.output);
    }
  }
  for (std::size_t t = 0; t < spec().tensors.size(); ++t) {
    const TensorShape& shape = spec().tensors[t];
    PlaneLayout layout{shape.channels, shape.height, shape.width};
    if (!in_planes[t]) layout = {1, 1, shape.elements()};
    layout.pitch = layout.width;
    tensors_.push_back(layout);
  }
  convolutions_.resize(spec().layers.size());
  choose_pitches();
  choose_planes();
  for (const Operation& operation : spec().operations) {
    if (operation.kind == OperationKind::convolution) plan_convolution(operation);
  }
}

// Borders and pitches: what each reader needs, then equal pitches wherever runs must match.
void SingleGeometry::choose_pitches() {
  for (const Operation& operation : spec().operations) {
    if (operation.kind != OperationKind::convolution || operation.stride != 1) continue;
    PlaneLayout& in = tensors_[operation.input];
    const LayerSpec& layer = spec().layers[operation.layer];
    const SamePadding rows = same_padding(in.height, layer.rows, 1);
    const SamePadding columns = same_padding(in.width, layer.columns, 1);
    in.top = std::max(in.top, rows.before);
    in.left = std::max(in.left, columns.before);
    in.pitch = std::max(in.pitch, aligned_pitch(in.width + std::max(columns.before, columns.after)));
  }
  for (bool changed = true; changed;) {
    changed = false;
    const auto raise = [&](std::size_t& pitch, std::size_t to) {
      changed = changed || pitch < to;
      pitch = std::max(pitch, to);
    };
    const auto join = [&](std::size_t& a, std::size_t& b) {
      raise(a, b);
      raise(b, a);
    };
    for (const Operation& operation : spec().operations) {
      PlaneLayout& in = tensors_[operation.input];
      PlaneLayout& out = tensors_[operation.output];
      if (operation.kind == OperationKind::convolution) {
        const LayerSpec& layer = spec().layers[operation.layer];
        ConvolutionGeometry& geometry = convolutions_[operation.layer];
        geometry.split = operation.stride > 1;
        if (geometry.split)
          raise(geometry.input.pitch, aligned_pitch(split_pitch(in.width, layer.columns, operation.stride)));
        join(geometry.split ? geometry.input.pitch : in.pitch, out.pitch);
      }
      if (operation.kind == OperationKind::relu) join(in.pitch, out.pitch);
      if (operation.residual >= 0) join(tensors_[static_cast<std::size_t>(operation.residual)].pitch, out.pitch);
    }
  }
}

// Distances between planes: room for the cells and their borders, and for the last vector of a run.
void SingleGeometry::choose_planes() {
  for (PlaneLayout& layout : tensors_) {
    layout.plane = layout.offset(0, 0, 0) + whole_vectors(layout.run());
  }
  for (const Operation& operation : spec().operations) {
    if (operation.kind != OperationKind::convolution || operation.stride != 1) continue;
    PlaneLayout& in = tensors_[operation.input];
    const LayerSpec& layer = spec().layers[operation.layer];
    const SamePadding rows = same_padding(in.height, layer.rows, 1);
    const SamePadding columns = same_padding(in.width, layer.columns, 1);
    in.plane = std::max(in.plane, in.offset(0, in.height - 1 + rows.after, in.width + columns.after));
  }
  for (PlaneLayout& layout : tensors_) layout.plane = whole_vectors(layout.plane);
}

void SingleGeometry::plan_convolution(const Operation& operation) {
  const LayerSpec& layer = spec().layers[operation.layer];
  const PlaneLayout& in = tensors_[operation.input];
  const PlaneLayout& out = tensors_[operation.output];
  ConvolutionGeometry& geometry = convolutions_[operation.layer];
  const SamePadding rows = same_padding(in.height, layer.rows, operation.stride);
  const SamePadding columns = same_padding(in.width, layer.columns, operation.stride);
  const std::size_t s = operation.stride;
  if (geometry.split) {
    SplitLayout& split = geometry.input;
    split.stride = s;
    split.before_rows = rows.before;
    split.before_columns = columns.before;
    const std::size_t cells = (rows.before + in.height + s - 1) / s;   // rows with cells
    const std::size_t read = (layer.rows - 1) / s + rows.outputs + 1;  // a row's right border lies in the next row
    split.plane = whole_vectors(std::max(cells, read) * split.pitch);
    split.buffer =
        in.channels * s * s * split.plane + whole_vectors(out.run()) + split.pitch * (layer.rows / s + 1) + 64;
  } else {
    geometry.first = in.offset(0, 0, 0) - rows.before * in.pitch - columns.before;
  }
  for (std::size_t c = 0; c < layer.in; ++c) {
    for (std::size_t ky = 0; ky < layer.rows; ++ky) {
      for (std::size_t kx = 0; kx < layer.columns; ++kx) {
        std::size_t offset = c * in.plane + ky * in.pitch + kx;
        if (geometry.split) {
          offset = ((c * s + ky % s) * s + kx % s) * geometry.input.plane + ky / s * geometry.input.pitch + kx / s;
        }
        geometry.offsets.push_back(static_cast<std::int32_t>(offset));
      }
    }
  }
  geometry.mask = AlignedBuffer(whole_vectors(out.run()));
  for (std::size_t y = 0; y < out.height; ++y) {
    for (std::size_t x = 0; x < out.width; ++x) {
      geometry.mask.data()[y * out.pitch + x] = std::bit_cast<float>(0xFFFFFFFFU);
    }
  }
}

std::size_t SingleGeometry::place(std::size_t tensor, std::size_t feature) const {
  const PlaneLayout& layout = tensors_[tensor];
  const std::size_t area = layout.height * layout.width;
  return layout.offset(feature / area, feature % area / layout.width, feature % layout.width);
}

}  // namespace eaudeqn
