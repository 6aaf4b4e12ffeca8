// A file that only grows: unbuffered appends, cut back where a resumed run continues. Not for files that are replaced
// as a whole (core/files.h writes those).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace eaudeqn {

// Every failure throws Error::failure naming the file and the reason. Thread safety: none.
class AppendFile {
 public:
  enum class Existing { append, refuse };

  // Opens `file`, or creates it so that the directory entry survives a power cut.
  AppendFile(const std::filesystem::path& file, Existing existing);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  // All of `bytes` or, when it throws, none of them where the disk allows.
  void append(std::string_view bytes);
  void truncate(std::uint64_t size);  // size <= size()
  void sync();                        // returns when the content is on the disk
  std::uint64_t size() const { return size_; }

 private:
  [[noreturn]] void fail(const char* action, int code) const;

  std::filesystem::path file_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
};

}  // namespace eaudeqn
