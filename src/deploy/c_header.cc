// See c_header.h. The functions of the header are in c_functions.h, the order of its weights in c_layers.h.
#include "deploy/c_header.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/files.h"
#include "core/frame_stack.h"
#include "core/random.h"
#include "deploy/c_functions.h"
#include "deploy/c_layers.h"
#include "deploy/policy_network.h"
#include "eaudeqn/error.h"
#include "engine/single_forward.h"

namespace eaudeqn {
namespace {

using Json = nlohmann::json;
using Replacements = std::vector<std::pair<std::string, std::string>>;

std::string replaced(std::string text, const Replacements& replacements) {
  for (const auto& [from, to] : replacements) {
    std::size_t at = 0;
    while ((at = text.find(from, at)) != std::string::npos) {
      text.replace(at, from.size(), to);
      at += to.size();
    }
  }
  return text;
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

// Text of the policy file that can do no harm within a C comment or string.
std::string harmless(std::string text) {
  for (char& c : text) {
    const bool good =
        std::isalnum(static_cast<unsigned char>(c)) || std::string(" _-.,:;+/()[]=").find(c) != std::string::npos;
    if (!good) c = '_';
  }
  return text;
}

std::string metadata_of(const Policy& policy, const std::string& key) {
  const auto found = policy.metadata.find(key);
  return found == policy.metadata.end() ? "" : found->second;
}

// The metadata's description of actions; null where there is none.
Json actions_of(const Policy& policy) { return Json::parse(metadata_of(policy, "actions"), nullptr, false); }

bool continuous(const Json& actions) {
  return actions.is_object() && actions.contains("low") && actions.contains("high");
}

// A float of C that is exactly `value`.
std::string literal(float value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text + "f";
}
template <typename Integer>
std::string literal(Integer value) {
  return fmt::format("{}", value);
}

template <typename T>
std::string array(const std::string& type, const std::string& name, const std::vector<T>& values) {
  constexpr std::size_t kLongestLine = 118;
  std::string text = fmt::format("static const {} {}[{}] = {{", type, name, std::max<std::size_t>(values.size(), 1));
  std::string line = values.empty() ? "0" : "";
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string item = literal(values[i]) + (i + 1 < values.size() ? "," : "");
    if (line.size() + item.size() > kLongestLine) {
      text += "\n" + line;
      line.clear();
    }
    line += item;
  }
  return text + "\n" + line + "};\n";
}

const char* count_type(std::uint32_t largest) {
  if (largest <= 255) return "uint8_t";
  return largest <= 65'535 ? "uint16_t" : "uint32_t";
}

std::size_t count_bytes(std::uint32_t largest) {
  if (largest <= 255) return 1;
  return largest <= 65'535 ? 2 : 4;
}

// Builds one header; each method appends a part.
class Writer {
 public:
  Writer(const Policy& policy, const CHeader& header, const std::string& origin)
      : policy_(policy),
        header_(header),
        origin_(origin),
        network_(make_network(policy, origin)),
        spec_(network_.spec()),
        actions_(actions_of(policy)),
        workspace_(make_c_workspace(spec_)),
        p_(header.prefix + "_"),
        upper_(upper(p_)),
        int8_(!policy.layers.front().scales.empty()),
        bytes_(spec_.architecture.byte_input) {
    if (!bytes_ && spec_.architecture.input.size() != 1) {
      throw Error::failure(origin + ": images of floats have no form in C here; only bytes and vectors have");
    }
    if (continuous(actions_)) read_bounds(origin);
    for (std::size_t l = 0; l < policy.layers.size(); ++l) {
      layers_.push_back(make_c_layer(policy.layers[l], spec_, l));
      for (const std::uint32_t count : layers_.back().counts) largest_count_ = std::max(largest_count_, count);
    }
  }

  std::string write() {
    const std::string tables = write_tables();  // counts table_bytes_
    introduce();
    define();
    define_shape();
    text_ += tables;
    add_functions();
    add_forward();
    add_function(continuous(actions_) ? c_functions::kActContinuous : c_functions::kActDiscrete);
    add_example();
    text_ += fmt::format("\n#endif /* {}H */\n", upper_);
    return std::move(text_);
  }

