// What all fuzz targets share: input as a file, and the promises that every reader makes. A target reads a file of any
// bytes; the only thing that may come out besides success is an Error of one line that names the file.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "eaudeqn/error.h"

namespace eaudeqn {

using Bytes = std::vector<std::byte>;

[[noreturn]] inline void broken(const std::string& promise) {
  std::fprintf(stderr, "broken promise: %s\n", promise.c_str());
  std::abort();
}

// A file of the given content, in memory alone.
class MemoryFile {
 public:
  explicit MemoryFile(std::span<const std::byte> content) : descriptor_(memfd_create("fuzz", 0)) {
    if (descriptor_ < 0 || write(descriptor_, content.data(), content.size()) != static_cast<ssize_t>(content.size())) {
      broken("the machine has memory for a file");
    }
    path_ = "/proc/self/fd/" + std::to_string(descriptor_);
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  int descriptor_;
  std::string path_;
};

// A directory in memory, gone with the process.
class MemoryDirectory {
 public:
  MemoryDirectory() : path_("/dev/shm/eaudeqn_fuzz_" + std::to_string(getpid())) {
    std::filesystem::create_directories(path_);
  }
  ~MemoryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  MemoryDirectory(const MemoryDirectory&) = delete;
  MemoryDirectory& operator=(const MemoryDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Whether `read` accepts what `name` stands for. Anything else that is thrown ends the program.
template <typename Read>
bool accepted(const std::string& name, const Read& read) {
  try {
    read();
    return true;
  } catch (const Error& error) {
    const std::string message = error.what();
    if (message.find_first_of("\n\r") != std::string::npos) broken("an error is one line: " + message);
    if (message.find(name) == std::string::npos) broken("an error names the file: " + message);
    return false;
  }
}

}  // namespace eaudeqn

// The target: implemented in NAME_fuzz.cc, called by libFuzzer or by run_corpus.cc.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
