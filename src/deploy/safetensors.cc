// Container format of the policy file: see safetensors.h. The reader takes every byte of the file for hostile.
#include "deploy/safetensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/files.h"
#include "eaudeqn/error.h"

namespace eaudeqn::safetensors {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the file is little endian and so is this code");

constexpr const char* kMetadata = "__metadata__";
constexpr const char* kDataChecksum = "data_xxh3";
constexpr const char* kMetadataChecksum = "metadata_xxh3";
constexpr std::uint64_t kMaximumHeaderBytes = 100'000'000;  // as every safetensors reader
constexpr std::size_t kLengthBytes = sizeof(std::uint64_t);

std::string checksum_text(std::span<const std::byte> bytes) { return fmt::format("{:016x}", checksum(bytes)); }

std::string checksum_text(const std::string& text) { return checksum_text(std::as_bytes(std::span(text))); }

// Of a header without its kMetadataChecksum. Json sorts keys and dumps without spaces.
std::string canonical_checksum(const Json& header) { return checksum_text(header.dump()); }

// nullopt when the product overflows.
std::optional<std::size_t> bytes_of(const std::vector<std::size_t>& shape, Type type) {
  std::size_t bytes = safetensors::bytes_of(type);
  for (const std::size_t dimension : shape) {
    if (dimension != 0 && bytes > std::numeric_limits<std::size_t>::max() / dimension) return std::nullopt;
    bytes *= dimension;
  }
  return bytes;
}

Json parse_header(const std::filesystem::path& file, const char* begin, const char* end) {
  if (*begin != '{') refuse(file, "the header does not begin with '{'");
  // The parser takes a zero byte for the end and would not look at what follows.
  if (std::find(begin, end, '\0') != end) refuse(file, "the header is not JSON (it holds a zero byte)");
  // The parser keeps the last of two equal keys; another reader may keep the first.
  std::vector<std::set<std::string>> keys;
  const auto check_keys = [&](int, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) keys.emplace_back();
    if (event == Json::parse_event_t::object_end) keys.pop_back();
    if (event == Json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second) {
      refuse(file, "a key appears twice in the header");
    }
    return true;
  };
  try {
    Json header = Json::parse(begin, end, check_keys);
    if (!header.is_object()) refuse(file, "the header is not a JSON object");
    return header;
  } catch (const Json::parse_error& error) {
    refuse(file, fmt::format("the header is not JSON (at its byte {})", error.byte));
  } catch (const Json::exception&) {
    refuse(file, "the header holds a number out of range");
  }
}

std::map<std::string, std::string> parse_metadata(const std::filesystem::path& file, const Json& header) {
  const auto found = header.find(kMetadata);
  if (found == header.end() || !found->is_object()) refuse(file, "the header has no metadata");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : found->items()) {
    if (!value.is_string()) refuse(file, "metadata must be text");
    metadata.emplace(key, value.get<std::string>());
  }
  return metadata;
}

Type parse_type(const std::filesystem::path& file, const std::string& tensor, const Json& name) {
  for (const Type type : {Type::f32, Type::u16, Type::u32, Type::i8, Type::u8}) {
    if (name == name_of(type)) return type;
  }
  refuse(file, fmt::format("tensor '{}': unknown type", tensor));
}

std::vector<std::size_t> parse_sizes(const std::filesystem::path& file, const std::string& tensor, const Json& array) {
  if (!array.is_array()) refuse(file, fmt::format("tensor '{}': shape and data_offsets must be arrays", tensor));
  std::vector<std::size_t> sizes;
  for (const Json& size : array) {
    if (!size.is_number_unsigned()) refuse(file, fmt::format("tensor '{}': sizes must be whole numbers", tensor));
    sizes.push_back(size.get<std::size_t>());
  }
  return sizes;
}

Tensor parse_tensor(const std::filesystem::path& file, const std::string& name, const Json& entry,
                    std::span<const std::byte> data) {
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") || !entry.contains("shape") ||
      !entry.contains("data_offsets")) {
    refuse(file, fmt::format("tensor '{}' needs dtype, shape and data_offsets", name));
  }
  Tensor tensor{name, parse_type(file, name, entry["dtype"]), parse_sizes(file, name, entry["shape"]), {}};
  const auto offsets = parse_sizes(file, name, entry["data_offsets"]);
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data.size()) {
    refuse(file, fmt::format("tensor '{}' lies outside of the file", name));
  }
  if (bytes_of(tensor.shape, tensor.type) != offsets[1] - offsets[0]) {
    refuse(file, fmt::format("tensor '{}': its shape and its size disagree", name));
  }
  tensor.data = data.subspan(offsets[0], offsets[1] - offsets[0]);
  return tensor;
}

