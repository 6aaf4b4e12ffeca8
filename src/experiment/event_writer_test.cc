// Event files, read back by an independent little decoder. The real TensorBoard reads them in
// tests/conformance/test_event_file.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/files.h"
#include "core/test_directory.h"
#include "eaudeqn/error.h"
#include "experiment/metrics.h"

namespace eaudeqn {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Event {
  double wall_time = 0;
  std::int64_t step = 0;
  std::string file_version, tag;
  float value = 0;
  bool session_start = false;
};

// crc32c bit by bit, as its definition goes.
std::uint32_t masked_crc32c(const std::string& bytes) {
  std::uint32_t crc = 0xffffffffu;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
  }
  crc = ~crc;
  return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

class Decoder {
 public:
  explicit Decoder(std::string bytes) : bytes_(std::move(bytes)) {}

  bool done() const { return position_ == bytes_.size(); }
  std::string take(std::size_t n) {
    if (n > bytes_.size() - position_) throw std::runtime_error("truncated");
    position_ += n;
    return bytes_.substr(position_ - n, n);
  }
  template <typename T>
  T raw() {
    T value;
    const std::string bytes = take(sizeof value);
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
  }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }
  std::string bytes() { return take(varint()); }

 private:
  std::string bytes_;
  std::size_t position_ = 0;
};

void decode_summary(const std::string& bytes, Event& event) {
  Decoder summary(bytes);
  EXPECT_EQ(summary.varint(), 0x0au);
  Decoder value(summary.bytes());
  EXPECT_TRUE(summary.done());
  EXPECT_EQ(value.varint(), 0x0au);
  event.tag = value.bytes();
  EXPECT_EQ(value.varint(), 0x15u);
  event.value = value.raw<float>();
  EXPECT_TRUE(value.done());
}

Event decode_event(const std::string& bytes) {
  Event event;
  Decoder decoder(bytes);
  while (!decoder.done()) {
    switch (const auto key = decoder.varint()) {
      case 0x09:
        event.wall_time = decoder.raw<double>();
        break;
      case 0x10:
        event.step = static_cast<std::int64_t>(decoder.varint());
        break;
      case 0x1a:
        event.file_version = decoder.bytes();
        break;
      case 0x2a:
        decode_summary(decoder.bytes(), event);
        break;
      case 0x3a:
        EXPECT_EQ(decoder.bytes(), "\x08\x01");
        event.session_start = true;
        break;
      default:
        ADD_FAILURE() << "unknown field key " << key;
        return event;
    }
  }
  return event;
}

std::vector<Event> read_events(const std::filesystem::path& file) {
  const auto content = read_file(file);
  Decoder decoder(std::string(reinterpret_cast<const char*>(content.data()), content.size()));
  std::vector<Event> events;
  while (!decoder.done()) {
    const std::string length = decoder.take(8);
    EXPECT_EQ(decoder.raw<std::uint32_t>(), masked_crc32c(length));
    const std::string data = decoder.take(Decoder(length).raw<std::uint64_t>());
    EXPECT_EQ(decoder.raw<std::uint32_t>(), masked_crc32c(data));
    events.push_back(decode_event(data));
  }
  return events;
}

// In the order of their names.
std::vector<std::filesystem::path> event_files(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().filename().string().starts_with("events.out.tfevents.")) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<std::pair<std::string, float>> scalars(const std::vector<Event>& events) {
  std::vector<std::pair<std::string, float>> out;
  for (const Event& event : events) {
    if (!event.tag.empty()) out.emplace_back(event.tag, event.value);
  }
  return out;
}

TEST(MaskedCrc32c, OfTheTestUsesTheCastagnoliPolynomial) {
  // The published check value of crc32c over "123456789" is 0xe3069283.
  constexpr std::uint32_t kCheck = 0xe3069283u;
  EXPECT_EQ(masked_crc32c("123456789"), ((kCheck >> 15) | (kCheck << 17)) + 0xa282ead8u);
}

