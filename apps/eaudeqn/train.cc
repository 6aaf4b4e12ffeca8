// `eaudeqn train`: which config, where to, and off it goes.
#include "eaudeqn/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "core/files.h"
#include "eaudeqn/error.h"
#include "environments/environment.h"
#include "experiment/signals.h"

namespace eaudeqn {
namespace {

struct Arguments {
  std::string subject;  // environment, config file or run directory
  std::string algorithm;
  std::int64_t seed = -1;
  std::string steps;
  std::vector<std::string> settings;
  std::string output;
  bool resume = false;
  int threads = 0;
  bool quiet = false;
};

// What a --set sets: "training.gamma" of " training.gamma = 0.9".
std::string key_of(const std::string& setting) {
  const std::string name = setting.substr(0, setting.find('='));
  const std::size_t first = std::min(name.find_first_not_of(" \t"), name.size());
  return name.substr(first, name.find_last_not_of(" \t") + 1 - first);
}

// An option and a --set of the same key: nobody could say which was meant.
void refuse_both(const Arguments& arguments, const std::string& option, const std::string& key) {
  for (const std::string& setting : arguments.settings) {
    if (key_of(setting) != key) continue;
    throw Error::usage(fmt::format("{} and --set {} both say it: leave one of them out", option, setting));
  }
}

std::vector<std::string> overrides(const Arguments& arguments) {
  if (arguments.seed >= 0) refuse_both(arguments, fmt::format("--seed {}", arguments.seed), "seed");
  if (!arguments.steps.empty()) refuse_both(arguments, "--steps " + arguments.steps, "training.steps");
  std::vector<std::string> all;
  if (arguments.seed >= 0) all.push_back(fmt::format("seed={}", arguments.seed));
  if (!arguments.steps.empty()) all.push_back("training.steps=" + arguments.steps);
  all.insert(all.end(), arguments.settings.begin(), arguments.settings.end());
  return all;
}

bool is_environment(const std::string& name) {
  const std::vector<std::string> names = list_environments();
  return std::find(names.begin(), names.end(), name) != names.end();
}

// Throws, naming close ones, for an environment that there is not.
void require_environment(const std::string& name) {
  if (!is_environment(name)) make_environment(name, 0);
}

Config resolve(const Arguments& arguments) {
  const std::filesystem::path subject(arguments.subject);
  if (std::filesystem::is_directory(subject) && std::filesystem::exists(subject / "config.toml")) {
    if (!arguments.algorithm.empty()) {
      throw Error::usage("--algorithm chooses a built-in config; " + arguments.subject + " is a run that has one");
    }
    return load_config(subject / "config.toml", overrides(arguments));
  }
  if (std::filesystem::is_directory(subject)) {
    throw Error::usage(arguments.subject + ": no run there: a run directory has a config.toml");
  }
  std::vector<std::string> all = overrides(arguments);
  if (subject.extension() == ".safetensors") {
    throw Error::usage(arguments.subject +
                       ": a policy cannot be trained on; give an environment, a config (.toml), or "
                       "with --resume the run directory that it comes from");
  }
  if (subject.extension() == ".toml") {
    if (!arguments.algorithm.empty()) {
      throw Error::usage("--algorithm chooses a built-in config; " + arguments.subject +
                         " already is one: edit it, or give an environment instead");
    }
    return load_config(subject, all);
  }
  if (arguments.resume && subject.has_parent_path() && !is_environment(arguments.subject)) {
    throw Error::usage(arguments.subject + ": no such run directory (and no environment of that name)");
  }
  require_environment(arguments.subject);
  refuse_both(arguments, arguments.subject, "environment");
  // An algorithm may name a variant of its config: eaudedqn_small is the file of that name.
  const std::string usual = arguments.subject.starts_with("mujoco/") ? "eaudesac" : "eaudedqn";
  const std::string name = arguments.algorithm.empty() ? usual : arguments.algorithm;
  all.insert(all.begin(), "environment=\"" + arguments.subject + "\"");
  const std::string family = arguments.subject.substr(0, arguments.subject.find('/'));
  const std::string file = "configs/" + family + "/" + name + ".toml";
  return parse_config(builtin_config(arguments.subject, name), all.size() > 1 ? file + " with the options given" : file,
                      all);
}

// No error: a script may set the same for several algorithms.
void warn_of_settings_without_effect(const Arguments& arguments, const Config& config) {
  for (const std::string& setting : arguments.settings) {
    if (has_effect(key_of(setting), config)) continue;
    fmt::print(stderr, "warning: --set {} changes nothing: {} with these settings does not use it\n", setting,
               config.algorithm);
  }
}

bool same_place(const std::filesystem::path& a, const std::filesystem::path& b) {
  std::error_code none;
  return std::filesystem::equivalent(a, b, none);
}

std::string default_output(const Config& config, const Arguments& arguments) {
  std::string name = config.environment + "_" + (arguments.algorithm.empty() ? config.algorithm : arguments.algorithm);
  std::replace(name.begin(), name.end(), '/', '_');
  return fmt::format("runs/{}_seed{}", name, config.seed);
}

int run_train(const Arguments& arguments) {
  install_stop_handlers();
  const Config config = resolve(arguments);
  try {
    require_environment(config.environment);
  } catch (const Error& error) {  // only a file can still name a wrong one
    throw Error(error.kind(), arguments.subject + ": environment: " + error.what());
  }
  if (!arguments.quiet) warn_of_settings_without_effect(arguments, config);
  TrainOptions options;
  const bool is_run = std::filesystem::is_directory(arguments.subject);
  if (is_run && arguments.resume && !arguments.output.empty() && !same_place(arguments.subject, arguments.output)) {
    throw Error::usage(
        fmt::format("--resume goes on in {} itself: leave --output out, or leave out --resume to begin "
                    "the same config anew in {}",
                    arguments.subject, arguments.output));
  }
  options.output = !arguments.output.empty() ? arguments.output
                   : is_run                  ? arguments.subject
                                             : default_output(config, arguments);
  options.resume = arguments.resume;
  options.threads = arguments.threads > 0 ? arguments.threads : default_threads(config);
  options.quiet = arguments.quiet;
  return train(config, options) == TrainOutcome::stopped ? kExitStopped : 0;
}

std::string settings_help() {
  std::string text = "Settings (--set key=value), with their Atari defaults:\n";
  for (const ConfigKey& key : config_keys()) {
    text += fmt::format("  {:<34} {} (default {}{})\n", key.name, key.help, key.default_value,
                        key.range.empty() ? "" : ", " + key.range);
  }
  return text;
}

}  // namespace

void add_train(CLI::App& app, Run& run) {
  auto* command =
      app.add_subcommand("train", "Train an agent. Ctrl-C saves and stops (exit code 75); --resume goes on.");
  auto arguments = std::make_shared<Arguments>();
  command
      ->add_option("subject", arguments->subject,
                   "An environment (atari/Pong, mujoco/Hopper-v5: see `eaudeqn list environments`), a config file "
                   "(.toml), or with --resume a run directory")
      ->required()
      ->type_name("ENV|CONFIG.toml|RUN");
  command
      ->add_option(
          "--algorithm", arguments->algorithm,
          "Which built-in config: eaudedqn (default; on mujoco/ eaudesac), any of `eaudeqn list algorithms`, or a "
          "variant such as eaudedqn_small")
      ->type_name("NAME");
  command->add_option("--seed", arguments->seed, "Same config and seed give the same bits")
      ->check(whole_number(0, 0x7FFF'FFFF));
  command
      ->add_option(
          "--steps", arguments->steps,
          "Environment steps of the whole run; eaude's schedule follows it, others have sparsity.start and end")
      ->type_name("INT");
  command->add_option("--set", arguments->settings, "Override one setting: --set training.gamma=0.95; see below")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command->add_option("--output", arguments->output, "Run directory (default runs/ENV_ALGORITHM_seedN)")
      ->type_name("DIR");
  command->add_flag("--resume", arguments->resume,
                    "Go on from the run directory's newest checkpoint; begin where there is none yet");
  command->add_option("--threads", arguments->threads, "Threads (default: what pays); results do not depend on it")
      ->check(CLI::Range(1, 256));
  command->add_flag("--quiet", arguments->quiet, "No progress on the terminal");
  command->footer(settings_help());
  command->callback([arguments, &run] { run = [arguments] { return run_train(*arguments); }; });
}

}  // namespace eaudeqn
