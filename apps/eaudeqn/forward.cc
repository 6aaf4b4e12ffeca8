// `eaudeqn forward`: a batch of raw observations in, network outputs out.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "commands.h"
#include "core/npy.h"
#include "deploy/policy_network.h"
#include "eaudeqn/error.h"
#include "engine/passes.h"
#include "environments/frame_stack.h"

namespace eaudeqn {
namespace {

struct Arguments {
  std::string policy, observations, output;
  int threads = 1;
};

constexpr std::size_t kBatch = 32;

// The file's rows as the engine reads them: planes for images. Throws Error::failure where the shape is not the
// network's.
std::vector<std::byte> read_observations(const Architecture& architecture, const NpyArray& array,
                                         const std::string& file) {
  std::vector<std::size_t> expected = architecture.input;
  if (expected.size() == 3) std::rotate(expected.begin(), expected.begin() + 1, expected.end());  // (H, W, C)
  const std::vector<std::size_t> row(array.shape.begin() + (array.shape.empty() ? 0 : 1), array.shape.end());
  const std::string type = architecture.byte_input ? "u1" : "f4";
  if (array.shape.empty() || row != expected || (array.type != type && array.type != "f8")) {
    std::string wanted = "(batch";
    for (const std::size_t size : expected) wanted += fmt::format(", {}", size);
    throw Error::failure(
        fmt::format("{}: the network wants {}) of {}", file, wanted, architecture.byte_input ? "uint8" : "float32"));
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
  if (array.type == "f4") return array.data;
  const std::vector<double> doubles = to_doubles(array, file);
  const std::vector<float> floats(doubles.begin(), doubles.end());
  const auto bytes = std::as_bytes(std::span(floats));
  return {bytes.begin(), bytes.end()};
}

int run_forward(const Arguments& arguments) {
  const auto file = policy_file(arguments.policy);
  Network network = make_network(read_policy(file), file.string());
  const Architecture& architecture = network.spec().architecture;
  const NpyArray array = read_npy(arguments.observations);
  const std::vector<std::byte> observations = read_observations(architecture, array, arguments.observations);
  const std::size_t count = array.shape[0];
  const auto plan = std::make_shared<NetworkPlan>(network.plan());
  const std::size_t lanes = std::min(std::max<std::size_t>(count, 1), kBatch);
  InputTensor input(plan, lanes);
  Workspace workspace(plan, lanes, false);
  workspace.set_input(input);
  ThreadPool pool(arguments.threads);
  std::vector<float> outputs(count * architecture.outputs);
  const std::size_t row_bytes = count == 0 ? 0 : observations.size() / count;
  for (std::size_t begin = 0; begin < count; begin += lanes) {
    const std::size_t size = std::min(lanes, count - begin);
    input.load(std::span(observations).subspan(begin * row_bytes, size * row_bytes), size, pool);
    const Pass pass{&network, &workspace};
    forward(std::span(&pass, 1), pool);
    for (std::size_t b = 0; b < size; ++b) {
      for (std::size_t a = 0; a < architecture.outputs; ++a) {
        outputs[(begin + b) * architecture.outputs + a] = workspace.output(b, a);
      }
    }
  }
  const std::size_t shape[] = {count, architecture.outputs};
  write_npy(arguments.output, "f4", shape, std::as_bytes(std::span(outputs)));
  return 0;
}

}  // namespace

void add_forward(CLI::App& app, Run& run) {
  auto* command =
      app.add_subcommand("forward", "Run a policy's network on a batch of raw observations from a .npy file.");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("policy", arguments->policy, "A run directory or a policy.safetensors")
      ->required()
      ->type_name("RUN|POLICY");
  command
      ->add_option("--observations", arguments->observations,
                   "(batch, 84, 84, 4) uint8, newest frame last, for Atari; (batch, n) float32 else")
      ->required()
      ->type_name("X.npy");
  command->add_option("--output", arguments->output, "(batch, outputs) float32")->required()->type_name("Q.npy");
  command->add_option("--threads", arguments->threads, "Threads; results do not depend on it")
      ->check(CLI::Range(1, 256));
  command->callback([arguments, &run] { run = [arguments] { return run_forward(*arguments); }; });
}

}  // namespace eaudeqn
