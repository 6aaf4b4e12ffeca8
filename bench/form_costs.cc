// Times the two forms of a layer, dense and compact, over densities: what bench/cost_model.py fits engine/form_cost.h
// to. One thread, batch 32 and, of dense layers, 256: forward, backward and Adam, of as many networks as a population
// has, since their weights push each other out of the caches. Prints one JSON object per line.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <utility>
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
    {14, 1, 1, 256, 1, 1, 256, 1.0},  {512, 1, 1, 512, 1, 1, 256, 1.0},
};
const std::vector<double> kDensities = {0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9};

constexpr std::size_t kNetworks = 5;

using Layers = std::vector<std::unique_ptr<LayerBench>>;

Layers layers_of(const LayerCase& subject, bool bytes, LayerForm form) {
  Layers layers;
  for (std::size_t k = 0; k < kNetworks; ++k) {
    layers.push_back(std::make_unique<LayerBench>(subject, !bytes, bytes, form));
  }
  return layers;
}

double seconds(const Layers& layers) {
  const auto start = std::chrono::steady_clock::now();
  for (const auto& layer : layers) layer->forward();
  for (const auto& layer : layers) {
    layer->backward();
    layer->adam();
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Of one network, the smallest of several times: others who use the machine only ever add.
double smallest(const Layers& layers, double budget_seconds) {
  double best = seconds(layers);
  double spent = best;
  for (int i = 0; i < 400 && (spent < budget_seconds || i < 6); ++i) {
    const double time = seconds(layers);
    best = std::min(best, time);
    spent += time;
  }
  return best / static_cast<double>(kNetworks);
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
    for (const auto& [name, form] : {std::pair{"compact", LayerForm::compact}, std::pair{"dense", LayerForm::dense}}) {
      const Layers layers = layers_of(subject, bytes, form);
      print(name, density, layers[0]->active(), smallest(layers, 0.15));
    }
  }
}

}  // namespace
}  // namespace eaudeqn

int main() {
  for (const eaudeqn::LayerCase& subject : eaudeqn::kByteSubjects) eaudeqn::measure(subject, true);
  for (const eaudeqn::LayerCase& subject : eaudeqn::kSubjects) eaudeqn::measure(subject, false);
}
