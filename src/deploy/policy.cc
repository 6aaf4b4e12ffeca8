// Policies to tensors and back: see policy.h and docs/policy_format.md. The container itself is safetensors.h.
#include "deploy/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <deque>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <span>

#include "deploy/column_gaps.h"
#include "deploy/quantize.h"
#include "deploy/safetensors.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

using nlohmann::json;
using safetensors::refuse;
using safetensors::Tensor;
using safetensors::Type;

constexpr const char* kFormatVersion = "format_version";
constexpr const char* kVersion = "1";      // 32 bits a weight
constexpr const char* kInt8Version = "2";  // 8 bits
constexpr const char* kLayers = "layers";

// Entries of one output: in or in * rows * columns.
std::size_t row_length(const std::vector<std::size_t>& shape) {
  return std::accumulate(shape.begin() + 1, shape.end(), std::size_t{1}, std::multiplies<>());
}

Type column_type(const std::vector<std::size_t>& shape) { return row_length(shape) <= 65'536 ? Type::u16 : Type::u32; }

bool all_finite(const std::vector<float>& values) {
  for (const float value : values) {
    if (!std::isfinite(value)) return false;
  }
  return true;
}

// ---- What a layer must satisfy, written or read; nullopt: it does. ----

std::optional<std::string> shape_problem(const std::vector<std::size_t>& shape) {
  if (shape.size() != 2 && shape.size() != 4) return "its shape is neither (out, in) nor (out, in, rows, columns)";
  std::size_t product = 1;
  for (const std::size_t dimension : shape) {
    // A column index is 32 bits wide and so is the number of active weights.
    if (dimension == 0 || dimension > std::numeric_limits<std::uint32_t>::max() / product) {
      return "its shape has a zero or more than 2^32 - 1 entries";
    }
    product *= dimension;
  }
  return std::nullopt;
}

std::optional<std::string> row_starts_problem(const PolicyLayer& layer) {
  const auto& starts = layer.row_starts;
  if (starts.size() != layer.shape[0] + 1 || starts.front() != 0 || starts.back() != layer.values.size()) {
    return "its row_starts, columns and values disagree";
  }
  if (!std::is_sorted(starts.begin(), starts.end())) return "its row_starts do not ascend";
  return std::nullopt;
}

std::optional<std::string> row_problem(const PolicyLayer& layer) {
  if (auto problem = row_starts_problem(layer)) return problem;
  if (layer.columns.size() != layer.values.size()) return "its row_starts, columns and values disagree";
  const std::size_t length = row_length(layer.shape);
  for (std::size_t row = 0; row < layer.shape[0]; ++row) {
    const std::size_t begin = layer.row_starts[row], end = layer.row_starts[row + 1];
    for (std::size_t i = begin; i < end; ++i) {
      if (layer.columns[i] >= length) return "a column is out of range";
      if (i > begin && layer.columns[i] <= layer.columns[i - 1]) return "the columns of a row do not ascend";
    }
  }
  return std::nullopt;
}

std::optional<std::string> layer_problem(const PolicyLayer& layer) {
  if (auto problem = shape_problem(layer.shape)) return problem;
  if (auto problem = row_problem(layer)) return problem;
  if (layer.bias.size() != layer.shape[0]) return "its bias has not one entry per output";
  if (!all_finite(layer.values) || !all_finite(layer.bias)) return "a weight is NaN or infinite";
  if (!layer.scales.empty()) {
    try {
      integers_of(layer);
    } catch (const Error& error) {
      return error.what();
    }
  }
  return std::nullopt;
}

// Whether the weights are stored with 8 bits, but for the last layer's.
bool is_int8(const Policy& policy) { return !policy.layers.empty() && !policy.layers.front().scales.empty(); }

const char* version_of(const Policy& policy) { return is_int8(policy) ? kInt8Version : kVersion; }

// ---- Writing ----

std::optional<std::string> policy_problem(const Policy& policy) {
  if (policy.layers.empty()) return "it has no layers";
  const auto version = policy.metadata.find(kFormatVersion);
  if (version != policy.metadata.end() && version->second != version_of(policy)) {
    return fmt::format("its format_version is not {}, which its weights need", version_of(policy));
  }
  std::set<std::string> reserved = {kLayers, "data_xxh3", "metadata_xxh3"};
  std::set<std::string> names;
  for (const PolicyLayer& layer : policy.layers) {
    if (layer.name.empty() || !names.insert(layer.name).second) {
      return fmt::format("the layer name '{}' is empty or used twice", layer.name);
    }
    reserved.insert(layer.name + ".shape");
    if (layer.scales.empty() == (is_int8(policy) && &layer != &policy.layers.back())) {
      return "all of its layers but the last have scales, or none has";
    }
    if (auto problem = layer_problem(layer)) return fmt::format("layer '{}': {}", layer.name, *problem);
  }
  for (const auto& [key, value] : policy.metadata) {
    if (reserved.contains(key)) return fmt::format("the metadata key '{}' is reserved", key);
  }
  return std::nullopt;
}

template <typename T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

std::string sizes_text(const std::vector<std::size_t>& sizes) { return json(sizes).dump(); }

// The tensors of layers, with the memory of those that are not in the policy in this form. Points into the layers.
class TensorList {
 public:
  void add(const PolicyLayer& layer) { layer.scales.empty() ? add_f32(layer) : add_int8(layer); }

  // Wide elements first, so that each tensor lies at a multiple of its element's size.
  std::vector<Tensor> in_order() const {
    std::vector<Tensor> tensors = tensors_;
    std::stable_sort(tensors.begin(), tensors.end(), [](const Tensor& a, const Tensor& b) {
      return safetensors::bytes_of(a.type) > safetensors::bytes_of(b.type);
    });
    return tensors;
  }

 private:
  void add_f32(const PolicyLayer& layer) {
    const std::size_t active = layer.values.size();
    if (layer.is_dense()) {
      add(layer.name + ".weight", Type::f32, layer.shape, bytes_of(layer.values));
    } else {
      add(layer.name + ".values", Type::f32, {active}, bytes_of(layer.values));
      add(layer.name + ".row_starts", Type::u32, {layer.row_starts.size()}, bytes_of(layer.row_starts));
      if (column_type(layer.shape) == Type::u16) {
        const std::vector<std::uint16_t> narrow(layer.columns.begin(), layer.columns.end());
        add(layer.name + ".columns", Type::u16, {active}, keep(bytes_of(narrow)));
      } else {
        add(layer.name + ".columns", Type::u32, {active}, bytes_of(layer.columns));
      }
    }
    add(layer.name + ".bias", Type::f32, {layer.bias.size()}, bytes_of(layer.bias));
  }

  void add_int8(const PolicyLayer& layer) {
    const auto integers = integers_of(layer);
    add(layer.name + ".scales", Type::f32, {layer.scales.size()}, bytes_of(layer.scales));
    if (layer.is_dense()) {
      add(layer.name + ".weight", Type::i8, layer.shape, keep(bytes_of(integers)));
    } else {
      const auto gaps = encode_gaps(layer.columns, layer.row_starts);
      add(layer.name + ".values", Type::i8, {integers.size()}, keep(bytes_of(integers)));
      add(layer.name + ".gaps", Type::u8, {gaps.size()}, keep(bytes_of(gaps)));
      add(layer.name + ".row_starts", Type::u32, {layer.row_starts.size()}, bytes_of(layer.row_starts));
    }
    add(layer.name + ".bias", Type::f32, {layer.bias.size()}, bytes_of(layer.bias));
  }

  void add(const std::string& name, Type type, const std::vector<std::size_t>& shape, std::span<const std::byte> data) {
    tensors_.push_back({name, type, shape, data});
  }

  std::span<const std::byte> keep(std::span<const std::byte> bytes) {
    return kept_.emplace_back(bytes.begin(), bytes.end());
  }

  std::vector<Tensor> tensors_;
  std::deque<std::vector<std::byte>> kept_;
};

// ---- Reading ----

class Reader {
 public:
  explicit Reader(const std::filesystem::path& path) : path_(path), file_(path), metadata_(file_.metadata()) {}

  Policy read() {
    if (metadata_[kFormatVersion] != kVersion && metadata_[kFormatVersion] != kInt8Version) {
      refuse(path_, fmt::format("format version '{}' is not known to this program, which reads versions {} and {}",
                                metadata_[kFormatVersion], kVersion, kInt8Version));
    }
    Policy policy;
    const std::vector<std::string> names = layer_names();
    if (metadata_[kFormatVersion] == kInt8Version && names.size() == 1) {
      refuse(path_, "format version 2 is for policies of two layers and more");
    }
    for (const std::string& name : names) {
      int8_ = metadata_[kFormatVersion] == kInt8Version && name != names.back();
      policy.layers.push_back(read_layer(name));
    }
    if (tensors_used_ != file_.tensors().size()) refuse(path_, "it holds tensors that belong to no layer");
    metadata_.erase(kLayers);
    policy.metadata = std::move(metadata_);
    return policy;
  }

 private:
  std::vector<std::string> layer_names() const {
    const auto found = metadata_.find(kLayers);
    if (found == metadata_.end()) refuse(path_, "the list of layers is missing");
    const json list = parse(found->second, "the list of layers");
    std::vector<std::string> names;
    std::set<std::string> unique;
    for (const json& name : list) {
      if (!name.is_string() || name.get<std::string>().empty() || !unique.insert(name.get<std::string>()).second) {
        refuse(path_, "the list of layers holds something else than different names");
      }
      names.push_back(name.get<std::string>());
    }
    if (names.empty()) refuse(path_, "it has no layers");
    return names;
  }

  json parse(const std::string& text, const std::string& what) const {
    json value = json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!value.is_array()) refuse(path_, what + " is not a JSON list");
    return value;
  }

  PolicyLayer read_layer(const std::string& name) {
    PolicyLayer layer;
    layer.name = name;
    layer.bias = values<float>(name + ".bias", Type::f32);
    if (int8_) layer.scales = values<float>(name + ".scales", Type::f32);
    if (file_.tensors().contains(name + ".weight")) {
      read_dense(layer);
    } else {
      read_sparse(layer);
    }
    if (const auto problem = layer_problem(layer)) refuse(path_, fmt::format("layer '{}': {}", name, *problem));
    return layer;
  }

  // The weights as they are stored, to be multiplied in finish_weights once the rows are known.
  void read_weights(PolicyLayer& layer, const std::string& tensor, std::size_t rank = 1) {
    if (int8_) {
      integers_ = values<std::int8_t>(tensor, Type::i8, rank);
      layer.values.resize(integers_.size());
    } else {
      layer.values = values<float>(tensor, Type::f32, rank);
    }
  }

  void finish_weights(PolicyLayer& layer) {
    if (const auto problem = row_problem(layer)) refuse(path_, fmt::format("layer '{}': {}", layer.name, *problem));
    if (!int8_) return;
    if (layer.scales.size() != layer.shape[0]) {
      refuse(path_, fmt::format("layer '{}': it has not one scale per output", layer.name));
    }
    layer.values = dequantize(layer, integers_);
  }

  void read_dense(PolicyLayer& layer) {
    const std::string weight = layer.name + ".weight";
    if (metadata_.contains(layer.name + ".shape"))
      refuse(path_, fmt::format("layer '{}' is dense and sparse", layer.name));
    layer.shape = file_.tensors().at(weight).shape;
    if (const auto problem = shape_problem(layer.shape))
      refuse(path_, fmt::format("layer '{}': {}", layer.name, *problem));
    read_weights(layer, weight, layer.shape.size());
    const std::size_t rows = layer.shape[0], length = row_length(layer.shape);
    for (std::size_t row = 0; row <= rows; ++row) layer.row_starts.push_back(static_cast<std::uint32_t>(row * length));
    layer.columns.resize(layer.values.size());
    for (std::size_t i = 0; i < layer.columns.size(); ++i) layer.columns[i] = static_cast<std::uint32_t>(i % length);
    finish_weights(layer);
  }

  void read_sparse(PolicyLayer& layer) {
    const auto shape = metadata_.find(layer.name + ".shape");
    if (shape == metadata_.end())
      refuse(path_, fmt::format("layer '{}': its weights or its shape are missing", layer.name));
    for (const json& dimension : parse(shape->second, fmt::format("the shape of layer '{}'", layer.name))) {
      if (!dimension.is_number_unsigned())
        refuse(path_, fmt::format("layer '{}': its shape is no list of sizes", layer.name));
      layer.shape.push_back(dimension.get<std::size_t>());
    }
    metadata_.erase(shape);
    if (const auto problem = shape_problem(layer.shape))
      refuse(path_, fmt::format("layer '{}': {}", layer.name, *problem));
    read_weights(layer, layer.name + ".values");
    layer.row_starts = values<std::uint32_t>(layer.name + ".row_starts", Type::u32);
    read_columns(layer);
    finish_weights(layer);
  }

  void read_columns(PolicyLayer& layer) {
    if (int8_) {
      if (const auto problem = row_starts_problem(layer)) {
        refuse(path_, fmt::format("layer '{}': {}", layer.name, *problem));
      }
      const auto gaps = values<std::uint8_t>(layer.name + ".gaps", Type::u8);
      auto columns = decode_gaps(gaps, layer.row_starts, row_length(layer.shape));
      if (!columns) {
        refuse(path_, fmt::format("layer '{}': its gaps do not make one column within the row per weight", layer.name));
      }
      layer.columns = std::move(*columns);
    } else if (column_type(layer.shape) == Type::u16) {
      const auto narrow = values<std::uint16_t>(layer.name + ".columns", Type::u16);
      layer.columns.assign(narrow.begin(), narrow.end());
    } else {
      layer.columns = values<std::uint32_t>(layer.name + ".columns", Type::u32);
    }
  }

  template <typename T>
  std::vector<T> values(const std::string& name, Type type, std::size_t rank = 1) {
    const auto found = file_.tensors().find(name);
    if (found == file_.tensors().end()) refuse(path_, fmt::format("tensor '{}' is missing", name));
    const Tensor& tensor = found->second;
    if (tensor.type != type || tensor.shape.size() != rank) {
      refuse(path_, fmt::format("tensor '{}' should be {} of rank {}", name, name_of(type), rank));
    }
    ++tensors_used_;
    std::vector<T> out(tensor.elements());
    if (!out.empty()) std::memcpy(out.data(), tensor.data.data(), tensor.data.size());
    return out;
  }

  std::filesystem::path path_;
  safetensors::File file_;
  std::map<std::string, std::string> metadata_;  // what is left of it
  std::size_t tensors_used_ = 0;
  // Of the layer being read.
  bool int8_ = false;
  std::vector<std::int8_t> integers_;
};

}  // namespace

