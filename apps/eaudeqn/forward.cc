// `eaudeqn forward`: a batch of raw observations in, network outputs out.
#include <memory>

#include "commands.h"
#include "core/npy.h"
#include "deploy/policy_network.h"
#include "eaudeqn/error.h"
#include "policy_forward.h"

namespace eaudeqn {
namespace {

struct Arguments {
  std::string policy, observations, output;
  int threads = 1;
};

int run_forward(const Arguments& arguments) {
  const auto file = policy_file(arguments.policy);
  Network network = make_network(read_policy(file), file.string());
  const Architecture& architecture = network.spec().architecture;
  if (architecture.input.size() == 3 && !architecture.byte_input) {
    throw Error::failure(file.string() +
                         ": its network reads images of float32, which nothing here makes; export another");
  }
  const NpyArray array = read_npy(arguments.observations);
  const std::vector<std::byte> observations = planes_of(architecture, array, arguments.observations);
  const std::size_t count = array.shape[0];
  const std::vector<float> outputs = forward_rows(network, observations, count, arguments.threads);
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
