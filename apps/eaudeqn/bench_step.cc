// `eaudeqn bench step`: where the time of an environment step of training goes. Drives the environment, the replay and
// the agent of a real run, in the order of the training loop, with networks pruned to given sparsities, and times each
// piece from outside. What a whole run would take is bench/step.py's to say; a real loop is `train`.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>
#include <vector>

#include "agents/dqn.h"
#include "bench.h"
#include "core/frame_stack.h"
#include "core/machine.h"
#include "core/random.h"
#include "eaudeqn/error.h"
#include "engine/share_networks.h"
#include "environments/area_resize.h"
#include "replay/replay.h"

namespace eaudeqn {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string environment = "atari/Pong", network = "nature";
  std::size_t features = 512, networks = 5, transitions = 5000, updates = 20;
  std::vector<double> sparsities = {0, 0.5, 0.9, 0.95};
  int threads = available_processors();
  bool json = false;
};

constexpr std::size_t kWarmUpUpdates = 4;
constexpr int kTargetUpdates = 3;

// The parts of an update, in order; "update_rest" is what they do not explain.
const std::vector<std::string> kUpdateParts = {"input_load", "target_forward", "forwards", "losses", "backwards"};

// Microseconds by the name of the piece. What is timed under one name between two laps is one sample.
class Stopwatch {
 public:
  template <typename Work>
  auto time(const std::string& piece, Work&& work) {
    struct Stop {
      double& sum;
      std::chrono::steady_clock::time_point start = std::chrono::steady_clock::now();
      ~Stop() { sum += std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count(); }
    } const stop{current_[piece]};
    return work();
  }
  void add(const std::string& piece, double microseconds) { current_[piece] += microseconds; }
  void lap() {
    for (const auto& [piece, microseconds] : current_) samples_[piece].push_back(microseconds);
    current_.clear();
  }
  void clear() { samples_.clear(); }
  const std::vector<double>& samples(const std::string& piece) const { return samples_.at(piece); }

 private:
  std::map<std::string, double> current_;
  std::map<std::string, std::vector<double>> samples_;
};

// An environment and the memory of what happened in it, as a learner keeps them.
class World {
 public:
  World(const Arguments& arguments, std::size_t capacity)
      : environment_(make_environment(arguments.environment, 1)),
        stack_(spec().stack, spec().frame_bytes()),
        replay_({capacity, spec().frame_bytes(), spec().stack, true, 1, 0.99, spec().actions()}) {}

  const EnvironmentSpec& spec() const { return environment_->spec(); }
  std::span<const std::byte> observation() const { return stack_.planes(); }
  const Replay& replay() const { return replay_; }
  double steps_per_episode() const { return static_cast<double>(steps_) / static_cast<double>(episodes_); }

  void step(int action, Stopwatch& watch) {
    const StepResult result = watch.time("environment", [&] { return environment_->step(action); });
    watch.time("replay_add", [&] {
      replay_.add(action, static_cast<float>(spec().learning_reward(result.reward)), result.terminal, result.truncated,
                  environment_->frame());
    });
    watch.time("frame_stack", [&] { stack_.push(environment_->frame()); });
    ++steps_;
    if (result.terminal || result.truncated) begin_episode(watch);
  }

  void begin_episode(Stopwatch& watch) {
    ++episodes_;
    watch.time("reset", [&] {
      environment_->reset();
      stack_.reset(environment_->frame());
      replay_.begin_episode(environment_->frame());
    });
  }

 private:
  std::unique_ptr<Environment> environment_;
  FrameStack stack_;
  Replay replay_;
  std::size_t steps_ = 0, episodes_ = 0;
};

// DqnAgent::update taken apart: the same functions on the same networks, shared by the threads as there. The time of
// all networks is divided among their phases as the threads' own times are.
class UpdateParts {
 public:
  UpdateParts(DqnAgent& agent, const TrainingConfig& training, ThreadPool& pool)
      : agent_(agent),
        training_(training),
        pool_(pool),
        observations_(agent.shared_plan(), batch()),
        next_observations_(agent.shared_plan(), batch()),
        target_workspace_(agent.shared_plan(), batch(), false) {
    target_workspace_.set_input(next_observations_);
    for (std::size_t i = 0; i < shared_workspaces(agent.population().size(), pool); ++i) {
      workspaces_.emplace_back(agent.shared_plan(), batch(), true);
      workspaces_.back().set_input(observations_);
    }
  }

