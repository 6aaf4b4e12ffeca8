// The C functions and their C++ classes: the same numbers as the engine's passes, the same actions as a plain reading
// of the outputs, no allocation once a session exists, and an error for every wrong call.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>

#include "core/files.h"
#include "core/test_directory.h"
#include "deploy/policy_network.h"
#include "deploy/test_allocations.h"
#include "deploy/test_outputs.h"
#include "eaudeqn/eaudeqn.h"
#include "eaudeqn/policy.h"

namespace eaudeqn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::size_t kFrame = 84 * 84, kImage = 4 * kFrame;

Architecture image_architecture() {
  Architecture architecture;
  architecture.features = 24;
  architecture.input = {4, 84, 84};
  architecture.byte_input = true;
  architecture.outputs = 3;
  return architecture;
}

Architecture vector_architecture() {
  Architecture architecture;
  architecture.kind = "mlp";
  architecture.hidden = {40, 24};
  architecture.input = {5};
  architecture.outputs = 4;
  return architecture;
}

// Random weights, four of five inactive but in the first layer.
Network random_network(const Architecture& architecture) {
  Network network(std::make_shared<NetworkPlan>(make_network_spec(architecture)), false);
  RandomStream stream(1, "c_api_test");
  network.initialize(stream);
  for (std::size_t l = 1; l < network.layers().size(); ++l) {
    LayerWeights weights = network.layer_weights(l);
    for (std::size_t i = 0; i < weights.weights.size(); ++i) {
      if (stream.below(5) != 0) weights.weights[i] = 0, weights.mask[i] = 0;
    }
    for (float& bias : weights.bias) bias = static_cast<float>(stream.uniform(-0.1, 0.1));
    network.set_layer(l, weights);
  }
  return network;
}

constexpr const char* kBounds = R"({"low": [-1, 0.5], "high": [2, 0.75]})";

class CApi : public testing::Test {
 protected:
  std::string write(const Network& network, std::map<std::string, std::string> metadata = {}) {
    const auto file = directory_ / "policy.safetensors";
    write_policy(make_policy(network, std::move(metadata)), file);
    return file.string();
  }
  deploy::Policy load(const Network& network, std::map<std::string, std::string> metadata = {}) {
    return deploy::Policy::load(write(network, std::move(metadata)));
  }

  TestDirectory directory_;
};

std::vector<std::uint8_t> random_images(std::size_t count) {
  RandomStream stream(2, "c_api_test images");
  std::vector<std::uint8_t> images(count * kImage);
  for (auto& byte : images) byte = static_cast<std::uint8_t>(stream.below(256));
  return images;
}

std::vector<float> random_vectors(std::size_t count) {
  RandomStream stream(3, "c_api_test vectors");
  std::vector<float> vectors(count * 5);
  for (auto& value : vectors) value = static_cast<float>(stream.uniform(-2, 2));
  return vectors;
}

std::vector<std::uint8_t> planes_of(const std::vector<std::uint8_t>& images) {
  std::vector<std::uint8_t> planes(images.size());
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::size_t image = i / kImage, pixel = i % kImage / 4, frame = i % 4;
    planes[image * kImage + frame * kFrame + pixel] = images[i];
  }
  return planes;
}

template <typename T>
void expect_the_engines_outputs(const deploy::Policy& policy, const std::vector<T>& observations, std::size_t size,
                                const std::vector<float>& expected) {
  const std::size_t outputs = policy.spec().outputs;
  deploy::Session session(policy);
  for (const std::size_t batch : {std::size_t{1}, std::size_t{3}, std::size_t{4}, std::size_t{33}, std::size_t{40}}) {
    std::vector<float> got(batch * outputs);
    session.forward(std::span(observations).first(batch * size), batch, got);
    EXPECT_EQ(got, std::vector<float>(expected.begin(), expected.begin() + static_cast<int>(got.size()))) << batch;
  }
}

TEST_F(CApi, OutputsAreThoseOfTheEngineBitForBitInEveryBatch) {
  Network image = random_network(image_architecture());
  const auto images = random_images(40);
  const auto planes = planes_of(images);
  expect_the_engines_outputs(load(image), images, kImage, engine_outputs(image, std::as_bytes(std::span(planes)), 40));
  Network vector = random_network(vector_architecture());
  const auto vectors = random_vectors(40);
  expect_the_engines_outputs(load(vector), vectors, 5, engine_outputs(vector, std::as_bytes(std::span(vectors)), 40));
}

