// See eaudeqn/train.h.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/command.h"
#include "core/files.h"
#include "core/machine.h"
#include "deploy/policy_network.h"
#include "eaudeqn/error.h"
#include "eaudeqn/train.h"
#include "experiment/evaluation.h"
#include "experiment/metrics.h"
#include "experiment/progress.h"
#include "experiment/run_directory.h"
#include "experiment/run_state.h"
#include "experiment/signals.h"

namespace eaudeqn {
namespace {

using Json = nlohmann::ordered_json;
using Path = std::filesystem::path;

std::map<std::string, std::string> policy_metadata(const Config& config, const EnvironmentSpec& spec,
                                                   std::int64_t step) {
  Json preprocessing;
  preprocessing["frame_shape"] = spec.frame_shape;
  preprocessing["stack"] = spec.stack;
  preprocessing["type"] = spec.frame_type == ElementType::uint8 ? "uint8" : "float32";
  preprocessing["divide_by"] = spec.frame_type == ElementType::uint8 ? 255 : 1;
  if (spec.frame_type == ElementType::uint8) {
    preprocessing["frame_skip"] = 4;
    preprocessing["frames"] =
        "grayscale, maximum of the last two, area interpolation; newest last, zeros before the first";
  }
  if (config.sac.normalize_observations) preprocessing["normalization"] = "in the first layer's weights and biases";
  Json actions = spec.action_names;
  if (spec.continuous()) {
    actions = {{"low", spec.action_low},
               {"high", spec.action_high},
               {"outputs", "the means, then raw log standard deviations x: log s = -20 + 11 (1 + tanh(x))"},
               {"action", "low + (tanh(mean) + 1) / 2 (high - low)"}};
  }
  return {{"environment", config.environment},     {"algorithm", config.algorithm}, {"step", fmt::format("{}", step)},
          {"preprocessing", preprocessing.dump()}, {"actions", actions.dump()},     {"config", to_toml(config)}};
}

// Weights may be lost after the last target update, whose losses would have told.
void require_numbers(const Policy& policy, std::int64_t step) {
  const auto are_numbers = [](const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
  };
  for (const PolicyLayer& layer : policy.layers) {
    if (are_numbers(layer.values) && are_numbers(layer.bias)) continue;
    throw Error::failure(
        fmt::format("step {}: a weight of the policy's layer {} is NaN or infinite; the last checkpoint is kept; lower "
                    "training.learning_rate or look for broken rewards or observations",
                    step, layer.name));
  }
}

void add(const NamedNumbers& numbers, Json& fields) {
  for (const auto& [name, value] : numbers) fields[name] = value;
}

// One run from its first or next step to its end.
class Run {
 public:
  Run(const Config& config, const TrainOptions& options, RunState& state)
      : config_(config),
        offline_(is_offline(config.algorithm)),
        options_(options),
        lock_(options.output),
        checkpoints_(options.output),
        pool_(options.threads),
        state_(state) {}

  TrainOutcome run() {
    say(fmt::format("{} on {}, seed {}, {} steps, {} thread{} -> {}", config_.algorithm, config_.environment,
                    config_.seed, config_.training.steps, options_.threads, options_.threads == 1 ? "" : "s",
                    options_.output.string()));
    for (const Path& directory : {options_.output, options_.output / "checkpoints", checkpoints_.segments()}) {
      remove_unfinished_files(directory);  // of a process that was killed while it wrote
    }
    if (!offline_ && config_.training.steps <= config_.training.initial_samples) {
      say(fmt::format(
          "nothing will be learned: training.steps is {}, and learning begins after training.initial_samples "
          "= {}",
          config_.training.steps, config_.training.initial_samples));
    }
    const auto newest = checkpoints_.newest();
    if (options_.resume && newest) {
      state_.load(config_, checkpoints_, *newest);
      remember_dataset();
      if (state_.counters.evaluated_step == config_.training.steps && std::filesystem::exists(policy_file())) {
        say(fmt::format("{}: already finished at step {}", options_.output.string(), *newest));
        return TrainOutcome::already_finished;
      }
      say(fmt::format("resuming at step {} of {}", *newest, config_.training.steps));
    } else {
      if (options_.resume) begin_anew();
      remember_dataset();
      state_.begin();
    }
    saved_step_ = newest && options_.resume ? *newest : -1;
    metrics_ = std::make_unique<Metrics>(options_.output, state_.counters.metrics_bytes);
    if (saved_step_ >= 0) metrics_->record_resumption(saved_step_, timing(0, 0));
    rate_.add(state_.counters.step);
    return loop();
  }

 private:
  // It may have moved, and is the one that the checkpoint knows: the next time it is looked for where it is now.
  void remember_dataset() const {
    const Path file = options_.output / "config.toml";
    if (load_config(file) != config_) write_file_atomically(file, to_toml(config_));
  }

