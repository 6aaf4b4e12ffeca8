// Times the two forms of a layer, dense and compact, over densities: what bench/cost_model.py fits engine/form_cost.h
// to. One thread, one network, batch 32 and, of dense layers, 256: forward, backward and Adam. Prints one JSON object
// per line.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "layer_bench.h"

namespace eaudeqn {
namespace {

// The first layers of nature and impala, which read bytes; the other layers of both, and the hidden layers of small
// networks.
const std::vector<LayerCase> kByteSubjects = {{4, 84, 84, 32, 8, 4, 32, 1.0}, {4, 84, 84, 16, 3, 1, 32, 1.0}};
const std::vector<LayerCase> kSubjects = {
    {32, 21, 21, 64, 4, 2, 32, 1.0},  {64, 11, 11, 64, 3, 1, 32, 1.0},  {16, 42, 42, 16, 3, 1, 32, 1.0},
    {32, 21, 21, 32, 3, 1, 32, 1.0},  {32, 11, 11, 32, 3, 1, 32, 1.0},  {7744, 1, 1, 512, 1, 1, 32, 1.0},
    {3872, 1, 1, 256, 1, 1, 32, 1.0}, {512, 1, 1, 512, 1, 1, 32, 1.0},  {256, 1, 1, 256, 1, 1, 32, 1.0},
    {256, 1, 1, 64, 1, 1, 32, 1.0},   {256, 1, 1, 256, 1, 1, 256, 1.0}, {376, 1, 1, 256, 1, 1, 256, 1.0},
    {512, 1, 1, 512, 1, 1, 256, 1.0},
};
const std::vector<double> kDensities = {0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9};

double seconds(LayerBench& layer) {
  const auto start = std::chrono::steady_clock::now();
  layer.forward();
  layer.backward();
  layer.adam();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The smallest of several times: others who use the machine only ever add.
double smallest(LayerBench& layer, double budget_seconds) {
  double best = seconds(layer);
  double spent = best;
  for (int i = 0; i < 400 && (spent < budget_seconds || i < 6); ++i) {
    const double time = seconds(layer);
    best = std::min(best, time);
    spent += time;
  }
  return best;
}

void measure(LayerCase subject, bool bytes) {
  const NetworkSpec spec = one_layer(subject, !bytes, bytes);
  const auto print = [&](const char* form, double density, std::size_t active, double seconds) {
    fmt::print(
        "{{\"convolution\": {}, \"bytes\": {}, \"batch\": {}, \"in\": {}, \"out\": {}, \"kernel\": {}, \"stride\": {}, "
        "\"positions\": "
        "{}, "
        "\"weights\": {}, \"form\": \"{}\", \"density\": {}, \"active\": {}, \"microseconds\": {:.2f}}}\n",
        subject.height > 1, bytes, subject.batch, subject.in, subject.out, subject.kernel, subject.stride,
        spec.positions(0), spec.weights(), form, density, active, seconds * 1e6);
    std::fflush(stdout);
  };
  for (const double density : kDensities) {
    subject.density = density;
    LayerBench compact(subject, !bytes, bytes, LayerForm::compact);
    print("compact", density, compact.active(), smallest(compact, 0.08));
    LayerBench dense(subject, !bytes, bytes, LayerForm::dense);
    print("dense", density, dense.active(), smallest(dense, 0.08));
  }
}

}  // namespace
}  // namespace eaudeqn

int main() {
  for (const eaudeqn::LayerCase& subject : eaudeqn::kByteSubjects) eaudeqn::measure(subject, true);
  for (const eaudeqn::LayerCase& subject : eaudeqn::kSubjects) eaudeqn::measure(subject, false);
}