  void run(const Batch& batch, Stopwatch& watch) {
    watch.time("input_load", [&] {
      observations_.load(batch.observations, batch.actions.size(), pool_);
      next_observations_.load(batch.next_observations, batch.actions.size(), pool_);
    });
    watch.time("target_forward", [&] {
      const Pass target{&agent_.population().target(), &target_workspace_};
      forward({&target, 1}, pool_);
    });
    Population& population = agent_.population();
    std::vector<Phases> phases(population.size());
    const auto start = std::chrono::steady_clock::now();
    share_networks(
        population.size(), pool_, [&](std::size_t first, std::size_t count, std::size_t workspace, ThreadPool& own) {
          std::vector<Pass> passes;
          for (std::size_t i = 0; i < count; ++i) {
            passes.push_back({&population.network(first + i), &workspaces_[workspace + i]});
          }
          const double threads = own.threads();
          phases[first].forwards = threads * microseconds([&] { forward(passes, own); });
          phases[first].losses = threads * microseconds([&] { set_gradients(passes, batch); });
          phases[first].backwards = threads * microseconds([&] {
                                      backward_and_adam(passes, training_.learning_rate, training_.adam_epsilon, own);
                                    });
        });
    const double wall = microseconds_since(start);
    Phases sum;
    for (const Phases& one : phases) {
      sum.forwards += one.forwards;
      sum.losses += one.losses;
      sum.backwards += one.backwards;
    }
    const double share = wall / (sum.forwards + sum.losses + sum.backwards);
    watch.add("forwards", sum.forwards * share);
    watch.add("losses", sum.losses * share);
    watch.add("backwards", sum.backwards * share);
  }

 private:
  struct Phases {
    double forwards = 0, losses = 0, backwards = 0;  // microseconds of thread time
  };
  static double microseconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
  }
  template <typename Work>
  static double microseconds(const Work& work) {
    const auto start = std::chrono::steady_clock::now();
    work();
    return microseconds_since(start);
  }

  std::size_t batch() const { return static_cast<std::size_t>(training_.batch_size); }

  void set_gradients(const std::vector<Pass>& passes, const Batch& batch) {
    for (const Pass& pass : passes) {
      pass.workspace->clear_output_gradient();
      for (std::size_t b = 0; b < batch.actions.size(); ++b) {
        const auto action = static_cast<std::size_t>(batch.actions[b]);
        const float y = batch.rewards[b] + batch.discounts[b] * target_workspace_.output(b, 0);
        const float error = pass.workspace->output(b, action) - y;
        pass.workspace->set_output_gradient(b, action, 2.0F * error / static_cast<float>(batch.actions.size()));
      }
    }
  }

  DqnAgent& agent_;
  TrainingConfig training_;
  ThreadPool& pool_;
  InputTensor observations_, next_observations_;
  Workspace target_workspace_;
  std::vector<Workspace> workspaces_;
};

// What an environment does to the pictures of a step, on one of its own: maximum of two, and shrinking.
void time_preprocessing(const Arguments& arguments, Stopwatch& watch) {
  const auto environment = make_environment(arguments.environment, 1);
  environment->reset();
  const Picture picture = environment->picture();
  std::vector<std::uint8_t> screen(picture.width * picture.height);
  for (std::size_t i = 0; i < screen.size(); ++i) screen[i] = picture.rgb[3 * i + 1];
  const std::vector<std::uint8_t> other(screen.rbegin(), screen.rend());
  const EnvironmentSpec& spec = environment->spec();
  AreaResize resize(picture.height, picture.width, spec.frame_shape[0], spec.frame_shape[1]);
  std::vector<std::uint8_t> frame(spec.frame_elements());
  for (int i = 0; i < 200; ++i) {
    watch.time("preprocessing", [&] {
      std::transform(screen.begin(), screen.end(), other.begin(), screen.begin(),
                     [](std::uint8_t a, std::uint8_t b) { return std::max(a, b); });
      resize.run(screen, frame);
    });
    watch.lap();
  }
}