  TrainOutcome loop() {
    Counters& counters = state_.counters;
    while (true) {
      if (evaluation_due() && !stop_requested()) evaluate_selected();
      const bool last = counters.step == config_.training.steps && counters.evaluated_step == counters.step;
      // Asked once: a signal between two questions would end the run without the save.
      const bool stop = stop_requested();
      if (stop || last || checkpoint_due()) save();
      if (last) break;
      if (stop) {
        say(fmt::format("stopped after step {}; go on with: eaudeqn train {} --resume", counters.step,
                        shell_quoted(options_.output.string())));
        return TrainOutcome::stopped;
      }
      take_step();
      if (offline_ || counters.step >= config_.training.initial_samples) learn();
      if (!options_.quiet && progress_.due()) show_progress();
    }
    say(fmt::format("finished {} steps in {}: {}", counters.step, format_duration(rate_.elapsed_seconds()),
                    options_.output.string()));
    return TrainOutcome::finished;
  }

  // Told, as it may be a name mistyped; refused where checkpoints were lost, as their run would be overwritten.
  void begin_anew() {
    const std::string name = options_.output.string();
    if (std::filesystem::exists(policy_file())) {
      throw Error::failure(
          fmt::format("{}: its checkpoints are gone, and its policy.safetensors would be overwritten; "
                      "bring checkpoints/ back, or choose another --output to begin anew",
                      name));
    }
    say(fmt::format("{}: no checkpoint there yet: begins at step 0", name));
  }

  // act, step, remember; offline only the clock goes on.
  void take_step() {
    Counters& counters = state_.counters;
    const StepResult result = state_.learner->step(*state_.environment, counters.step);
    ++counters.step;
    ++counters.episode_length;
    counters.episode_return += result.reward;
    if (result.terminal || result.truncated) end_episode(result.truncated);
  }

  void end_episode(bool truncated) {
    Counters& counters = state_.counters;
    ++counters.episodes;
    Json fields = {{"episode", counters.episodes},
                   {"return", counters.episode_return},
                   {"length", counters.episode_length},
                   {"truncated", truncated}};
    add(state_.learner->exploration(counters.step), fields);
    metrics_->record("episode", counters.step, fields);
    state_.recent_returns.push_back(counters.episode_return);
    if (state_.recent_returns.size() > kRecentEpisodes) state_.recent_returns.pop_front();
    counters.episode_return = 0;
    counters.episode_length = 0;
    state_.begin();
  }

  // A gradient step every G steps, a target update every T; the first one after a period of learning, not after the
  // first step of it, whose losses compare nothing.
  void learn() {
    Counters& counters = state_.counters;
    const std::int64_t period = offline_ ? 1 : config_.training.gradient_period;
    if (counters.step % period == 0 && state_.learner->can_update()) {
      losses_ = state_.learner->update(counters.step, pool_);
      ++counters.updates;
      if (state_.learner->change_masks(counters.step, pool_)) record_masks();
    }
    const bool begun = offline_ || counters.step > config_.training.initial_samples;
    if (counters.step % config_.training.target_update_period == 0 && begun && counters.updates > 0) {
      const TargetUpdate update = state_.learner->update_target(counters.step);
      Json fields = {{"updates", counters.updates},
                     {"selected", update.selected},
                     {"losses", update.losses},
                     {"sparsity", update.sparsity},
                     {"sparsities", update.sparsities}};
      add(state_.learner->sparsities(), fields);
      metrics_->record("target_update", counters.step, fields);
      rate_.add(counters.step);
      metrics_->record_timing(counters.step, timing(rate_.elapsed_seconds(), rate_.per_second()));
    }
  }

  Json timing(double seconds, double steps_per_second) const {
    return {{"seconds", seconds}, {"steps_per_second", steps_per_second}, {"threads", options_.threads}};
  }

  void record_masks() {
    std::vector<double> sparsities;
    const Population& population = state_.learner->population();
    for (std::size_t k = 0; k < population.size(); ++k) sparsities.push_back(population.sparsity(k));
    metrics_->record("mask_change", state_.counters.step,
                     {{"updates", state_.counters.updates}, {"sparsities", sparsities}});
  }

  bool evaluation_due() const {
    const std::int64_t step = state_.counters.step;
    const bool periodic = step > 0 && config_.evaluation.period > 0 && step % config_.evaluation.period == 0;
    return (periodic || step == config_.training.steps) && state_.counters.evaluated_step != step;
  }

  void evaluate_selected() {
    Counters& counters = state_.counters;
    EvaluationRequest request;
    request.environment = config_.environment;
    request.horizon = config_.training.horizon;
    request.episodes = config_.evaluation.episodes;
    request.epsilon = config_.evaluation.epsilon;
    RandomStream seeds(static_cast<std::uint64_t>(config_.seed), "evaluation",
                       static_cast<std::uint64_t>(counters.step));
    request.seed = seeds.next_u64();
    const Network& network = state_.learner->policy();
    const auto report = [&](const EvaluationResult& result) {
      if (options_.quiet || !progress_.due()) return;
      progress_.show(fmt::format("evaluating at step {}: episode {} of {}, {} steps", counters.step,
                                 result.returns.size() + 1, request.episodes, result.steps));
    };
    const EvaluationResult result = evaluate(network, request, stop_requested, report);
    if (result.stopped) return;  // done again after the resume, from the same state
    counters.evaluated_step = counters.step;
    Json fields = {{"mean_return", result.mean_return()},
                   {"returns", result.returns},
                   {"epsilon", request.epsilon},
                   {"sparsity", network.sparsity()}};
    add(state_.learner->sparsities(), fields);
    metrics_->record("evaluation", counters.step, fields);
    say(fmt::format("step {}: evaluation over {} episode{}: mean return {:.1f} at sparsity {:.3f}", counters.step,
                    result.returns.size(), result.returns.size() == 1 ? "" : "s", result.mean_return(),
                    network.sparsity()));
  }

