// Times the two forms of a layer, dense and compact, over densities: what bench/cost_model.py fits engine/form_cost.h
// to. One thread, one network, batch 32: forward, backward and Adam. Prints one JSON object per line.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <vector>

#include "core/machine.h"
#include "core/random.h"
#include "engine/passes.h"

namespace eaudeqn {
namespace {

struct Subject {
  std::size_t in, height, width, out, kernel, stride;
  std::size_t batch = 32;
};
// The layers of the nature network, of impala, and the hidden layers of small networks.
const std::vector<Subject> kSubjects = {
    {32, 21, 21, 64, 4, 2}, {64, 11, 11, 64, 3, 1},  {16, 42, 42, 16, 3, 1},  {32, 21, 21, 32, 3, 1},
    {32, 11, 11, 32, 3, 1}, {7744, 1, 1, 512, 1, 1}, {3872, 1, 1, 256, 1, 1}, {512, 1, 1, 512, 1, 1},
    {256, 1, 1, 256, 1, 1}, {256, 1, 1, 64, 1, 1},
};
const std::vector<double> kDensities = {0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9};

NetworkSpec one_layer(const Subject& c) {
  NetworkSpec spec;
  const bool convolution = c.height > 1;
  spec.architecture.input = {c.in, c.height, c.width};
  spec.tensors = {
      {c.in, c.height, c.width},
      {c.in, c.height, c.width},
      {c.out, same_padding(c.height, c.kernel, c.stride).outputs, same_padding(c.width, c.kernel, c.stride).outputs}};
  spec.layers.push_back({"layer", c.out, c.in, c.kernel, c.kernel, convolution});
  spec.operations = {{OperationKind::relu, 0, 1, 0, 1, false, -1},
                     {convolution ? OperationKind::convolution : OperationKind::dense, 1, 2, 0, c.stride, false, -1}};
  return spec;
}

class Trial {
 public:
  Trial(const Subject& subject, double density, LayerForm form)
      : plan_(std::make_shared<NetworkPlan>(one_layer(subject))),
        network_(plan_, true),
        workspace_(plan_, subject.batch, true),
        input_(plan_, subject.batch) {
    RandomStream stream(1, "form_costs");
    LayerWeights layer = network_.layer_weights(0);
    for (std::size_t i = 0; i < layer.weights.size(); ++i) {
      layer.mask[i] = i == 0 || stream.uniform() < density ? 1 : 0;
      layer.weights[i] = layer.mask[i] != 0 ? static_cast<float>(stream.uniform(-0.1, 0.1)) : 0.0F;
    }
    network_.set_layer(0, layer, form);
    std::vector<float> inputs(subject.batch * subject.in * subject.height * subject.width);
    for (float& value : inputs) value = static_cast<float>(stream.uniform(-1, 1));
    input_.load(std::as_bytes(std::span(inputs)), subject.batch, pool_);
    workspace_.set_input(input_);
    const TensorShape& out = plan_->spec.tensors.back();
    for (std::size_t i = 0; i < std::min(subject.batch, out.elements()); ++i) {
      if (out.height == 1) workspace_.set_output_gradient(i, i % out.channels, 1.0F);
    }
  }

  double seconds() {
    const auto start = std::chrono::steady_clock::now();
    forward({&pass_, 1}, pool_);
    backward({&pass_, 1}, pool_);
    adam_step({&pass_, 1}, 1e-6, 1e-4, pool_);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  std::size_t active() const { return network_.layers()[0].active; }
  std::size_t segments() const { return network_.layers()[0].forward.segments; }

 private:
  std::shared_ptr<const NetworkPlan> plan_;
  Network network_;
  Workspace workspace_;
  InputTensor input_;
  Pass pass_{&network_, &workspace_};
  ThreadPool pool_{1};
};

// The smallest of several times: others who use the machine only ever add.
double smallest(Trial& trial, double budget_seconds) {
  double best = trial.seconds();
  double spent = best;
  for (int i = 0; i < 400 && (spent < budget_seconds || i < 6); ++i) {
    const double seconds = trial.seconds();
    best = std::min(best, seconds);
    spent += seconds;
  }
  return best;
}

void measure(const Subject& subject) {
  const NetworkSpec spec = one_layer(subject);
  const auto print = [&](const char* form, double density, std::size_t active, double seconds) {
    fmt::print(
        "{{\"convolution\": {}, \"in\": {}, \"out\": {}, \"kernel\": {}, \"stride\": {}, \"positions\": {}, "
        "\"weights\": {}, \"form\": \"{}\", \"density\": {}, \"active\": {}, \"microseconds\": {:.2f}}}\n",
        subject.height > 1, subject.in, subject.out, subject.kernel, subject.stride, spec.positions(0), spec.weights(),
        form, density, active, seconds * 1e6);
    std::fflush(stdout);
  };
  for (const double density : kDensities) {
    Trial compact(subject, density, LayerForm::compact);
    print("compact", density, compact.active(), smallest(compact, 0.08));
    Trial dense(subject, density, LayerForm::dense);
    print("dense", density, dense.active(), smallest(dense, 0.08));
  }
}

}  // namespace
}  // namespace eaudeqn

int main() {
  for (const eaudeqn::Subject& subject : eaudeqn::kSubjects) eaudeqn::measure(subject);
}
