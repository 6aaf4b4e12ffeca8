// Fixed small pieces of work whose instructions callgrind counts: kernels at several densities, Adam, and what a
// population does. instructions.py runs it and compares; it measures nothing by itself and takes no options. One
// thread; every value comes from a fixed seed.
//
// Small, because valgrind computes fused multiply-adds in software, some hundred times slower than the processor. Only
// one call of each case is counted: not what prepares it, and not a first run, which allocates.
#include <fmt/format.h>
#include <valgrind/callgrind.h>

#include <cstdio>
#include <exception>
#include <string>

#include "agents/dqn.h"
#include "core/machine.h"
#include "engine/kernels/instruction_set.h"
#include "layer_bench.h"

namespace eaudeqn {
namespace {

template <typename Run>
void count(const std::string& name, const Run& run) {
  run();
  CALLGRIND_TOGGLE_COLLECT;
  run();
  CALLGRIND_TOGGLE_COLLECT;
  CALLGRIND_DUMP_STATS_AT(name.c_str());
}

void count_layer(const std::string& name, LayerCase layer, bool bytes = false) {
  for (const double density : {1.0, 0.5, 0.1, 0.02}) {
    // Misses of its dense gradient depend on where the heap happens to put its sums.
    if (bytes && density == 1.0) continue;
    layer.density = density;
    const std::string label = fmt::format("{} density {}", name, density);
    LayerBench first(layer, false, bytes);
    count("forward " + label, [&] { first.forward(); });
    count("weight gradient " + label, [&] { first.backward(); });
    count("adam " + label, [&] { first.adam(); });
    if (bytes) continue;  // the network's input has no gradient
    LayerBench inner(layer, true);
    count("both gradients " + label, [&] { inner.backward(); });
  }
}

// K = 2 networks on small images.
class SmallPopulation {
 public:
  SmallPopulation(const std::string& kind, double sparsity) : agent_(config(), architecture(kind)) {
    for (std::size_t k = 0; k < agent_.population().size(); ++k) prune(agent_.population().network(k), sparsity);
    prune(agent_.population().target(), sparsity);
    const std::size_t batch = static_cast<std::size_t>(config().training.batch_size);
    RandomStream stream(1, "instruction cases");
    for (auto* bytes : {&batch_.observations, &batch_.next_observations}) {
      for (std::size_t i = 0; i < batch * agent_.plan().spec.tensors[0].elements(); ++i) {
        bytes->push_back(static_cast<std::byte>(stream.below(256)));
      }
    }
    for (std::size_t b = 0; b < batch; ++b) {
      batch_.actions.push_back(static_cast<std::int32_t>(stream.below(kActions)));
      batch_.rewards.push_back(static_cast<float>(stream.uniform(-1, 1)));
      batch_.discounts.push_back(0.99F);
    }
  }

  void update() { agent_.update(batch_, pool_); }
  void act() {
    const std::size_t bytes = agent_.plan().spec.tensors[0].elements();
    agent_.act(std::span(batch_.observations).first(bytes), 1'000'000'000);
  }
  // Nothing more is pruned: the maximum exponent is 0.
  void update_target() { agent_.update_target(1'000); }

 private:
  static constexpr std::size_t kActions = 6;
  static Config config() {
    Config config;
    config.population.networks = 2;
    config.training.batch_size = 16;
    config.training.epsilon_end = 0;
    config.sparsity.max_noise = 0;
    return config;
  }
  static Architecture architecture(const std::string& kind) {
    NetworkConfig network;
    network.kind = kind;
    network.features = 32;
    return make_architecture(network, {4, 28, 28}, true, kActions);
  }
  static void prune(Network& network, double sparsity) {
    copy_pruned(network, sparsity, Distribution::uniform, network);
  }

  DqnAgent agent_;
  ThreadPool pool_{1};
  Batch batch_;
};

void count_population(const std::string& kind, double sparsity) {
  SmallPopulation population(kind, sparsity);
  const std::string label = (kind == "nature" ? "" : kind + " ") + fmt::format("sparsity {}", sparsity);
  count("population update " + label, [&] { population.update(); });
  count("act " + label, [&] { population.act(); });
  count("target update " + label, [&] { population.update_target(); });
}

void count_all() {
  //                               in  h   w   out kernel stride batch
  count_layer("convolution 3x3", {16, 11, 11, 16, 3, 1, 16, 1.0});
  count_layer("convolution 8x8 stride 4", {4, 28, 28, 16, 8, 4, 16, 1.0});
  count_layer("convolution 8x8 stride 4 of bytes", {4, 28, 28, 16, 8, 4, 16, 1.0}, true);
  count_layer("dense 512x64", {512, 1, 1, 64, 1, 1, 32, 1.0});
  count_population("nature", 0.9);   // a dense one takes a minute: valgrind computes multiply-adds in software
  count_population("impala", 0.98);  // most of it is what does not become cheaper by sparsity
}

}  // namespace
}  // namespace eaudeqn

int main() {
  try {
    fmt::print("{}\n{}\n", eaudeqn::instruction_set(), eaudeqn::build_name());
    eaudeqn::count_all();
  } catch (const std::exception& error) {
    fmt::print(stderr, "instruction_cases: {}\n", error.what());
    return 1;
  }
}