  bool checkpoint_due() const {
    const std::int64_t step = state_.counters.step;
    return config_.checkpoint.period > 0 && step > 0 && step % config_.checkpoint.period == 0 && saved_step_ != step;
  }

  void save() {
    state_.counters.metrics_bytes = metrics_->sync();
    const Policy policy = make_policy(state_.learner->policy(),
                                      policy_metadata(config_, state_.environment->spec(), state_.counters.step));
    require_numbers(policy, state_.counters.step);
    // A policy tells that there is a checkpoint, so the first one comes after it; later ones come before it, so that
    // the last checkpoint tells that the policy is the last one.
    const bool first = saved_step_ < 0;
    if (first) state_.save(config_, checkpoints_);
    write_policy(policy, policy_file());
    if (!first) state_.save(config_, checkpoints_);
    saved_step_ = state_.counters.step;
    return_freed_memory();  // two copies of all weights and moments; how much of it stays would vary from save to save
  }

  void show_progress() {
    const Counters& counters = state_.counters;
    const Population& population = state_.learner->population();
    rate_.add(counters.step);
    const std::string eta = rate_.time_for(static_cast<double>(config_.training.steps - counters.step));
    const auto& returns = state_.recent_returns;
    const std::string mean_return = returns.empty()
                                        ? "-"
                                        : fmt::format("{:.1f}", std::accumulate(returns.begin(), returns.end(), 0.0) /
                                                                    static_cast<double>(returns.size()));
    std::vector<std::string> losses, sparsities, exploration;
    for (const double loss : losses_) losses.push_back(fmt::format("{:.2g}", loss));
    for (std::size_t k = 0; k < population.size(); ++k) {
      sparsities.push_back(fmt::format("{:.2f}{}", population.sparsity(k), k == population.selected() ? "*" : ""));
    }
    for (const auto& [name, value] : state_.learner->exploration(counters.step)) {
      exploration.push_back(fmt::format("{} {:.2g}", name, value));
    }
    progress_.show(fmt::format("step {}/{} {:.0f}/s ETA {} | return {} | sparsity {} | {} | loss {}", counters.step,
                               config_.training.steps, rate_.per_second(), eta, mean_return, fmt::join(sparsities, " "),
                               fmt::join(exploration, " "),
                               losses.empty() ? "-" : fmt::format("{}", fmt::join(losses, " "))));
  }

  void say(const std::string& line) {
    if (!options_.quiet) progress_.print(line);
  }

  Path policy_file() const { return options_.output / "policy.safetensors"; }

  Config config_;
  bool offline_;
  TrainOptions options_;
  DirectoryLock lock_;
  CheckpointFolder checkpoints_;
  ThreadPool pool_;
  RunState& state_;
  std::unique_ptr<Metrics> metrics_;
  ProgressLine progress_;
  RateMeter rate_;
  std::vector<double> losses_;  // of the last update
  std::int64_t saved_step_ = -1;
};

// Makes the run directory, or checks that it holds this very run.
void prepare_directory(const Config& config, const TrainOptions& options) {
  make_output_directory(options.output);
  const Path config_file = options.output / "config.toml";
  const std::string name = options.output.string();
  if (!std::filesystem::exists(config_file)) {
    // A new run would take its own first checkpoints for older than those that are there, and remove them.
    if (!options.resume && CheckpointFolder(options.output).newest()) {
      throw Error::usage(name +
                         "/checkpoints holds those of another run, whose config.toml is gone: choose another "
                         "--output, move them away, or add --resume to go on with them");
    }
    write_file_atomically(config_file, to_toml(config));
    return;
  }
  if (!options.resume) {
    throw Error::usage(name + " already holds a run: add --resume to go on with it, or choose another --output");
  }
  const Config held = load_config(config_file);
  if (const std::string difference = config_difference(config, held); !difference.empty()) {
    throw Error::usage(
        fmt::format("{} holds a run of another config: {}; choose another --output, or resume it with "
                    "`eaudeqn train {} --resume`",
                    name, difference, shell_quoted(name)));
  }
}

}  // namespace

TrainOutcome train(const Config& config, const TrainOptions& options) {
  RunState state(config);  // first: a run that cannot begin leaves no directory behind
  prepare_directory(config, options);
  return Run(config, options, state).run();
}

int default_threads(const Config& config) {
  if (config.network.kind == "mlp") return 1;  // too little work to share
  return std::clamp(available_processors(), 1, 16);
}

}  // namespace eaudeqn
