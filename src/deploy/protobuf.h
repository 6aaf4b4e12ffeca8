// Just enough of Protocol Buffers to write a message: varints, texts, messages in messages. Reads nothing.
#pragma once

#include <cstdint>
#include <string>

namespace eaudeqn {

// A message being written. Fields appear in the order of the calls; calls with one number make a repeated field.
class ProtobufMessage {
 public:
  void integer(int field, std::uint64_t value) {
    tag(field, 0);
    varint(value);
  }
  void bytes(int field, const std::string& value) {  // also strings
    tag(field, 2);
    varint(value.size());
    bytes_ += value;
  }
  void message(int field, const ProtobufMessage& value) { bytes(field, value.bytes_); }

  const std::string& content() const { return bytes_; }

 private:
  void tag(int field, int wire_type) { varint(static_cast<std::uint64_t>(field << 3 | wire_type)); }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }

  std::string bytes_;
};

}  // namespace eaudeqn
