#include "core/archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <set>

#include "core/files.h"
#include "core/test_directory.h"

namespace eaudeqn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// Hundreds of files need no syncing, which some file systems also do when a file is overwritten.
void write_quickly(const std::filesystem::path& file, std::span<const std::byte> content) {
  std::filesystem::remove(file);
  std::ofstream out(file, std::ios::binary);
  out.write(reinterpret_cast<const char*>(content.data()), static_cast<std::streamsize>(content.size()));
}

void write_small(const std::filesystem::path& file) {
  ArchiveWriter writer;
  writer.add_value<std::int64_t>("step", 42);
  writer.add("network0/conv1/values", std::span<const float>(std::vector<float>{1.5f, -2.0f, 0.0f}));
  writer.add_text("config", "seed = 1\n");
  writer.add_bytes("empty", {});
  writer.write(file);
}

TEST(Archive, GivesBackWhatWasAdded) {
  const TestDirectory directory;
  write_small(directory / "a");
  const ArchiveReader reader(directory / "a");
  EXPECT_EQ(reader.value<std::int64_t>("step"), 42);
  EXPECT_THAT(reader.values<float>("network0/conv1/values"), ElementsAre(1.5f, -2.0f, 0.0f));
  EXPECT_EQ(reader.text("config"), "seed = 1\n");
  EXPECT_TRUE(reader.has("empty"));
  EXPECT_TRUE(reader.values<double>("empty").empty());
  EXPECT_FALSE(reader.has("network1/conv1/values"));
  EXPECT_EQ(reader.file(), directory / "a");
}

TEST(Archive, WithoutSectionsIsValid) {
  const TestDirectory directory;
  ArchiveWriter().write(directory / "a");
  EXPECT_FALSE(ArchiveReader(directory / "a").has(""));
}

TEST(Archive, EqualContentGivesEqualBytes) {
  const TestDirectory directory;
  write_small(directory / "a");
  write_small(directory / "b");
  EXPECT_EQ(read_file(directory / "a"), read_file(directory / "b"));
}

// The documented layout, byte by byte where it is not a checksum.
TEST(Archive, HasTheDocumentedLayout) {
  const TestDirectory directory;
  ArchiveWriter writer;
  writer.add_text("ab", "xyz");
  writer.write(directory / "a");
  const auto content = read_file(directory / "a");
  ASSERT_EQ(content.size(), 40u + (4 + 2 + 24) + 3);
  const auto at = [&](std::size_t offset, std::size_t size) {
    std::uint64_t value = 0;
    std::memcpy(&value, content.data() + offset, size);
    return value;
  };
  EXPECT_EQ(std::memcmp(content.data(), "EAUDEQN\x1A", 8), 0);
  EXPECT_EQ(at(8, 4), 1u);    // version
  EXPECT_EQ(at(12, 4), 1u);   // sections
  EXPECT_EQ(at(16, 8), 30u);  // bytes of the table
  EXPECT_EQ(at(24, 8), 73u);  // bytes of the file
  std::vector<std::byte> covered(content.begin(), content.begin() + 32);
  covered.insert(covered.end(), content.begin() + 40, content.begin() + 70);
  EXPECT_EQ(at(32, 8), checksum(covered));
  EXPECT_EQ(at(40, 4), 2u);  // bytes of the name
  EXPECT_EQ(std::memcmp(content.data() + 44, "ab", 2), 0);
  EXPECT_EQ(at(46, 8), 70u);  // offset
  EXPECT_EQ(at(54, 8), 3u);   // size
  EXPECT_EQ(at(62, 8), checksum(std::as_bytes(std::span("xyz", 3))));
  EXPECT_EQ(std::memcmp(content.data() + 70, "xyz", 3), 0);
}