 private:
  void read_bounds(const std::string& origin) {
    const auto refuse = [&] {
      throw Error::failure(origin + ": its outputs are not a mean and a deviation for each of its bounded actions");
    };
    try {
      low_ = actions_["low"].get<std::vector<float>>();
      high_ = actions_["high"].get<std::vector<float>>();
    } catch (const Json::exception&) {
      refuse();
    }
    if (low_.size() != high_.size() || 2 * low_.size() != spec_.architecture.outputs) refuse();
    for (std::size_t i = 0; i < low_.size(); ++i) {
      if (!std::isfinite(low_[i]) || !std::isfinite(high_[i]) || low_[i] > high_[i]) refuse();
    }
  }

  bool uses(OperationKind kind, bool of_bytes) const {
    return std::any_of(spec_.operations.begin(), spec_.operations.end(), [&](const Operation& operation) {
      return operation.kind == kind && (bytes_ && operation.input == 0) == of_bytes;
    });
  }

  std::string name(const std::string& text) const { return p_ + text; }

  void introduce() {
    const std::string metadata = fmt::format("{}, {}, step {}", metadata_of(policy_, "environment"),
                                             metadata_of(policy_, "algorithm"), metadata_of(policy_, "step"));
    text_ += fmt::format(
        "/* A policy written by eaudeqn: {}; {:.4f} of its weights are 0, the others are {}.\n"
        " *\n"
        " * C99, and C++; for one source file of a program. No heap, nothing global that changes; several threads need "
        "a\n"
        " * workspace each. Observation: {}.\n",
        harmless(metadata), policy_.sparsity(),
        int8_ ? "8-bit integers times a scale per output, floats in the last layer" : "floats",
        bytes_ ? fmt::format("{} bytes by row, column, frame, the newest frame last", spec_.tensors[0].elements())
               : fmt::format("{} floats", spec_.tensors[0].elements()));
    if (continuous(actions_)) {
      text_ += fmt::format(
          " *\n *   static {0}workspace workspace;\n *   float action[{1}ACTIONS];\n"
          " *   {0}act(&workspace, observation, action);\n",
          p_, upper_);
    } else {
      text_ += fmt::format(
          " *\n *   static {0}workspace workspace;\n *   int action = {0}act(&workspace, observation);\n", p_);
    }
    if (actions_.is_array()) {
      text_ += " *\n * Actions:";
      for (std::size_t a = 0; a < actions_.size(); ++a) {
        text_ += fmt::format(" {} {}{}", a, actions_[a].is_string() ? harmless(actions_[a].get<std::string>()) : "",
                             a + 1 < actions_.size() ? "," : "");
      }
      text_ += "\n";
    }
    text_ += fmt::format(" */\n#ifndef {0}H\n#define {0}H\n\n", upper_);
    text_ +=
        continuous(actions_) ? "#include <math.h> /* tanhf */\n#include <stdint.h>\n\n" : "#include <stdint.h>\n\n";
  }

  void define_text(const std::string& key, const std::string& value) {
    text_ += fmt::format("#define {}{} \"{}\"\n", upper_, key, harmless(value));
  }
  void define_number(const std::string& key, std::size_t value) {
    text_ += fmt::format("#define {}{} {}\n", upper_, key, value);
  }

