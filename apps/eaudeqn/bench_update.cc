// `eaudeqn bench update`: one gradient step of a population at given sparsities, as in training: one batch of raw
// observations, the target network's forward pass, K forward and backward passes, losses and Adam. No environment, no
// replay. With --kind sac the networks are twin critics on vectors and the targets are given.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <memory>

#include "agents/dqn.h"
#include "bench.h"
#include "core/machine.h"
#include "engine/share_networks.h"
#include "population/population.h"

namespace eaudeqn {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string kind = "dqn", network = "nature", distribution = "uniform";
  std::size_t features = 512, networks = 5, batch = 0, actions = 6, observation = 11, repeats = 20;
  std::vector<std::int64_t> hidden = {256, 256};
  std::vector<double> sparsities = {0, 0.5, 0.9, 0.95, 0.99};
  int threads = available_processors();
  bool json = false;
};

// A population of value networks that learn from one random batch.
class ValueUpdate {
 public:
  ValueUpdate(const Arguments& arguments, double sparsity)
      : agent_(config(arguments), random_architecture(arguments.network, arguments.features, arguments.hidden,
                                                      arguments.observation, arguments.actions)),
        pool_(arguments.threads) {
    const Distribution distribution = parse_distribution(arguments.distribution);
    for (std::size_t k = 0; k < agent_.population().size(); ++k) {
      Network& network = agent_.population().network(k);
      copy_pruned(network, sparsity, distribution, network);
    }
    Network& target = agent_.population().target();
    copy_pruned(target, sparsity, distribution, target);
    const std::size_t elements = agent_.plan().spec.tensors[0].elements();
    RandomStream stream(1, "bench update");
    const bool bytes = agent_.plan().spec.architecture.byte_input;
    for (auto* observations : {&batch_.observations, &batch_.next_observations}) {
      for (std::size_t i = 0; i < arguments.batch * elements; ++i) {
        if (bytes) {
          observations->push_back(static_cast<std::byte>(stream.below(256)));
        } else {
          const auto value = static_cast<float>(stream.uniform(-1, 1));
          const auto raw = std::as_bytes(std::span(&value, 1));
          observations->insert(observations->end(), raw.begin(), raw.end());
        }
      }
    }
    for (std::size_t b = 0; b < arguments.batch; ++b) {
      batch_.actions.push_back(static_cast<std::int32_t>(stream.below(arguments.actions)));
      batch_.rewards.push_back(static_cast<float>(stream.uniform(-1, 1)));
      batch_.discounts.push_back(0.99F);
    }
  }

  void operator()() { agent_.update(batch_, pool_); }
  double sparsity() { return agent_.population().network(0).sparsity(); }

 private:
  static Config config(const Arguments& arguments) {
    Config config;
    config.training.batch_size = static_cast<std::int64_t>(arguments.batch);
    config.population.networks = static_cast<std::int64_t>(arguments.networks);
    return config;
  }
  DqnAgent agent_;
  ThreadPool pool_;
  Batch batch_;
};

// K twin critics Q(s, a) that learn from one batch: 2 target forward passes, 2 K forward and backward passes, Adam.
class CriticUpdate {
 public:
  CriticUpdate(const Arguments& arguments, double sparsity)
      : batch_(arguments.batch),
        plan_(std::make_shared<NetworkPlan>(make_network_spec(architecture(arguments)), batch_)),
        input_(plan_, batch_),
        next_input_(plan_, batch_),
        pool_(arguments.threads) {
    RandomStream stream(1, "bench update");
    const Distribution distribution = parse_distribution(arguments.distribution);
    const std::size_t critics = 2 * arguments.networks;
    for (std::size_t i = 0; i < critics + 2; ++i) {
      networks_.emplace_back(plan_, i < critics);
      networks_.back().initialize(stream);
      copy_pruned(networks_.back(), sparsity, distribution, networks_.back());
    }
    for (std::size_t i = 0; i < shared_workspaces(critics, pool_); ++i) {
      workspaces_.emplace_back(plan_, batch_, true).set_input(input_);
    }
    for (std::size_t i = 0; i < critics; ++i) online_.push_back({&networks_[i], nullptr});
    for (std::size_t i = critics; i < networks_.size(); ++i) {
      target_workspaces_.emplace_back(plan_, batch_, false).set_input(next_input_);
      target_.push_back({&networks_[i], &target_workspaces_.back()});
    }
    observations_.resize(batch_ * plan_->spec.tensors[0].elements());
    next_observations_.resize(observations_.size());
    for (float& value : observations_) value = static_cast<float>(stream.uniform(-1, 1));
    for (float& value : next_observations_) value = static_cast<float>(stream.uniform(-1, 1));
    for (std::size_t b = 0; b < batch_; ++b) rewards_.push_back(static_cast<float>(stream.uniform(-1, 1)));
  }

  void operator()() {
    input_.load(std::as_bytes(std::span(observations_)), batch_, pool_);
    next_input_.load(std::as_bytes(std::span(next_observations_)), batch_, pool_);
    forward(target_, pool_);
    share_networks(online_.size(), pool_,
                   [&](std::size_t first, std::size_t count, std::size_t workspace, ThreadPool& own) {
                     const std::span<Pass> passes = std::span(online_).subspan(first, count);
                     for (std::size_t i = 0; i < count; ++i) passes[i].workspace = &workspaces_[workspace + i];
                     forward(passes, own);
                     for (const Pass& pass : passes) differentiate_loss(*pass.workspace);
                     backward_and_adam(passes, 1e-3, 1e-8, own);
                   });
  }
  double sparsity() { return networks_[0].sparsity(); }