TEST(Archive, MissingAndMissizedSectionsAreNamed) {
  const TestDirectory directory;
  write_small(directory / "a");
  const ArchiveReader reader(directory / "a");
  const std::string missing = failure_message([&] { reader.bytes("replay"); });
  EXPECT_THAT(missing, HasSubstr((directory / "a").string()));
  EXPECT_THAT(missing, HasSubstr("no section \"replay\""));
  EXPECT_THAT(failure_message([&] { reader.values<double>("network0/conv1/values"); }),
              HasSubstr("\"network0/conv1/values\" has 12 bytes"));
  EXPECT_THAT(failure_message([&] { reader.value<float>("network0/conv1/values"); }), HasSubstr("not the size"));
  EXPECT_THAT(failure_message([&] { reader.value<float>("empty"); }), HasSubstr("not the size"));
}

TEST(Archive, RefusesANameTwiceAndNoName) {
  ArchiveWriter writer;
  writer.add_text("a", "");
  EXPECT_THAT(failure_message([&] { writer.add_text("a", ""); }), HasSubstr("\"a\""));
  failure_message([&] { writer.add_text("", ""); });
}

// Every byte changed in three ways, every length: never accepted, always named, never a crash.
TEST(Archive, DetectsEveryChangedByte) {
  const TestDirectory directory;
  write_small(directory / "a");
  const auto good = read_file(directory / "a");
  for (const unsigned flip : {0x01u, 0x80u, 0xFFu}) {
    for (std::size_t i = 0; i < good.size(); ++i) {
      auto bad = good;
      bad[i] ^= static_cast<std::byte>(flip);
      write_quickly(directory / "b", bad);
      const std::string message = failure_message([&] { ArchiveReader reader(directory / "b"); });
      ASSERT_THAT(message, HasSubstr((directory / "b").string() + ": ")) << "byte " << i;
    }
  }
}

TEST(Archive, DetectsEveryTruncationAndTrailingBytes) {
  const TestDirectory directory;
  write_small(directory / "a");
  const auto good = read_file(directory / "a");
  for (std::size_t size = 0; size < good.size(); ++size) {
    write_quickly(directory / "b", std::span(good).first(size));
    const std::string message = failure_message([&] { ArchiveReader reader(directory / "b"); });
    ASSERT_THAT(message, HasSubstr("damaged")) << size;
  }
  auto longer = good;
  longer.push_back(std::byte{0});
  write_quickly(directory / "b", longer);
  EXPECT_THAT(failure_message([&] { ArchiveReader reader(directory / "b"); }), HasSubstr("its header says"));
}

TEST(Archive, SaysWhichCheckFailed) {
  const TestDirectory directory;
  write_small(directory / "a");
  const auto good = read_file(directory / "a");
  const auto message_with_changed_byte = [&](std::size_t i) {
    auto bad = good;
    bad[i] ^= std::byte{1};
    write_quickly(directory / "b", bad);
    return failure_message([&] { ArchiveReader reader(directory / "b"); });
  };
  EXPECT_THAT(message_with_changed_byte(0), HasSubstr("wrong magic"));
  EXPECT_THAT(message_with_changed_byte(8), HasSubstr("format version 0"));
  EXPECT_THAT(message_with_changed_byte(24), HasSubstr("the file has"));
  EXPECT_THAT(message_with_changed_byte(45), HasSubstr("checksum of the section table"));
  EXPECT_THAT(message_with_changed_byte(good.size() - 1), HasSubstr("checksum of section \"config\""));
}

// Files whose checksums are right and whose table lies, as an attacker or a bug would write them: only the bounds
// checks stand between them and memory.
class ForgedArchive : public testing::Test {
 protected:
  struct Entry {
    std::string name;
    std::uint64_t offset = 0, size = 0;
  };

  template <typename T>
  static void append(std::vector<std::byte>& to, const T& value) {
    const auto bytes = std::as_bytes(std::span<const T>(&value, 1));
    to.insert(to.end(), bytes.begin(), bytes.end());
  }

