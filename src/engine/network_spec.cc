// See network_spec.h. The three networks of the paper's code, as lists of operations.
#include "engine/network_spec.h"

#include <algorithm>
#include <initializer_list>
#include <nlohmann/json.hpp>

#include "eaudeqn/error.h"

namespace eaudeqn {

std::string to_json(const Architecture& architecture) {
  nlohmann::ordered_json json;
  json["kind"] = architecture.kind;
  json["features"] = architecture.features;
  json["width"] = architecture.width;
  json["hidden"] = architecture.hidden;
  json["input"] = architecture.input;
  json["input_type"] = architecture.byte_input ? "uint8" : "float32";
  json["outputs"] = architecture.outputs;
  if (!architecture.units.empty()) json["units"] = architecture.units;
  return json.dump();
}

namespace {

// Sizes that are fractions or negative would become others.
std::size_t size_from(const nlohmann::json& value) {
  if (!value.is_number_unsigned()) {
    throw Error::failure("the architecture in the metadata cannot be read: a size is not a whole number");
  }
  return value.get<std::size_t>();
}

std::vector<std::size_t> sizes_from(const nlohmann::json& list) {
  if (!list.is_array()) throw Error::failure("the architecture in the metadata cannot be read: sizes are no list");
  std::vector<std::size_t> sizes;
  for (const nlohmann::json& value : list) sizes.push_back(size_from(value));
  return sizes;
}

// One of the words, so that what a file says gets no further.
std::string word_from(const nlohmann::json& value, std::initializer_list<const char*> words) {
  for (const char* word : words) {
    if (value.get<std::string>() == word) return word;
  }
  throw Error::failure("the architecture in the metadata cannot be read: an unknown kind of network or input");
}

}  // namespace

Architecture architecture_from_json(const std::string& text) {
  try {
    const auto json = nlohmann::json::parse(text);
    Architecture architecture;
    architecture.kind = word_from(json.at("kind"), {"nature", "impala", "mlp"});
    architecture.features = size_from(json.at("features"));
    architecture.width = size_from(json.at("width"));
    architecture.hidden = sizes_from(json.at("hidden"));
    architecture.input = sizes_from(json.at("input"));
    architecture.outputs = size_from(json.at("outputs"));
    architecture.byte_input = word_from(json.at("input_type"), {"uint8", "float32"}) == "uint8";
    if (json.contains("units")) architecture.units = sizes_from(json.at("units"));
    return architecture;
  } catch (const nlohmann::json::exception& error) {
    throw Error::failure(std::string("the architecture in the metadata cannot be read: ") + error.what());
  }
}

std::vector<std::size_t> LayerSpec::shape() const {
  if (convolution) return {out, in, rows, columns};
  return {out, in};
}

SamePadding same_padding(std::size_t inputs, std::size_t kernel, std::size_t stride) {
  SamePadding padding;
  padding.outputs = (inputs + stride - 1) / stride;
  const std::size_t covered = (padding.outputs - 1) * stride + kernel;
  const std::size_t total = covered > inputs ? covered - inputs : 0;
  padding.before = total / 2;
  padding.after = total - padding.before;
  return padding;
}

std::size_t NetworkSpec::weights() const {
  std::size_t sum = 0;
  for (const auto& layer : layers) sum += layer.weights();
  return sum;
}

const Operation& NetworkSpec::operation_of(std::size_t layer) const {
  return *std::find_if(operations.begin(), operations.end(), [&](const Operation& operation) {
    return (operation.kind == OperationKind::convolution || operation.kind == OperationKind::dense) &&
           operation.layer == layer;
  });
}

std::size_t NetworkSpec::positions(std::size_t layer) const {
  const TensorShape& output = tensors[operation_of(layer).output];
  return output.height * output.width;
}

namespace {

// Appends operations to a spec; each method returns the index of the tensor that it makes.
class Builder {
 public:
  explicit Builder(const Architecture& architecture) {
    spec_.architecture = architecture;
    TensorShape input;
    input.channels = architecture.input.at(0);
    if (architecture.input.size() == 3) {
      input.height = architecture.input[1];
      input.width = architecture.input[2];
    }
    spec_.tensors.push_back(input);
  }

  std::size_t convolution(std::size_t input, std::size_t channels, std::size_t kernel, std::size_t stride, bool relu,
                          int residual = -1) {
    const TensorShape& from = spec_.tensors[input];
    spec_.layers.push_back({"conv" + std::to_string(++convolutions_), channels, from.channels, kernel, kernel, true});
    Operation operation{OperationKind::convolution, input, 0, spec_.layers.size() - 1, stride, relu, residual};
    return add(operation, {channels, same_padding(from.height, kernel, stride).outputs,
                           same_padding(from.width, kernel, stride).outputs});
  }

  std::size_t dense(std::size_t input, std::size_t outputs, bool relu) {
    const TensorShape& from = spec_.tensors[input];
    const std::size_t inputs = from.channels * from.height * from.width;
    spec_.layers.push_back({"dense" + std::to_string(++denses_), outputs, inputs, 1, 1, false});
    return add({OperationKind::dense, input, 0, spec_.layers.size() - 1, 1, relu, -1}, {outputs, 1, 1});
  }

