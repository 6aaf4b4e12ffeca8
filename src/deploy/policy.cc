// Policies to tensors and back: see policy.h and docs/policy_format.md. The container itself is safetensors.h.
#include "deploy/policy.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <span>

#include "deploy/safetensors.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

using nlohmann::json;
using safetensors::refuse;
using safetensors::Tensor;
using safetensors::Type;

constexpr const char* kFormatVersion = "format_version";
constexpr const char* kVersion = "1";
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

std::optional<std::string> row_problem(const PolicyLayer& layer) {
  const std::size_t rows = layer.shape[0], length = row_length(layer.shape);
  if (layer.row_starts.size() != rows + 1 || layer.row_starts.front() != 0 ||
      layer.row_starts.back() != layer.values.size() || layer.columns.size() != layer.values.size()) {
    return "its row_starts, columns and values disagree";
  }
  for (std::size_t row = 0; row < rows; ++row) {
    const std::size_t begin = layer.row_starts[row], end = layer.row_starts[row + 1];
    if (begin > end || end > layer.values.size()) return "its row_starts do not ascend";
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
  return std::nullopt;
}

// ---- Writing ----

std::optional<std::string> policy_problem(const Policy& policy) {
  if (policy.layers.empty()) return "it has no layers";
  const auto version = policy.metadata.find(kFormatVersion);
  if (version != policy.metadata.end() && version->second != kVersion) return "its format_version is not 1";
  std::set<std::string> reserved = {kLayers, "data_xxh3", "metadata_xxh3"};
  std::set<std::string> names;
  for (const PolicyLayer& layer : policy.layers) {
    if (layer.name.empty() || !names.insert(layer.name).second) {
      return fmt::format("the layer name '{}' is empty or used twice", layer.name);
    }
    reserved.insert(layer.name + ".shape");
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

// ---- Reading ----

class Reader {
 public:
  explicit Reader(const std::filesystem::path& path) : path_(path), file_(path), metadata_(file_.metadata()) {}

  Policy read() {
    if (metadata_[kFormatVersion] != kVersion) {
      refuse(path_, fmt::format("format version '{}' is not known to this program, which reads version {}",
                                metadata_[kFormatVersion], kVersion));
    }
    Policy policy;
    for (const std::string& name : layer_names()) policy.layers.push_back(read_layer(name));
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
    if (file_.tensors().contains(name + ".weight")) {
      read_dense(layer);
    } else {
      read_sparse(layer);
    }
    if (const auto problem = layer_problem(layer)) refuse(path_, fmt::format("layer '{}': {}", name, *problem));
    return layer;
  }

  void read_dense(PolicyLayer& layer) {
    const std::string weight = layer.name + ".weight";
    if (metadata_.contains(layer.name + ".shape"))
      refuse(path_, fmt::format("layer '{}' is dense and sparse", layer.name));
    layer.shape = file_.tensors().at(weight).shape;
    if (const auto problem = shape_problem(layer.shape))
      refuse(path_, fmt::format("layer '{}': {}", layer.name, *problem));
    layer.values = values<float>(weight, Type::f32, layer.shape.size());
    const std::size_t rows = layer.shape[0], length = row_length(layer.shape);
    for (std::size_t row = 0; row <= rows; ++row) layer.row_starts.push_back(static_cast<std::uint32_t>(row * length));
    layer.columns.resize(layer.values.size());
    for (std::size_t i = 0; i < layer.columns.size(); ++i) layer.columns[i] = static_cast<std::uint32_t>(i % length);
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
    layer.values = values<float>(layer.name + ".values", Type::f32);
    layer.row_starts = values<std::uint32_t>(layer.name + ".row_starts", Type::u32);
    if (column_type(layer.shape) == Type::u16) {
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

void write_policy(const Policy& policy, const std::filesystem::path& file) {
  if (const auto problem = policy_problem(policy)) {
    throw Error::failure(fmt::format("{}: cannot write this policy: {}; nothing was written", file.string(), *problem));
  }
  auto metadata = policy.metadata;
  metadata.emplace(kFormatVersion, kVersion);  // where present it is this one
  json names = json::array();
  std::vector<Tensor> tensors, narrow;  // 4-byte tensors first, so that each lies at a multiple of its element's size
  std::vector<std::vector<std::uint16_t>> narrow_columns(policy.layers.size());
  for (std::size_t l = 0; l < policy.layers.size(); ++l) {
    const PolicyLayer& layer = policy.layers[l];
    names.push_back(layer.name);
    if (layer.is_dense()) {
      tensors.push_back({layer.name + ".weight", Type::f32, layer.shape, bytes_of(layer.values)});
    } else {
      metadata[layer.name + ".shape"] = sizes_text(layer.shape);
      const std::size_t active = layer.values.size();
      tensors.push_back({layer.name + ".values", Type::f32, {active}, bytes_of(layer.values)});
      tensors.push_back({layer.name + ".row_starts", Type::u32, {layer.row_starts.size()}, bytes_of(layer.row_starts)});
      if (column_type(layer.shape) == Type::u16) {
        for (const std::uint32_t column : layer.columns)
          narrow_columns[l].push_back(static_cast<std::uint16_t>(column));
        narrow.push_back({layer.name + ".columns", Type::u16, {active}, bytes_of(narrow_columns[l])});
      } else {
        tensors.push_back({layer.name + ".columns", Type::u32, {active}, bytes_of(layer.columns)});
      }
    }
    tensors.push_back({layer.name + ".bias", Type::f32, {layer.bias.size()}, bytes_of(layer.bias)});
  }
  // Strict UTF-8 checking happens where the whole header is written.
  metadata[kLayers] = names.dump(-1, ' ', false, json::error_handler_t::ignore);
  tensors.insert(tensors.end(), narrow.begin(), narrow.end());
  safetensors::write(file, metadata, tensors);
}

Policy read_policy(const std::filesystem::path& file) { return Reader(file).read(); }

std::size_t stored_bytes(const PolicyLayer& layer) {
  const std::size_t bias = layer.bias.size() * sizeof(float);
  const std::size_t values = layer.values.size() * sizeof(float);
  if (layer.is_dense()) return values + bias;
  const std::size_t columns = layer.columns.size() * safetensors::bytes_of(column_type(layer.shape));
  return values + columns + layer.row_starts.size() * sizeof(std::uint32_t) + bias;
}

}  // namespace eaudeqn