  // The message for a file with this table, over `data`; offsets count from the start of the data.
  std::string message(const std::vector<Entry>& entries, const std::string& data, std::uint32_t sections,
                      const std::function<void(std::vector<std::byte>&)>& change_table = {}) {
    std::vector<std::byte> table;
    std::size_t table_bytes = 0;
    for (const Entry& entry : entries) table_bytes += 4 + entry.name.size() + 24;
    for (const Entry& entry : entries) {
      append(table, static_cast<std::uint32_t>(entry.name.size()));
      for (const char c : entry.name) table.push_back(static_cast<std::byte>(c));
      append(table, 40 + table_bytes + entry.offset);
      append(table, entry.size);
      const bool inside = entry.offset <= data.size() && entry.size <= data.size() - entry.offset;
      append(table, inside ? checksum(std::as_bytes(std::span(data)).subspan(entry.offset, entry.size)) : 0);
    }
    if (change_table) change_table(table);
    std::vector<std::byte> file;
    for (const char c : std::string("EAUDEQN\x1A")) file.push_back(static_cast<std::byte>(c));
    append(file, std::uint32_t{1});
    append(file, sections);
    append(file, std::uint64_t{table.size()});
    append(file, std::uint64_t{40 + table.size() + data.size()});
    std::vector<std::byte> covered = file;
    covered.insert(covered.end(), table.begin(), table.end());
    append(file, checksum(covered));
    file.insert(file.end(), table.begin(), table.end());
    for (const char c : data) file.push_back(static_cast<std::byte>(c));
    write_quickly(directory_ / "forged", file);
    return failure_message([&] { ArchiveReader reader(directory_ / "forged"); });
  }

  TestDirectory directory_;
};

TEST_F(ForgedArchive, WithOverlapsHolesOrSectionsOutsideIsRefused) {
  constexpr std::uint64_t kHuge = ~std::uint64_t{0};
  EXPECT_THAT(message({{"a", 0, 3}, {"b", 2, 2}}, "wxyz", 2), HasSubstr("section \"b\" does not follow"));
  EXPECT_THAT(message({{"a", 0, 1}, {"b", 2, 2}}, "wxyz", 2), HasSubstr("section \"b\" does not follow"));
  EXPECT_THAT(message({{"a", 0, 5}}, "wxyz", 1), HasSubstr("section \"a\""));
  EXPECT_THAT(message({{"a", 0, kHuge}}, "wxyz", 1), HasSubstr("section \"a\""));
  EXPECT_THAT(message({{"a", kHuge, 4}}, "wxyz", 1), HasSubstr("section \"a\""));
  EXPECT_THAT(message({{"a", 0, 4}, {"b", 4, kHuge - 3}}, "wxyz", 2), HasSubstr("section \"b\""));
  EXPECT_THAT(message({{"a", 0, 3}}, "wxyz", 1), HasSubstr("bytes after the last section"));
}

TEST_F(ForgedArchive, WithRepeatedOrEmptyNamesIsRefused) {
  EXPECT_THAT(message({{"a", 0, 2}, {"a", 2, 2}}, "wxyz", 2), HasSubstr("empty or repeated"));
  EXPECT_THAT(message({{"", 0, 4}}, "wxyz", 1), HasSubstr("empty or repeated"));
}

TEST_F(ForgedArchive, WithLineBreaksInANameIsRefusedInOneLine) {
  EXPECT_THAT(message({{"a\n\x80", 1, 3}}, "wxyz", 1), HasSubstr("section \"a??\" does not follow"));
}

TEST_F(ForgedArchive, WithAWrongCountOrNameLengthIsRefused) {
  EXPECT_THAT(message({{"a", 0, 4}}, "wxyz", 2), HasSubstr("table ends early"));
  EXPECT_THAT(message({{"a", 0, 4}}, "wxyz", 0xFFFFFFFF), HasSubstr("table ends early"));
  EXPECT_THAT(message({{"a", 0, 2}, {"b", 2, 2}}, "wxyz", 1), HasSubstr("after the last entry"));
  const auto long_name = [](std::vector<std::byte>& table) { table[3] = std::byte{0xFF}; };
  EXPECT_THAT(message({{"a", 0, 4}}, "wxyz", 1, long_name), HasSubstr("table ends early"));
}

TEST(Archive, OfNoFileSaysSo) {
  EXPECT_THAT(failure_message([] { ArchiveReader reader("/nonexistent/a"); }), HasSubstr("/nonexistent/a"));
}

}  // namespace
}  // namespace eaudeqn
