// `eaudeqn bench act`: one greedy action, from the raw observation to the index of the largest output, of a policy or
// of a network with random weights at given sparsities. No environment, no frame stack.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "agents/dqn.h"
#include "bench.h"
#include "deploy/c_header.h"
#include "deploy/policy_network.h"
#include "deploy/runtime.h"

namespace eaudeqn {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string policy, network = "nature", distribution = "uniform", mode = "deployed";
  std::size_t features = 512, actions = 6, observation = 11, repeats = 1000;
  std::vector<std::int64_t> hidden = {256, 256};
  std::vector<double> sparsities = {0, 0.5, 0.9, 0.95, 0.99};
  int threads = 1;
  bool json = false;
};

Network random_network(const Arguments& arguments, double sparsity) {
  const Architecture architecture = random_architecture(arguments.network, arguments.features, arguments.hidden,
                                                        arguments.observation, arguments.actions);
  Network network(std::make_shared<NetworkPlan>(make_network_spec(architecture)), false);
  RandomStream stream(1, "bench act weights");
  network.initialize(stream);
  copy_pruned(network, sparsity, parse_distribution(arguments.distribution), network);
  return network;
}

int largest(std::span<const float> values) {
  return static_cast<int>(std::max_element(values.begin(), values.end()) - values.begin());
}

// Microseconds of each repeat.
std::vector<double> measure_actions(Network& network, const Arguments& arguments) {
  const auto plan = std::make_shared<NetworkPlan>(network.plan());
  const auto observation = example_observation(plan->spec.architecture);
  int action = 0;
  std::vector<double> times;
  constexpr std::size_t kWarmUp = 20;
  if (arguments.mode == "batch") {
    ThreadPool pool(arguments.threads);
    InputTensor input(plan, 1);
    Workspace workspace(plan, 1, false);
    workspace.set_input(input);
    const Pass pass{&network, &workspace};
    std::vector<float> outputs(plan->spec.architecture.outputs);
    times = measure_milliseconds(kWarmUp, arguments.repeats, [&] {
      input.load(observation, 1, pool);
      forward(std::span(&pass, 1), pool);
      for (std::size_t a = 0; a < outputs.size(); ++a) outputs[a] = workspace.output(0, a);
      action = largest(outputs);
    });
  } else if (arguments.mode == "library") {
    RuntimeSession session(std::make_shared<const Runtime>(make_policy(network, {}), "the network"));
    times =
        measure_milliseconds(kWarmUp, arguments.repeats, [&] { action = static_cast<int>(session.act(observation)); });
  } else {
    GreedyActor actor(plan);
    SingleWeights weights = actor.make_weights();
    if (arguments.mode == "deployed") weights.copy(network);
    times = measure_milliseconds(kWarmUp, arguments.repeats, [&] {
      if (arguments.mode == "training") weights.refer_to(network);
      action = actor.act(weights, observation);
    });
  }
  if (action < 0) fmt::print("{}\n", action);  // never, but the compiler must compute it
  for (double& time : times) time *= 1000;
  return times;
}

Json measure_row(Network& network, double sparsity, const Arguments& arguments) {
  const std::vector<double> times = measure_actions(network, arguments);
  return {{"sparsity", sparsity},
          {"microseconds_median", median(times)},
          {"microseconds_min", minimum(times)},
          {"microseconds", times}};
}

int run_bench_act(const Arguments& arguments) {
  Json json = describe_machine(arguments.mode == "batch" ? arguments.threads : 1);
  Json rows = Json::array();
  if (arguments.policy.empty()) {
    json["network"] = arguments.network;
    json["features"] = features_json(arguments.network, arguments.features);
    json["distribution"] = arguments.distribution;
    for (const double sparsity : arguments.sparsities) {
      Network network = random_network(arguments, sparsity);
      rows.push_back(measure_row(network, sparsity, arguments));
    }
  } else {
    const auto file = policy_file(arguments.policy);
    Network network = make_network(read_policy(file), file.string());
    const Architecture& architecture = network.spec().architecture;
    json["network"] = architecture.kind;
    json["features"] = features_json(architecture.kind, architecture.features);
    rows.push_back(measure_row(network, network.sparsity(), arguments));
  }
  json["networks"] = 1;
  json["batch"] = 1;
  json["mode"] = arguments.mode;
  json["rows"] = rows;
  if (arguments.json) {
    fmt::print("{}\n", json.dump());
    return 0;
  }
  fmt::print("{}\none action, network {}, {}, {} repeats\n\n", machine_text(json), json["network"].get<std::string>(),
             arguments.mode, arguments.repeats);
  fmt::print("{:>9} {:>12} {:>12} {:>22}\n", "sparsity", "median us", "minimum us", "times the first row");
  for (const Json& row : rows) {
    fmt::print("{:>9.3f} {:>12.1f} {:>12.1f} {:>22.2f}\n", row["sparsity"].get<double>(),
               row["microseconds_median"].get<double>(), row["microseconds_min"].get<double>(),
               rows[0]["microseconds_median"].get<double>() / row["microseconds_median"].get<double>());
  }
  return 0;
}

}  // namespace

void add_bench_act(CLI::App& bench, Run& run) {
  auto* command =
      bench.add_subcommand("act", "One greedy action on one thread: from the raw observation to the largest output.");
  command->option_defaults()->always_capture_default();
  auto a = std::make_shared<Arguments>();
  auto* policy = command->add_option("--policy", a->policy, "A run directory or a policy.safetensors, as it is")
                     ->type_name("RUN|POLICY");
  command->add_option("--network", a->network, "Or: random weights of this kind of network")
      ->check(CLI::IsMember({"nature", "impala", "mlp"}))
      ->excludes(policy);
  command->add_option("--features", a->features, "Width of the last hidden layer (nature, impala)")
      ->check(CLI::Range(1, 65536));
  command->add_option("--hidden", a->hidden, "Hidden sizes (mlp)")->delimiter(',')->check(CLI::Range(1, 65536));
  command->add_option("--observation", a->observation, "Observation size (mlp)")->check(CLI::Range(1, 65536));
  command->add_option("--actions", a->actions, "Actions")->check(CLI::Range(1, 4096));
  command->add_option("--sparsity", a->sparsities, "Shares of inactive weights")
      ->delimiter(',')
      ->check(share())
      ->excludes(policy);
  command->add_option("--distribution", a->distribution, "How the sparsity is spread over the layers")
      ->check(CLI::IsMember({"uniform", "erk", "global"}));
  command
      ->add_option(
          "--mode", a->mode,
          "deployed: weights arranged once, as in evaluation; library: the same from interleaved frames, as the "
          "installed library does it; training: weights read in place; batch: the passes that training uses "
          "for batches")
      ->check(CLI::IsMember({"deployed", "library", "training", "batch"}));
  command->add_option("--threads", a->threads, "Threads of --mode batch; the others use one whatever is said")
      ->check(CLI::Range(1, 256));
  command->add_option("--repeats", a->repeats, "Timed actions per sparsity, after 20 that do not count")
      ->check(CLI::Range(1, 100000000));
  command->add_flag("--json", a->json, "One JSON object on stdout");
  command->callback([a, &run] { run = [a] { return run_bench_act(*a); }; });
}

}  // namespace eaudeqn
