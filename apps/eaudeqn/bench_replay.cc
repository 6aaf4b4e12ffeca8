// `eaudeqn bench replay`: what storing and sampling transitions costs, on frames of a real environment played with
// random actions. Compression of other play is bench/replay_bench.cc's.
#include <fmt/format.h>

#include <memory>

#include "bench.h"
#include "core/random.h"
#include "eaudeqn/error.h"
#include "environments/environment.h"
#include "replay/replay.h"

namespace eaudeqn {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string environment = "atari/Pong";
  std::size_t transitions = 20000, batch = 32, repeats = 200;
  bool json = false;
};

// Frames are played first, so that only the replay is timed.
struct Play {
  std::vector<std::byte> frames;  // one per step, and the first of each episode
  struct Step {
    bool begins = false;
    int action = 0;
    StepResult result;
  };
  std::vector<Step> steps;
};

Play play(Environment& environment, std::size_t transitions) {
  RandomStream actions(1, "bench replay");
  Play play;
  const auto remember = [&](const Play::Step& step) {
    play.steps.push_back(step);
    play.frames.insert(play.frames.end(), environment.frame().begin(), environment.frame().end());
  };
  bool ended = true;
  for (std::size_t i = 0; i < transitions; ++i) {
    if (ended) {
      environment.reset();
      remember({true, 0, {}});
    }
    const int action = static_cast<int>(actions.below(environment.spec().actions()));
    const StepResult result = environment.step(action);
    ended = result.terminal || result.truncated;
    remember({false, action, result});
  }
  return play;
}

int run_bench_replay(const Arguments& arguments) {
  const auto environment = make_environment(arguments.environment, 1);
  const EnvironmentSpec& spec = environment->spec();
  if (spec.continuous()) throw Error::usage(spec.name + ": bench replay plays environments with discrete actions");
  const Play episodes = play(*environment, arguments.transitions);
  const bool images = spec.frame_type == ElementType::uint8;
  Replay replay({arguments.transitions, spec.frame_bytes(), spec.stack, images, 1, 0.99});
  const std::span<const std::byte> frames(episodes.frames);
  const double fill = measure_milliseconds(0, 1, [&] {
    for (std::size_t i = 0; i < episodes.steps.size(); ++i) {
      const auto frame = frames.subspan(i * spec.frame_bytes(), spec.frame_bytes());
      const Play::Step& step = episodes.steps[i];
      if (step.begins) {
        replay.begin_episode(frame);
      } else {
        replay.add(step.action, static_cast<float>(step.result.reward), step.result.terminal, step.result.truncated,
                   frame);
      }
    }
  })[0];
  RandomStream stream(1, "bench replay sampling");
  Batch batch;
  const std::vector<double> times =
      measure_milliseconds(10, arguments.repeats, [&] { replay.sample(stream, arguments.batch, batch); });
  const auto transitions = static_cast<double>(arguments.transitions);
  Json json = describe_machine(1);
  json["environment"] = arguments.environment;
  json["transitions"] = arguments.transitions;
  json["batch"] = arguments.batch;
  json["bytes_per_transition"] = static_cast<double>(replay.memory_bytes()) / transitions;
  json["add_microseconds"] = fill * 1000 / transitions;
  json["sample_milliseconds_median"] = median(times);
  json["sample_milliseconds_min"] = minimum(times);
  if (arguments.json) {
    fmt::print("{}\n", json.dump());
    return 0;
  }
  fmt::print(
      "{}\n{}, {} transitions of random play: {:.0f} bytes and {:.1f} us to add one; a batch of {}: {:.3f} ms "
      "(median of {}; minimum {:.3f} ms)\n",
      machine_text(json), arguments.environment, arguments.transitions, json["bytes_per_transition"].get<double>(),
      json["add_microseconds"].get<double>(), arguments.batch, median(times), arguments.repeats, minimum(times));
  return 0;
}

}  // namespace

void add_bench_replay(CLI::App& bench, Run& run) {
  auto* command = bench.add_subcommand("replay", "Store and sample transitions of an environment; one thread.");
  command->option_defaults()->always_capture_default();
  auto a = std::make_shared<Arguments>();
  command->add_option("environment", a->environment, "See `eaudeqn list environments`")->type_name("ENV");
  command->add_option("--transitions", a->transitions, "Transitions stored")->check(CLI::Range(1, 1000000));
  command->add_option("--batch", a->batch, "Transitions per sampled batch")->check(CLI::Range(1, 4096));
  command->add_option("--repeats", a->repeats, "Batches timed, after 10 that do not count")
      ->check(CLI::Range(1, 1000000));
  command->add_flag("--json", a->json, "One JSON object on stdout");
  command->callback([a, &run] { run = [a] { return run_bench_replay(*a); }; });
}

}  // namespace eaudeqn
