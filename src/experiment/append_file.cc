// Append-only files on POSIX calls: see append_file.h.
#include "experiment/append_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

// Calls until it is not interrupted by a signal.
template <typename Call>
auto retry(const Call& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// 0 or the code of the failure.
int sync_directory(const std::filesystem::path& directory) {
  const int descriptor = retry([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
  if (descriptor < 0) return errno;
  const int code = retry([&] { return ::fsync(descriptor); }) < 0 ? errno : 0;
  ::close(descriptor);
  return code;
}

}  // namespace

AppendFile::AppendFile(const std::filesystem::path& file, Existing existing) : file_(file) {
  const int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | (existing == Existing::refuse ? O_EXCL : 0);
  descriptor_ = retry([&] { return ::open(file.c_str(), flags, 0666); });
  if (descriptor_ < 0) fail("open it for writing", errno);
  struct stat status {};
  const bool known = ::fstat(descriptor_, &status) == 0;
  const int code = known ? sync_directory(file.parent_path().empty() ? "." : file.parent_path()) : errno;
  if (code != 0) {
    ::close(descriptor_);  // the destructor does not run
    fail(known ? "sync its directory" : "read its size", code);
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

AppendFile::~AppendFile() { ::close(descriptor_); }

void AppendFile::append(std::string_view bytes) {
  std::string_view left = bytes;
  while (!left.empty()) {
    const ssize_t written = retry([&] { return ::write(descriptor_, left.data(), left.size()); });
    if (written <= 0) {
      const int code = written < 0 ? errno : ENOSPC;
      // What was written of it goes again. If that fails too, resuming cuts it off.
      [[maybe_unused]] const int ignored = retry([&] { return ::ftruncate(descriptor_, static_cast<off_t>(size_)); });
      fail("write to it", code);
    }
    left.remove_prefix(static_cast<std::size_t>(written));
  }
  size_ += bytes.size();
}

void AppendFile::truncate(std::uint64_t size) {
  if (size == size_) return;
  if (retry([&] { return ::ftruncate(descriptor_, static_cast<off_t>(size)); }) < 0) fail("shorten it", errno);
  size_ = size;
}

void AppendFile::sync() {
  if (retry([&] { return ::fsync(descriptor_); }) < 0) fail("sync it to the disk", errno);
}

void AppendFile::fail(const char* action, int code) const {
  const bool full = code == ENOSPC || code == EDQUOT || code == EFBIG;
  throw Error::failure(
      fmt::format("{}: cannot {}: {}; {}", file_.string(), action, std::strerror(code),
                  full ? "make room, then continue with --resume" : "check the path, its permissions and the disk"));
}

}  // namespace eaudeqn
