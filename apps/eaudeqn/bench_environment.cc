// `eaudeqn bench environment ENV`: steps per second of one environment with random actions on one thread, as a trainer
// steps it: resets at episode ends, preprocessing included.
#include <fmt/format.h>

#include <memory>

#include "bench.h"
#include "core/random.h"
#include "environments/environment.h"

namespace eaudeqn {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string environment;
  std::size_t steps = 2000, repeats = 5;
  std::uint64_t seed = 1;
  bool json = false;
};

int run_bench_environment(const Arguments& arguments) {
  const auto environment = make_environment(arguments.environment, arguments.seed);
  RandomStream actions(arguments.seed, "bench environment");
  environment->reset();
  std::size_t episodes = 0;
  const EnvironmentSpec& spec = environment->spec();
  std::vector<float> vector(spec.action_dimensions());
  const auto random_step = [&] {
    if (!spec.continuous()) return environment->step(static_cast<int>(actions.below(spec.actions())));
    for (std::size_t i = 0; i < vector.size(); ++i) {
      vector[i] = static_cast<float>(actions.uniform(spec.action_low[i], spec.action_high[i]));
    }
    return environment->step_continuous(vector);
  };
  const auto play = [&] {
    for (std::size_t i = 0; i < arguments.steps; ++i) {
      const StepResult result = random_step();
      if (!result.terminal && !result.truncated) continue;
      environment->reset();
      ++episodes;
    }
  };
  const std::vector<double> times = measure_milliseconds(1, arguments.repeats, play);
  std::vector<double> rates;
  rates.reserve(times.size());
  for (const double time : times) rates.push_back(static_cast<double>(arguments.steps) / time * 1000);
  Json json = describe_machine(1);
  json["environment"] = arguments.environment;
  json["steps"] = arguments.steps;
  json["repeats"] = arguments.repeats;
  json["steps_per_second_median"] = median(rates);
  json["microseconds_per_step_median"] = 1e6 / median(rates);
  json["microseconds_per_step_min"] = minimum(times) / static_cast<double>(arguments.steps) * 1000;
  if (arguments.json) {
    fmt::print("{}\n", json.dump());
    return 0;
  }
  fmt::print("{}\n{}: {:.0f} steps/s, {:.1f} us a step (median of {} x {} steps; minimum {:.1f} us), {} episodes\n",
             machine_text(json), arguments.environment, median(rates), 1e6 / median(rates), arguments.repeats,
             arguments.steps, json["microseconds_per_step_min"].get<double>(), episodes);
  return 0;
}

}  // namespace

void add_bench_environment(CLI::App& bench, Run& run) {
  auto* command = bench.add_subcommand("environment", "Steps per second with random actions, preprocessing included.");
  command->option_defaults()->always_capture_default();
  auto a = std::make_shared<Arguments>();
  command->add_option("environment", a->environment, "See `eaudeqn list environments`")->required()->type_name("ENV");
  command->add_option("--steps", a->steps, "Steps per repeat")->check(CLI::Range(1, 1000000000));
  command->add_option("--repeats", a->repeats, "Timed repeats, after one that does not count")
      ->check(CLI::Range(1, 1000000));
  command->add_option("--seed", a->seed, "Of the environment and the actions")->check(whole_number(0));
  command->add_flag("--json", a->json, "One JSON object on stdout");
  command->callback([a, &run] { run = [a] { return run_bench_environment(*a); }; });
}

}  // namespace eaudeqn
