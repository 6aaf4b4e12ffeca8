// What the table of keys cannot say: combinations of allowed values that cannot work, each with what to set instead.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <string_view>

#include "core/config_keys.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

constexpr std::string_view kNameCharacters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";

// Whether the game or task exists is environments' to say.
bool well_formed(const std::string& environment) {
  const std::size_t slash = environment.find('/');
  if (slash == std::string::npos || slash + 1 == environment.size()) return false;
  const std::string family = environment.substr(0, slash);
  const bool known = family == "atari" || family == "classic" || family == "mujoco";
  return known && environment.find_first_not_of(kNameCharacters, slash + 1) == std::string::npos;
}

using Check = std::function<void(bool, const std::string&)>;

// What an algorithm's name says of its sparsity method: the part before dqn, cql or sac.
std::string method_of(const std::string& algorithm) {
  const std::string prefix = algorithm.substr(0, algorithm.size() - 3);
  if (prefix.empty()) return "dense";
  return prefix == "polyprune" ? "polynomial" : prefix;
}

// The name of the algorithm against [population] and [sparsity].
void check_method(const Config& config, const Check& check) {
  const SparsityConfig& sparsity = config.sparsity;
  const std::string method = method_of(config.algorithm);
  check(method == "eaude" || config.population.networks == 1,
        fmt::format("population.networks is {}, but {} has one network: set population.networks = 1",
                    config.population.networks, config.algorithm));
  // eaude that never prunes is an ensemble, and allowed.
  check(sparsity.method == method || (method == "eaude" && sparsity.method == "dense"),
        fmt::format("sparsity.method is \"{}\", but {} wants \"{}\": set sparsity.method = \"{}\"", sparsity.method,
                    config.algorithm, method, method));
  const bool moves = method == "set" || method == "rigl";
  check(!(moves || method == "static") || sparsity.distribution != "global",
        fmt::format("sparsity.distribution \"global\" compares magnitudes, but {} begins with random masks: set "
                    "sparsity.distribution = \"erk\" or \"uniform\"",
                    config.algorithm));
  check(sparsity.granularity == "weight" || sparsity.distribution != "erk",
        "sparsity.distribution \"erk\" is for single weights: set it to \"uniform\" or \"global\", or set "
        "sparsity.granularity = \"weight\"");
  check(sparsity.granularity == "weight" || !(moves || method == "static"),
        fmt::format(
            "sparsity.granularity \"unit\" goes by the size of trained weights, but {} begins with random masks: set "
            "sparsity.granularity = \"weight\"",
            config.algorithm));
  const bool schedule = moves || method == "polynomial" || method == "distill" ||
                        (is_sac(config.algorithm) && config.sac.actor_pruning == "polynomial");
  check(!schedule || sparsity.start < sparsity.end,
        fmt::format("sparsity.start ({}) must be below sparsity.end ({})", sparsity.start, sparsity.end));
  // Without a gradient step between target updates there would be no losses to compare.
  check(is_offline(config.algorithm) || config.training.target_update_period >= config.training.gradient_period,
        fmt::format("training.target_update_period ({}) must be at least training.gradient_period ({})",
                    config.training.target_update_period, config.training.gradient_period));
  // Masks change after a gradient step.
  const bool periodic = (moves || method == "polynomial") && !is_offline(config.algorithm);
  check(!periodic || sparsity.period % config.training.gradient_period == 0,
        fmt::format("sparsity.period ({}) must be a multiple of training.gradient_period ({})", sparsity.period,
                    config.training.gradient_period));
}

void check_sac(const Config& config, const Check& check) {
  if (!is_sac(config.algorithm)) {
    check(!config.environment.starts_with("mujoco/"),
          fmt::format("{} chooses from a list of actions, and those of {} are vectors: set algorithm = \"eaudesac\"",
                      config.algorithm, config.environment));
    check(!config.sac.normalize_observations,
          fmt::format("sac.normalize_observations is true, but {} reads observations as they are: set it to false",
                      config.algorithm));
    return;
  }
  check(config.environment.starts_with("mujoco/"),
        fmt::format("{} needs actions that are vectors, and those of {} are a list: set algorithm = \"eaudedqn\", or "
                    "an environment of mujoco/",
                    config.algorithm, config.environment));
  check(config.training.n_step == 1,
        fmt::format("training.n_step is {}, but {} takes single steps: set training.n_step = 1", config.training.n_step,
                    config.algorithm));
  const std::string& method = config.sparsity.method;
  check(config.sac.actor_pruning != "polynomial" || method == "eaude" || method == "distill" || method == "polynomial",
        fmt::format("sac.actor_pruning is \"polynomial\", but {} does not prune by a schedule: set sac.actor_pruning = "
                    "\"follow\" or \"none\"",
                    config.algorithm));
  check(config.algorithm != "sac" || config.sac.actor_pruning == "none",
        fmt::format("sac.actor_pruning is \"{}\", but sac does not prune: set sac.actor_pruning = \"none\"",
                    config.sac.actor_pruning));
}

}  // namespace

bool is_sac(const std::string& algorithm) { return algorithm.ends_with("sac"); }
bool is_offline(const std::string& algorithm) { return algorithm.ends_with("cql"); }

void fail_usage(std::string message) {
  std::replace_if(
      message.begin(), message.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
  throw Error::usage(message);
}

void check_config(const Config& config, const std::string& origin) {
  const auto check = [&](bool good, const std::string& what) {
    if (!good) fail_usage(fmt::format("{}: {}", origin, what));
  };
  const TrainingConfig& training = config.training;

  check(well_formed(config.environment),
        fmt::format("environment: wants \"atari/Game\", \"classic/Task\" or \"mujoco/Task\", got \"{}\"",
                    config.environment));
  check_method(config, check);
  check_sac(config, check);
  if (!config.environment.starts_with("atari/")) {
    check(config.network.kind == "mlp",
          fmt::format("network.kind \"{}\" needs images, which {} has not: set network.kind = \"mlp\"",
                      config.network.kind, config.environment));
  }
  check(training.epsilon_end <= training.epsilon_start,
        fmt::format("training.epsilon_end ({}) is above training.epsilon_start ({}): lower the one or raise the other",
                    training.epsilon_end, training.epsilon_start));
  check(!is_offline(config.algorithm) || training.n_step == 1,
        fmt::format("training.n_step is {}, but {} reads single steps from its dataset: set training.n_step = 1",
                    training.n_step, config.algorithm));
  check(training.initial_samples >= training.n_step,
        fmt::format("training.initial_samples ({}) must be at least training.n_step ({})", training.initial_samples,
                    training.n_step));
  check(config.replay.capacity >= training.batch_size,
        fmt::format("replay.capacity ({}) must be at least training.batch_size ({})", config.replay.capacity,
                    training.batch_size));
}

}  // namespace eaudeqn
