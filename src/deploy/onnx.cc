// See onnx.h. Field numbers and types are those of the published schema, onnx.proto.
#include "deploy/onnx.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "deploy/policy_network.h"
#include "deploy/protobuf.h"
#include "deploy/quantize.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

constexpr std::uint64_t kIrVersion = 8, kOpset = 17;
constexpr std::size_t kLongestModel = (std::size_t{1} << 31) - 1;
enum ElementType : std::uint64_t { kFloat = 1, kUint8 = 2, kInt8 = 3 };

using Texts = std::vector<std::string>;
using Sizes = std::vector<std::size_t>;

ProtobufMessage integer_attribute(const std::string& name, std::uint64_t value) {
  ProtobufMessage attribute;
  attribute.bytes(1, name);
  attribute.integer(3, value);
  attribute.integer(20, 2);
  return attribute;
}

ProtobufMessage integers_attribute(const std::string& name, const Sizes& values) {
  ProtobufMessage attribute;
  attribute.bytes(1, name);
  for (const std::size_t value : values) attribute.integer(8, value);
  attribute.integer(20, 7);
  return attribute;
}

template <typename T>
ProtobufMessage tensor(const std::string& name, ElementType type, const Sizes& shape, const std::vector<T>& values) {
  ProtobufMessage tensor;
  for (const std::size_t size : shape) tensor.integer(1, size);
  tensor.integer(2, type);
  tensor.bytes(8, name);
  tensor.bytes(9, std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)));
  return tensor;
}

// An input or output; its first dimension is the batch, of any size.
ProtobufMessage batch_of(const std::string& name, ElementType element, const Sizes& row) {
  ProtobufMessage dimension, shape, tensor, type, value;
  dimension.bytes(2, "batch");
  shape.message(1, dimension);
  for (const std::size_t size : row) {
    ProtobufMessage fixed;
    fixed.integer(1, size);
    shape.message(1, fixed);
  }
  tensor.integer(1, element);
  tensor.message(2, shape);
  type.message(1, tensor);
  value.bytes(1, name);
  value.message(2, type);
  return value;
}

// A layer's values at their places among all entries, 0 elsewhere.
template <typename T>
std::vector<T> with_zeros(const PolicyLayer& layer, const std::vector<T>& values) {
  std::vector<T> all(layer.parameters(), T{0});
  const std::size_t length = layer.parameters() / layer.shape[0];
  for (std::size_t row = 0; row < layer.shape[0]; ++row) {
    for (std::size_t i = layer.row_starts[row]; i < layer.row_starts[row + 1]; ++i) {
      all[row * length + layer.columns[i]] = values[i];
    }
  }
  return all;
}

class Graph {
 public:
  Graph(const Policy& policy, const NetworkSpec& spec) : policy_(policy), spec_(spec) {}

  ProtobufMessage write() {
    names_.resize(spec_.tensors.size());
    is_image_.resize(spec_.tensors.size());
    is_image_[0] = spec_.architecture.input.size() == 3;
    add_input();
    for (const PolicyLayer& layer : policy_.layers) add_layer(layer);
    for (const Operation& operation : spec_.operations) add(operation);
    graph_.bytes(2, "policy");
    graph_.message(12, batch_of("outputs", kFloat, {spec_.architecture.outputs}));
    return std::move(graph_);
  }

 private:
  void node(const std::string& type, const Texts& inputs, const std::string& output,
            const std::vector<ProtobufMessage>& attributes = {}) {
    ProtobufMessage node;
    for (const std::string& input : inputs) node.bytes(1, input);
    node.bytes(2, output);
    node.bytes(3, output + "." + type);
    node.bytes(4, type);
    for (const ProtobufMessage& attribute : attributes) node.message(5, attribute);
    graph_.message(1, node);
  }

  // The observation as the first tensor.
  void add_input() {
    const TensorShape& shape = spec_.tensors[0];
    names_[0] = "observation";
    if (!spec_.architecture.byte_input) {
      graph_.message(11, batch_of("observation", kFloat, {shape.channels}));
      return;
    }
    graph_.message(11, batch_of("observation", kUint8, {shape.height, shape.width, shape.channels}));
    graph_.message(5, tensor<float>("largest_byte", kFloat, {}, {255.0F}));
    node("Cast", {"observation"}, "bytes", {integer_attribute("to", kFloat)});
    node("Div", {"bytes", "largest_byte"}, "image");
    node("Transpose", {"image"}, "planes", {integers_attribute("perm", {0, 3, 1, 2})});
    names_[0] = "planes";
  }