  std::size_t relu(std::size_t input) {
    return add({OperationKind::relu, input, 0, 0, 1, false, -1}, spec_.tensors[input]);
  }

  std::size_t max_pool(std::size_t input) {
    const TensorShape from = spec_.tensors[input];
    return add({OperationKind::max_pool, input, 0, 0, 2, false, -1},
               {from.channels, same_padding(from.height, 3, 2).outputs, same_padding(from.width, 3, 2).outputs});
  }

  // The size of the next class of units: what is left of it, or `all`.
  std::size_t units(std::size_t all) {
    const std::vector<std::size_t>& left = spec_.architecture.units;
    if (left.empty()) return all;
    if (classes_ == left.size()) throw Error::usage("too few units: " + to_json(spec_.architecture));
    return left[classes_++];
  }

  NetworkSpec finish() {
    if (classes_ != spec_.architecture.units.size()) {
      throw Error::usage("too many units: " + to_json(spec_.architecture));
    }
    // Places of weights are 32-bit numbers.
    for (const LayerSpec& layer : spec_.layers) {
      if (layer.weights() >> 32U == 0) continue;
      throw Error::usage(layer.name + " would have " + std::to_string(layer.weights()) +
                         " weights, and a layer can have 4294967295: make the network smaller");
    }
    return spec_;
  }

 private:
  std::size_t add(Operation operation, TensorShape shape) {
    spec_.tensors.push_back(shape);
    operation.output = spec_.tensors.size() - 1;
    spec_.operations.push_back(operation);
    return operation.output;
  }

  NetworkSpec spec_;
  std::size_t convolutions_ = 0, denses_ = 0, classes_ = 0;
};

// Mnih et al. 2015, with SAME padding as in the paper's code.
NetworkSpec nature(const Architecture& architecture) {
  Builder builder(architecture);
  std::size_t x = builder.convolution(0, builder.units(32), 8, 4, true);
  x = builder.convolution(x, builder.units(64), 4, 2, true);
  x = builder.convolution(x, builder.units(64), 3, 1, true);
  x = builder.dense(x, builder.units(architecture.features), true);
  builder.dense(x, architecture.outputs, false);
  return builder.finish();
}

// Espeholt et al. 2018, the residual network.
NetworkSpec impala(const Architecture& architecture) {
  Builder builder(architecture);
  std::size_t x = 0;
  for (const std::size_t base : {16, 32, 32}) {
    const std::size_t channels = base * architecture.width;
    const std::size_t tied = builder.units(channels);  // the skip connections tie what they add to
    x = builder.max_pool(builder.convolution(x, tied, 3, 1, false));
    for (int block = 0; block < 2; ++block) {
      const std::size_t inner = builder.convolution(builder.relu(x), builder.units(channels), 3, 1, true);
      x = builder.convolution(inner, tied, 3, 1, false, static_cast<int>(x));
    }
  }
  x = builder.dense(builder.relu(x), builder.units(architecture.features), true);
  builder.dense(x, architecture.outputs, false);
  return builder.finish();
}

NetworkSpec mlp(const Architecture& architecture) {
  Builder builder(architecture);
  std::size_t x = 0;
  for (const std::size_t size : architecture.hidden) x = builder.dense(x, builder.units(size), true);
  builder.dense(x, architecture.outputs, false);
  return builder.finish();
}

void check_sizes(const Architecture& architecture) {
  constexpr std::size_t kLargest = 1'048'576;  // as the config's keys allow
  bool sound = architecture.outputs > 0 && architecture.outputs <= kLargest &&
               (architecture.input.size() == 1 || architecture.input.size() == 3);
  for (const std::size_t size : architecture.input) sound = sound && size > 0 && size <= kLargest;
  for (const std::size_t size : architecture.hidden) sound = sound && size > 0 && size <= kLargest;
  for (const std::size_t size : architecture.units) sound = sound && size > 0 && size <= kLargest;
  if (architecture.kind != "mlp") {
    sound = sound && architecture.features > 0 && architecture.features <= kLargest && architecture.width > 0 &&
            architecture.width <= 1'000;
  }
  if (!sound) throw Error::usage("these sizes make no network: " + to_json(architecture));
}

}  // namespace

NetworkSpec make_network_spec(const Architecture& architecture) {
  check_sizes(architecture);
  if (architecture.kind == "mlp") return mlp(architecture);
  if (architecture.kind != "nature" && architecture.kind != "impala") {
    throw Error::usage("network.kind \"" + architecture.kind + "\" is unknown: use nature, impala or mlp");
  }
  if (architecture.input.size() != 3) {
    throw Error::usage("network.kind \"" + architecture.kind +
                       "\" needs images; this environment's observations are vectors: set network.kind to mlp");
  }
  return architecture.kind == "nature" ? nature(architecture) : impala(architecture);
}

}  // namespace eaudeqn
