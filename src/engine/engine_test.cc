// Whole networks: gradients against finite differences in double precision, all forms, batch sizes and thread counts.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "eaudeqn/error.h"
#include "engine/kernels/reference.h"
#include "engine/passes.h"
#include "engine/test_network.h"

namespace eaudeqn {
namespace {

void prune_randomly(Network& network, double density, RandomStream& stream) {
  for (std::size_t i = 0; i < network.layers().size(); ++i) {
    LayerWeights weights = network.layer_weights(i);
    for (std::size_t w = 0; w < weights.weights.size(); ++w) {
      if (stream.uniform() < density) continue;
      weights.mask[w] = 0;
      weights.weights[w] = 0;
    }
    for (float& bias : weights.bias) bias = static_cast<float>(stream.uniform(-0.1, 0.1));
    network.set_layer(i, weights, LayerForm::compact);  // layers as small as these would be dense
  }
}

std::vector<float> random_inputs(const NetworkSpec& spec, std::size_t batch, RandomStream& stream) {
  std::vector<float> inputs(batch * spec.tensors[0].channels * spec.tensors[0].height * spec.tensors[0].width);
  for (float& value : inputs) value = static_cast<float>(stream.uniform(0, 1));
  return inputs;
}

// sum over samples and outputs of coefficient x output, computed naively in double.
double reference_loss(const Network& network, const std::vector<float>& inputs, std::size_t batch,
                      const std::vector<float>& coefficients, std::size_t changed_layer, std::size_t changed_weight,
                      double change) {
  std::vector<std::vector<double>> weights, biases;
  for (std::size_t i = 0; i < network.layers().size(); ++i) {
    const LayerWeights all = network.layer_weights(i);
    weights.emplace_back(all.weights.begin(), all.weights.end());
    biases.emplace_back(all.bias.begin(), all.bias.end());
  }
  weights[changed_layer][changed_weight] += change;
  double loss = 0;
  const std::size_t size = inputs.size() / batch;
  const std::size_t outputs = network.spec().architecture.outputs;
  for (std::size_t b = 0; b < batch; ++b) {
    const std::vector<double> input(inputs.begin() + static_cast<std::ptrdiff_t>(b * size),
                                    inputs.begin() + static_cast<std::ptrdiff_t>((b + 1) * size));
    const auto tensors = reference::run(network.spec(), weights, biases, input);
    for (std::size_t a = 0; a < outputs; ++a) loss += coefficients[b * outputs + a] * tensors.back()[a];
  }
  return loss;
}

struct NetworkCase {
  std::string kind;
  double density;
  std::size_t batch;
};

class Networks : public testing::TestWithParam<NetworkCase> {};

TEST_P(Networks, GradientsEqualFiniteDifferencesOfTheReference) {
  const auto [kind, density, batch] = GetParam();
  const auto plan = std::make_shared<NetworkPlan>(make_network_spec(small_network(kind)));
  RandomStream stream(3, "engine_test");
  Network network(plan, true);
  network.compute_unread(true);
  network.initialize(stream);
  if (density < 1) prune_randomly(network, density, stream);
  const auto inputs = random_inputs(plan->spec, batch, stream);
  ThreadPool pool(2);
  InputTensor input(plan, batch);
  input.load(std::as_bytes(std::span(inputs)), batch, pool);
  Workspace workspace(plan, batch, true);
  workspace.set_input(input);
  const Pass pass{&network, &workspace};
  forward(std::span(&pass, 1), pool);
  std::vector<float> coefficients(batch * 3);
  workspace.clear_output_gradient();
  for (std::size_t i = 0; i < coefficients.size(); ++i) {
    coefficients[i] = static_cast<float>(stream.uniform(-1, 1));
    workspace.set_output_gradient(i / 3, i % 3, coefficients[i]);
  }
  backward(std::span(&pass, 1), pool);
  const auto all = all_weight_gradients(pass, pool);
  const double h = 1e-6;
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    const Layer& layer = network.layers()[l];
    double largest = 0;
    for (const float g : layer.gradient.span()) largest = std::max(largest, std::abs(static_cast<double>(g)));
    for (int trial = 0; trial < 4; ++trial) {
      const std::size_t drawn = stream.below(layer.compact ? layer.active : layer.mask.size());
      const std::size_t weight = layer.compact ? layer.positions[drawn] : drawn;
      const std::size_t stored = layer.compact ? drawn : network.place(l, drawn);
      if (!layer.mask[weight]) continue;
      const double difference = (reference_loss(network, inputs, batch, coefficients, l, weight, h) -
                                 reference_loss(network, inputs, batch, coefficients, l, weight, -h)) /
                                (2 * h);
      EXPECT_NEAR(layer.gradient.data()[stored], difference, 2e-5 * largest + 1e-6)
          << plan->spec.layers[l].name << " weight " << weight;
      EXPECT_NEAR(all[l][weight], layer.gradient.data()[stored], 1e-6 * largest)  // the order of the sum may differ
          << plan->spec.layers[l].name << " weight " << weight;
    }
    // Of inactive weights too: what growing one would change.
    for (std::size_t weight = 0, found = 0; weight < layer.mask.size() && found < 2; weight += 1 + stream.below(9)) {
      if (layer.mask[weight]) continue;
      ++found;
      const double difference = (reference_loss(network, inputs, batch, coefficients, l, weight, h) -
                                 reference_loss(network, inputs, batch, coefficients, l, weight, -h)) /
                                (2 * h);
      EXPECT_NEAR(all[l][weight], difference, 2e-5 * largest + 1e-6)
          << plan->spec.layers[l].name << " inactive weight " << weight;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(KindsAndDensities, Networks,
                         testing::Values(NetworkCase{"nature", 1.0, 5}, NetworkCase{"nature", 0.6, 1},
                                         NetworkCase{"nature", 0.2, 18}, NetworkCase{"impala", 1.0, 2},
                                         NetworkCase{"impala", 0.3, 3}, NetworkCase{"mlp", 1.0, 32},
                                         NetworkCase{"mlp", 0.4, 40}));

// The same with one input changed instead of a weight.
double loss_of_inputs(const Network& network, std::vector<float> inputs, std::size_t batch,
                      const std::vector<float>& coefficients, std::size_t at, float value) {
  inputs[at] = value;
  return reference_loss(network, inputs, batch, coefficients, 0, 0, 0);
}

class MlpNetworks : public Networks {};

TEST_P(MlpNetworks, InputGradientsEqualFiniteDifferencesAndLeaveWeightGradientsAlone) {
  const auto [kind, density, batch] = GetParam();
  const auto plan = std::make_shared<NetworkPlan>(make_network_spec(small_network(kind)));
  RandomStream stream(4, "engine_test");
  Network network(plan, true);
  network.initialize(stream);
  if (density < 1) prune_randomly(network, density, stream);
  const auto inputs = random_inputs(plan->spec, batch, stream);
  ThreadPool pool(2);
  InputTensor input(plan, batch);
  std::vector<float> first, rest;  // loaded in two parts, as observations and actions are
  for (std::size_t i = 0; i < inputs.size(); ++i) (i % 5 < 3 ? first : rest).push_back(inputs[i]);
  input.load_units(3, rest, batch);
  input.load_units(0, first, batch);
  Workspace workspace(plan, batch, true);
  workspace.keep_input_gradient();
  workspace.set_input(input);
  const Pass pass{&network, &workspace};
  forward(std::span(&pass, 1), pool);
  std::vector<float> coefficients(batch * 3);
  workspace.clear_output_gradient();
  for (std::size_t i = 0; i < coefficients.size(); ++i) {
    coefficients[i] = static_cast<float>(stream.uniform(-1, 1));
    workspace.set_output_gradient(i / 3, i % 3, coefficients[i]);
  }
  backward_to_input(std::span(&pass, 1), 2, pool);
  for (std::size_t at = 0; at < inputs.size(); ++at) {
    const std::size_t unit = at % 5;
    if (unit < 2) {
      EXPECT_EQ(workspace.input_gradient(at / 5, unit), 0) << "not asked for";
      continue;
    }
    const float h = 0x1p-14F;
    const double difference = (loss_of_inputs(network, inputs, batch, coefficients, at, inputs[at] + h) -
                               loss_of_inputs(network, inputs, batch, coefficients, at, inputs[at] - h)) /
                              static_cast<double>((inputs[at] + h) - (inputs[at] - h));
    EXPECT_NEAR(workspace.input_gradient(at / 5, unit), difference, 2e-5) << "sample " << at / 5 << " unit " << unit;
  }
  for (const Layer& layer : network.layers()) {
    for (const float gradient : layer.gradient.span()) EXPECT_EQ(gradient, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(Densities, MlpNetworks,
                         testing::Values(NetworkCase{"mlp", 1.0, 32}, NetworkCase{"mlp", 0.4, 40}));

// Some updates, backward and Adam apart or in one; returns all weights.
std::vector<float> train(int threads, std::size_t batch, bool in_one = false, const std::string& kind = "impala") {
  const auto plan = std::make_shared<NetworkPlan>(make_network_spec(small_network(kind)));
  RandomStream stream(5, "threads");
  std::vector<Network> networks;
  std::vector<Workspace> workspaces;
  for (int k = 0; k < 3; ++k) {
    networks.emplace_back(plan, true);
    networks.back().initialize(stream);
    prune_randomly(networks.back(), 1.0 - 0.4 * k, stream);
    workspaces.emplace_back(plan, batch, true);
  }
  const auto inputs = random_inputs(plan->spec, batch, stream);
  ThreadPool pool(threads);
  InputTensor input(plan, batch);
  input.load(std::as_bytes(std::span(inputs)), batch, pool);
  std::vector<Pass> passes;
  for (int k = 0; k < 3; ++k) {
    workspaces[k].set_input(input);
    passes.push_back({&networks[k], &workspaces[k]});
  }
  for (int update = 0; update < 3; ++update) {
    forward(passes, pool);
    for (const Pass& pass : passes) {
      for (std::size_t b = 0; b < batch; ++b) {
        for (std::size_t a = 0; a < 3; ++a)
          pass.workspace->set_output_gradient(b, a, pass.workspace->output(b, a) - 1.0F);
      }
    }
    if (in_one) {
      backward_and_adam(passes, 1e-2, 1e-4, pool);
    } else {
      backward(passes, pool);
      adam_step(passes, 1e-2, 1e-4, pool);
    }
  }
  std::vector<float> all;
  for (const Network& network : networks) {
    for (std::size_t l = 0; l < network.layers().size(); ++l) {
      const LayerWeights weights = network.layer_weights(l);
      all.insert(all.end(), weights.weights.begin(), weights.weights.end());
      all.insert(all.end(), weights.bias.begin(), weights.bias.end());
    }
  }
  return all;
}

TEST(Determinism, AnyNumberOfThreadsGivesTheSameBits) {
  const auto one = train(1, 40);
  for (const int threads : {2, 3, 5}) EXPECT_EQ(one, train(threads, 40)) << threads << " threads";
}

TEST(Determinism, BackwardAndAdamInOneGiveTheSameBits) {
  for (const char* kind : {"nature", "impala"}) {
    const auto apart = train(1, 40, false, kind);
    for (const int threads : {1, 2}) EXPECT_EQ(apart, train(threads, 40, true, kind)) << kind << ", " << threads;
  }
}

TEST(Determinism, ASampleGivesTheSameOutputInAnyBatch) {
  const auto plan = std::make_shared<NetworkPlan>(make_network_spec(small_network("nature")));
  RandomStream stream(5, "batches");
  Network network(plan, false);
  network.initialize(stream);
  const auto inputs = random_inputs(plan->spec, 70, stream);
  ThreadPool pool(1);
  const std::size_t size = inputs.size() / 70;
  std::vector<float> alone;
  for (const std::size_t batch : {1, 16, 32, 70}) {
    InputTensor input(plan, batch);
    input.load(std::as_bytes(std::span(inputs).first(batch * size)), batch, pool);
    Workspace workspace(plan, batch, false);
    workspace.set_input(input);
    const Pass pass{&network, &workspace};
    forward(std::span(&pass, 1), pool);
    std::vector<float> first;
    for (std::size_t a = 0; a < 3; ++a) first.push_back(workspace.output(0, a));
    if (alone.empty()) alone = first;
    EXPECT_EQ(first, alone) << "batch " << batch;
  }
}

TEST(NetworkWeights, ChangingTheFormKeepsWeightsMasksAndSurvivingMoments) {
  const auto plan = std::make_shared<NetworkPlan>(make_network_spec(small_network("mlp")));
  RandomStream stream(5, "form");
  Network network(plan, true);
  network.initialize(stream);
  Network::Moments moments = network.layer_moments(0);
  for (std::size_t i = 0; i < moments.first.size(); ++i)
    moments.first[i] = moments.second[i] = static_cast<float>(i + 1);
  network.set_layer_moments(0, moments);
  LayerWeights weights = network.layer_weights(0);
  for (std::size_t i = 0; i < weights.weights.size(); i += 3) weights.mask[i] = 0, weights.weights[i] = 0;
  for (std::size_t i = 1; i < weights.weights.size(); i += 3) weights.mask[i] = 0, weights.weights[i] = 0;
  network.set_layer(0, weights, LayerForm::compact);
  EXPECT_EQ(network.layer_weights(0).weights, weights.weights);
  EXPECT_EQ(network.layer_weights(0).mask, weights.mask);
  const auto kept = network.layer_moments(0);
  for (std::size_t i = 0; i < kept.first.size(); ++i) {
    EXPECT_EQ(kept.first[i], weights.mask[i] ? static_cast<float>(i + 1) : 0.0F);
  }
}

TEST(NetworkWeights, NanInAHiddenLayerReachesTheOutput) {
  const auto plan = std::make_shared<NetworkPlan>(make_network_spec(small_network("nature")));
  RandomStream stream(5, "nan");
  Network network(plan, false);
  network.initialize(stream);
  LayerWeights weights = network.layer_weights(1);
  weights.weights[0] = std::numeric_limits<float>::quiet_NaN();
  network.set_layer(1, weights);
  const auto inputs = random_inputs(plan->spec, 1, stream);
  ThreadPool pool(1);
  InputTensor input(plan, 1);
  input.load(std::as_bytes(std::span(inputs)), 1, pool);
  Workspace workspace(plan, 1, false);
  workspace.set_input(input);
  const Pass pass{&network, &workspace};
  forward(std::span(&pass, 1), pool);
  EXPECT_TRUE(std::isnan(workspace.output(0, 0)));
}

TEST(Architectures, NatureAndImpalaHaveThePublishedShapes) {
  Architecture architecture;
  architecture.input = {4, 84, 84};
  architecture.outputs = 6;
  const NetworkSpec nature = make_network_spec(architecture);
  EXPECT_EQ(nature.tensors[1].height, 21U);
  EXPECT_EQ(nature.tensors[2].height, 11U);
  EXPECT_EQ(nature.tensors[3].height, 11U);
  EXPECT_EQ(nature.layers[3].in, 7744U);
  architecture.kind = "impala";
  const NetworkSpec impala = make_network_spec(architecture);
  EXPECT_EQ(impala.layers.size(), 17U);
  EXPECT_EQ(impala.layers[15].in, 32U * 11 * 11);
  EXPECT_EQ(architecture_from_json(to_json(architecture)), architecture);
}

// What a policy file says. Sizes that are no whole numbers were converted, a kind was repeated with its line breaks.
TEST(Architectures, InTextThatIsNotOneAreRefusedInOneLine) {
  const std::string good = to_json(small_network("mlp"));
  EXPECT_NO_THROW(architecture_from_json(good));
  const auto refused = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    ASSERT_NE(text.find(from), std::string::npos) << good;
    text.replace(text.find(from), from.size(), to);
    try {
      architecture_from_json(text);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::Kind::failure);
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    }
  };
  for (const char* size : {"-1", "1.5", "1e300", "null", "\"3\"", "[3]"})
    refused("\"width\":1", std::string("\"width\":") + size);
  for (const char* sizes : {"{}", "7", "null", "[-1]", "[1e300]"})
    refused("\"hidden\":[", std::string("\"units\":") + sizes + ",\"hidden\":[");
  refused("\"mlp\"", "\"m\\nlp\"");
  refused("\"float32\"", "\"float64\"");
}

TEST(Architectures, ImpossibleSizesAreRefused) {
  Architecture architecture = small_network("nature");
  architecture.input = {5};
  EXPECT_THROW(make_network_spec(architecture), Error);
  architecture = small_network("mlp");
  architecture.outputs = 0;
  EXPECT_THROW(make_network_spec(architecture), Error);
  architecture = small_network("mlp");
  architecture.kind = "transformer";
  EXPECT_THROW(make_network_spec(architecture), Error);
  architecture = small_network("mlp");
  architecture.hidden = {65'536, 65'536};  // 2^32 weights between them
  EXPECT_THROW(make_network_spec(architecture), Error);
  architecture.hidden = {65'536, 65'535};
  EXPECT_NO_THROW(make_network_spec(architecture));
}

}  // namespace
}  // namespace eaudeqn
