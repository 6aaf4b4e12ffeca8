// The bytes of Environment::save: values one after the other between a title and a checksum. No schema: the reader asks
// for what the writer put, in the same order. Not a file format; experiment/ puts these bytes into a checkpoint.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace eaudeqn {

class StateWriter {
 public:
  explicit StateWriter(std::string_view title);  // what the bytes are the state of ("classic/CartPole-v1")

  template <typename T>
  void value(const T& value) {
    static_assert(std::is_arithmetic_v<T>);
    append(std::as_bytes(std::span<const T>(&value, 1)));
  }
  void bytes(std::span<const std::byte> bytes);  // with their number
  std::vector<std::byte> finish();               // everything put so far and the checksum

 private:
  void append(std::span<const std::byte> bytes);

  std::vector<std::byte> content_;
};

class StateReader {
 public:
  // Throws Error::failure unless a StateWriter of this title wrote `content` to its end.
  StateReader(std::string_view title, std::span<const std::byte> content);

  template <typename T>
  T value() {
    static_assert(std::is_arithmetic_v<T>);
    if constexpr (std::is_same_v<T, bool>) return boolean();
    T result;
    std::memcpy(&result, take(sizeof(T)).data(), sizeof(T));
    return result;
  }
  std::span<const std::byte> bytes();  // a view into `content`
  void finish() const;                 // throws Error::failure unless everything was read

 private:
  std::span<const std::byte> take(std::size_t count);
  bool boolean();  // any other byte than 0 and 1 would be no bool

  std::string title_;
  std::span<const std::byte> rest_;
};

}  // namespace eaudeqn