TEST_F(CApi, ActsByTheLargestOutputAndStacksFramesNewestLastAfterBlackOnes) {
  const deploy::Policy policy = load(random_network(image_architecture()));
  deploy::Session session(policy), frames(policy);
  const auto images = random_images(3);
  std::vector<std::uint8_t> stack(kImage);
  for (int episode = 0; episode < 2; ++episode) {
    std::fill(stack.begin(), stack.end(), std::uint8_t{0});
    frames.reset();
    for (std::size_t step = 0; step < 6; ++step) {
      const auto frame = std::span(images).subspan((step + static_cast<std::size_t>(episode)) * kFrame, kFrame);
      for (std::size_t pixel = 0; pixel < kFrame; ++pixel) {
        std::copy_n(stack.begin() + static_cast<int>(pixel * 4 + 1), 3, stack.begin() + static_cast<int>(pixel * 4));
        stack[pixel * 4 + 3] = frame[pixel];
      }
      std::vector<float> q(3);
      session.forward(stack, 1, q);
      const auto best = static_cast<std::size_t>(std::max_element(q.begin(), q.end()) - q.begin());
      EXPECT_EQ(frames.act_on_frame(frame), best);
      EXPECT_EQ(session.act(stack), best);
    }
  }
}

TEST_F(CApi, TheFirstOfEqualOutputsActs) {
  Network network = random_network(vector_architecture());
  LayerWeights last = network.layer_weights(2);
  std::fill(last.weights.begin(), last.weights.end(), 0.0F);
  std::fill(last.mask.begin(), last.mask.end(), std::uint8_t{0});
  last.bias = {-1, 2, 2, 1};
  network.set_layer(2, last);
  deploy::Session session(load(network));
  EXPECT_EQ(session.act(random_vectors(1)), 1U);
}

TEST_F(CApi, ContinuousActionsAreMeansBetweenTheBounds) {
  Network network = random_network(vector_architecture());
  const deploy::Policy policy = load(network, {{"actions", kBounds}});
  deploy::Session session(policy);
  const auto vectors = random_vectors(1);
  std::vector<float> outputs(4), action(2);
  session.forward(vectors, 1, outputs);
  session.act_continuous(vectors, action);
  EXPECT_FLOAT_EQ(action[0], -1 + 3 * (std::tanh(outputs[0]) + 1) / 2);
  EXPECT_FLOAT_EQ(action[1], 0.5F + 0.25F * (std::tanh(outputs[1]) + 1) / 2);
  EXPECT_EQ(policy.spec().actions, 0U);
  EXPECT_EQ(policy.spec().action_dimensions, 2U);
  EXPECT_EQ(policy.spec().action_low[1], 0.5F);
  EXPECT_EQ(policy.spec().action_high[0], 2.0F);
}

TEST_F(CApi, TheSpecSaysWhatThePolicyTakesAndGives) {
  const Network network = random_network(image_architecture());
  const deploy::Policy policy =
      load(network, {{"environment", "atari/Pong"}, {"actions", R"(["NOOP", "UP", "DOWN"])"}});
  const eaudeqn_spec& spec = policy.spec();
  EXPECT_EQ(spec.observation_type, EAUDEQN_UINT8);
  EXPECT_EQ(spec.observation_rank, 3U);
  EXPECT_EQ(std::vector<std::size_t>(spec.observation_shape, spec.observation_shape + 3),
            (std::vector<std::size_t>{84, 84, 4}));
  EXPECT_EQ(spec.observation_bytes, kImage);
  EXPECT_EQ(spec.frame_bytes, kFrame);
  EXPECT_EQ(spec.actions, 3U);
  EXPECT_STREQ(spec.action_names[2], "DOWN");
  EXPECT_EQ(spec.weights, network.spec().weights());
  EXPECT_DOUBLE_EQ(spec.sparsity, network.sparsity());
  EXPECT_EQ(policy.metadata("environment"), "atari/Pong");
  EXPECT_EQ(policy.metadata("no such key"), "");
  EXPECT_EQ(std::count_if(spec.metadata_keys, spec.metadata_keys + spec.metadata_count,
                          [](const char* key) { return std::string(key) == "architecture"; }),
            1);
  EXPECT_STRNE(eaudeqn_instruction_set(), "");
}

