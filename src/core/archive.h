// A checksummed container of named byte sections, the form of a checkpoint file. Format: docs/checkpoint_format.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "eaudeqn/error.h"

namespace eaudeqn {

// Collects sections, then writes them atomically. Section names are unique ("network0/conv1/values").
class ArchiveWriter {
 public:
  void add_bytes(const std::string& name, std::span<const std::byte> bytes);  // copies
  template <typename T>
  void add(const std::string& name, std::span<const T> values) {
    static_assert(std::is_trivially_copyable_v<T>);
    add_bytes(name, std::as_bytes(values));
  }
  template <typename T>
  void add_value(const std::string& name, const T& value) {
    add(name, std::span<const T>(&value, 1));
  }
  void add_text(const std::string& name, const std::string& text);

  // Throws Error::failure as write_file_atomically.
  void write(const std::filesystem::path& file) const;

 private:
  std::vector<std::pair<std::string, std::vector<std::byte>>> sections_;
};

// Reads and verifies a whole archive in its constructor: magic, version, table bounds (no overlap, no holes, no
// trailing bytes), checksum of the table and of every section. Throws Error::failure naming the file and the check that
// failed.
class ArchiveReader {
 public:
  explicit ArchiveReader(const std::filesystem::path& file);

  bool has(const std::string& name) const;
  std::vector<std::string> names() const;                           // in the file's order
  std::span<const std::byte> bytes(const std::string& name) const;  // throws Error::failure when missing
  std::string text(const std::string& name) const;
  template <typename T>
  std::vector<T> values(const std::string& name) const {
    static_assert(std::is_trivially_copyable_v<T>);
    const auto raw = bytes(name);
    if (raw.size() % sizeof(T) != 0) throw wrong_size(name);
    std::vector<T> out(raw.size() / sizeof(T));
    if (!raw.empty()) std::memcpy(out.data(), raw.data(), raw.size());
    return out;
  }
  template <typename T>
  T value(const std::string& name) const {
    const auto all = values<T>(name);
    if (all.size() != 1) throw wrong_size(name);
    return all[0];
  }
  const std::filesystem::path& file() const { return file_; }

 private:
  Error wrong_size(const std::string& name) const;

  std::filesystem::path file_;
  std::vector<std::byte> content_;
  std::vector<std::pair<std::string, std::span<const std::byte>>> sections_;
};

}  // namespace eaudeqn
