// See layer_samples.h.
#include "deploy/layer_samples.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "core/random.h"
#include "deploy/policy_network.h"
#include "engine/kernels/byte_input.h"
#include "engine/passes.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kBatch = 32, kDenseObservations = 16384, kConvolutionObservations = 2048, kPositions = 16;
constexpr std::size_t kDenseProducts = std::size_t{1} << 33, kMostValues = std::size_t{1} << 27;

// What a tensor holds while one batch is in the workspace.
class TensorReader {
 public:
  TensorReader(const NetworkSpec& spec, std::size_t tensor, Workspace& workspace)
      : spec_(spec), tensor_(tensor), workspace_(workspace) {}

  // `raw` is the batch as the network reads it.
  float at(std::span<const std::byte> raw, std::size_t sample, std::size_t c, std::size_t y, std::size_t x) const {
    const TensorShape& shape = spec_.tensors[tensor_];
    if (tensor_ > 0) {
      const TensorLayout& layout = workspace_.activation_layout(tensor_);
      return workspace_.activation(
          tensor_)[sample / layout.lanes * layout.block_pitch() + layout.offset(c, y, x) + sample % layout.lanes];
    }
    const std::size_t element = ((sample * shape.channels + c) * shape.height + y) * shape.width + x;
    if (spec_.architecture.byte_input) return static_cast<float>(raw[element]) * kByteScale;
    float value = 0;
    std::memcpy(&value, raw.data() + element * sizeof(float), sizeof(float));
    return value;
  }

 private:
  const NetworkSpec& spec_;
  std::size_t tensor_;
  Workspace& workspace_;
};

// So many that the work on them is bounded.
std::size_t dense_observations(const PolicyLayer& layer) {
  const std::size_t affordable = kDenseProducts / std::max<std::size_t>(layer.values.size(), 1);
  return std::clamp(affordable, kConvolutionObservations, kDenseObservations);
}

// Where the samples of a batch go.
struct Destination {
  LayerSamples& samples;
  std::size_t at;  // the next sample
};

void take_dense(const TensorReader& tensor, const TensorShape& in, std::span<const std::byte> raw, std::size_t size,
                Destination& to) {
  std::size_t column = 0;
  for (std::size_t c = 0; c < in.channels; ++c) {
    for (std::size_t y = 0; y < in.height; ++y) {
      for (std::size_t x = 0; x < in.width; ++x, ++column) {
        float* const values = to.samples.values.data() + column * to.samples.count + to.at;
        for (std::size_t b = 0; b < size; ++b) values[b] = tensor.at(raw, b, c, y, x);
      }
    }
  }
  to.at += size;
}

void take_position(const TensorReader& tensor, const NetworkSpec& spec, const Operation& operation,
                   std::span<const std::byte> raw, std::size_t sample, std::size_t position, Destination& to) {
  const LayerSpec& layer = spec.layers[operation.layer];
  const TensorShape& in = spec.tensors[operation.input];
  const SamePadding rows = same_padding(in.height, layer.rows, operation.stride);
  const SamePadding columns = same_padding(in.width, layer.columns, operation.stride);
  const std::size_t oy = position / columns.outputs, ox = position % columns.outputs;
  float* value = to.samples.values.data() + to.at;
  for (std::size_t c = 0; c < layer.in; ++c) {
    for (std::size_t ky = 0; ky < layer.rows; ++ky) {
      for (std::size_t kx = 0; kx < layer.columns; ++kx, value += to.samples.count) {
        const std::size_t y = oy * operation.stride + ky - rows.before, x = ox * operation.stride + kx - columns.before;
        if (y < in.height && x < in.width) *value = tensor.at(raw, sample, c, y, x);  // below 0 wraps around
      }
    }
  }
  ++to.at;
}

// Rows of the batch, copied together.
std::vector<std::byte> batch_of(const ObservedPolicy& observed, std::size_t taken, std::size_t begin,
                                std::size_t size) {
  const std::size_t row = observed.observations.size() / observed.count;
  std::vector<std::byte> batch;
  for (std::size_t i = begin; i < begin + size; ++i) {
    const auto one = observed.observations.subspan(i * observed.count / taken * row, row);
    batch.insert(batch.end(), one.begin(), one.end());
  }
  return batch;
}

}  // namespace

LayerSamples layer_samples(const Policy& policy, std::size_t layer, const ObservedPolicy& observed, ThreadPool& pool) {
  Network network = make_network(policy, observed.origin);
  const auto plan = std::make_shared<NetworkPlan>(network.plan());
  const Operation& operation = plan->spec.operation_of(layer);
  const bool dense = operation.kind == OperationKind::dense;
  const LayerSpec& spec = plan->spec.layers[layer];
  const std::size_t positions = plan->spec.positions(layer), in_each = dense ? 1 : std::min(positions, kPositions);
  const std::size_t taken =
      std::min({observed.count, dense ? dense_observations(policy.layers[layer]) : kConvolutionObservations,
                std::max<std::size_t>(kMostValues / (spec.row_size() * in_each), 1)});
  LayerSamples samples;
  samples.count = taken * in_each;
  samples.values.resize(spec.row_size() * samples.count);

  InputTensor input(plan, kBatch);
  Workspace workspace(plan, kBatch, false);
  workspace.set_input(input);
  const TensorReader tensor(plan->spec, operation.input, workspace);
  RandomStream stream(0, "layer_samples", layer);
  Destination to{samples, 0};
  for (std::size_t begin = 0; begin < taken; begin += kBatch) {
    const std::size_t size = std::min(kBatch, taken - begin);
    const std::vector<std::byte> batch = batch_of(observed, taken, begin, size);
    input.load(batch, size, pool);
    const Pass pass{&network, &workspace};
    forward(std::span(&pass, 1), pool);
    if (dense) {
      take_dense(tensor, plan->spec.tensors[operation.input], batch, size, to);
      continue;
    }
    for (std::size_t b = 0; b < size; ++b) {
      for (std::size_t i = 0; i < in_each; ++i) {
        const std::size_t position = in_each == positions ? i : stream.below(positions);
        take_position(tensor, plan->spec, operation, batch, b, position, to);
      }
    }
  }
  return samples;
}

std::vector<float> row_sums(const PolicyLayer& layer, std::size_t row, const LayerSamples& samples) {
  std::vector<float> sums(samples.count, layer.bias[row]);
  for (std::size_t i = layer.row_starts[row]; i < layer.row_starts[row + 1]; ++i) {
    const float weight = layer.values[i];
    const auto inputs = samples.inputs(layer.columns[i]);
    for (std::size_t s = 0; s < samples.count; ++s) sums[s] += weight * inputs[s];
  }
  return sums;
}

}  // namespace eaudeqn