TEST_F(CApi, ASessionAllocatesNothingAfterItsCreation) {
  const deploy::Policy image = load(random_network(image_architecture()));
  const deploy::Policy vector = load(random_network(vector_architecture()));
  const deploy::Policy continuous = load(random_network(vector_architecture()), {{"actions", kBounds}});
  deploy::Session by_image(image), by_vector(vector), by_mean(continuous);
  const auto images = random_images(40);
  const auto vectors = random_vectors(40);
  std::vector<float> outputs(40 * 4), action(2);
  const auto work = [&] {
    by_image.reset();
    by_image.act_on_frame(std::span(images).first(kFrame));
    by_image.act(std::span(images).first(kImage));
    by_image.forward(images, 40, std::span(outputs).first(40 * 3));
    by_image.forward(std::span(images).first(kImage), 1, std::span(outputs).first(3));
    by_vector.act(std::span(vectors).first(5));
    by_vector.forward(vectors, 40, outputs);
    by_mean.act_continuous(std::span(vectors).first(5), action);
  };
  EXPECT_EQ(allocations_of(work), 0);
  EXPECT_GT(allocations_of([&] { deploy::Session another(vector); }), 0) << "the counter counts";
}

TEST_F(CApi, ThreadsShareAPolicyAndASessionOutlivesIt) {
  std::vector<float> expected(40 * 3);
  std::vector<std::vector<float>> got(4, expected);
  const auto images = random_images(40);
  std::vector<std::thread> threads;
  {
    const deploy::Policy policy = load(random_network(image_architecture()));
    deploy::Session(policy).forward(images, 40, expected);
  }
  eaudeqn_policy* policy = nullptr;
  ASSERT_EQ(eaudeqn_policy_load((directory_ / "policy.safetensors").c_str(), &policy), EAUDEQN_OK);
  std::vector<eaudeqn_session*> sessions(4);
  for (auto& session : sessions) ASSERT_EQ(eaudeqn_session_create(policy, &session), EAUDEQN_OK);
  eaudeqn_policy_free(policy);
  for (std::size_t t = 0; t < got.size(); ++t) {
    threads.emplace_back([&, t] { eaudeqn_forward(sessions[t], images.data(), images.size(), 40, got[t].data()); });
  }
  for (auto& thread : threads) thread.join();
  for (auto* session : sessions) eaudeqn_session_free(session);
  for (const auto& outputs : got) EXPECT_EQ(outputs, expected);
}

// Sessions begin and end on the threads that use them, and each thread has the last error of its own.
TEST_F(CApi, ThreadsMakeSessionsActAndFailAtTheSameTime) {
  const deploy::Policy policy = load(random_network(image_architecture()));
  const auto images = random_images(3);
  const auto play = [&](std::size_t wrong_size) {
    std::vector<std::size_t> actions;
    deploy::Session session(policy);
    for (int episode = 0; episode < 2; ++episode) {
      session.reset();
      for (std::size_t step = 0; step < 3; ++step) {
        actions.push_back(session.act_on_frame(std::span(images).subspan(step * kFrame, kFrame)));
        actions.push_back(session.act(std::span(images).subspan(step * kImage, kImage)));
        const std::string message = usage_message([&] { session.act(std::span(images).first(wrong_size)); });
        EXPECT_THAT(message, HasSubstr("got " + std::to_string(wrong_size) + " bytes"));
      }
    }
    return actions;
  };
  const auto expected = play(1);
  std::vector<std::vector<std::size_t>> got(4);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < got.size(); ++t) threads.emplace_back([&, t] { got[t] = play(100 + t); });
  for (auto& thread : threads) thread.join();
  for (const auto& actions : got) EXPECT_EQ(actions, expected);
}

