// Durable files on POSIX calls. std::fstream is of no use here: it can neither sync nor say why it failed.
#include "core/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>
#include <ctime>
#include <system_error>
#include <utility>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

constexpr const char* kTemporarySuffix = ".unfinished";

std::string advice(int code) {
  switch (code) {
    case ENOSPC:
    case EDQUOT:
      return "; free space or set another --output";
    case EFBIG:
      return "; raise the limit on file sizes (ulimit -f) or set another --output";
    case EACCES:
    case EPERM:
    case EROFS:
      return "; check the permissions or set another path";
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ENAMETOOLONG:
      return "; check the path";
    case EIO:
      return "; check the disk (dmesg)";
    default:
      return "";
  }
}

// "runs/a/config.toml: cannot open it for reading: No such file or directory; check the path"
Error system_error(const std::filesystem::path& file, const char* action, int code) {
  return Error::failure(fmt::format("{}: cannot {}: {}{}", file.string(), action, std::strerror(code), advice(code)));
}

// Calls until it is not interrupted by a signal.
template <typename Call>
auto retry(const Call& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

// -1 and errno when it fails.
int open_file(const std::filesystem::path& file, int flags, mode_t mode = 0) {
  return retry([&] { return ::open(file.c_str(), flags | O_CLOEXEC, mode); });
}

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const std::filesystem::path& file, int flags, const char* action, mode_t mode = 0)
      : value_(open_file(file, flags, mode)) {
    if (value_ < 0) throw system_error(file, action, errno);
  }
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

// Within its life a write beyond RLIMIT_FSIZE fails with EFBIG and does not end the process by SIGXFSZ.
class FileSizeSignalHeldBack {
 public:
  FileSizeSignalHeldBack() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &signals_, &former_);
  }
  ~FileSizeSignalHeldBack() {
    if (sigismember(&former_, SIGXFSZ) == 1) return;
    const timespec no_time{};
    while (sigtimedwait(&signals_, nullptr, &no_time) == SIGXFSZ) {
    }
    pthread_sigmask(SIG_SETMASK, &former_, nullptr);
  }
  FileSizeSignalHeldBack(const FileSizeSignalHeldBack&) = delete;
  FileSizeSignalHeldBack& operator=(const FileSizeSignalHeldBack&) = delete;

 private:
  sigset_t signals_;
  sigset_t former_;
};

