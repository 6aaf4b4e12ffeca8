// Checkpoint archives: as they are, and with checksums made right. What is accepted must be written to the same bytes.
#include <algorithm>
#include <cstring>

#include "core/archive.h"
#include "core/files.h"
#include "harness.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kTableBytes = 16, kFileBytes = 24, kTableChecksum = 32,
                      kHeader = 40;  // docs/checkpoint_format.md

template <typename T>
T value_at(const Bytes& bytes, std::size_t at) {
  T value{};
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

template <typename T>
void put(Bytes& bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

// The file's size, the sections' checksums as far as the table can be followed, and the table's.
void correct(Bytes& file) {
  if (file.size() < kHeader) return;
  put<std::uint64_t>(file, kFileBytes, file.size());
  const auto table = std::min<std::uint64_t>(value_at<std::uint64_t>(file, kTableBytes), file.size() - kHeader);
  put<std::uint64_t>(file, kTableBytes, table);
  const std::size_t end = kHeader + table;
  for (std::size_t at = kHeader; at + 4 <= end;) {
    const std::uint64_t entry = at + 4 + value_at<std::uint32_t>(file, at);
    if (entry + 24 > end) break;
    const auto offset = value_at<std::uint64_t>(file, entry), size = value_at<std::uint64_t>(file, entry + 8);
    if (offset <= file.size() && size <= file.size() - offset) {
      put(file, entry + 16, checksum(std::span(file).subspan(offset, size)));
    }
    at = entry + 24;
  }
  Bytes covered(file.begin(), file.begin() + kTableChecksum);
  covered.insert(covered.end(), file.begin() + kHeader, file.begin() + static_cast<std::ptrdiff_t>(end));
  put(file, kTableChecksum, checksum(covered));
}

void read(const Bytes& content) {
  const MemoryFile file(content);
  accepted(file.path(), [&] {
    const ArchiveReader archive(file.path());
    for (const char* name : {"config", "step", "a", ""}) {
      if (archive.has(name)) archive.text(name);
      accepted(file.path(), [&] { archive.value<std::int64_t>(name); });
      accepted(file.path(), [&] { archive.values<float>(name); });
    }
  });
}

}  // namespace
}  // namespace eaudeqn

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  eaudeqn::Bytes file(input.begin(), input.end());
  eaudeqn::read(file);
  eaudeqn::correct(file);
  eaudeqn::read(file);
  return 0;
}
