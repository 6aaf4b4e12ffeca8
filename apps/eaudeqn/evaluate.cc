// `eaudeqn evaluate`: episodes of a trained policy.
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.h"
#include "deploy/policy_network.h"
#include "eaudeqn/config.h"
#include "eaudeqn/error.h"
#include "eaudeqn/train.h"
#include "experiment/evaluation.h"
#include "experiment/progress.h"
#include "experiment/signals.h"
#include "report/film.h"

namespace eaudeqn {
namespace {

struct Arguments {
  std::string subject;
  std::int64_t episodes = 0;
  std::int64_t steps = 0;
  double epsilon = -1;
  std::uint64_t seed = 1;
  std::string video;
  bool json = false;
};

int run_evaluate(const Arguments& arguments) {
  install_stop_handlers();
  const auto file = policy_file(arguments.subject);
  const Policy policy = read_policy(file);
  const Network network = make_network(policy, file.string());
  const Config config = parse_config(metadata(policy, "config", file), file.string() + " (config)");
  EvaluationRequest request;
  request.environment = metadata(policy, "environment", file);
  request.policy = file.string();
  request.horizon = config.training.horizon;
  // One episode is film enough unless more are asked for.
  const std::int64_t usual_episodes = arguments.video.empty() ? config.evaluation.episodes : 1;
  request.episodes = arguments.episodes > 0 ? arguments.episodes : usual_episodes;
  request.steps = arguments.steps;
  request.epsilon = arguments.epsilon >= 0 ? arguments.epsilon : config.evaluation.epsilon;
  request.seed = arguments.seed;
  ProgressLine progress;
  RateMeter rate;
  const auto report = [&](const EvaluationResult& result) {
    if (arguments.json || !progress.due()) return;
    rate.add(result.steps);
    std::string remaining = "?";
    if (rate.per_second() > 0 && request.steps > 0) {
      remaining = format_duration(static_cast<double>(request.steps - result.steps) / rate.per_second());
    } else if (rate.per_second() > 0 && !result.returns.empty()) {
      const double per_episode = static_cast<double>(result.steps) / static_cast<double>(result.returns.size());
      const auto left = static_cast<double>(request.episodes) - static_cast<double>(result.returns.size());
      remaining = "about " + format_duration(left * per_episode / rate.per_second());
    }
    progress.show(fmt::format("episode {}, step {}, {:.0f}/s, mean return so far {:.1f}, ETA {}",
                              result.returns.size() + 1, result.steps, rate.per_second(), result.mean_return(),
                              remaining));
  };
  std::optional<Film> film;
  if (!arguments.video.empty()) film.emplace(arguments.video);
  const auto watch = [&](const EvaluationView& view) { film->add(view); };
  const EvaluationResult result = evaluate(network, request, stop_requested, report,
                                           film ? std::function<void(const EvaluationView&)>(watch) : nullptr);
  if (result.stopped) throw Error::failure("evaluation stopped by a signal before its end; nothing was written");
  if (film) film->finish();
  if (arguments.json) {
    nlohmann::ordered_json json;
    json["episodes"] = result.returns.size();
    json["mean_return"] = result.mean_return();
    json["returns"] = result.returns;
    json["sparsity"] = policy.sparsity();
    json["trained_sparsity"] = trained_sparsity(policy);
    json["steps"] = result.steps;
    json["epsilon"] = request.epsilon;
    json["seed"] = request.seed;
    fmt::print("{}\n", json.dump());
    return 0;
  }
  progress.print(fmt::format("{}: {} episode{}, {} steps, epsilon {}, seed {}", request.environment,
                             result.returns.size(), result.returns.size() == 1 ? "" : "s", result.steps,
                             request.epsilon, request.seed));
  const double trained = trained_sparsity(policy);
  fmt::print("mean return {:.2f} at sparsity {:.4f}{}\n", result.mean_return(), policy.sparsity(),
             trained == policy.sparsity() ? "" : fmt::format(" ({:.4f} as trained)", trained));
  return 0;
}

}  // namespace

void add_evaluate(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand("evaluate", "Play episodes with a trained policy and print its returns.");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("subject", arguments->subject, "A run directory or a policy.safetensors")
      ->required()
      ->type_name("RUN|POLICY");
  auto* episodes = command->add_option("--episodes", arguments->episodes, "Whole episodes (default: the run's config)")
                       ->check(whole_number(1));
  command
      ->add_option("--steps", arguments->steps,
                   "Or: as many steps; an unfinished last episode counts only if it is the only one")
      ->check(whole_number(1))
      ->excludes(episodes);
  command->add_option("--epsilon", arguments->epsilon, "Share of random actions (default: the run's config)")
      ->check(share());
  command->add_option("--seed", arguments->seed, "Environment and exploration; same seed, same returns")
      ->check(whole_number(0))
      ->capture_default_str();
  command
      ->add_option("--video", arguments->video,
                   "Film it: the screen, what the agent sees and its values; .mp4, .webm, .webp or .gif; one episode "
                   "unless told. As video.mp4 in the run directory it goes into `eaudeqn report`")
      ->type_name("FILE");
  command->add_flag("--json", arguments->json, "One JSON object on stdout, nothing else");
  command->callback([arguments, &run] { run = [arguments] { return run_evaluate(*arguments); }; });
}

}  // namespace eaudeqn