// Tensors fill `data` side by side, with neither hole nor overlap.
void check_layout(const std::filesystem::path& file, const std::map<std::string, Tensor>& tensors,
                  std::span<const std::byte> data) {
  std::vector<std::span<const std::byte>> pieces;
  pieces.reserve(pieces.size() + tensors.size());
  for (const auto& [name, tensor] : tensors) pieces.push_back(tensor.data);
  std::sort(pieces.begin(), pieces.end(), [](const auto& a, const auto& b) {
    return a.data() != b.data() ? a.data() < b.data() : a.size() < b.size();
  });
  const std::byte* end = data.data();
  for (const auto& piece : pieces) {
    if (piece.data() != end) refuse(file, "tensors overlap or leave a hole");
    end = piece.data() + piece.size();
  }
  if (end != data.data() + data.size()) refuse(file, "bytes follow the last tensor");
}

// Takes both checksums out of `header`.
void check_checksums(const std::filesystem::path& file, Json header, std::span<const std::byte> data) {
  Json& metadata = header[kMetadata];
  if (!metadata.contains(kDataChecksum) || !metadata.contains(kMetadataChecksum)) {
    refuse(file, "its checksums are missing, so it was not written by this program");
  }
  const std::string stated = metadata[kMetadataChecksum].get<std::string>();
  if (metadata[kDataChecksum] != checksum_text(data)) refuse(file, "the tensors are damaged (checksum)");
  metadata.erase(kMetadataChecksum);
  if (stated != canonical_checksum(header)) refuse(file, "the header is damaged (checksum)");
}

}  // namespace

std::size_t bytes_of(Type type) {
  switch (type) {
    case Type::i8:
    case Type::u8:
      return 1;
    case Type::u16:
      return 2;
    case Type::f32:
    case Type::u32:
      return 4;
  }
  return 0;
}

const char* name_of(Type type) {
  switch (type) {
    case Type::f32:
      return "F32";
    case Type::u16:
      return "U16";
    case Type::u32:
      return "U32";
    case Type::i8:
      return "I8";
    case Type::u8:
      return "U8";
  }
  return "";
}

void refuse(const std::filesystem::path& file, std::string problem) {
  // Names come from the file, and an error is one line.
  for (char& c : problem) {
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = '?';
  }
  throw Error::failure(fmt::format("{}: not a valid policy file: {}; copy or export it again", file.string(), problem));
}

void write(const std::filesystem::path& file, const std::map<std::string, std::string>& metadata,
           std::span<const Tensor> tensors) {
  std::vector<std::byte> data;
  nlohmann::ordered_json header = {{kMetadata, metadata}};
  for (const Tensor& tensor : tensors) {
    const std::size_t begin = data.size();
    data.insert(data.end(), tensor.data.begin(), tensor.data.end());
    header[tensor.name] = {
        {"dtype", name_of(tensor.type)}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  std::string text;
  try {
    header[kMetadata][kDataChecksum] = checksum_text(data);
    header[kMetadata][kMetadataChecksum] = canonical_checksum(Json(header));
    text = header.dump();
  } catch (const Json::type_error&) {
    throw Error::failure(
        fmt::format("{}: cannot write a policy file: a name or its metadata is not UTF-8 text; correct "
                    "the text in the config",
                    file.string()));
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');  // tensors begin at a multiple of 8
  const std::uint64_t length = text.size();
  const std::span<const std::byte> pieces[] = {std::as_bytes(std::span(&length, 1)), std::as_bytes(std::span(text)),
                                               data};
  write_file_atomically(file, pieces);
}

File::File(const std::filesystem::path& file) : content_(read_file(file)) {
  if (content_.size() < kLengthBytes) refuse(file, "too short to hold a header");
  std::uint64_t length = 0;
  std::memcpy(&length, content_.data(), kLengthBytes);
  if (length == 0 || length > kMaximumHeaderBytes) refuse(file, "the header's length is not between 1 byte and 100 MB");
  if (length > content_.size() - kLengthBytes) refuse(file, "the file ends inside its header");

  const char* text = reinterpret_cast<const char*>(content_.data()) + kLengthBytes;
  const std::span<const std::byte> data = std::span<const std::byte>(content_).subspan(kLengthBytes + length);
  const Json header = parse_header(file, text, text + length);
  metadata_ = parse_metadata(file, header);
  for (const auto& [name, entry] : header.items()) {
    if (name != kMetadata) tensors_.emplace(name, parse_tensor(file, name, entry, data));
  }
  check_layout(file, tensors_, data);
  check_checksums(file, header, data);
  metadata_.erase(kDataChecksum);
  metadata_.erase(kMetadataChecksum);
}

}  // namespace eaudeqn::safetensors
