// The implementation of state_bytes.h.
#include "environments/state_bytes.h"

#include "core/files.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

constexpr std::string_view format = "eaudeqn environment state 1: ";

Error wrong_state(const std::string& title, const std::string& why) {
  return Error::failure("saved state of " + title + ": " + why);
}

}  // namespace

StateWriter::StateWriter(std::string_view title) {
  const std::string heading = std::string(format) + std::string(title);
  bytes(std::as_bytes(std::span(heading)));
}

void StateWriter::append(std::span<const std::byte> bytes) {
  content_.insert(content_.end(), bytes.begin(), bytes.end());
}

void StateWriter::bytes(std::span<const std::byte> bytes) {
  value<std::uint64_t>(bytes.size());
  append(bytes);
}

std::vector<std::byte> StateWriter::finish() {
  value<std::uint64_t>(checksum(content_));
  return std::move(content_);
}

StateReader::StateReader(std::string_view title, std::span<const std::byte> content) : title_(title), rest_(content) {
  if (content.size() < sizeof(std::uint64_t)) throw wrong_state(title_, "too short");
  const std::size_t length = content.size() - sizeof(std::uint64_t);
  std::uint64_t expected = 0;
  std::memcpy(&expected, content.data() + length, sizeof(expected));
  rest_ = content.first(length);
  if (checksum(rest_) != expected) throw wrong_state(title_, "the checksum does not match; the bytes are damaged");
  const auto heading = bytes();
  const std::string found(reinterpret_cast<const char*>(heading.data()), heading.size());
  if (found != std::string(format) + title_) {
    throw wrong_state(title_, "the bytes are headed '" + printable(found) + "'");
  }
}

std::span<const std::byte> StateReader::take(std::size_t count) {
  if (count > rest_.size()) throw wrong_state(title_, "ends too early");
  const auto taken = rest_.first(count);
  rest_ = rest_.subspan(count);
  return taken;
}

std::span<const std::byte> StateReader::bytes() { return take(value<std::uint64_t>()); }

bool StateReader::boolean() {
  const auto byte = value<std::uint8_t>();
  if (byte > 1) throw wrong_state(title_, "holds something else than yes or no");
  return byte == 1;
}

void StateReader::finish() const {
  if (!rest_.empty()) throw wrong_state(title_, "has bytes left over");
}

}  // namespace eaudeqn
