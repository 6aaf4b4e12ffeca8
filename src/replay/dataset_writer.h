// Writes what an agent sees and does as files of the DQN Replay Dataset (format and reader: dataset.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "replay/gzip_npy.h"

namespace eaudeqn {

struct DatasetWriterSpec {
  std::filesystem::path directory;       // made if it is not there
  std::string frame_type = "u1";         // "u1" or "f4"
  std::vector<std::size_t> frame_shape;  // {84, 84}
  std::size_t stack = 4;
  std::uint64_t entries = 0;  // of all files
  std::uint64_t file_entries = 1'000'000;
};

// As Dopamine writes them: stack - 1 entries of zeros before each episode; a truncated episode ends with terminal = 1,
// because the format has no other end. A file appears when it is whole. Throws Error::usage if the folder holds a
// dataset, Error::failure for what cannot be written. Thread safety: one owner.
class DatasetWriter {
 public:
  explicit DatasetWriter(const DatasetWriterSpec& spec);
  ~DatasetWriter();

  void begin_episode();
  // `frame` is the newest one before the action; `over`: the action ended the episode. Ignored once full().
  void add(std::span<const std::byte> frame, std::int32_t action, float reward, bool over);

  std::uint64_t written() const { return written_; }
  bool full() const { return written_ == spec_.entries; }  // the last file is whole then

 private:
  void open_files();
  void close_files();
  void write_optional_files(std::uint64_t number, std::size_t rows);

  DatasetWriterSpec spec_;
  std::vector<std::byte> zeros_;
  std::uint64_t written_ = 0;
  std::unique_ptr<GzipNpyWriter> observations_, actions_, rewards_, terminals_;
};

}  // namespace eaudeqn
