// What the header refuses and what its text can hold; that it computes the right outputs: tests/conformance.
#include "deploy/c_header.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/test_directory.h"
#include "deploy/onnx.h"
#include "deploy/test_policy.h"

namespace eaudeqn {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

CHeader parts_of(const Policy& policy) {
  return {"policy", example_observation(architecture_from_json(policy.metadata.at("architecture")))};
}

TEST(CHeader, IsAFunctionOfThePolicy) {
  const Policy policy = random_policy("mlp", 16, 0.5, 1);
  const std::string text = c_header(policy, parts_of(policy), "p");
  EXPECT_EQ(text, c_header(policy, parts_of(policy), "p"));
  EXPECT_THAT(text, HasSubstr("0 left, 1 right"));
}

TEST(CHeader, TextsOfThePolicyCannotLeaveTheirCommentOrString) {
  Policy policy = random_policy("mlp", 8, 0.5, 1);
  policy.metadata["environment"] =
      "a*/ int x; \"\\\n?"
      "?/ //";
  policy.metadata["actions"] = R"(["*/", "b\"\n"])";
  const std::string text = c_header(policy, parts_of(policy), "p");
  EXPECT_THAT(text, HasSubstr("#define POLICY_ENVIRONMENT \"a_/ int x; _____/ //\"\n"));
  EXPECT_THAT(text, HasSubstr("0 _/, 1 b__"));
}

TEST(CHeader, RefusesWhatHasNoForm) {
  const Policy policy = random_policy("mlp", 8, 0.5, 1);
  CHeader parts = parts_of(policy);
  parts.prefix = "2nd";
  EXPECT_THAT(usage_message([&] { c_header(policy, parts, "p"); }), HasSubstr("2nd"));
  parts.prefix = "";
  usage_message([&] { c_header(policy, parts, "p"); });
  parts = parts_of(policy);
  parts.observation.pop_back();
  EXPECT_THAT(failure_message([&] { c_header(policy, parts, "p"); }), HasSubstr("observation"));

  Policy overflowing = policy;  // C has no text for what comes out
  for (PolicyLayer& layer : overflowing.layers) layer.bias.assign(layer.bias.size(), 3e38F);
  EXPECT_THAT(failure_message([&] { c_header(overflowing, parts_of(policy), "origin"); }),
              HasSubstr("origin: its outputs for the example observation are not finite"));

  Policy contradictory = policy;
  contradictory.layers.pop_back();
  EXPECT_THAT(failure_message([&] { c_header(contradictory, parts, "origin"); }), HasSubstr("origin"));
  contradictory = policy;
  contradictory.metadata["actions"] = R"({"low": [-1, -1], "high": [1, 1]})";  // of two outputs, one action
  EXPECT_THAT(failure_message([&] { c_header(contradictory, parts_of(policy), "origin"); }), HasSubstr("origin"));
  contradictory.metadata["actions"] = R"({"low": [-1], "high": ["1"]})";
  EXPECT_THAT(failure_message([&] { c_header(contradictory, parts_of(policy), "origin"); }), HasSubstr("origin"));
  contradictory.metadata["actions"] = R"({"low": [-1], "high": [1]})";
  EXPECT_THAT(c_header(contradictory, parts_of(policy), "origin"), HasSubstr("tanhf"));
}

TEST(Exports, ImagesOfFloatsAreRefused) {
  Policy policy = random_policy("nature", 4, 0.9, 1);
  std::string& architecture = policy.metadata["architecture"];
  architecture.replace(architecture.find("uint8"), 5, "float32");
  EXPECT_THAT(failure_message([&] { c_header(policy, parts_of(policy), "origin"); }), HasSubstr("images of floats"));
  EXPECT_THAT(failure_message([&] { onnx_model(policy, "origin"); }), HasSubstr("images of floats"));
}

TEST(CIdentifier, MakesNamesOfFiles) {
  EXPECT_EQ(c_identifier("pong"), "pong");
  EXPECT_EQ(c_identifier("my-policy.2"), "my_policy_2");
  EXPECT_EQ(c_identifier("2nd"), "policy_2nd");
  EXPECT_EQ(c_identifier(""), "policy_");
  EXPECT_THAT(c_identifier("\xc3\xa9"), Not(HasSubstr("\xc3")));
}

}  // namespace
}  // namespace eaudeqn
