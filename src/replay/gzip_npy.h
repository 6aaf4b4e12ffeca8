// Gzip'd .npy arrays read and written row by row: the files of the DQN Replay Dataset, which do not fit in memory.
// Small arrays and .npy without gzip: core/npy.h.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace eaudeqn {

// Every function throws Error::failure naming the file: missing, not gzip, damaged, cut short, no .npy. Thread safety:
// one owner each.
class GzipNpyReader {
 public:
  // Opens the file and reads its header.
  explicit GzipNpyReader(const std::filesystem::path& file);
  ~GzipNpyReader();

  const std::string& type() const { return type_; }  // as NpyArray::type
  const std::vector<std::size_t>& shape() const { return shape_; }

  // The next bytes of data, all of them.
  void read(std::span<std::byte> bytes);
  // After the last row: the file must end here, and gzip's checksum be right.
  void expect_end();

 private:
  struct File;
  std::filesystem::path path_;
  std::unique_ptr<File> file_;
  std::string type_;
  std::vector<std::size_t> shape_;
};

// Writes beside the file until `finish`, so that a file of that name is always whole; what is not finished is removed.
class GzipNpyWriter {
 public:
  GzipNpyWriter(const std::filesystem::path& file, const std::string& type, std::span<const std::size_t> shape);
  ~GzipNpyWriter();

  void write(std::span<const std::byte> bytes);
  // All of the shape must have been written.
  void finish();

 private:
  struct File;
  std::filesystem::path path_;
  std::unique_ptr<File> file_;
  std::size_t missing_ = 0;  // bytes
};

}  // namespace eaudeqn
