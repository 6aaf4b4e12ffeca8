// Policies survive the trip through a file; files that are damaged or that contradict themselves do not get in.
#include "deploy/policy.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <random>

#include "core/files.h"
#include "core/test_directory.h"
#include "deploy/safetensors.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

using safetensors::Tensor;
using safetensors::Type;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

void expect_equal(const PolicyLayer& a, const PolicyLayer& b) {
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.shape, b.shape);
  EXPECT_EQ(a.values, b.values);
  EXPECT_EQ(a.columns, b.columns);
  EXPECT_EQ(a.row_starts, b.row_starts);
  EXPECT_EQ(a.bias, b.bias);
  EXPECT_EQ(a.scales, b.scales);
}

void expect_equal(const Policy& a, const Policy& b) {
  EXPECT_EQ(a.metadata, b.metadata);
  ASSERT_EQ(a.layers.size(), b.layers.size());
  for (std::size_t l = 0; l < a.layers.size(); ++l) expect_equal(a.layers[l], b.layers[l]);
}

// A layer from its full weights, those that are not 0 being active.
PolicyLayer layer_of(const std::string& name, const std::vector<std::size_t>& shape, const std::vector<float>& weights,
                     const std::vector<float>& bias) {
  PolicyLayer layer{name, shape, {}, {}, {0}, bias, {}};
  const std::size_t row_length = weights.size() / shape[0];
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] != 0) {
      layer.values.push_back(weights[i]);
      layer.columns.push_back(static_cast<std::uint32_t>(i % row_length));
    }
    if ((i + 1) % row_length == 0) layer.row_starts.push_back(static_cast<std::uint32_t>(layer.values.size()));
  }
  return layer;
}

// Two layers, the first sparse with an empty row, the second dense; named against the alphabet.
Policy small_policy() {
  Policy policy;
  policy.metadata = {{"environment", "classic/CartPole-v1"},
                     {"algorithm", "eaudedqn"},
                     {"config", "seed = 1\n# \"caf\xc3\xa9\"\n"},
                     {"format_version", "1"}};
  policy.layers.push_back(layer_of("dense2", {3, 4}, {0, 1, 0, -2, 0, 0, 0, 0, 3, 4, 5, 0}, {0.5f, 0, -1}));
  policy.layers.push_back(layer_of("dense1", {2, 3}, {1, 2, 3, 4, 5, 6}, {7, 8}));
  return policy;
}

class PolicyFile : public ::testing::Test {
 protected:
  std::string content() { return content(file_); }
  static std::string content(const std::filesystem::path& file) {
    const auto bytes = read_file(file);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  void write_content(const std::string& content) {
    std::ofstream(file_, std::ios::binary | std::ios::trunc) << content;
  }

  // The error of reading file_, or "" when it is accepted.
  std::string read_error() {
    try {
      read_policy(file_);
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::Kind::failure);
      EXPECT_THAT(error.what(), AllOf(HasSubstr(file_.string()), Not(HasSubstr("\n"))));
      return error.what();
    }
  }
  std::string write_error(const Policy& policy) {
    try {
      write_policy(policy, file_);
      return "";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(file_.string()));
      EXPECT_FALSE(std::filesystem::exists(file_));
      return error.what();
    }
  }

  TestDirectory directory_;
  std::filesystem::path file_ = directory_ / "policy.safetensors";
};

TEST_F(PolicyFile, KeepsEverything) {
  write_policy(small_policy(), file_);
  expect_equal(read_policy(file_), small_policy());
}

TEST_F(PolicyFile, AddsTheFormatVersionWhereItIsAbsent) {
  Policy policy = small_policy();
  policy.metadata.erase("format_version");
  write_policy(policy, file_);
  expect_equal(read_policy(file_), small_policy());
}

