// The library on a machine without vectors. This program holds its kernels as CMakeLists.txt compiles them for
// Highway's plain C++ target alone; the passes for batches, which the other tests hold to the naive reference, keep
// this machine's vectors and are what the outputs are compared with.
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "deploy/policy_network.h"
#include "deploy/runtime.h"
#include "deploy/test_policy.h"
#include "engine/kernels/instruction_set.h"
#include "engine/kernels/matrix_vector.h"
#include "engine/passes.h"
#include "engine/test_network.h"

namespace eaudeqn {
namespace {

TEST(Scalar, TheKernelsOfThisProgramHaveNoVectors) {
  EXPECT_STREQ(instruction_set(), hwy::TargetName(HWY_SCALAR));
  EXPECT_EQ(window_width(), 0U);
}

std::vector<float> batch_outputs(Network& network, std::span<const std::byte> observation) {
  const auto plan = std::make_shared<NetworkPlan>(network.plan());
  ThreadPool pool(1);
  InputTensor input(plan, 1);
  input.load(observation, 1, pool);
  Workspace workspace(plan, 1, false);
  workspace.set_input(input);
  const Pass pass{&network, &workspace};
  forward(std::span(&pass, 1), pool);
  std::vector<float> outputs;
  for (std::size_t a = 0; a < plan->spec.architecture.outputs; ++a) outputs.push_back(workspace.output(0, a));
  return outputs;
}

// Small whole numbers, so that no sum is ever rounded, fused or not: of a row's active weights, some four are not 0.
void set_whole_numbers(Network& network, double density, RandomStream& stream) {
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    LayerWeights weights = network.layer_weights(l);
    const double row = static_cast<double>(network.spec().layers[l].row_size()) * density;
    for (std::size_t i = 0; i < weights.weights.size(); ++i) {
      weights.mask[i] = stream.uniform() < density ? 1 : 0;
      const float sign = stream.below(2) == 0 ? -1.0F : 1.0F;
      weights.weights[i] = weights.mask[i] != 0 && stream.uniform() * row < 4 ? sign : 0.0F;
    }
    for (float& bias : weights.bias) bias = static_cast<float>(stream.below(5)) - 2.0F;
    network.set_layer(l, weights);
  }
}

class ScalarNetworks : public testing::TestWithParam<const char*> {};

TEST_P(ScalarNetworks, EqualTheBatchPassesBitForBitWhereNothingIsRounded) {
  const auto plan = std::make_shared<const NetworkPlan>(make_network_spec(small_network(GetParam())));
  const auto geometry = std::make_shared<const SingleGeometry>(plan);
  RandomStream stream(1, "scalar_test");
  for (const double density : {0.0, 0.05, 0.3, 0.6, 1.0}) {
    Network network(plan, false);
    set_whole_numbers(network, density, stream);
    std::vector<float> observation(plan->spec.tensors[0].elements());
    for (float& value : observation) value = static_cast<float>(stream.below(5)) - 2.0F;
    const auto expected = batch_outputs(network, std::as_bytes(std::span(observation)));
    ASSERT_TRUE(std::all_of(expected.begin(), expected.end(), [](float x) { return std::abs(x) < 0x1p24F; }));
    SingleWeights copies(geometry), in_place(geometry);
    copies.copy(network);
    in_place.refer_to(network);
    SingleForward single(geometry);
    for (const SingleWeights* weights : {&copies, &in_place}) {
      const auto got = single.forward(*weights, std::as_bytes(std::span(observation)));
      EXPECT_EQ(std::vector<float>(got.begin(), got.end()), expected) << "density " << density;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, ScalarNetworks, testing::Values("nature", "impala", "mlp"),
                         [](const testing::TestParamInfo<const char*>& parameter) { return parameter.param; });

// Raw images in, frame by frame, as a game shows them.
TEST(Scalar, APolicyRunsAndGivesTheOutputsThatItHasWithVectors) {
  for (const std::string kind : {"nature", "impala"}) {
    for (const double sparsity : {0.0, 0.5, 0.95}) {
      const Policy policy = random_policy(kind, 32, sparsity, 2);
      const auto runtime = std::make_shared<const Runtime>(policy, "test");
      RuntimeSession by_image(runtime), by_frame(runtime);
      by_frame.reset();
      Network network = make_network(policy, "test");
      constexpr std::size_t kFrame = 84 * 84;
      std::vector<std::byte> planes(4 * kFrame), image(4 * kFrame);
      RandomStream stream(3, "scalar_test frames");
      for (int step = 0; step < 3; ++step) {
        std::move(planes.begin() + kFrame, planes.end(), planes.begin());
        for (std::size_t i = 3 * kFrame; i < 4 * kFrame; ++i) planes[i] = static_cast<std::byte>(stream.below(256));
        for (std::size_t i = 0; i < image.size(); ++i) image[i] = planes[i % 4 * kFrame + i / 4];
        const auto expected = batch_outputs(network, planes);
        std::vector<float> got(expected.size());
        by_image.forward(image, 1, got);
        float largest = 0;
        for (const float value : expected) largest = std::max(largest, std::abs(value));
        // Vectors round once where plain C++ rounds twice.
        for (std::size_t a = 0; a < got.size(); ++a) {
          EXPECT_NEAR(got[a], expected[a], 1e-5F * std::max(1.0F, largest)) << kind << ", sparsity " << sparsity;
        }
        const auto best = static_cast<std::size_t>(std::max_element(got.begin(), got.end()) - got.begin());
        EXPECT_EQ(by_image.act(image), best);
        EXPECT_EQ(by_frame.act_on_frame(std::span(planes).last(kFrame)), best);
      }
    }
  }
}

}  // namespace
}  // namespace eaudeqn