std::size_t PolicyLayer::parameters() const {
  return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
}

double Policy::sparsity() const {
  std::size_t total = 0, active = 0;
  for (const PolicyLayer& layer : layers) {
    total += layer.parameters();
    active += layer.values.size();
  }
  return total == 0 ? 0.0 : static_cast<double>(total - active) / static_cast<double>(total);
}

bool Policy::discrete_actions() const {
  const auto actions = metadata.find("actions");
  return actions != metadata.end() && actions->second.starts_with("[");
}

void write_policy(const Policy& policy, const std::filesystem::path& file) {
  if (const auto problem = policy_problem(policy)) {
    throw Error::failure(fmt::format("{}: cannot write this policy: {}; nothing was written", file.string(), *problem));
  }
  auto metadata = policy.metadata;
  metadata.emplace(kFormatVersion, version_of(policy));  // where present it is this one
  json names = json::array();
  TensorList tensors;
  for (const PolicyLayer& layer : policy.layers) {
    names.push_back(layer.name);
    if (!layer.is_dense()) metadata[layer.name + ".shape"] = sizes_text(layer.shape);
    tensors.add(layer);
  }
  // Strict UTF-8 checking happens where the whole header is written.
  metadata[kLayers] = names.dump(-1, ' ', false, json::error_handler_t::ignore);
  safetensors::write(file, metadata, tensors.in_order());
}

Policy read_policy(const std::filesystem::path& file) { return Reader(file).read(); }

std::int64_t step_of(const std::string& text, const std::string& origin) {
  std::int64_t step = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
  if (error == std::errc() && end == text.data() + text.size() && step >= 0) return step;
  throw Error::failure(
      fmt::format("{}: the metadata's \"step\" is \"{}\", which is no number of steps; copy or export it "
                  "again",
                  origin, text));
}

std::size_t stored_bytes(const PolicyLayer& layer) {
  TensorList tensors;
  tensors.add(layer);
  std::size_t bytes = 0;
  for (const Tensor& tensor : tensors.in_order()) bytes += tensor.data.size();
  return bytes;
}

}  // namespace eaudeqn