TEST_F(PolicyFile, HasTheDocumentedTensors) {
  write_policy(small_policy(), file_);
  const safetensors::File file(file_);
  const auto& tensors = file.tensors();
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  EXPECT_THAT(names, ::testing::ElementsAre("dense1.bias", "dense1.weight", "dense2.bias", "dense2.columns",
                                            "dense2.row_starts", "dense2.values"));
  EXPECT_EQ(tensors.at("dense1.weight").shape, (std::vector<std::size_t>{2, 3}));
  EXPECT_EQ(tensors.at("dense2.columns").type, Type::u16);
  EXPECT_EQ(file.metadata().at("layers"), R"(["dense2","dense1"])");
  EXPECT_EQ(file.metadata().at("dense2.shape"), "[3,4]");
  EXPECT_EQ(file.metadata().at("format_version"), "1");
}

// Readers that map the file into memory want no misaligned floats, wherever odd numbers of u16 columns fall.
TEST_F(PolicyFile, EveryTensorIsAligned) {
  write_policy(small_policy(), file_);
  const safetensors::File file(file_);
  const std::byte* data = nullptr;
  for (const auto& [name, tensor] : file.tensors()) {
    if (data == nullptr || tensor.data.data() < data) data = tensor.data.data();
  }
  std::uint64_t header_length = 0;
  const std::string bytes = content();
  std::memcpy(&header_length, bytes.data(), sizeof header_length);
  EXPECT_EQ(header_length % 8, 0u);
  for (const auto& [name, tensor] : file.tensors()) {
    EXPECT_EQ(static_cast<std::size_t>(tensor.data.data() - data) % bytes_of(tensor.type), 0u) << name;
  }
}