TEST_F(CApi, WrongCallsAreErrorsThatSayWhatIsWrong) {
  const deploy::Policy image = load(random_network(image_architecture()));
  const deploy::Policy vector = load(random_network(vector_architecture()));
  const deploy::Policy continuous = load(random_network(vector_architecture()), {{"actions", kBounds}});
  deploy::Session by_image(image), by_vector(vector), by_mean(continuous);
  const auto images = random_images(2);
  auto vectors = random_vectors(3);
  std::vector<float> out(12);
  const auto image_of = [&](std::size_t size) { return std::span(images).first(size); };
  EXPECT_THAT(usage_message([&] { by_image.act(image_of(kImage - 1)); }), HasSubstr("28223 bytes, wants 28224"));
  EXPECT_THAT(usage_message([&] { by_image.act_on_frame(image_of(kFrame + 1)); }), HasSubstr("wants 7056"));
  EXPECT_THAT(usage_message([&] { by_image.act(vectors); }), HasSubstr("wants uint8"));
  EXPECT_THAT(usage_message([&] { by_image.forward(image_of(2 * kImage), 3, std::span(out).first(9)); }),
              HasSubstr("got 56448 bytes for a batch of 3 observations of 28224 bytes"));
  EXPECT_THAT(usage_message([&] { by_vector.forward(vectors, 2, std::span(out).first(8)); }), HasSubstr("60 bytes"));
  EXPECT_THAT(usage_message([&] { by_vector.forward(std::span(vectors).first(9), 2, std::span(out).first(8)); }),
              HasSubstr("36 bytes"));
  EXPECT_THAT(usage_message([&] { by_vector.forward(std::span(vectors).first(10), 2, out); }), HasSubstr("wants 8"));
  EXPECT_THAT(usage_message([&] { by_vector.reset(); }), HasSubstr("no frames"));
  EXPECT_THAT(usage_message([&] { by_vector.act_on_frame(image_of(kFrame)); }), HasSubstr("no frames"));
  EXPECT_THAT(usage_message([&] { by_mean.act(std::span(vectors).first(5)); }), HasSubstr("continuous"));
  EXPECT_THAT(usage_message([&] { by_vector.act_continuous(std::span(vectors).first(5), std::span(out).first(0)); }),
              HasSubstr("discrete"));
  vectors[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(usage_message([&] { by_vector.act(std::span(vectors).first(5)); }), HasSubstr("number 3 is NaN"));
  vectors[3] = -std::numeric_limits<float>::infinity();
  EXPECT_THAT(usage_message([&] { by_mean.act_continuous(std::span(vectors).first(5), std::span(out).first(2)); }),
              HasSubstr("number 3"));
}

TEST_F(CApi, NullPointersAreErrors) {
  const deploy::Policy policy = load(random_network(vector_architecture()));
  eaudeqn_session* session = nullptr;
  EXPECT_EQ(eaudeqn_policy_load("x", nullptr), EAUDEQN_ERROR_ARGUMENT);
  eaudeqn_policy* none = nullptr;
  EXPECT_EQ(eaudeqn_policy_load(nullptr, &none), EAUDEQN_ERROR_ARGUMENT);
  EXPECT_EQ(eaudeqn_session_create(nullptr, &session), EAUDEQN_ERROR_ARGUMENT);
  EXPECT_EQ(eaudeqn_session_create(policy.get(), nullptr), EAUDEQN_ERROR_ARGUMENT);
  ASSERT_EQ(eaudeqn_session_create(policy.get(), &session), EAUDEQN_OK);
  float numbers[5] = {};
  std::size_t action = 0;
  EXPECT_EQ(eaudeqn_act(nullptr, numbers, sizeof(numbers), &action), EAUDEQN_ERROR_ARGUMENT);
  EXPECT_EQ(eaudeqn_act(session, nullptr, sizeof(numbers), &action), EAUDEQN_ERROR_ARGUMENT);
  EXPECT_EQ(eaudeqn_act(session, numbers, sizeof(numbers), nullptr), EAUDEQN_ERROR_ARGUMENT);
  EXPECT_EQ(eaudeqn_forward(session, numbers, sizeof(numbers), 1, nullptr), EAUDEQN_ERROR_ARGUMENT);
  EXPECT_EQ(eaudeqn_act_continuous(nullptr, numbers, sizeof(numbers), numbers), EAUDEQN_ERROR_ARGUMENT);
  EXPECT_EQ(eaudeqn_act_on_frame(nullptr, numbers, sizeof(numbers), &action), EAUDEQN_ERROR_ARGUMENT);
  EXPECT_EQ(eaudeqn_reset(nullptr), EAUDEQN_ERROR_ARGUMENT);
  EXPECT_EQ(eaudeqn_policy_spec(nullptr), nullptr);
  EXPECT_EQ(eaudeqn_policy_metadata(nullptr, "x"), nullptr);
  EXPECT_THAT(eaudeqn_last_error(), StartsWith("eaudeqn_reset: the session is NULL"));
  eaudeqn_session_free(session);
  eaudeqn_session_free(nullptr);
  eaudeqn_policy_free(nullptr);
}

TEST_F(CApi, FilesThatAreNoPolicyAreRefused) {
  eaudeqn_policy* policy = nullptr;
  EXPECT_EQ(eaudeqn_policy_load((directory_ / "absent").c_str(), &policy), EAUDEQN_ERROR_FILE);
  EXPECT_EQ(policy, nullptr);
  EXPECT_THAT(eaudeqn_last_error(), HasSubstr("absent"));
  const std::string file = write(random_network(vector_architecture()));
  auto bytes = read_file(file);
  bytes[bytes.size() / 2] ^= std::byte{1};
  write_file_atomically(file, bytes);
  EXPECT_THAT(failure_message([&] { deploy::Policy::load(file); }), HasSubstr("damaged"));
  // A name longer than the place for the message: cut, not overrun.
  EXPECT_EQ(eaudeqn_policy_load(std::string(5000, 'x').c_str(), &policy), EAUDEQN_ERROR_FILE);
  EXPECT_EQ(std::string(eaudeqn_last_error()).size(), 1023U);
}

TEST_F(CApi, ASmallFileThatDeclaresAHugeNetworkIsRefusedBeforeItTakesMemory) {
  Policy policy;
  policy.metadata["architecture"] = R"({"kind": "mlp", "features": 1, "width": 1, "hidden": [], "input": [70000],
      "input_type": "float32", "outputs": 60000})";
  PolicyLayer layer;
  layer.name = "dense1";
  layer.shape = {60'000, 70'000};
  layer.row_starts.resize(60'001);
  layer.bias.resize(60'000);
  policy.layers.push_back(layer);
  write_policy(policy, directory_ / "huge");
  EXPECT_THAT(failure_message([&] { deploy::Policy::load((directory_ / "huge").string()); }),
              AllOf(HasSubstr("huge"), HasSubstr("4200000000 weights")));
}

TEST_F(CApi, ActionsThatDoNotFitTheOutputsAreRefused) {
  for (const char* actions :
       {R"(["a", "b"])", R"([1, 2, 3, 4])", R"({"low": [1, 2]})", R"({"low": [1, 2], "high": [2]})",
        R"({"low": [1, 2], "high": [2, 1]})", R"({"low": [1], "high": [2]})", R"({"low": [], "high": []})",
        R"({"low": [-1e999, 1], "high": [2, 3]})", R"({"low": "x", "high": "y"})", "7", "", "["}) {
    const std::string file = write(random_network(vector_architecture()), {{"actions", actions}});
    EXPECT_THAT(failure_message([&] { deploy::Policy::load(file); }),
                AllOf(StartsWith(file), HasSubstr("neither 4 names nor lower and upper bounds of 2 numbers")))
        << actions;
  }
}

TEST_F(CApi, OutputsThatAreNaNAreNoAction) {
  Network network = random_network(vector_architecture());
  for (std::size_t l = 0; l < 3; ++l) {
    LayerWeights weights = network.layer_weights(l);
    // Infinity minus infinity in every output.
    for (std::size_t i = 0; i < weights.weights.size(); ++i) {
      weights.weights[i] = (l == 2 && i % 2 == 1 ? -1.0F : 1.0F) * std::numeric_limits<float>::max();
    }
    std::fill(weights.mask.begin(), weights.mask.end(), std::uint8_t{1});
    network.set_layer(l, weights);
  }
  const std::vector<float> ones(5, 1.0F);
  std::vector<float> action(2);
  deploy::Session session(load(network));
  EXPECT_THAT(failure_message([&] { session.act(ones); }), HasSubstr("all outputs of the network are NaN"));
  deploy::Session by_mean(load(network, {{"actions", kBounds}}));
  EXPECT_THAT(failure_message([&] { by_mean.act_continuous(ones, action); }), HasSubstr("output 0"));
}

}  // namespace
}  // namespace eaudeqn
