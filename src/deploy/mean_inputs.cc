// See mean_inputs.h. A convolution's sums are linear in its inputs: their mean is that of the mean input, so that is
// all that has to be kept of the observations.
#include "deploy/mean_inputs.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "deploy/policy_network.h"
#include "engine/kernels/byte_input.h"
#include "engine/passes.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kBatch = 32;

using Means = std::vector<double>;  // of the elements of a tensor: channel, row, column

// Adds the samples of one batch to the sums of a tensor.
void add_samples(const float* values, const TensorLayout& layout, std::size_t samples, Means& sums) {
  std::size_t element = 0;
  for (std::size_t c = 0; c < layout.channels; ++c) {
    for (std::size_t y = 0; y < layout.height; ++y) {
      for (std::size_t x = 0; x < layout.width; ++x, ++element) {
        for (std::size_t b = 0; b < samples; ++b) {
          sums[element] += values[b / layout.lanes * layout.block_pitch() + layout.offset(c, y, x) + b % layout.lanes];
        }
      }
    }
  }
}

Means input_means(const NetworkSpec& spec, std::span<const std::byte> observations, std::size_t count) {
  Means sums(spec.tensors[0].elements(), 0.0);
  for (std::size_t b = 0; b < count; ++b) {
    for (std::size_t i = 0; i < sums.size(); ++i) {
      float value = 0;
      if (spec.architecture.byte_input) {
        value = static_cast<float>(observations[b * sums.size() + i]) * kByteScale;
      } else {
        std::memcpy(&value, observations.data() + (b * sums.size() + i) * sizeof(float), sizeof(float));
      }
      sums[i] += value;
    }
  }
  for (double& sum : sums) sum /= static_cast<double>(count);
  return sums;
}

std::vector<Means> tensor_means(Network& network, std::span<const std::byte> observations, std::size_t count,
                                int threads) {
  const auto plan = std::make_shared<NetworkPlan>(network.plan());
  const std::size_t lanes = std::min(count, kBatch), row = observations.size() / count;
  InputTensor input(plan, lanes);
  Workspace workspace(plan, lanes, false);
  workspace.set_input(input);
  ThreadPool pool(threads);
  std::vector<Means> means = {input_means(plan->spec, observations, count)};
  for (std::size_t t = 1; t < plan->spec.tensors.size(); ++t) means.emplace_back(plan->spec.tensors[t].elements(), 0.0);
  for (std::size_t begin = 0; begin < count; begin += lanes) {
    const std::size_t size = std::min(lanes, count - begin);
    input.load(observations.subspan(begin * row, size * row), size, pool);
    const Pass pass{&network, &workspace};
    forward(std::span(&pass, 1), pool);
    for (std::size_t t = 1; t < means.size(); ++t) {
      add_samples(workspace.activation(t), workspace.activation_layout(t), size, means[t]);
    }
  }
  for (std::size_t t = 1; t < means.size(); ++t) {
    for (double& mean : means[t]) mean /= static_cast<double>(count);
  }
  return means;
}

// The mean of what lies under cell (ky, kx) of the kernel while it passes over one channel.
double mean_under_cell(const double* channel, const TensorShape& in, const LayerSpec& layer, std::size_t stride,
                       std::size_t ky, std::size_t kx) {
  const SamePadding rows = same_padding(in.height, layer.rows, stride);
  const SamePadding columns = same_padding(in.width, layer.columns, stride);
  double sum = 0;
  for (std::size_t oy = 0; oy < rows.outputs; ++oy) {
    for (std::size_t ox = 0; ox < columns.outputs; ++ox) {
      const std::size_t y = oy * stride + ky - rows.before, x = ox * stride + kx - columns.before;
      if (y < in.height && x < in.width) sum += channel[y * in.width + x];  // else outside; below 0 wraps around
    }
  }
  return sum / static_cast<double>(rows.outputs * columns.outputs);
}

std::vector<float> row_means(const NetworkSpec& spec, const Operation& operation, const Means& means) {
  const LayerSpec& layer = spec.layers[operation.layer];
  if (!layer.convolution) return {means.begin(), means.end()};
  const TensorShape& in = spec.tensors[operation.input];
  std::vector<float> row;
  for (std::size_t c = 0; c < layer.in; ++c) {
    const double* channel = means.data() + c * in.height * in.width;
    for (std::size_t ky = 0; ky < layer.rows; ++ky) {
      for (std::size_t kx = 0; kx < layer.columns; ++kx) {
        row.push_back(static_cast<float>(mean_under_cell(channel, in, layer, operation.stride, ky, kx)));
      }
    }
  }
  return row;
}

}  // namespace

std::vector<std::vector<float>> mean_inputs(const Policy& policy, const std::string& origin,
                                            std::span<const std::byte> observations, std::size_t count, int threads) {
  if (count == 0) return {};
  Network network = make_network(policy, origin);
  const NetworkSpec& spec = network.spec();
  const std::vector<Means> means = tensor_means(network, observations, count, threads);
  std::vector<std::vector<float>> rows(spec.layers.size());
  for (const Operation& operation : spec.operations) {
    if (operation.kind != OperationKind::convolution && operation.kind != OperationKind::dense) continue;
    rows[operation.layer] = row_means(spec, operation, means[operation.input]);
  }
  return rows;
}

}  // namespace eaudeqn