// The training loop after its first samples, then the update taken apart, then target updates.
void time_training(const Arguments& arguments, const Config& config, double sparsity, World& world, Stopwatch& watch) {
  ThreadPool pool(arguments.threads);
  DqnAgent agent(config, make_architecture(config.network, world.spec()));
  Population& population = agent.population();
  for (std::size_t k = 0; k < population.size(); ++k) {
    copy_pruned(population.network(k), sparsity, Distribution::uniform, population.network(k));
  }
  copy_pruned(population.target(), sparsity, Distribution::uniform, population.target());
  RandomStream stream(1, "bench step");
  Batch batch;
  const auto sample = [&] {
    world.replay().sample(stream, static_cast<std::size_t>(config.training.batch_size), batch);
  };
  for (std::size_t i = 0; i < kWarmUpUpdates + arguments.updates; ++i) {
    if (i == kWarmUpUpdates) watch.clear();
    for (std::int64_t step = 1; step <= config.training.gradient_period; ++step) {
      const int action =
          watch.time("acting", [&] { return agent.act(world.observation(), config.training.epsilon_duration); });
      world.step(action, watch);
      if (step == config.training.gradient_period) {
        watch.time("replay_sample", sample);
        watch.time("update", [&] { agent.update(batch, pool); });
      }
      watch.lap();
    }
  }
  UpdateParts parts(agent, config.training, pool);
  for (std::size_t i = 0; i < arguments.updates; ++i) {
    sample();
    parts.run(batch, watch);
    watch.lap();
  }
  for (int i = 0; i < kTargetUpdates; ++i) {
    watch.time("target_update", [&] { agent.update_target(config.training.target_update_period); });
    watch.lap();
  }
}

// One piece: its time, and how many environment steps share it.
Json piece(const std::string& name, double steps, double median, double smallest) {
  return {{"name", name}, {"steps", steps}, {"microseconds_median", median}, {"microseconds_min", smallest}};
}

Json piece(const std::string& name, double steps, const Stopwatch& watch) {
  return piece(name, steps, median(watch.samples(name)), minimum(watch.samples(name)));
}

// `whole` without what is in `parts`.
Json rest(const std::string& name, const Json& whole, const std::vector<Json>& parts) {
  double median = whole["microseconds_median"].get<double>();
  double smallest = whole["microseconds_min"].get<double>();
  for (const Json& part : parts) {
    median -= part["microseconds_median"].get<double>();
    smallest -= part["microseconds_min"].get<double>();
  }
  return piece(name, whole["steps"].get<double>(), median, smallest);
}

Json row(double sparsity, const Config& config, const Json& reset, const Json& preprocessing, const Stopwatch& watch) {
  const auto period = static_cast<double>(config.training.gradient_period);
  const Json update = piece("update", period, watch);
  std::vector<Json> parts;
  parts.reserve(kUpdateParts.size());
  for (const std::string& name : kUpdateParts) parts.push_back(piece(name, period, watch));
  std::vector<Json> pieces = {rest("emulator", piece("environment", 1, watch), {preprocessing}),
                              preprocessing,
                              reset,
                              piece("frame_stack", 1, watch),
                              piece("acting", 1, watch),
                              piece("replay_add", 1, watch),
                              piece("replay_sample", period, watch)};
  pieces.insert(pieces.end(), parts.begin(), parts.end());
  pieces.push_back(rest("update_rest", update, parts));
  pieces.push_back(piece("target_update", static_cast<double>(config.training.target_update_period), watch));
  double total = 0;
  for (const Json& each : pieces) total += each["microseconds_median"].get<double>() / each["steps"].get<double>();
  return {{"sparsity", sparsity},
          {"microseconds_per_step", total},
          {"update_milliseconds_median", update["microseconds_median"].get<double>() / 1e3},
          {"update_milliseconds_min", update["microseconds_min"].get<double>() / 1e3},
          {"pieces", pieces}};
}