TEST_F(PolicyFile, ColumnsAreNarrowUpTo65536PerRow) {
  for (const std::size_t row_length : {65'536u, 65'537u}) {
    Policy policy;
    std::vector<float> weights(2 * row_length, 0.0f);
    weights[row_length - 1] = 1.0f;
    weights[row_length] = 2.0f;
    policy.layers.push_back(layer_of("dense1", {2, row_length}, weights, {0, 0}));
    write_policy(policy, file_);
    EXPECT_EQ(safetensors::File(file_).tensors().at("dense1.columns").type,
              row_length == 65'536u ? Type::u16 : Type::u32);
    const Policy read = read_policy(file_);
    expect_equal(read.layers[0], policy.layers[0]);
  }
}

TEST_F(PolicyFile, KeepsActiveZerosAndMinusZero) {
  Policy policy = small_policy();
  policy.layers[0].values[1] = 0.0f;
  policy.layers[1].values[2] = -0.0f;
  write_policy(policy, file_);
  const Policy read = read_policy(file_);
  expect_equal(read, policy);
  EXPECT_TRUE(std::signbit(read.layers[1].values[2]));
  EXPECT_TRUE(read.layers[1].is_dense());
}

Policy random_policy(std::mt19937& random) {
  const auto share = [&] { return static_cast<double>(random()) / 4294967296.0; };
  Policy policy;
  policy.metadata = {{"format_version", "1"}, {"step", std::to_string(random())}};
  const auto layers = 1 + random() % 12;
  for (std::size_t l = 0; l < layers; ++l) {
    std::vector<std::size_t> shape = {1 + random() % 5, 1 + random() % 5};
    if (random() % 2 == 0) shape.insert(shape.end(), {1 + random() % 3, 1 + random() % 3});
    std::size_t n = 1;
    for (const std::size_t dimension : shape) n *= dimension;
    const double density = random() % 3 == 0 ? 1.0 : random() % 3 == 0 ? 0.0 : share();
    std::vector<float> weights(n), bias(shape[0]);
    for (float& weight : weights) weight = share() < density ? static_cast<float>(share() - 0.5) : 0.0f;
    for (float& value : bias) value = static_cast<float>(share());
    policy.layers.push_back(layer_of(fmt::format("dense{}", l + 1), shape, weights, bias));
  }
  return policy;
}

TEST_F(PolicyFile, RoundTripsRandomPoliciesToEqualBytesOfTheStatedSize) {
  std::mt19937 random(3);
  for (int i = 0; i < 60; ++i) {
    const Policy policy = random_policy(random);
    write_policy(policy, file_);
    const Policy read = read_policy(file_);
    expect_equal(read, policy);
    const auto again = directory_ / "again.safetensors";
    write_policy(read, again);
    ASSERT_EQ(content(again), content());

    std::size_t stored = 0, in_file = 0;
    for (const PolicyLayer& layer : policy.layers) stored += stored_bytes(layer);
    const safetensors::File file(file_);
    for (const auto& [name, tensor] : file.tensors()) in_file += tensor.data.size();
    ASSERT_EQ(stored, in_file);
  }
}

TEST(Policy, SparsityIsOverAllWeights) {
  EXPECT_DOUBLE_EQ(small_policy().sparsity(), 7.0 / 18.0);
  EXPECT_EQ(Policy{}.sparsity(), 0.0);
}

TEST(Policy, StoredBytesOfAWorkedExample) {
  const Policy policy = small_policy();
  EXPECT_EQ(stored_bytes(policy.layers[0]), 5u * 4 + 5 * 2 + 4 * 4 + 3 * 4);
  EXPECT_EQ(stored_bytes(policy.layers[1]), 6u * 4 + 2 * 4);
}

// ---- Damage ----

TEST_F(PolicyFile, NoChangedByteIsRead) {
  const Policy policy = small_policy();
  write_policy(policy, file_);
  const std::string good = content();
  std::fstream file(file_, std::ios::binary | std::ios::in | std::ios::out);
  const auto put = [&](std::size_t position, int byte) {
    file.seekp(static_cast<std::streamoff>(position));
    file.put(static_cast<char>(byte)).flush();
  };
  for (std::size_t position = 0; position < good.size(); ++position) {
    for (const int flip : {1, 32, 255}) {
      put(position, good[position] ^ flip);
      if (!read_error().empty()) continue;
      ADD_FAILURE() << "accepted with byte " << position << " ('" << good[position] << "') flipped by " << flip;
    }
    put(position, good[position]);
  }
  EXPECT_EQ(read_error(), "");
}

TEST_F(PolicyFile, NoTruncatedOrExtendedFileIsRead) {
  write_policy(small_policy(), file_);
  const std::string good = content();
  for (std::size_t length = 0; length < good.size(); ++length) {
    write_content(good.substr(0, length));
    ASSERT_NE(read_error(), "") << "cut to " << length;
  }
  write_content(good + '\0');
  EXPECT_THAT(read_error(), HasSubstr("follow the last tensor"));
  write_content(good);
  EXPECT_EQ(read_error(), "");
}

// ---- Files with right checksums that contradict themselves ----

// The parts of a file of one sparse layer "d" of shape (2, 3), to be spoiled one at a time.
struct Parts {
  std::map<std::string, std::string> metadata = {{"format_version", "1"}, {"layers", R"(["d"])"}, {"d.shape", "[2,3]"}};
  std::vector<float> values = {1, 2, 3}, bias = {0, 0};
  std::vector<std::uint32_t> row_starts = {0, 2, 3};
  std::vector<std::uint16_t> columns = {0, 2, 1};

  std::vector<Tensor> tensors() const {
    return {{"d.values", Type::f32, {values.size()}, std::as_bytes(std::span(values))},
            {"d.row_starts", Type::u32, {row_starts.size()}, std::as_bytes(std::span(row_starts))},
            {"d.bias", Type::f32, {bias.size()}, std::as_bytes(std::span(bias))},
            {"d.columns", Type::u16, {columns.size()}, std::as_bytes(std::span(columns))}};
  }
};

class ContradictoryFile : public PolicyFile {
 protected:
  std::string error_of(const Parts& parts) { return error_of(parts, parts.tensors()); }
  std::string error_of(const Parts& parts, const std::vector<Tensor>& tensors) {
    safetensors::write(file_, parts.metadata, tensors);
    return read_error();
  }
  template <typename Spoil>
  std::string error_after(const Spoil& spoil) {
    Parts parts;
    spoil(parts);
    return error_of(parts);
  }
};

TEST_F(ContradictoryFile, IsNotSoBeforeItIsSpoiled) {
  EXPECT_EQ(error_of(Parts{}), "");
  EXPECT_EQ(read_policy(file_).layers[0].columns, (std::vector<std::uint32_t>{0, 2, 1}));
}

TEST_F(ContradictoryFile, UnknownVersion) {
  EXPECT_THAT(error_after([](Parts& p) { p.metadata["format_version"] = "3"; }), HasSubstr("format version '3'"));
  // Version 2 is for weights of 8 bits, which the last layer never has.
  EXPECT_THAT(error_after([](Parts& p) { p.metadata["format_version"] = "2"; }), HasSubstr("two layers"));
  EXPECT_THAT(error_after([](Parts& p) { p.metadata.erase("format_version"); }), HasSubstr("format version ''"));
}

TEST_F(ContradictoryFile, ListOfLayers) {
  EXPECT_THAT(error_after([](Parts& p) { p.metadata.erase("layers"); }), HasSubstr("list of layers is missing"));
  EXPECT_THAT(error_after([](Parts& p) { p.metadata["layers"] = "d"; }), HasSubstr("not a JSON list"));
  EXPECT_THAT(error_after([](Parts& p) { p.metadata["layers"] = "[]"; }), HasSubstr("no layers"));
  EXPECT_THAT(error_after([](Parts& p) { p.metadata["layers"] = "[1]"; }), HasSubstr("different names"));
  EXPECT_THAT(error_after([](Parts& p) { p.metadata["layers"] = R"(["d",""])"; }), HasSubstr("different names"));
  EXPECT_THAT(error_after([](Parts& p) { p.metadata["layers"] = R"(["d","d"])"; }), HasSubstr("different names"));
  EXPECT_THAT(error_after([](Parts& p) { p.metadata["layers"] = R"(["d","e"])"; }), HasSubstr("'e.bias' is missing"));
}

TEST_F(ContradictoryFile, Shape) {
  for (const char* shape : {"[2]", "[2,3,1]", "[2,0]", "[2,4294967296]", "[65536,65536]"}) {
    EXPECT_THAT(error_after([&](Parts& p) { p.metadata["d.shape"] = shape; }), HasSubstr("its shape")) << shape;
  }
  for (const char* shape : {"[2,-3]", "[2,3.0]", "[2,\"3\"]"}) {
    EXPECT_THAT(error_after([&](Parts& p) { p.metadata["d.shape"] = shape; }), HasSubstr("no list of sizes")) << shape;
  }
  EXPECT_THAT(error_after([](Parts& p) { p.metadata["d.shape"] = "23"; }), HasSubstr("not a JSON list"));
  EXPECT_THAT(error_after([](Parts& p) { p.metadata.erase("d.shape"); }), HasSubstr("shape are missing"));
  EXPECT_THAT(error_after([](Parts& p) { p.metadata["d.shape"] = "[3,3]"; }), HasSubstr("disagree"));
  EXPECT_THAT(error_after([](Parts& p) { p.metadata["d.shape"] = "[2,70000]"; }), HasSubstr("should be U32"));
}

TEST_F(ContradictoryFile, Rows) {
  EXPECT_THAT(error_after([](Parts& p) { p.row_starts = {1, 2, 3}; }), HasSubstr("disagree"));
  EXPECT_THAT(error_after([](Parts& p) { p.row_starts = {0, 2, 4}; }), HasSubstr("disagree"));
  EXPECT_THAT(error_after([](Parts& p) { p.row_starts = {0, 3}; }), HasSubstr("disagree"));
  EXPECT_THAT(error_after([](Parts& p) { p.row_starts = {}; }), HasSubstr("disagree"));
  EXPECT_THAT(error_after([](Parts& p) { p.columns = {0, 1}; }), HasSubstr("disagree"));
  EXPECT_THAT(error_after([](Parts& p) { p.row_starts = {0, 4, 3}; }), HasSubstr("do not ascend"));
  EXPECT_THAT(error_after([](Parts& p) { p.row_starts = {0, 4294967295u, 3}; }), HasSubstr("do not ascend"));
}

TEST_F(ContradictoryFile, Columns) {
  EXPECT_THAT(error_after([](Parts& p) { p.columns = {0, 3, 1}; }), HasSubstr("out of range"));
  EXPECT_THAT(error_after([](Parts& p) { p.columns = {2, 0, 1}; }), HasSubstr("columns of a row do not ascend"));
  EXPECT_THAT(error_after([](Parts& p) { p.columns = {1, 1, 1}; }), HasSubstr("columns of a row do not ascend"));
}

TEST_F(ContradictoryFile, NumbersAndBias) {
  EXPECT_THAT(error_after([](Parts& p) { p.values[2] = std::numeric_limits<float>::quiet_NaN(); }), HasSubstr("NaN"));
  EXPECT_THAT(error_after([](Parts& p) { p.bias[0] = -std::numeric_limits<float>::infinity(); }), HasSubstr("NaN"));
  EXPECT_THAT(error_after([](Parts& p) { p.bias = {1}; }), HasSubstr("bias"));
}

TEST_F(ContradictoryFile, Tensors) {
  const Parts parts;
  for (std::size_t missing = 0; missing < 4; ++missing) {
    auto tensors = parts.tensors();
    tensors.erase(tensors.begin() + static_cast<std::ptrdiff_t>(missing));
    EXPECT_THAT(error_of(parts, tensors), HasSubstr("missing")) << missing;
  }
  auto tensors = parts.tensors();
  tensors[0].type = Type::u32;
  EXPECT_THAT(error_of(parts, tensors), HasSubstr("'d.values' should be F32 of rank 1"));
  tensors = parts.tensors();
  tensors[0].shape = {3, 1};
  EXPECT_THAT(error_of(parts, tensors), HasSubstr("'d.values' should be F32 of rank 1"));
  tensors = parts.tensors();
  tensors.push_back({"extra", Type::f32, {0}, {}});
  EXPECT_THAT(error_of(parts, tensors), HasSubstr("belong to no layer"));
  tensors = parts.tensors();
  tensors[0].name = "d.weight";
  EXPECT_THAT(error_of(parts, tensors), HasSubstr("dense and sparse"));
}

// ---- Policies that must not be written ----

TEST_F(PolicyFile, RefusesToWriteWhatItWouldNotRead) {
  const auto error_after = [&](auto spoil) {
    Policy policy = small_policy();
    spoil(policy);
    return write_error(policy);
  };
  EXPECT_THAT(error_after([](Policy& p) { p.layers[0].values[0] = std::numeric_limits<float>::quiet_NaN(); }),
              AllOf(HasSubstr("dense2"), HasSubstr("NaN or infinite")));
  EXPECT_THAT(error_after([](Policy& p) { p.layers[1].bias[1] = std::numeric_limits<float>::infinity(); }),
              AllOf(HasSubstr("dense1"), HasSubstr("NaN or infinite")));
  EXPECT_THAT(error_after([](Policy& p) { p.layers.clear(); }), HasSubstr("no layers"));
  EXPECT_THAT(error_after([](Policy& p) { p.layers[1].name = "dense2"; }), HasSubstr("used twice"));
  EXPECT_THAT(error_after([](Policy& p) { p.layers[1].name = ""; }), HasSubstr("empty"));
  EXPECT_THAT(error_after([](Policy& p) { p.layers[1].name = "\xff"; }), HasSubstr("UTF-8"));
  EXPECT_THAT(error_after([](Policy& p) { p.layers[0].columns[1] = 4; }), HasSubstr("out of range"));
  EXPECT_THAT(error_after([](Policy& p) { p.layers[0].row_starts.pop_back(); }), HasSubstr("disagree"));
  EXPECT_THAT(error_after([](Policy& p) { p.metadata["format_version"] = "2"; }), HasSubstr("format_version"));
  for (const char* key : {"layers", "data_xxh3", "metadata_xxh3", "dense1.shape"}) {
    EXPECT_THAT(error_after([&](Policy& p) { p.metadata[key] = ""; }), HasSubstr("reserved")) << key;
  }
}

// `inspect` once ended with the library's word "stoll".
TEST(StepOf, IsAWholeNumberOrNamesTheFile) {
  EXPECT_EQ(step_of("1500000", "p.safetensors"), 1'500'000);
  for (const char* text : {"", "abc", "-5", "1e3", "7 ", "99999999999999999999"}) {
    try {
      step_of(text, "p.safetensors");
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("p.safetensors: the metadata's \"step\" is \"" + std::string(text) + "\""));
    }
  }
}

}  // namespace
}  // namespace eaudeqn
