// `eaudeqn dataset record` and `eaudeqn dataset replay`: datasets for offline learning, of a policy that plays and of
// what a training run has seen.
#include <fmt/format.h>

#include <memory>
#include <optional>

#include "commands.h"
#include "deploy/policy_network.h"
#include "eaudeqn/error.h"
#include "experiment/progress.h"
#include "experiment/record.h"
#include "experiment/signals.h"

namespace eaudeqn {
namespace {

struct Arguments {
  RecordRequest request;
  std::string policy, output;
  bool quiet = false;
};

std::optional<Network> network_of(const Arguments& arguments) {
  if (arguments.policy == "random") return std::nullopt;
  const auto file = policy_file(arguments.policy);
  const Policy policy = read_policy(file);
  const std::string environment = metadata(policy, "environment", file);
  if (environment != arguments.request.environment) {
    throw Error::usage(fmt::format("{} plays {}, not {}", file.string(), environment, arguments.request.environment));
  }
  return make_network(policy, file.string());
}

int run_record(Arguments arguments) {
  install_stop_handlers();
  std::optional<Network> network = network_of(arguments);
  RecordRequest& request = arguments.request;
  request.output = arguments.output;
  if (network) request.policy = policy_file(arguments.policy).string();
  ProgressLine progress;
  RateMeter rate;
  const auto report = [&](const RecordProgress& state) {
    if (arguments.quiet || !progress.due()) return;
    rate.add(static_cast<std::int64_t>(state.written));
    const std::string eta = rate.time_for(static_cast<double>(request.steps - state.written));
    progress.show(fmt::format("entry {} of {}, {:.0f}/s, ETA {}, {} episodes", state.written, request.steps,
                              rate.per_second(), eta, state.episodes));
  };
  const RecordProgress done = record_dataset(network ? &*network : nullptr, request, stop_requested, report);
  const std::string mean =
      done.episodes > 0 ? fmt::format("{:.1f}", done.return_sum / static_cast<double>(done.episodes)) : "-";
  const std::string line = fmt::format("{}: {} entries of {}, {} whole episodes, mean return {}",
                                       request.output.string(), done.written, request.environment, done.episodes, mean);
  if (!arguments.quiet) progress.print(line);
  return 0;
}

struct ReplayArguments {
  std::string run, output;
  bool quiet = false;
};

int run_replay(const ReplayArguments& arguments) {
  install_stop_handlers();
  ProgressLine progress;
  RateMeter rate;
  const auto report = [&](std::uint64_t written, const ReplayRecordSize& size) {
    if (arguments.quiet || !progress.due()) return;
    rate.add(static_cast<std::int64_t>(written));
    const std::string eta = rate.time_for(static_cast<double>(size.entries - written));
    progress.show(fmt::format("entry {} of {}, {:.0f}/s, ETA {}", written, size.entries, rate.per_second(), eta));
  };
  const ReplayRecordSize size = record_replay({arguments.run, arguments.output}, stop_requested, report);
  if (arguments.quiet) return 0;
  progress.print(fmt::format("{}: {} entries, {} steps of {} episodes", arguments.output, size.entries, size.steps,
                             size.episodes));
  if (size.steps < size.run_steps) {
    progress.print(
        fmt::format("The run had taken {} steps; its replay holds only the newest. To have them all, train "
                    "with replay.capacity at least training.steps.",
                    size.run_steps));
  }
  return 0;
}

void add_replay(CLI::App& dataset, Run& run) {
  auto* command = dataset.add_subcommand(
      "replay",
      "Write what a training run has seen, from its first random steps to its last good ones: the replay of its newest "
      "checkpoint, in the order of time, as the same files. Train with replay.capacity at least training.steps and "
      "nothing is missing.");
  auto arguments = std::make_shared<ReplayArguments>();
  command->add_option("run", arguments->run, "Directory of a run of dqn or a relative that is not going on now")
      ->required()
      ->type_name("RUN");
  command->add_option("--output", arguments->output, "Folder for the files; made if it is not there")
      ->required()
      ->type_name("DIR");
  command->add_flag("--quiet", arguments->quiet, "No progress on the terminal");
  command->callback([arguments, &run] { run = [arguments] { return run_replay(*arguments); }; });
}

}  // namespace

void add_dataset(CLI::App& app, Run& run) {
  auto* dataset = app.add_subcommand("dataset", "Make datasets for offline learning (cql and its sparse relatives).");
  dataset->require_subcommand(1);
  auto* command = dataset->add_subcommand(
      "record",
      "Play a policy and write the files of the DQN Replay Dataset: gzip'd .npy arrays of observations, actions, "
      "clipped "
      "rewards and terminals, a million entries a file. Learn from them with: eaudeqn train ENV --algorithm eaudecql "
      "--set dataset.path=DIR");
  auto arguments = std::make_shared<Arguments>();
  RecordRequest& request = arguments->request;
  command->add_option("environment", request.environment, "See `eaudeqn list environments`")
      ->required()
      ->type_name("ENV");
  command
      ->add_option("--policy", arguments->policy,
                   "Who plays: a run directory, a policy.safetensors, or the word random")
      ->required()
      ->type_name("RUN|POLICY|random");
  command
      ->add_option("--steps", request.steps,
                   "Entries to write; on Atari each episode begins with three entries of zeros, as in the original")
      ->required()
      ->check(whole_number(1));
  command->add_option("--output", arguments->output, "Folder for the files; made if it is not there")
      ->required()
      ->type_name("DIR");
  command->add_option("--epsilon", request.epsilon, "Share of random actions")->check(share());
  command->add_option("--seed", request.seed, "Environment and exploration; same seed, same files")
      ->check(whole_number(0))
      ->capture_default_str();
  command->add_flag("--quiet", arguments->quiet, "No progress on the terminal");
  command->callback([arguments, &run] { run = [arguments] { return run_record(*arguments); }; });
  add_replay(*dataset, run);
}

}  // namespace eaudeqn
