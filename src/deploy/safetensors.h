// The safetensors container (https://huggingface.co/docs/safetensors): named tensors and text, in one checked file.
// Knows nothing of layers or policies. Little endian only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace eaudeqn::safetensors {

enum class Type { f32, u16, u32, i8, u8 };

std::size_t bytes_of(Type type);
const char* name_of(Type type);  // "F32"

struct Tensor {
  std::string name;
  Type type = Type::f32;
  std::vector<std::size_t> shape;
  std::span<const std::byte> data;  // not owned

  std::size_t elements() const { return data.size() / bytes_of(type); }
};

// Writes the tensors in the given order behind a header padded to a multiple of 8 bytes. Adds "data_xxh3" and
// "metadata_xxh3" to the metadata: XXH3 of the tensor bytes, and of the header's JSON without "metadata_xxh3" in its
// canonical form (keys sorted, no spaces), so that no damaged byte goes unnoticed. Atomic. Throws Error::failure: text
// that is not UTF-8, the disk. Names are unique; shape and type agree with the size of the data.
void write(const std::filesystem::path& file, const std::map<std::string, std::string>& metadata,
           std::span<const Tensor> tensors);

// A whole file, verified in the constructor: header length (at most 100 MB), JSON without duplicate keys, types,
// shapes, tensors side by side from the first data byte to the last, both checksums. Throws Error::failure naming the
// file and the check that failed. `tensors()` point into the object.
class File {
 public:
  explicit File(const std::filesystem::path& file);
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // Without the two checksums.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const std::map<std::string, Tensor>& tensors() const { return tensors_; }

 private:
  std::vector<std::byte> content_;
  std::map<std::string, std::string> metadata_;
  std::map<std::string, Tensor> tensors_;
};

// The error of every check: "FILE: not a valid policy file: PROBLEM; copy or export it again".
[[noreturn]] void refuse(const std::filesystem::path& file, std::string problem);

}  // namespace eaudeqn::safetensors
