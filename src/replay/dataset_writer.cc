// See dataset_writer.h.
#include "replay/dataset_writer.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/files.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

template <typename T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

}  // namespace

DatasetWriter::DatasetWriter(const DatasetWriterSpec& spec) : spec_(spec) {
  auto bytes = static_cast<std::size_t>(spec.frame_type[1] - '0');
  for (const std::size_t extent : spec.frame_shape) bytes *= extent;
  zeros_.resize(bytes);
  make_output_directory(spec.directory);
  std::error_code code;
  for (const auto& entry : std::filesystem::directory_iterator(spec.directory, code)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("$store$_") || !name.ends_with(".gz")) continue;
    throw Error::usage(spec.directory.string() + ": already holds a dataset; choose another --output");
  }
}
DatasetWriter::~DatasetWriter() = default;

void DatasetWriter::begin_episode() {
  for (std::size_t i = 0; i + 1 < spec_.stack; ++i) add(zeros_, 0, 0, false);
}

void DatasetWriter::add(std::span<const std::byte> frame, std::int32_t action, float reward, bool over) {
  if (full()) return;
  if (written_ % spec_.file_entries == 0) open_files();
  const std::uint8_t terminal = over ? 1 : 0;
  observations_->write(frame);
  actions_->write(bytes_of(action));
  rewards_->write(bytes_of(reward));
  terminals_->write(bytes_of(terminal));
  ++written_;
  if (written_ % spec_.file_entries == 0 || full()) close_files();
}

void DatasetWriter::open_files() {
  const std::uint64_t number = written_ / spec_.file_entries;
  const std::size_t rows = std::min(spec_.file_entries, spec_.entries - written_);
  const auto create = [&](const std::string& part, const std::string& type, std::vector<std::size_t> shape) {
    shape.insert(shape.begin(), rows);
    return std::make_unique<GzipNpyWriter>(spec_.directory / fmt::format("$store$_{}_ckpt.{}.gz", part, number), type,
                                           shape);
  };
  observations_ = create("observation", spec_.frame_type, spec_.frame_shape);
  actions_ = create("action", "i4", {});
  rewards_ = create("reward", "f4", {});
  terminals_ = create("terminal", "u1", {});
}

// The observations appear last: the reader looks for them, and finds the others there.
void DatasetWriter::close_files() {
  const std::uint64_t number = (written_ - 1) / spec_.file_entries;
  write_optional_files(number, written_ - number * spec_.file_entries);
  for (auto* writer : {&terminals_, &rewards_, &actions_, &observations_}) {
    (*writer)->finish();
    writer->reset();
  }
}

// Dopamine's ring buffer of one file's length has its cursor at the beginning when the file is full: the observations
// around it do not follow each other.
void DatasetWriter::write_optional_files(std::uint64_t number, std::size_t rows) {
  const auto added = static_cast<std::int64_t>(written_);
  GzipNpyWriter count(spec_.directory / fmt::format("add_count_ckpt.{}.gz", number), "i8", {});
  count.write(bytes_of(added));
  count.finish();
  std::vector<double> invalid;
  for (std::size_t i = 0; i < spec_.stack + 1; ++i) invalid.push_back(static_cast<double>((rows - 1 + i) % rows));
  const std::size_t size = invalid.size();
  GzipNpyWriter range(spec_.directory / fmt::format("invalid_range_ckpt.{}.gz", number), "f8", std::span(&size, 1));
  range.write(std::as_bytes(std::span(invalid)));
  range.finish();
}

}  // namespace eaudeqn