 private:
  static Architecture architecture(const Arguments& arguments) {
    NetworkConfig network;
    network.kind = "mlp";
    network.hidden = arguments.hidden;
    return make_architecture(network, {arguments.observation + arguments.actions, 1, 1}, false, 1);
  }

  void differentiate_loss(Workspace& workspace) const {
    for (std::size_t b = 0; b < batch_; ++b) {
      const float next = std::min(target_[0].workspace->output(b, 0), target_[1].workspace->output(b, 0));
      const float error = workspace.output(b, 0) - (rewards_[b] + 0.99F * next);
      workspace.set_output_gradient(b, 0, 2.0F * error / static_cast<float>(batch_));
    }
  }

  std::size_t batch_;
  std::shared_ptr<const NetworkPlan> plan_;
  InputTensor input_, next_input_;
  ThreadPool pool_;
  std::deque<Network> networks_;
  std::deque<Workspace> workspaces_, target_workspaces_;
  std::vector<Pass> online_, target_;
  std::vector<float> observations_, next_observations_, rewards_;
};

template <typename Update>
Json measure(const Arguments& arguments) {
  Json rows = Json::array();
  for (const double sparsity : arguments.sparsities) {
    Update update(arguments, sparsity);
    const std::vector<double> times = measure_milliseconds(3, arguments.repeats, update);
    rows.push_back({{"sparsity", sparsity},
                    {"milliseconds_median", median(times)},
                    {"milliseconds_min", minimum(times)},
                    {"milliseconds", times}});
  }
  return rows;
}

int run_bench_update(Arguments arguments) {
  if (arguments.batch == 0) arguments.batch = arguments.kind == "sac" ? 256 : 32;
  Json json = describe_machine(arguments.threads);
  json["kind"] = arguments.kind;
  const std::string network = arguments.kind == "sac" ? "mlp" : arguments.network;
  json["network"] = network;
  json["features"] = features_json(network, arguments.features);
  json["networks"] = arguments.networks;
  json["batch"] = arguments.batch;
  json["distribution"] = arguments.distribution;
  json["rows"] = arguments.kind == "sac" ? measure<CriticUpdate>(arguments) : measure<ValueUpdate>(arguments);
  if (arguments.json) {
    fmt::print("{}\n", json.dump());
    return 0;
  }
  fmt::print("{}\n{} update, network {}, {} networks, batch {}, {} repeats\n\n", machine_text(json), arguments.kind,
             json["network"].get<std::string>(), arguments.networks, arguments.batch, arguments.repeats);
  fmt::print("{:>9} {:>12} {:>12} {:>22}\n", "sparsity", "median ms", "minimum ms", "times the first row");
  const double first = json["rows"][0]["milliseconds_median"].get<double>();
  for (const Json& row : json["rows"]) {
    fmt::print("{:>9.3f} {:>12.3f} {:>12.3f} {:>22.2f}\n", row["sparsity"].get<double>(),
               row["milliseconds_median"].get<double>(), row["milliseconds_min"].get<double>(),
               first / row["milliseconds_median"].get<double>());
  }
  return 0;
}

}  // namespace

void add_bench_update(CLI::App& bench, Run& run) {
  auto* command = bench.add_subcommand(
      "update", "One gradient step of K networks on one shared batch: target forward, K forwards, backwards, Adam.");
  command->option_defaults()->always_capture_default();
  auto a = std::make_shared<Arguments>();
  command->add_option("--kind", a->kind, "dqn: value networks; sac: K twin critics of observation and action")
      ->check(CLI::IsMember({"dqn", "sac"}));
  command->add_option("--network", a->network, "For dqn")->check(CLI::IsMember({"nature", "impala", "mlp"}));
  command->add_option("--features", a->features, "Width of the last hidden layer (nature, impala)")
      ->check(CLI::Range(1, 65536));
  command->add_option("--hidden", a->hidden, "Hidden sizes (mlp, sac)")->delimiter(',')->check(CLI::Range(1, 65536));
  command->add_option("--observation", a->observation, "Observation size (mlp, sac)")->check(CLI::Range(1, 65536));
  command->add_option("--actions", a->actions, "Actions")->check(CLI::Range(1, 4096));
  command->add_option("--networks", a->networks, "K")->check(CLI::Range(1, 64));
  command->add_option("--batch", a->batch, "Samples; default 32, sac 256")->default_str("")->check(CLI::Range(1, 4096));
  command->add_option("--sparsity", a->sparsities, "Shares of inactive weights, of the online networks and the target")
      ->delimiter(',')
      ->check(share());
  command->add_option("--distribution", a->distribution, "How the sparsity is spread over the layers")
      ->check(CLI::IsMember({"uniform", "erk", "global"}));
  command->add_option("--threads", a->threads, "Threads; default: the processors there are")->check(CLI::Range(1, 256));
  command->add_option("--repeats", a->repeats, "Timed updates per sparsity, after 3 that do not count")
      ->check(CLI::Range(1, 1000000));
  command->add_flag("--json", a->json, "One JSON object on stdout");
  command->callback([a, &run] { run = [a] { return run_bench_update(*a); }; });
}

}  // namespace eaudeqn