// One holding back for all pieces: it takes three calls of the system, and a checkpoint has dozens of small pieces.
void write_all(const Descriptor& to, std::span<const std::span<const std::byte>> pieces,
               const std::filesystem::path& file) {
  const FileSizeSignalHeldBack held_back;
  for (std::span<const std::byte> bytes : pieces) {
    while (!bytes.empty()) {
      const ssize_t written = retry([&] { return ::write(to.get(), bytes.data(), bytes.size()); });
      if (written < 0) throw system_error(file, "write it", errno);
      if (written == 0) throw system_error(file, "write it", ENOSPC);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }
}

std::filesystem::path directory_of(const std::filesystem::path& file) {
  const std::filesystem::path parent = file.parent_path();
  return parent.empty() ? "." : parent;
}

// Hidden, and told apart by process and count, so that no two writers ever share one.
std::filesystem::path temporary_name(const std::filesystem::path& file) {
  static std::atomic<std::uint64_t> count{0};
  return directory_of(file) /
         fmt::format(".{}.{}.{}{}", file.filename().string(), ::getpid(), count.fetch_add(1), kTemporarySuffix);
}

// A file aside that goes away unless it was renamed.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::filesystem::path& file)
      : file_(file), name_(temporary_name(file)), descriptor_(create()) {}
  ~TemporaryFile() {
    if (!renamed_) ::unlink(name_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void write(std::span<const std::span<const std::byte>> pieces) { write_all(descriptor_, pieces, file_); }

  void sync_and_rename() {
    if (retry([&] { return ::fsync(descriptor_.get()); }) != 0)
      throw system_error(file_, "write it to the disk", errno);
    // Network file systems report a full disk as late as here. Linux closes even when it says EINTR: no second try.
    if (::close(descriptor_.release()) != 0 && errno != EINTR) throw system_error(file_, "write it", errno);
    if (::rename(name_.c_str(), file_.c_str()) != 0) throw system_error(file_, "replace it", errno);
    renamed_ = true;
  }

 private:
  // The name of this process and count can exist already: another machine's process with the same number may share the
  // directory, or a killed one left it.
  int create() {
    for (;;) {
      const int descriptor = open_file(name_, O_WRONLY | O_CREAT | O_EXCL, 0644);
      if (descriptor >= 0) return descriptor;
      if (errno != EEXIST) throw system_error(file_, "write it", errno);
      name_ = temporary_name(file_);
    }
  }

  const std::filesystem::path& file_;
  std::filesystem::path name_;
  Descriptor descriptor_;
  bool renamed_ = false;
};

// One step along a link; a relative one is meant from where it stands. Throws what read_symlink throws.
std::filesystem::path next_of(const std::filesystem::path& link) {
  return link.parent_path() / std::filesystem::read_symlink(link);
}

constexpr int kMostLinks = 40;  // as Linux follows

// What the last part of the name leads to, whether it exists or not: a link stays, what it points to is replaced.
std::filesystem::path without_links(std::filesystem::path file) {
  std::error_code none;
  for (int i = 0; std::filesystem::is_symlink(file, none); ++i) {
    if (i == kMostLinks) throw system_error(file, "write it", ELOOP);
    file = next_of(file);
  }
  return file;
}

// The descriptor that /dev/stdout, /dev/fd/3 and the like stand for; -1 for other names.
int open_descriptor(std::filesystem::path file) {
  std::error_code none;
  for (int i = 0; i < kMostLinks && std::filesystem::is_symlink(file, none); ++i) {
    if (std::filesystem::equivalent(file.parent_path(), "/proc/self/fd", none)) {
      const std::string name = file.filename().string();
      int descriptor = -1;
      std::from_chars(name.data(), name.data() + name.size(), descriptor);
      return descriptor;
    }
    file = next_of(file);
  }
  return -1;
}

void sync_directory(const Descriptor& directory, const std::filesystem::path& name) {
  if (retry([&] { return ::fsync(directory.get()); }) == 0) return;
  if (errno == EINVAL || errno == ENOTSUP) return;  // a file system that has nothing to sync here
  throw system_error(name, "write the directory to the disk", errno);
}

// Tries more than once: directory_in_use holds a lock for as long as it looks. Leaves errno when it fails.
bool lock_within_a_moment(const Descriptor& lock) {
  constexpr int kTries = 10;
  constexpr timespec kPause = {0, 20'000'000};
  for (int attempt = 1;; ++attempt) {
    if (retry([&] { return ::flock(lock.get(), LOCK_EX | LOCK_NB); }) == 0) return true;
    if (errno != EWOULDBLOCK || attempt == kTries) return false;
    ::nanosleep(&kPause, nullptr);
  }
}

}  // namespace

std::vector<std::byte> read_file(const std::filesystem::path& file) {
  const Descriptor from(file, O_RDONLY, "read it");
  struct stat status {};
  if (::fstat(from.get(), &status) != 0) throw system_error(file, "read it", errno);
  if (S_ISDIR(status.st_mode)) throw system_error(file, "read it", EISDIR);

  // One byte more than expected, so that the end is seen without growing; what is no regular file has no known size.
  std::vector<std::byte> content(S_ISREG(status.st_mode) ? static_cast<std::size_t>(status.st_size) + 1 : 65'536);
  std::size_t size = 0;
  for (;;) {
    if (size == content.size()) content.resize(2 * size);
    const ssize_t got = retry([&] { return ::read(from.get(), content.data() + size, content.size() - size); });
    if (got < 0) throw system_error(file, "read it", errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  content.resize(size);
  return content;
}

bool is_stream(const std::filesystem::path& file) {
  std::error_code none;
  return open_descriptor(file) >= 0 || std::filesystem::is_other(file, none);
}

void write_file_atomically(const std::filesystem::path& name, std::span<const std::span<const std::byte>> pieces) {
  // What is open is written where it stands: opened anew, a file behind it would be written from its beginning.
  if (const int opened = open_descriptor(name); opened >= 0) {
    const Descriptor to(::fcntl(opened, F_DUPFD_CLOEXEC, 0));
    if (to.get() < 0) throw system_error(name, "write it", errno);
    write_all(to, pieces, name);
    return;
  }
  std::error_code none;
  if (std::filesystem::is_other(name, none)) {
    const Descriptor to(name, O_WRONLY, "write it");
    write_all(to, pieces, name);
    return;
  }
  const std::filesystem::path file = without_links(name);
  const std::filesystem::path directory_name = directory_of(file);
  // Opened first: after the rename nothing that can be known beforehand may fail.
  const Descriptor directory(directory_name, O_RDONLY | O_DIRECTORY, "use this directory");
  TemporaryFile temporary(file);
  temporary.write(pieces);
  temporary.sync_and_rename();
  sync_directory(directory, directory_name);
}

void write_file_atomically(const std::filesystem::path& file, std::span<const std::byte> bytes) {
  write_file_atomically(file, std::span<const std::span<const std::byte>>(&bytes, 1));
}

void write_file_atomically(const std::filesystem::path& file, const std::string& text) {
  write_file_atomically(file, std::as_bytes(std::span(text)));
}

void make_output_directory(const std::filesystem::path& directory) {
  std::error_code code;
  std::filesystem::create_directories(directory, code);
  if (!code) return;
  throw Error::failure(
      fmt::format("{}: cannot be created: {}; choose another --output", directory.string(), code.message()));
}

void remove_unfinished_files(const std::filesystem::path& directory) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.') && name.ends_with(kTemporarySuffix)) std::filesystem::remove(entry.path(), ignored);
  }
}

std::string printable(std::string text) {
  for (char& c : text) c = c >= ' ' && c <= '~' ? c : '?';
  return text;
}

std::uint64_t checksum(std::span<const std::byte> bytes) { return XXH3_64bits(bytes.data(), bytes.size()); }

DirectoryLock::DirectoryLock(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / ".lock";
  Descriptor lock(file, O_RDWR | O_CREAT, "lock the directory", 0644);
  if (!lock_within_a_moment(lock)) {
    if (errno != EWOULDBLOCK) throw system_error(file, "lock the directory", errno);
    std::array<char, 32> text{};
    const ssize_t got = retry([&] { return ::pread(lock.get(), text.data(), text.size() - 1, 0); });
    const std::string holder = got > 0 ? fmt::format("process {}", text.data()) : "another process";
    throw Error::failure(fmt::format("{}: in use by {}; wait for it or end it, or set another --output",
                                     directory.string(), holder.substr(0, holder.find('\n'))));
  }
  if (retry([&] { return ::ftruncate(lock.get(), 0); }) != 0) throw system_error(file, "write it", errno);
  const std::string pid = std::to_string(::getpid()) + "\n";
  const std::span<const std::byte> bytes = std::as_bytes(std::span(pid));
  write_all(lock, {&bytes, 1}, file);
  descriptor_ = lock.release();
}

DirectoryLock::~DirectoryLock() { ::close(descriptor_); }

bool directory_in_use(const std::filesystem::path& directory) {
  const Descriptor lock(open_file(directory / ".lock", O_RDONLY));
  if (lock.get() < 0) return false;
  return retry([&] { return ::flock(lock.get(), LOCK_SH | LOCK_NB); }) != 0 && errno == EWOULDBLOCK;
}

}  // namespace eaudeqn