TEST(EventWriter, BeginsWithTheFileVersionAndWritesScalars) {
  const TestDirectory directory;
  EventWriter writer(directory.path());
  writer.scalar("episode/return", 300, -1.5);
  writer.scalar("x", std::int64_t{1} << 40, 2.0);
  writer.flush();

  const auto files = event_files(directory.path());
  ASSERT_EQ(files.size(), 1u);
  const auto events = read_events(files[0]);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].file_version, "brain.Event:2");
  EXPECT_EQ(events[1].step, 300);
  EXPECT_EQ(events[2].step, std::int64_t{1} << 40);
  EXPECT_GT(events[1].wall_time, 1.7e9);
  EXPECT_FALSE(events[1].session_start);
  EXPECT_THAT(scalars(events), ElementsAre(std::pair("episode/return", -1.5f), std::pair("x", 2.0f)));
}

TEST(EventWriter, KeepsValuesBeyondTheRangeOfFloatAsInfinity) {
  const TestDirectory directory;
  EventWriter writer(directory.path());
  for (const double value : {1e300, -1e300, std::numeric_limits<double>::quiet_NaN()}) writer.scalar("x", 0, value);
  writer.flush();
  const auto read = scalars(read_events(event_files(directory.path())[0]));
  ASSERT_EQ(read.size(), 3u);
  EXPECT_EQ(read[0].second, std::numeric_limits<float>::infinity());
  EXPECT_EQ(read[1].second, -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(read[2].second));
}

TEST(EventWriter, FlushesWhenItGoes) {
  const TestDirectory directory;
  EventWriter(directory.path()).scalar("x", 1, 1.0);
  EXPECT_EQ(scalars(read_events(event_files(directory.path())[0])).size(), 1u);
}

// Also within one second, and when the clock was set back: the newest file sorts last and voids what follows its step.
TEST(EventWriter, ALaterFileSortsLastAndVoidsOlderOnes) {
  const TestDirectory directory;
  write_file_atomically(directory / "events.out.tfevents.9000000000.host.1", std::string());
  for (const std::int64_t step : {10, 20}) {
    EventWriter writer(directory.path());
    writer.scalar("x", step, 1.0);
    writer.scalar("x", step + 1, 1.0);
  }
  const auto files = event_files(directory.path());
  ASSERT_EQ(files.size(), 3u);
  for (const std::size_t i : {1u, 2u}) {
    const auto events = read_events(files[i]);
    ASSERT_EQ(events.size(), 4u);
    EXPECT_TRUE(events[1].session_start);
    EXPECT_EQ(events[1].step, 10 * static_cast<std::int64_t>(i));
    EXPECT_FALSE(events[3].session_start);
  }
}

TEST(EventWriter, NamesTheFileWhenAWriteFails) {
  const TestDirectory directory;
  EventWriter writer(directory.path());
  const auto file = event_files(directory.path())[0];
  const auto size_before = std::filesystem::file_size(file);
  writer.scalar("a tag that does not fit into the few bytes that are left to this file", 1, 1.0);

  const auto former_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit former{};
  ::getrlimit(RLIMIT_FSIZE, &former);
  rlimit limit = former;
  limit.rlim_cur = size_before + 10;
  ::setrlimit(RLIMIT_FSIZE, &limit);
  const std::string message = failure_message([&] { writer.flush(); });
  ::setrlimit(RLIMIT_FSIZE, &former);
  std::signal(SIGXFSZ, former_handler);

  EXPECT_THAT(message, ::testing::AllOf(HasSubstr(file.string()), HasSubstr("File too large")));
  EXPECT_EQ(std::filesystem::file_size(file), size_before) << "no partial record stays";
}

TEST(MetricsEvents, TagsAreThoseOfTheTableAndIndices) {
  const TestDirectory directory;
  Metrics metrics(directory.path(), 0);
  metrics.record("target_update", 200,
                 {{"selected", 1},
                  {"losses", {0.25, std::numeric_limits<double>::quiet_NaN(), 0.5}},
                  {"note", "text"},
                  {"flag", true},
                  {"nested", {{"a", 3}}},
                  {"none", nullptr}});
  const auto events = read_events(event_files(directory.path())[0]);
  EXPECT_THAT(scalars(events), ElementsAre(std::pair("train/selected_network", 1.0f), std::pair("train/loss/0", 0.25f),
                                           std::pair("train/loss/2", 0.5f), std::pair("target_update/nested/a", 3.0f)));
  for (std::size_t i = 1; i < events.size(); ++i) EXPECT_EQ(events[i].step, 200);
}

}  // namespace
}  // namespace eaudeqn
