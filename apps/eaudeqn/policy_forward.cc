// See policy_forward.h.
#include "policy_forward.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <memory>

#include "core/frame_stack.h"
#include "eaudeqn/error.h"
#include "engine/passes.h"

namespace eaudeqn {

constexpr std::size_t kBatch = 32;

std::vector<std::byte> planes_of(const Architecture& architecture, const NpyArray& array, const std::string& file) {
  std::vector<std::size_t> expected = architecture.input;
  if (expected.size() == 3) std::rotate(expected.begin(), expected.begin() + 1, expected.end());  // (H, W, C)
  const std::vector<std::size_t> row(array.shape.begin() + (array.shape.empty() ? 0 : 1), array.shape.end());
  const std::string type = architecture.byte_input ? "u1" : "f4";
  if (array.shape.empty() || row != expected || (array.type != type && array.type != "f8")) {
    std::string wanted = "(batch";
    for (const std::size_t size : expected) wanted += fmt::format(", {}", size);
    throw Error::failure(fmt::format("{}: the network wants {}) of {}; the file has ({}) of {}", file, wanted,
                                     architecture.byte_input ? "uint8" : "float32", fmt::join(array.shape, ", "),
                                     array.type));
  }
  if (architecture.byte_input) {
    if (array.type != "u1") throw Error::failure(file + ": the network wants uint8 observations");
    std::vector<std::byte> planes(array.data.size());
    const std::size_t size = array.data.size() / std::max<std::size_t>(array.shape[0], 1);
    for (std::size_t b = 0; b < array.shape[0]; ++b) {
      deinterleave_planes(std::span(array.data).subspan(b * size, size), architecture.input[0],
                          std::span(planes).subspan(b * size, size));
    }
    return planes;
  }
  const std::vector<double> doubles = to_doubles(array, file);
  const std::vector<float> floats(doubles.begin(), doubles.end());
  for (std::size_t i = 0; i < floats.size(); ++i) {
    if (std::isfinite(floats[i])) continue;
    const std::size_t size = floats.size() / array.shape[0];
    throw Error::failure(
        fmt::format("{}: observation {}: number {} is NaN or infinite as a float32", file, i / size, i % size));
  }
  const auto bytes = std::as_bytes(std::span(floats));
  return {bytes.begin(), bytes.end()};
}

std::vector<float> forward_rows(Network& network, const std::vector<std::byte>& observations, std::size_t count,
                                int threads) {
  const std::size_t width = network.spec().architecture.outputs;
  const auto plan = std::make_shared<NetworkPlan>(network.plan());
  const std::size_t lanes = std::min(std::max<std::size_t>(count, 1), kBatch);
  InputTensor input(plan, lanes);
  Workspace workspace(plan, lanes, false);
  workspace.set_input(input);
  ThreadPool pool(threads);
  std::vector<float> outputs(count * width);
  const std::size_t row_bytes = count == 0 ? 0 : observations.size() / count;
  for (std::size_t begin = 0; begin < count; begin += lanes) {
    const std::size_t size = std::min(lanes, count - begin);
    input.load(std::span(observations).subspan(begin * row_bytes, size * row_bytes), size, pool);
    const Pass pass{&network, &workspace};
    forward(std::span(&pass, 1), pool);
    for (std::size_t b = 0; b < size; ++b) {
      for (std::size_t a = 0; a < width; ++a) outputs[(begin + b) * width + a] = workspace.output(b, a);
    }
  }
  return outputs;
}

}  // namespace eaudeqn
