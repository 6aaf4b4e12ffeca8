// Layout (docs/checkpoint_format.md): header of 40 bytes, table, the sections' bytes one after the other, nothing else.
#include "core/archive.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <unordered_set>

#include "core/files.h"

namespace eaudeqn {
namespace {

static_assert(std::endian::native == std::endian::little, "files are little endian and are copied as they are");

constexpr std::array<char, 8> kMagic = {'E', 'A', 'U', 'D', 'E', 'Q', 'N', '\x1A'};
constexpr std::uint32_t kVersion = 1;

struct Header {
  std::array<char, 8> magic = kMagic;
  std::uint32_t version = kVersion;
  std::uint32_t sections = 0;
  std::uint64_t table_bytes = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t table_checksum = 0;  // of everything before this field, then the table
};
static_assert(sizeof(Header) == 40 && std::is_trivially_copyable_v<Header>);
constexpr std::size_t kChecksummedHeaderBytes = offsetof(Header, table_checksum);

std::uint64_t table_checksum(const Header& header, std::span<const std::byte> table) {
  std::vector<std::byte> bytes(kChecksummedHeaderBytes + table.size());
  std::memcpy(bytes.data(), &header, kChecksummedHeaderBytes);
  if (!table.empty()) std::memcpy(bytes.data() + kChecksummedHeaderBytes, table.data(), table.size());
  return checksum(bytes);
}

void append(std::vector<std::byte>& to, std::span<const std::byte> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

template <typename T>
void append_value(std::vector<std::byte>& to, const T& value) {
  append(to, std::as_bytes(std::span<const T>(&value, 1)));
}

// Takes values off the front of the table; every length is checked against what is there before it is believed.
class TableParser {
 public:
  TableParser(std::span<const std::byte> rest, const std::filesystem::path& file) : rest_(rest), file_(file) {}

  template <typename T>
  T value() {
    T out;
    std::memcpy(&out, take(sizeof(T)).data(), sizeof(T));
    return out;
  }
  std::string name() {
    const auto length = value<std::uint32_t>();
    const auto bytes = take(length);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  bool at_end() const { return rest_.empty(); }

 private:
  std::span<const std::byte> take(std::size_t size) {
    if (size > rest_.size()) {
      throw Error::failure(fmt::format("{}: damaged: the section table ends early; use another copy", file_.string()));
    }
    const auto front = rest_.first(size);
    rest_ = rest_.subspan(size);
    return front;
  }

  std::span<const std::byte> rest_;
  const std::filesystem::path& file_;
};

}  // namespace

void ArchiveWriter::add_bytes(const std::string& name, std::span<const std::byte> bytes) {
  const bool known = std::any_of(sections_.begin(), sections_.end(), [&](const auto& s) { return s.first == name; });
  if (name.empty() || known) {
    throw Error::failure(fmt::format("archive section \"{}\" added twice or without a name; this is a bug", name));
  }
  sections_.emplace_back(name, std::vector<std::byte>(bytes.begin(), bytes.end()));
}

void ArchiveWriter::add_text(const std::string& name, const std::string& text) {
  add_bytes(name, std::as_bytes(std::span(text)));
}

void ArchiveWriter::write(const std::filesystem::path& file) const {
  Header header;
  header.sections = static_cast<std::uint32_t>(sections_.size());
  for (const auto& [name, bytes] : sections_) header.table_bytes += 4 + name.size() + 3 * 8;

  std::vector<std::byte> table;
  table.reserve(header.table_bytes);
  std::uint64_t offset = sizeof(Header) + header.table_bytes;
  for (const auto& [name, bytes] : sections_) {
    append_value(table, static_cast<std::uint32_t>(name.size()));
    append(table, std::as_bytes(std::span(name)));
    append_value(table, offset);
    append_value(table, static_cast<std::uint64_t>(bytes.size()));
    append_value(table, checksum(bytes));
    offset += bytes.size();
  }
  header.file_bytes = offset;
  header.table_checksum = table_checksum(header, table);

  std::vector<std::span<const std::byte>> pieces = {std::as_bytes(std::span<const Header>(&header, 1)), table};
  for (const auto& [name, bytes] : sections_) pieces.emplace_back(bytes);
  write_file_atomically(file, pieces);
}

ArchiveReader::ArchiveReader(const std::filesystem::path& file) : file_(file), content_(read_file(file)) {
  const auto refuse = [&](const std::string& what) {
    throw Error::failure(fmt::format("{}: {}; use another copy", file_.string(), what));
  };
  const std::span<const std::byte> content(content_);
  Header header;
  if (content.size() < sizeof(header))
    refuse(fmt::format("damaged: {} bytes are too few for a header", content.size()));
  std::memcpy(&header, content.data(), sizeof(header));
  if (header.magic != kMagic) refuse("not an eaudeqn archive (wrong magic)");
  if (header.version != kVersion)
    refuse(fmt::format("format version {} is unknown to this program, which reads {}", header.version, kVersion));
  if (header.file_bytes != content.size())
    refuse(fmt::format("damaged: the file has {} bytes, its header says {}", content.size(), header.file_bytes));
  if (header.table_bytes > content.size() - sizeof(header))
    refuse("damaged: the section table is longer than the file");
  const auto table = content.subspan(sizeof(header), header.table_bytes);
  if (header.table_checksum != table_checksum(header, table)) refuse("damaged: wrong checksum of the section table");

  TableParser parser(table, file_);
  std::unordered_set<std::string> names;
  std::uint64_t expected_offset = sizeof(header) + header.table_bytes;
  for (std::uint32_t i = 0; i < header.sections; ++i) {
    const std::string name = parser.name();
    const auto offset = parser.value<std::uint64_t>();
    const auto size = parser.value<std::uint64_t>();
    const auto expected_checksum = parser.value<std::uint64_t>();
    if (name.empty() || !names.insert(name).second)
      refuse(fmt::format("damaged: section name \"{}\" is empty or repeated", printable(name)));
    if (offset != expected_offset || size > content.size() - offset)
      refuse(fmt::format("damaged: section \"{}\" does not follow the one before or leaves the file", printable(name)));
    const auto bytes = content.subspan(offset, size);
    if (expected_checksum != checksum(bytes))
      refuse(fmt::format("damaged: wrong checksum of section \"{}\"", printable(name)));
    sections_.emplace_back(name, bytes);
    expected_offset += size;
  }
  if (!parser.at_end()) refuse("damaged: bytes after the last entry of the section table");
  if (expected_offset != content.size()) refuse("damaged: bytes after the last section");
}

std::vector<std::string> ArchiveReader::names() const {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : sections_) names.push_back(name);
  return names;
}

bool ArchiveReader::has(const std::string& name) const {
  return std::any_of(sections_.begin(), sections_.end(), [&](const auto& section) { return section.first == name; });
}

std::span<const std::byte> ArchiveReader::bytes(const std::string& name) const {
  for (const auto& [known, section] : sections_) {
    if (known == name) return section;
  }
  throw Error::failure(fmt::format("{}: no section \"{}\"; it was written by another version or for another purpose",
                                   file_.string(), name));
}

std::string ArchiveReader::text(const std::string& name) const {
  const auto raw = bytes(name);
  return {reinterpret_cast<const char*>(raw.data()), raw.size()};
}

Error ArchiveReader::wrong_size(const std::string& name) const {
  return Error::failure(
      fmt::format("{}: section \"{}\" has {} bytes, which is not the size expected of it; it was written by another "
                  "version or for another config",
                  file_.string(), name, bytes(name).size()));
}

}  // namespace eaudeqn
