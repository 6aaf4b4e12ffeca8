// Weights of 8 bits: how far they are off, that files keep them exactly, how small the files are, what is refused.
#include "deploy/quantize.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "core/files.h"
#include "core/test_directory.h"
#include "deploy/policy_network.h"
#include "deploy/safetensors.h"
#include "deploy/test_policy.h"

namespace eaudeqn {
namespace {

using safetensors::Tensor;
using safetensors::Type;
using ::testing::HasSubstr;

// The last layer, which stays as it is.
PolicyLayer last_layer() { return {"e", {1, 1}, {0.3F}, {0}, {0, 1}, {0}, {}}; }

PolicyLayer small_layer() {
  return {"d", {3, 4}, {1.0F, -2.54F, 0.004F, 0.0F, 5.0F}, {0, 3, 2, 0, 1}, {0, 2, 4, 5}, {0, 1, 2}, {}};
}

TEST(Quantize, TakesTheNearestMultipleOfTheRowsScale) {
  Policy policy;
  policy.layers = {small_layer(), last_layer()};
  const Policy quantized = quantize(policy);
  const PolicyLayer& layer = quantized.layers[0];
  EXPECT_EQ(layer.scales, (std::vector<float>{2.54F / 127, 0.004F / 127, 5.0F / 127}));
  EXPECT_THAT(integers_of(layer), ::testing::ElementsAre(50, -127, 127, 0, 127));
  EXPECT_EQ(layer.columns, policy.layers[0].columns);
  EXPECT_EQ(layer.bias, policy.layers[0].bias);
  EXPECT_EQ(dequantize(layer, integers_of(layer)), layer.values);
  EXPECT_TRUE(quantized.layers[1].scales.empty());
  EXPECT_EQ(quantized.layers[1].values, policy.layers[1].values);
}

TEST(Quantize, IsWithinHalfAScaleAndDoesNothingTheSecondTime) {
  const Policy policy = random_policy("impala", 32, 0.6, 3);
  const Policy once = quantize(policy), twice = quantize(once);
  for (std::size_t l = 0; l + 1 < policy.layers.size(); ++l) {
    const PolicyLayer& layer = policy.layers[l];
    EXPECT_EQ(once.layers[l].values, twice.layers[l].values);
    EXPECT_EQ(once.layers[l].scales, twice.layers[l].scales);
    for (std::size_t row = 0; row < layer.shape[0]; ++row) {
      for (std::size_t i = layer.row_starts[row]; i < layer.row_starts[row + 1]; ++i) {
        ASSERT_LE(std::abs(layer.values[i] - once.layers[l].values[i]), 0.5001F * once.layers[l].scales[row]);
      }
    }
  }
}

TEST(Quantize, RowsOfZerosAndOfTheSmallestNumbersSurvive) {
  Policy policy;
  policy.layers.push_back({"d", {2, 2}, {0.0F, -0.0F, 1e-44F, -1e-44F}, {0, 1, 0, 1}, {0, 2, 4}, {0, 0}, {}});
  policy.layers.push_back(last_layer());
  const Policy quantized = quantize(policy);
  EXPECT_THAT(integers_of(quantized.layers[0]), ::testing::Each(0));
  for (const float value : quantized.layers[0].values) EXPECT_FALSE(std::signbit(value));
}

class QuantizedFile : public ::testing::Test {
 protected:
  TestDirectory directory_;
  std::filesystem::path file_ = directory_ / "policy.safetensors";
};

TEST_F(QuantizedFile, KeepsEverythingExactly) {
  for (const double sparsity : {0.0, 0.5, 0.999}) {
    const Policy policy = quantize(random_policy("mlp", 300, sparsity, 5));
    write_policy(policy, file_);
    const Policy read = read_policy(file_);
    EXPECT_EQ(read.metadata.at("format_version"), "2");
    ASSERT_EQ(read.layers.size(), policy.layers.size());
    std::size_t stored = 0, in_file = 0;
    for (std::size_t l = 0; l < policy.layers.size(); ++l) {
      EXPECT_EQ(read.layers[l].values, policy.layers[l].values);
      EXPECT_EQ(read.layers[l].columns, policy.layers[l].columns);
      EXPECT_EQ(read.layers[l].row_starts, policy.layers[l].row_starts);
      EXPECT_EQ(read.layers[l].scales, policy.layers[l].scales);
      EXPECT_EQ(read.layers[l].bias, policy.layers[l].bias);
      stored += stored_bytes(read.layers[l]);
    }
    const safetensors::File file(file_);
    for (const auto& [name, tensor] : file.tensors()) in_file += tensor.data.size();
    EXPECT_EQ(stored, in_file);
    const auto bytes = read_file(file_);
    write_policy(read, file_);
    EXPECT_EQ(read_file(file_), bytes);
  }
}

// What docs/deploy.md measures of the files, and their aims: at sparsity 0.95 and F = 512, at least 12 and 35 times
// smaller than dense.
TEST_F(QuantizedFile, SizesOfTheNatureNetworkAt95PercentZeros) {
  const auto size_of = [&](const Policy& policy) {
    write_policy(policy, file_);
    return static_cast<double>(std::filesystem::file_size(file_));
  };
  const double dense = size_of(random_policy("nature", 512, 0.0, 7));
  const Policy sparse = random_policy("nature", 512, 0.95, 7);
  const double f32 = size_of(sparse), int8 = size_of(quantize(sparse));
  RecordProperty("f32_ratio", std::to_string(dense / f32));
  RecordProperty("int8_ratio", std::to_string(dense / int8));
  EXPECT_GE(dense / f32, 12.0) << f32;
  EXPECT_GE(dense / int8, 35.0) << int8;
}

// A file of one sparse layer "d" of shape (2, 300) in 8 bits and a last one of a single weight, to be spoiled one part
// at a time.
struct Parts {
  std::map<std::string, std::string> metadata = {
      {"format_version", "2"}, {"layers", R"(["d", "e"])"}, {"d.shape", "[2,300]"}};
  std::vector<float> scales = {0.5F, 2.0F}, bias = {0, 0};
  std::vector<std::uint32_t> row_starts = {0, 2, 3};
  std::vector<std::int8_t> values = {-127, 1, 127};
  std::vector<std::uint8_t> gaps = {255, 44, 0, 7};  // column 299 is the row's last: what follows is out of range
};

class SpoiledQuantizedFile : public QuantizedFile {
 protected:
  template <typename T>
  static Tensor tensor(const std::string& name, Type type, const std::vector<T>& values) {
    return {name, type, {values.size()}, std::as_bytes(std::span(values))};
  }
  void write(const Parts& parts) {
    const std::vector<float> one = {1};
    const std::vector<Tensor> tensors = {{"e.weight", Type::f32, {1, 1}, std::as_bytes(std::span(one))},
                                         tensor("e.bias", Type::f32, one),
                                         tensor("d.scales", Type::f32, parts.scales),
                                         tensor("d.row_starts", Type::u32, parts.row_starts),
                                         tensor("d.bias", Type::f32, parts.bias),
                                         tensor("d.values", Type::i8, parts.values),
                                         tensor("d.gaps", Type::u8, parts.gaps)};
    safetensors::write(file_, parts.metadata, tensors);
  }
  std::string error_after(const std::function<void(Parts&)>& spoil) {
    Parts parts;
    parts.gaps = {255, 43, 0, 7};
    spoil(parts);
    write(parts);
    return failure_message([&] { read_policy(file_); });
  }
};

TEST_F(SpoiledQuantizedFile, IsReadBeforeItIsSpoiled) {
  Parts parts;
  parts.gaps = {255, 43, 0, 7};
  write(parts);
  const PolicyLayer layer = read_policy(file_).layers[0];
  EXPECT_EQ(layer.columns, (std::vector<std::uint32_t>{298, 299, 7}));
  EXPECT_EQ(layer.values, (std::vector<float>{-63.5F, 0.5F, 254.0F}));
}

TEST_F(SpoiledQuantizedFile, IsRefused) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error_after([](Parts& p) { p.gaps = {255, 44, 0, 7}; }), HasSubstr("gaps"));
  EXPECT_THAT(error_after([](Parts& p) { p.gaps = {1, 1}; }), HasSubstr("gaps"));
  EXPECT_THAT(error_after([](Parts& p) { p.gaps = {1, 1, 1, 1}; }), HasSubstr("gaps"));
  EXPECT_THAT(error_after([](Parts& p) { p.values[0] = -128; }), HasSubstr("-127 to 127"));
  EXPECT_THAT(error_after([](Parts& p) { p.scales = {1}; }), HasSubstr("one scale per output"));
  EXPECT_THAT(error_after([](Parts& p) { p.scales = {1, 1, 1}; }), HasSubstr("one scale per output"));
  EXPECT_THAT(error_after([](Parts& p) { p.scales[1] = 0; }), HasSubstr("positive"));
  EXPECT_THAT(error_after([](Parts& p) { p.scales[1] = -1; }), HasSubstr("positive"));
  EXPECT_THAT(error_after([](Parts& p) { p.scales[1] = 1e-40F; }), HasSubstr("positive"));
  EXPECT_THAT(error_after([](Parts& p) { p.scales[1] = 1e38F; }), HasSubstr("infinite"));
  EXPECT_THAT(error_after([&](Parts& p) { p.scales[1] = nan; }), HasSubstr("NaN"));
  EXPECT_THAT(error_after([](Parts& p) { p.row_starts = {0, 3}; }), HasSubstr("disagree"));
  EXPECT_THAT(error_after([](Parts& p) { p.row_starts = {0, 4294967295U, 3}; }), HasSubstr("do not ascend"));
  EXPECT_THAT(error_after([](Parts& p) { p.row_starts = {0, 2, 4294967295U}; }), HasSubstr("disagree"));
  EXPECT_THAT(error_after([](Parts& p) { p.metadata["format_version"] = "1"; }), HasSubstr("should be F32"));
}

TEST_F(QuantizedFile, IsNotWrittenFromWhatIsNoMultipleOfItsScale) {
  Policy policy = quantize(random_policy("mlp", 16, 0.5, 1));
  policy.layers[1].values[3] *= 1.001F;
  EXPECT_THAT(failure_message([&] { write_policy(policy, file_); }), HasSubstr("whole number"));
  policy = quantize(random_policy("mlp", 16, 0.5, 1));
  policy.layers[1].scales.clear();
  EXPECT_THAT(failure_message([&] { write_policy(policy, file_); }), HasSubstr("all of its layers but the last"));
  policy = quantize(random_policy("mlp", 16, 0.5, 1));
  policy.metadata["format_version"] = "1";
  EXPECT_THAT(failure_message([&] { write_policy(policy, file_); }), HasSubstr("format_version is not 2"));
}

}  // namespace
}  // namespace eaudeqn