void print_table(const Json& json) {
  const Json& rows = json["rows"];
  fmt::print("{}\n{}, network {}, F = {}, {} networks; milliseconds per environment step, medians\n\n{:<16}",
             machine_text(json), json["environment"].get<std::string>(), json["network"].get<std::string>(),
             json["features"].get<std::size_t>(), json["networks"].get<std::size_t>(), "sparsity");
  for (const Json& row : rows) fmt::print("{:>10.3f}", row["sparsity"].get<double>());
  fmt::print("\n");
  for (std::size_t i = 0; i < rows[0]["pieces"].size(); ++i) {
    fmt::print("{:<16}", rows[0]["pieces"][i]["name"].get<std::string>());
    for (const Json& row : rows) {
      const Json& piece = row["pieces"][i];
      fmt::print("{:>10.4f}", piece["microseconds_median"].get<double>() / piece["steps"].get<double>() / 1e3);
    }
    fmt::print("\n");
  }
  fmt::print("{:<16}", "all");
  for (const Json& row : rows) fmt::print("{:>10.4f}", row["microseconds_per_step"].get<double>() / 1e3);
  fmt::print("\n");
}

int run_bench_step(const Arguments& arguments) {
  Config config;
  config.environment = arguments.environment;
  config.network.kind = arguments.network;
  config.network.features = static_cast<std::int64_t>(arguments.features);
  config.population.networks = static_cast<std::int64_t>(arguments.networks);
  const auto period = static_cast<std::size_t>(config.training.gradient_period);
  const std::size_t steps = (kWarmUpUpdates + arguments.updates) * period * arguments.sparsities.size();
  World world(arguments, arguments.transitions + steps);
  if (world.spec().frame_type != ElementType::uint8) {
    throw Error::usage(arguments.environment + ": bench step takes games with images apart; choose an atari/ one");
  }
  Stopwatch watch;
  time_preprocessing(arguments, watch);
  const Json preprocessing = piece("preprocessing", 1, watch);
  RandomStream actions(1, "bench step");
  world.begin_episode(watch);
  for (std::size_t i = 0; i < arguments.transitions; ++i) {
    world.step(static_cast<int>(actions.below(world.spec().actions())), watch);
    watch.lap();
  }
  const Json reset = piece("reset", world.steps_per_episode(), watch);
  Json json = describe_machine(arguments.threads);
  json["environment"] = arguments.environment;
  json["network"] = arguments.network;
  json["features"] = arguments.features;
  json["networks"] = arguments.networks;
  json["batch"] = config.training.batch_size;
  json["gradient_period"] = config.training.gradient_period;
  json["target_update_period"] = config.training.target_update_period;
  json["transitions"] = arguments.transitions;
  json["updates"] = arguments.updates;
  json["rows"] = Json::array();
  for (const double sparsity : arguments.sparsities) {
    watch.clear();
    time_training(arguments, config, sparsity, world, watch);
    json["rows"].push_back(row(sparsity, config, reset, preprocessing, watch));
  }
  if (arguments.json) {
    fmt::print("{}\n", json.dump());
  } else {
    print_table(json);
  }
  return 0;
}

}  // namespace

void add_bench_step(CLI::App& bench, Run& run) {
  auto* command = bench.add_subcommand(
      "step", "Where the time of an environment step of training goes: emulator, acting, replay, parts of the update.");
  command->option_defaults()->always_capture_default();
  auto a = std::make_shared<Arguments>();
  command->add_option("environment", a->environment, "A game: see `eaudeqn list environments`")->type_name("ENV");
  command->add_option("--network", a->network, "Kind")->check(CLI::IsMember({"nature", "impala"}));
  command->add_option("--features", a->features, "Width of the last hidden layer")->check(CLI::Range(1, 65536));
  command->add_option("--networks", a->networks, "K")->check(CLI::Range(1, 64));
  command->add_option("--sparsity", a->sparsities, "Shares of inactive weights, of the online networks and the target")
      ->delimiter(',')
      ->check(share());
  command->add_option("--threads", a->threads, "Threads; default: the processors there are")->check(CLI::Range(1, 256));
  command->add_option("--transitions", a->transitions, "Random steps before, which fill the replay")
      ->check(CLI::Range(100, 1000000));
  command->add_option("--updates", a->updates, "Timed updates per sparsity, after 4 that do not count")
      ->check(CLI::Range(1, 1000000));
  command->add_flag("--json", a->json, "One JSON object on stdout");
  command->callback([a, &run] { run = [a] { return run_bench_step(*a); }; });
}

}  // namespace eaudeqn
