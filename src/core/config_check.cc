// What the table of keys cannot say: combinations of allowed values that cannot work, each with what to set instead.
#include <fmt/format.h>

#include <algorithm>
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
  const bool known = family == "atari" || family == "classic";
  return known && environment.find_first_not_of(kNameCharacters, slash + 1) == std::string::npos;
}

}  // namespace

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
        fmt::format("environment: wants \"atari/Game\" or \"classic/Task\", got \"{}\"", config.environment));
  if (config.algorithm == "dqn") {
    check(config.population.networks == 1,
          fmt::format("population.networks is {}, but dqn has one network: set population.networks = 1",
                      config.population.networks));
    check(config.sparsity.method == "dense",
          fmt::format("sparsity.method is \"{}\", but dqn does not prune: set sparsity.method = \"dense\"",
                      config.sparsity.method));
  }
  if (config.environment.starts_with("classic/")) {
    check(config.network.kind == "mlp",
          fmt::format("network.kind \"{}\" needs images, which {} has not: set network.kind = \"mlp\"",
                      config.network.kind, config.environment));
  }
  check(training.epsilon_end <= training.epsilon_start,
        fmt::format("training.epsilon_end ({}) is above training.epsilon_start ({}): lower the one or raise the other",
                    training.epsilon_end, training.epsilon_start));
  check(training.initial_samples >= training.n_step,
        fmt::format("training.initial_samples ({}) must be at least training.n_step ({})", training.initial_samples,
                    training.n_step));
  check(config.replay.capacity >= training.batch_size,
        fmt::format("replay.capacity ({}) must be at least training.batch_size ({})", config.replay.capacity,
                    training.batch_size));
}

}  // namespace eaudeqn
