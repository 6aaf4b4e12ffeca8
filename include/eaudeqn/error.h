// The library's one error type. What it is not: a result for expected outcomes; those are ordinary return values.
#pragma once

#include <stdexcept>
#include <string>

namespace eaudeqn {

// Thrown by every fallible function of the library. `what()` is one line that says what went wrong, where (file, key,
// game) and what to do about it. Thread safety: as std::runtime_error.
class Error : public std::runtime_error {
 public:
  enum class Kind {
    usage,   // the command line or the config is wrong; the program exits with 2
    failure  // anything else: files, disk, ROMs, numbers; the program exits with 1
  };

  Error(Kind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}

  static Error usage(const std::string& message) { return {Kind::usage, message}; }
  static Error failure(const std::string& message) { return {Kind::failure, message}; }

  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

}  // namespace eaudeqn