  void define() {
    const std::string config = metadata_of(policy_, "config");
    define_text("ENVIRONMENT", metadata_of(policy_, "environment"));
    define_text("ALGORITHM", metadata_of(policy_, "algorithm"));
    define_text("STEP", metadata_of(policy_, "step"));
    define_text("CONFIG_HASH", fmt::format("{:016x}", checksum(std::as_bytes(std::span(config)))));
    define_number("INPUTS", spec_.tensors[0].elements());
    define_number("INPUT_CHANNELS", spec_.tensors[0].channels);
    define_number("INPUT_HEIGHT", spec_.tensors[0].height);
    define_number("INPUT_WIDTH", spec_.tensors[0].width);
    define_number("OUTPUTS", spec_.architecture.outputs);
    if (continuous(actions_)) define_number("ACTIONS", low_.size());
    text_ += "/* The workspace; besides it the functions need a few hundred bytes of stack. */\n";
    define_number("RAM_BYTES", sizeof(float) * (spec_.architecture.outputs + values()));
    text_ +=
        "/* Weights and tables; besides them there are a few kilobytes of code. The example is not counted: a program\n"
        " * that does not call the self-test does not contain it. */\n";
    define_number("FLASH_BYTES", table_bytes_);
    text_ += fmt::format(
        "\ntypedef {1} {0}input;\ntypedef {2} {0}count;\n"
        "typedef struct {{\n  float outputs[{3}OUTPUTS];\n  float values[{4}];\n}} {0}workspace;\n\n",
        p_, bytes_ ? "uint8_t" : "float", count_type(largest_count_), upper_, values());
  }

  void define_shape() {
    if (!uses(OperationKind::convolution, false) && !uses(OperationKind::convolution, true)) return;
    text_ += fmt::format(
        "/* Of a convolution: its input, the distances between inputs in memory, its output, and zeros at the top and "
        "left. "
        "*/\n"
        "typedef struct {{\n  int32_t channels, height, width, channel_step, row_step, column_step;\n"
        "  int32_t out_channels, out_height, out_width, kernel, stride, top, left, relu;\n}} {}shape;\n\n",
        p_);
  }

  bool is_int8(std::size_t layer) const { return !policy_.layers[layer].scales.empty(); }

  std::size_t values() const { return std::max<std::size_t>(workspace_.size, 1); }

  template <typename T>
  std::string table(const std::string& type, const std::string& label, const std::vector<T>& data, std::size_t bytes) {
    table_bytes_ += std::max<std::size_t>(data.size(), 1) * bytes;
    return array(type, name(label), data);
  }

  std::string write_tables() {
    std::string text;
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      const CLayer& layer = layers_[l];
      const PolicyLayer& from = policy_.layers[l];
      const std::string label = spec_.layers[l].name;
      text += is_int8(l) ? table("int8_t", label + "_weights", layer.integers, 1)
                         : table("float", label + "_weights", layer.weights, sizeof(float));
      if (layer.gapped) {
        text += table("uint8_t", label + "_gaps", layer.gaps, 1);
        text += table(name("count"), label + "_counts", layer.counts, count_bytes(largest_count_));
      }
      if (is_int8(l)) text += table("float", label + "_scales", from.scales, sizeof(float));
      text += table("float", label + "_biases", from.bias, sizeof(float));
    }
    for (const Operation& operation : spec_.operations) {
      if (operation.kind == OperationKind::convolution) text += shape_table(operation);
    }
    if (continuous(actions_)) {
      text += table("float", "low", low_, sizeof(float));
      text += table("float", "high", high_, sizeof(float));
    }
    return text;
  }

  std::string shape_table(const Operation& operation) {
    const TensorShape &in = spec_.tensors[operation.input], &out = spec_.tensors[operation.output];
    const LayerSpec& layer = spec_.layers[operation.layer];
    const bool interleaved = bytes_ && operation.input == 0;
    const std::size_t channel_step = interleaved ? 1 : in.height * in.width;
    const std::size_t column_step = interleaved ? in.channels : 1;
    const std::size_t numbers[] = {in.channels,
                                   in.height,
                                   in.width,
                                   channel_step,
                                   in.width * column_step,
                                   column_step,
                                   out.channels,
                                   out.height,
                                   out.width,
                                   layer.rows,
                                   operation.stride,
                                   same_padding(in.height, layer.rows, operation.stride).before,
                                   same_padding(in.width, layer.columns, operation.stride).before,
                                   operation.relu ? 1U : 0U};
    table_bytes_ += sizeof(std::int32_t) * std::size(numbers);
    return fmt::format("static const {} {}_shape = {{{}}};\n", name("shape"), name(layer.name),
                       fmt::join(numbers, ", "));
  }

