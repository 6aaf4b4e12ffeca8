// TensorBoard event files without TensorFlow or protobuf: a record is its length, a masked crc32c of the length, an
// Event message and its masked crc32c. Only the fields that a scalar needs are encoded, by hand.
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <system_error>

#include "eaudeqn/error.h"
#include "experiment/append_file.h"
#include "experiment/metrics.h"

namespace eaudeqn {
namespace {

constexpr std::string_view kEventsPrefix = "events.out.tfevents.";

// ---- Checksum ----

constexpr std::array<std::uint32_t, 256> crc32c_table() {
  constexpr std::uint32_t kReflectedPolynomial = 0x82f63b78u;
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kReflectedPolynomial : 0);
    table[byte] = crc;
  }
  return table;
}

std::uint32_t masked_crc32c(std::string_view bytes) {
  static constexpr auto kTable = crc32c_table();
  std::uint32_t crc = 0xffffffffu;
  for (const char byte : bytes) crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(byte)) & 0xff];
  // Masked, because a crc over data that holds its own crc is degenerate.
  return std::rotr(~crc, 15) + 0xa282ead8u;
}

// ---- Protocol buffer encoding ----

template <typename T>
void append_raw(std::string& to, T value) {
  static_assert(std::endian::native == std::endian::little);
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  to.append(bytes, sizeof bytes);
}

void append_varint(std::string& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) to.push_back(static_cast<char>(value | 0x80));
  to.push_back(static_cast<char>(value));
}

enum class Wire : unsigned { varint = 0, bits64 = 1, bytes = 2, bits32 = 5 };

void append_key(std::string& to, unsigned field, Wire wire) {
  append_varint(to, field << 3 | static_cast<unsigned>(wire));
}

void append_bytes(std::string& to, unsigned field, std::string_view bytes) {
  append_key(to, field, Wire::bytes);
  append_varint(to, bytes.size());
  to.append(bytes);
}

// message Event { double wall_time = 1; int64 step = 2; string file_version = 3; Summary summary = 5;
//                 SessionLog session_log = 7; }
std::string event_head(std::int64_t step) {
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  std::string event;
  append_key(event, 1, Wire::bits64);
  append_raw(event, now.count());
  append_key(event, 2, Wire::varint);
  append_varint(event, static_cast<std::uint64_t>(step));
  return event;
}

std::string file_version_event() {
  std::string event = event_head(0);
  append_bytes(event, 3, "brain.Event:2");
  return event;
}

// message SessionLog { SessionStatus status = 1; } with START = 1
std::string session_start_event(std::int64_t step) {
  std::string log;
  append_key(log, 1, Wire::varint);
  append_varint(log, 1);
  std::string event = event_head(step);
  append_bytes(event, 7, log);
  return event;
}

// message Summary { message Value { string tag = 1; float simple_value = 2; } repeated Value value = 1; }
std::string scalar_event(const std::string& tag, std::int64_t step, float scalar) {
  std::string value;
  append_bytes(value, 1, tag);
  append_key(value, 2, Wire::bits32);
  append_raw(value, scalar);
  std::string summary;
  append_bytes(summary, 1, value);
  std::string event = event_head(step);
  append_bytes(event, 5, summary);
  return event;
}

// Beyond float's range a C++ conversion is undefined; here it is infinity.
float to_float(double value) {
  if (std::fabs(value) <= std::numeric_limits<float>::max()) return static_cast<float>(value);
  if (std::isnan(value)) return std::numeric_limits<float>::quiet_NaN();
  return std::copysign(std::numeric_limits<float>::infinity(), value < 0 ? -1.0f : 1.0f);
}

// ---- File names ----

// <seconds> of the newest event file in the directory.
std::optional<std::int64_t> newest_event_file(const std::filesystem::path& directory) {
  std::optional<std::int64_t> newest;
  std::error_code code;
  for (std::filesystem::directory_iterator entry(directory, code), end; !code && entry != end; entry.increment(code)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(kEventsPrefix)) continue;
    std::int64_t seconds = 0;
    std::from_chars(name.data() + kEventsPrefix.size(), name.data() + name.size(), seconds);
    newest = std::max(newest.value_or(0), seconds);
  }
  if (code) {
    throw Error::failure(fmt::format("{}: cannot list it: {}; check the path", directory.string(), code.message()));
  }
  return newest;
}

std::filesystem::path new_event_file(const std::filesystem::path& directory, std::optional<std::int64_t> newest) {
  using std::chrono::duration_cast, std::chrono::seconds;
  const std::int64_t now = duration_cast<seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) != 0) std::strcpy(host.data(), "localhost");
  return directory /
         fmt::format("{}{:010}.{}.{}", kEventsPrefix, std::max(now, newest.value_or(0) + 1), host.data(), ::getpid());
}

}  // namespace

struct EventWriter::State {
  bool voids_older_files;  // until the first scalar
  AppendFile file;
  std::string buffer;

  explicit State(const std::filesystem::path& directory) : State(directory, newest_event_file(directory)) {}
  State(const std::filesystem::path& directory, std::optional<std::int64_t> newest)
      : voids_older_files(newest.has_value()), file(new_event_file(directory, newest), AppendFile::Existing::refuse) {}

  void add(const std::string& event) {
    std::string length;
    append_raw(length, static_cast<std::uint64_t>(event.size()));
    buffer += length;
    append_raw(buffer, masked_crc32c(length));
    buffer += event;
    append_raw(buffer, masked_crc32c(event));
  }
};

EventWriter::EventWriter(const std::filesystem::path& directory) : state_(std::make_unique<State>(directory)) {
  state_->add(file_version_event());
  flush();
}

EventWriter::~EventWriter() {
  try {
    flush();
  } catch (const Error&) {  // the last chance to report it was flush()
  }
}

void EventWriter::scalar(const std::string& tag, std::int64_t step, double value) {
  if (state_->voids_older_files) state_->add(session_start_event(step));
  state_->voids_older_files = false;
  state_->add(scalar_event(tag, step, to_float(value)));
}

void EventWriter::flush() {
  if (state_->buffer.empty()) return;
  state_->file.append(state_->buffer);
  state_->buffer.clear();
}

}  // namespace eaudeqn
