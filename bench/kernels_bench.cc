// How fast the kernels are on the layers of engine/kernels/cases.h that are marked `timed`: one thread, one network,
// one layer, through the engine's passes. Agreement of the same cases is kernels_test.cc's; whole updates are `eaudeqn
// bench`'s.
//
// Counters, in processor time of the one thread:
//   GFLOP/s   useful work: 2 x active weights x output positions x batch, twice that for `backward`
//   of_peak   the same as a share of what fma_peak.h measured at the start
//
//   forward          outputs of the layer
//   weight_gradient  backward of a layer that reads the network's input, which needs no input gradient
//   backward         weight gradient and input gradient
//   forward_bytes, weight_gradient_bytes   the same of the layer that reads images, which stay bytes
//   single           one observation, own copies of the weights: outputs of the layer, and laying out its input
//   single_in_place  the same with the network's own arrays
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <string>

#include "core/random.h"
#include "engine/kernels/instruction_set.h"
#include "engine/single_forward.h"
#include "fma_peak.h"
#include "layer_bench.h"

namespace eaudeqn {
namespace {

// One observation of the same layer: bytes for the layer that sees the screen, else what a ReLU leaves.
class SingleBench {
 public:
  explicit SingleBench(const LayerCase& c)
      : geometry_(std::make_shared<SingleGeometry>(std::make_shared<NetworkPlan>(spec_of(c)))),
        network_(geometry_->plan(), false),
        forward_(geometry_),
        copies_(geometry_),
        in_place_(geometry_) {
    RandomStream stream(1, "kernels_bench");
    LayerWeights layer = network_.layer_weights(0);
    for (std::size_t i = 0; i < layer.weights.size(); ++i) {
      layer.mask[i] = i == 0 || stream.uniform() < c.density ? 1 : 0;
      layer.weights[i] = layer.mask[i] != 0 ? static_cast<float>(stream.uniform(-1, 1)) : 0.0F;
    }
    network_.set_layer(0, layer);
    copies_.copy(network_);
    in_place_.refer_to(network_);
    for (std::size_t i = 0; i < geometry_->spec().tensors[0].elements(); ++i) {
      if (geometry_->spec().architecture.byte_input) {
        observation_.push_back(static_cast<std::byte>(stream.below(256)));
        continue;
      }
      const auto value = static_cast<float>(std::max(0.0, stream.uniform(-1, 1)));
      const auto bytes = std::as_bytes(std::span(&value, 1));
      observation_.insert(observation_.end(), bytes.begin(), bytes.end());
    }
  }

  void copies() { forward_.forward(copies_, observation_); }
  void in_place() { forward_.forward(in_place_, observation_); }
  double useful_operations() const {
    return 2.0 * static_cast<double>(network_.layers()[0].active * geometry_->spec().positions(0));
  }

 private:
  static NetworkSpec spec_of(const LayerCase& c) { return one_layer(c, false, c.stride == 4); }

  std::shared_ptr<const SingleGeometry> geometry_;
  Network network_;
  SingleForward forward_;
  SingleWeights copies_, in_place_;
  std::vector<std::byte> observation_;
};

template <typename Subject, typename Run>
void measure(benchmark::State& state, Subject& bench, double operations, const Run& run) {
  static const double kPeak = measure_fma_peak();
  for (auto _ : state) {
    run(bench);
    benchmark::ClobberMemory();
  }
  const double work = operations * static_cast<double>(state.iterations()) * 1e-9;
  state.counters["GFLOP/s"] = benchmark::Counter(work, benchmark::Counter::kIsRate);
  state.counters["of_peak"] = benchmark::Counter(work / kPeak, benchmark::Counter::kIsRate);
}

std::string name_of(const LayerCase& c) {
  return std::to_string(c.in) + "x" + std::to_string(c.height) + "x" + std::to_string(c.width) + "->" +
         std::to_string(c.out) + "/kernel:" + std::to_string(c.kernel) + "/stride:" + std::to_string(c.stride) +
         "/batch:" + std::to_string(c.batch) + "/density:" + std::to_string(c.density).substr(0, 4);
}

void register_one(const std::string& pass, const LayerCase& c, bool backward, bool behind_relu, bool bytes) {
  benchmark::RegisterBenchmark((pass + "/" + name_of(c)).c_str(), [=](benchmark::State& state) {
    LayerBench bench(c, behind_relu, bytes);
    measure(state, bench, (behind_relu ? 2 : 1) * bench.useful_operations(c.batch),
            [=](LayerBench& b) { backward ? b.backward() : b.forward(); });
  });
}

void register_case(const LayerCase& c) {
  register_one("forward", c, false, false, false);
  register_one("weight_gradient", c, true, false, false);
  register_one("backward", c, true, true, false);
  benchmark::RegisterBenchmark(("single/" + name_of(c)).c_str(), [c](benchmark::State& state) {
    SingleBench bench(c);
    measure(state, bench, bench.useful_operations(), [](SingleBench& b) { b.copies(); });
  });
  benchmark::RegisterBenchmark(("single_in_place/" + name_of(c)).c_str(), [c](benchmark::State& state) {
    SingleBench bench(c);
    measure(state, bench, bench.useful_operations(), [](SingleBench& b) { b.in_place(); });
  });
  if (c.height != 84) return;
  register_one("forward_bytes", c, false, false, true);
  register_one("weight_gradient_bytes", c, true, false, true);
}

}  // namespace
}  // namespace eaudeqn

int main(int count, char** words) {
  benchmark::Initialize(&count, words);
  if (benchmark::ReportUnrecognizedArguments(count, words)) return 2;
  benchmark::AddCustomContext("threads", "1");
  benchmark::AddCustomContext("instruction set", eaudeqn::instruction_set());
  benchmark::AddCustomContext("FMA peak, GFLOP/s", std::to_string(eaudeqn::measure_fma_peak()));
  for (const eaudeqn::LayerCase& layer_case : eaudeqn::layer_cases()) {
    if (layer_case.timed) eaudeqn::register_case(layer_case);
  }
  benchmark::RunSpecifiedBenchmarks();
}