  // Adds a function of c_functions.h.
  void add_function(const std::string& text, const std::string& function = "", bool of_bytes = false,
                    bool int8 = false) {
    text_ += replaced(text, {{"$NAME", "@" + function},
                             {"$INPUT_SCALE", of_bytes ? " * (1.0f / 255.0f)" : ""},
                             {"$INPUT", of_bytes ? "uint8_t" : "float"},
                             {"$WEIGHT", int8 ? "int8_t" : "float"},
                             {"$SCALES", int8 ? "const float *scales, " : ""},
                             {"$SCALE", int8 ? " * scales[o]" : ""},
                             {"@@", upper_},
                             {"@", p_}});
  }

  void add_functions() {
    for (const bool of_bytes : {true, false}) {
      const std::string suffix = of_bytes ? "_bytes" : "";
      if (uses(OperationKind::convolution, of_bytes)) {
        add_function(c_functions::kConvolution, "convolution" + suffix, of_bytes, int8_);
      }
      if (uses(OperationKind::dense, of_bytes)) add_function(c_functions::kDense, "dense" + suffix, of_bytes, int8_);
    }
    if (int8_) add_function(c_functions::kDense, "dense_of_floats");
    if (uses(OperationKind::relu, false)) add_function(c_functions::kRelu);
    if (uses(OperationKind::max_pool, false)) add_function(c_functions::kMaxPool);
  }

  // A tensor as an expression of C.
  std::string place(std::size_t tensor) const {
    if (tensor == 0) return "observation";
    if (tensor + 1 == spec_.tensors.size()) return "workspace->outputs";
    return fmt::format("workspace->values + {}", workspace_.offsets[tensor]);
  }

  // The tables of a layer as arguments.
  std::string tables_of(std::size_t layer) const {
    const std::string label = name(spec_.layers[layer].name);
    std::string text = label + "_weights, ";
    text += layers_[layer].gapped ? fmt::format("{0}_gaps, {0}_counts, ", label) : "0, 0, ";
    if (is_int8(layer)) text += label + "_scales, ";
    return text + label + "_biases";
  }

  void add_forward() {
    text_ += fmt::format(
        "\n/* The network's outputs, in the workspace. */\n"
        "static inline const float *{0}forward({0}workspace *workspace, const {0}input *observation) {{\n",
        p_);
    for (const Operation& operation : spec_.operations) {
      const TensorShape &in = spec_.tensors[operation.input], &out = spec_.tensors[operation.output];
      const std::string from = place(operation.input), to = place(operation.output);
      const char* suffix = bytes_ && operation.input == 0 ? "_bytes" : "";
      if (int8_ && operation.layer + 1 == layers_.size() && operation.kind == OperationKind::dense)
        suffix = "_of_floats";
      switch (operation.kind) {
        case OperationKind::convolution:
          text_ += fmt::format("  {0}convolution{1}({2}, &{3}_shape, {4},\n      {5}, {6});\n", p_, suffix, from,
                               name(spec_.layers[operation.layer].name), tables_of(operation.layer),
                               operation.residual >= 0 ? place(static_cast<std::size_t>(operation.residual)) : "0", to);
          break;
        case OperationKind::dense:
          text_ += fmt::format("  {0}dense{1}({2}, {3}, {4}, {5},\n      {6}, {7});\n", p_, suffix, from, in.elements(),
                               out.elements(), tables_of(operation.layer), operation.relu ? 1 : 0, to);
          break;
        case OperationKind::relu:
          text_ += fmt::format("  {}relu({}, {}, {});\n", p_, from, in.elements(), to);
          break;
        case OperationKind::max_pool:
          text_ += fmt::format("  {}max_pool({}, {}, {}, {}, {}, {}, {});\n", p_, from, in.channels, in.height,
                               in.width, same_padding(in.height, 3, 2).before, same_padding(in.width, 3, 2).before, to);
          break;
      }
    }
    text_ += "  return workspace->outputs;\n}\n";
  }

