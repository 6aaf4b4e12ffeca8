// `eaudeqn trace`: an environment under fixed actions, for comparison with other implementations.
#include "environments/trace.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>
#include <memory>

#include "commands.h"
#include "core/files.h"
#include "core/npy.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

struct Arguments {
  std::string environment, actions, initial_state, output;
  std::uint64_t seed = 1;
};

void write(const std::filesystem::path& file, const std::string& type, const std::vector<std::size_t>& shape,
           std::span<const std::byte> data) {
  write_npy(file, type, shape, data);
}

// Actions in the file's own precision: see Environment::step_continuous.
Trace run_continuous(Environment& environment, const NpyArray& actions, const std::string& file,
                     const InitialState& initial_state) {
  const std::size_t dimensions = environment.spec().action_dimensions();
  if (actions.elements() > 0 && (actions.shape.size() != 2 || actions.shape[1] != dimensions)) {
    throw Error::usage(fmt::format("{}: the shape is ({}); {} takes (steps, {})", file, fmt::join(actions.shape, ", "),
                                   environment.spec().name, dimensions));
  }
  if (actions.type != "f4") return run_trace(environment, to_doubles(actions, file), initial_state);
  std::vector<float> values(actions.elements());
  if (!values.empty()) std::memcpy(values.data(), actions.data.data(), actions.data.size());
  return run_trace(environment, values, initial_state);
}

Trace run_discrete(Environment& environment, const NpyArray& actions, const std::string& file,
                   const InitialState& initial_state) {
  if (actions.shape.empty() || actions.elements() != actions.shape[0]) {
    throw Error::usage(fmt::format("{}: the shape is ({}); {} takes (steps), an index for each step", file,
                                   fmt::join(actions.shape, ", "), environment.spec().name));
  }
  return run_trace(environment, to_integers(actions, file), initial_state);
}

int run_trace_command(const Arguments& arguments) {
  const NpyArray actions = read_npy(arguments.actions);
  InitialState initial_state;
  if (!arguments.initial_state.empty()) {
    initial_state = to_doubles(read_npy(arguments.initial_state), arguments.initial_state);
  }
  const auto environment = make_environment(arguments.environment, arguments.seed);
  const Trace trace = environment->spec().continuous()
                          ? run_continuous(*environment, actions, arguments.actions, initial_state)
                          : run_discrete(*environment, actions, arguments.actions, initial_state);
  const std::filesystem::path directory(arguments.output);
  make_output_directory(directory);
  const std::vector<std::size_t> steps = {trace.rewards.size()};
  write(directory / "observations.npy", trace.element_type, trace.observation_shape, trace.observations);
  write(directory / "rewards.npy", "f8", steps, std::as_bytes(std::span(trace.rewards)));
  write(directory / "terminals.npy", "b1", steps, std::as_bytes(std::span(trace.terminals)));
  write(directory / "truncations.npy", "b1", steps, std::as_bytes(std::span(trace.truncations)));
  return 0;
}

}  // namespace

void add_trace(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "trace",
      "Step an environment with fixed actions until they or the episode end; write observations.npy (one row more "
      "than rewards.npy), rewards.npy, terminals.npy, truncations.npy.");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("environment", arguments->environment, "See `eaudeqn list environments`")
      ->required()
      ->type_name("ENV");
  command
      ->add_option(
          "--actions", arguments->actions,
          "Atari: indices into the minimal action set; classic: indices; MuJoCo: (steps, dimensions), float32 or "
          "float64, in which precision the reward's control cost is computed as Gymnasium does")
      ->required()
      ->type_name("A.npy");
  command->add_option("--seed", arguments->seed, "Atari: ALE's random_seed")
      ->check(whole_number(0))
      ->capture_default_str();
  command
      ->add_option("--initial-state", arguments->initial_state,
                   "Replaces the drawn start state (classic: the state; MuJoCo: qpos, then qvel)")
      ->type_name("S.npy");
  command->add_option("--output", arguments->output, "Directory for the files")->required()->type_name("DIR");
  command->callback([arguments, &run] { run = [arguments] { return run_trace_command(*arguments); }; });
}

}  // namespace eaudeqn