  void add_layer(const PolicyLayer& layer) {
    graph_.message(5, tensor(layer.name + ".bias", kFloat, {layer.bias.size()}, layer.bias));
    if (layer.scales.empty()) {
      graph_.message(5, tensor(layer.name + ".weight", kFloat, layer.shape, with_zeros(layer, layer.values)));
      return;
    }
    const auto integers = with_zeros(layer, integers_of(layer));
    graph_.message(5, tensor(layer.name + ".integers", kInt8, layer.shape, integers));
    graph_.message(5, tensor(layer.name + ".scales", kFloat, {layer.scales.size()}, layer.scales));
    node("DequantizeLinear", {layer.name + ".integers", layer.name + ".scales"}, layer.name + ".weight",
         {integer_attribute("axis", 0)});
  }

  void add(const Operation& operation) {
    const bool last = operation.output + 1 == spec_.tensors.size();
    std::string result = last ? "outputs" : fmt::format("tensor{}", operation.output);
    names_[operation.output] = result;
    is_image_[operation.output] = is_image_[operation.input] && operation.kind != OperationKind::dense;
    // What follows in the same operation takes the result's name; the node itself one of its own.
    Texts steps = {result};
    if (operation.relu) steps.push_back(result + ".before_relu");
    if (operation.residual >= 0) steps.push_back(result + ".before_sum");
    add_node(operation, steps.back());
    if (operation.residual >= 0) {
      steps.pop_back();
      node("Add", {result + ".before_sum", names_[static_cast<std::size_t>(operation.residual)]}, steps.back());
    }
    if (operation.relu) node("Relu", {result + ".before_relu"}, result);
  }

  void add_node(const Operation& operation, const std::string& output) {
    const TensorShape& in = spec_.tensors[operation.input];
    const std::string& input = names_[operation.input];
    switch (operation.kind) {
      case OperationKind::convolution: {
        const LayerSpec& layer = spec_.layers[operation.layer];
        node("Conv", {input, layer.name + ".weight", layer.name + ".bias"}, output,
             {integers_attribute("strides", {operation.stride, operation.stride}),
              pads(in, layer.rows, layer.columns, operation.stride)});
        break;
      }
      case OperationKind::dense: {
        const LayerSpec& layer = spec_.layers[operation.layer];
        std::string vector = input;
        if (is_image_[operation.input]) {
          vector = output + ".vector";
          node("Flatten", {input}, vector, {integer_attribute("axis", 1)});
        }
        node("Gemm", {vector, layer.name + ".weight", layer.name + ".bias"}, output, {integer_attribute("transB", 1)});
        break;
      }
      case OperationKind::relu:
        node("Relu", {input}, output);
        break;
      case OperationKind::max_pool:
        node("MaxPool", {input}, output,
             {integers_attribute("kernel_shape", {3, 3}), integers_attribute("strides", {2, 2}), pads(in, 3, 3, 2)});
        break;
    }
  }

  static ProtobufMessage pads(const TensorShape& in, std::size_t rows, std::size_t columns, std::size_t stride) {
    const SamePadding vertical = same_padding(in.height, rows, stride);
    const SamePadding horizontal = same_padding(in.width, columns, stride);
    return integers_attribute("pads", {vertical.before, horizontal.before, vertical.after, horizontal.after});
  }

  const Policy& policy_;
  const NetworkSpec& spec_;
  Texts names_;                 // by tensor
  std::vector<bool> is_image_;  // by tensor: of rank 4, however small; else (batch, channels)
  ProtobufMessage graph_;
};

}  // namespace

std::string onnx_model(const Policy& policy, const std::string& origin) {
  const NetworkSpec spec = make_network(policy, origin).spec();
  if (spec.architecture.byte_input != (spec.architecture.input.size() == 3)) {
    throw Error::failure(origin + ": images of floats and vectors of bytes have no form in ONNX here");
  }
  ProtobufMessage opset, model;
  opset.bytes(1, "");
  opset.integer(2, kOpset);
  model.integer(1, kIrVersion);
  model.bytes(2, "eaudeqn");
  model.message(7, Graph(policy, spec).write());
  model.message(8, opset);
  for (const auto& [key, value] : policy.metadata) {
    ProtobufMessage entry;
    entry.bytes(1, key);
    entry.bytes(2, value);
    model.message(14, entry);
  }
  if (model.content().size() > kLongestModel) {
    throw Error::failure(origin +
                         ": its dense weights take more than the 2 GB that an ONNX model may have; use "
                         "--weights int8 or --format safetensors");
  }
  return model.content();
}

}  // namespace eaudeqn