  void add_example() {
    const std::vector<float> outputs = expected_outputs();
    text_ += "\n/* An observation and what `eaudeqn forward` makes of it. */\n";
    if (bytes_) {
      std::vector<int> values;
      for (const std::byte byte : header_.observation) values.push_back(std::to_integer<int>(byte));
      text_ += array(name("input"), name("example_observation"), values);
    } else {
      std::vector<float> values(header_.observation.size() / sizeof(float));
      std::memcpy(values.data(), header_.observation.data(), values.size() * sizeof(float));
      text_ += array(name("input"), name("example_observation"), values);
    }
    text_ += array("float", name("example_outputs"), outputs);
    add_function(c_functions::kSelfTest);
  }

  std::vector<float> expected_outputs() {
    const TensorShape& shape = spec_.tensors[0];
    std::vector<std::byte> planes = header_.observation;
    if (bytes_ && planes.size() == shape.elements()) {
      deinterleave_planes(header_.observation, shape.channels, planes);
    }
    const auto geometry = std::make_shared<SingleGeometry>(std::make_shared<NetworkPlan>(spec_));
    SingleForward forward(geometry);
    SingleWeights weights(geometry);
    weights.copy(network_);
    const auto outputs = forward.forward(weights, planes);  // refuses another size
    for (const float output : outputs) {
      if (!std::isfinite(output)) {
        throw Error::failure(origin_ + ": its outputs for the example observation are not finite numbers");
      }
    }
    return {outputs.begin(), outputs.end()};
  }

  const Policy& policy_;
  const CHeader& header_;
  std::string origin_;
  Network network_;
  NetworkSpec spec_;
  Json actions_;
  std::vector<float> low_, high_;  // of continuous actions
  CWorkspace workspace_;
  std::string p_, upper_;
  bool int8_, bytes_;  // int8_: weights of all layers but the last are integers
  std::vector<CLayer> layers_;
  std::uint32_t largest_count_ = 0;
  std::size_t table_bytes_ = 0;
  std::string text_;
};

}  // namespace

std::string c_header(const Policy& policy, const CHeader& header, const std::string& origin) {
  if (header.prefix != c_identifier(header.prefix)) {
    throw Error::usage(
        fmt::format("--prefix \"{}\" cannot begin a name in C: use letters, digits and _", header.prefix));
  }
  return Writer(policy, header, origin).write();
}

std::string c_program(const Policy& policy, const std::string& prefix, const std::string& header_name,
                      const std::string& program_name) {
  const bool vectors = continuous(actions_of(policy));
  const std::string act =
      vectors ? "    float action[@@ACTIONS];\n    @act(&workspace, observation, action);\n"
                "    for (a = 0; a < @@ACTIONS; ++a) printf(\"%s%.9g\", a ? \" \" : \"\", (double)action[a]);"
              : "    printf(\"%d\", @act(&workspace, observation));";
  return replaced(c_functions::kMain, {{"$ACT", act},
                                       {"$LIBRARIES", vectors ? " -lm" : ""},
                                       {"@@", upper(prefix) + "_"},
                                       {"@", prefix + "_"},
                                       {"$HEADER", header_name},  // last: names of files hold anything
                                       {"$MAIN", program_name}});
}

std::string c_identifier(const std::string& text) {
  std::string name;
  for (const char c : text) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0]))) name.insert(0, "policy_");
  return name;
}

std::vector<std::byte> example_observation(const Architecture& architecture) {
  RandomStream stream(1, "example_observation");
  std::size_t size = 1;
  for (const std::size_t dimension : architecture.input) size *= dimension;
  std::vector<std::byte> bytes;
  if (architecture.byte_input) {
    for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<std::byte>(stream.below(256)));
    return bytes;
  }
  for (std::size_t i = 0; i < size; ++i) {
    const auto value = static_cast<float>(stream.uniform(-1, 1));
    const auto raw = std::as_bytes(std::span(&value, 1));
    bytes.insert(bytes.end(), raw.begin(), raw.end());
  }
  return bytes;
}

}  // namespace eaudeqn
