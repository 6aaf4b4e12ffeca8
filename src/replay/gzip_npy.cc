// See gzip_npy.h.
#include "replay/gzip_npy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>

#include "core/npy.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

constexpr unsigned kBufferBytes = 1 << 16;
constexpr std::size_t kLargestCall = 1 << 30;  // zlib counts a call's bytes in an int
constexpr int kGzipWindow = 15 + 16;           // the largest window, and gzip's header and trailer

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& what) {
  throw Error::failure(file.string() + ": " + what);
}

std::string system_error() { return std::strerror(errno); }

}  // namespace

// zlib's own gzread does not say whether a file ends with its checksum when the last read ends with its data.
struct GzipNpyReader::File {
  const std::filesystem::path& path;
  int descriptor = -1;
  z_stream stream{};
  std::array<std::uint8_t, kBufferBytes> input;
  bool member_over = false;  // its checksum was right

  explicit File(const std::filesystem::path& of) : path(of), descriptor(open(of.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor < 0) fail(path, "cannot be opened: " + system_error());
    if (inflateInit2(&stream, kGzipWindow) != Z_OK) {
      close(descriptor);
      throw std::bad_alloc();
    }
  }
  ~File() {
    inflateEnd(&stream);
    close(descriptor);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // Whether there is any input.
  bool has_input() {
    if (stream.avail_in > 0) return true;
    ssize_t got = 0;
    do got = ::read(descriptor, input.data(), input.size());
    while (got < 0 && errno == EINTR);
    if (got < 0) fail(path, "cannot be read: " + system_error());
    stream.next_in = input.data();
    stream.avail_in = static_cast<unsigned>(got);
    return got > 0;
  }

  // As many bytes as one call gives, which may be none at the end of a member. False where the input ends.
  bool inflate_some(std::span<std::byte>& to) {
    if (!has_input()) return false;
    if (member_over) inflateReset(&stream);
    member_over = false;
    const auto room = static_cast<unsigned>(std::min(to.size(), kLargestCall));
    stream.next_out = reinterpret_cast<Bytef*>(to.data());
    stream.avail_out = room;
    const int code = inflate(&stream, Z_NO_FLUSH);
    to = to.subspan(room - stream.avail_out);
    if (code == Z_STREAM_END) member_over = true;
    if (code == Z_MEM_ERROR) throw std::bad_alloc();
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
      fail(path, std::string("damaged: ") + (stream.msg != nullptr ? stream.msg : "no gzip data"));
    }
    return true;
  }

  // Behind the last member only zeros are allowed, with which some programs fill up.
  void skip_zeros() {
    while (has_input() && *stream.next_in == 0) {
      ++stream.next_in;
      --stream.avail_in;
    }
  }
};

GzipNpyReader::GzipNpyReader(const std::filesystem::path& file) : path_(file), file_(std::make_unique<File>(path_)) {
  if (!file_->has_input() || file_->input[0] != 0x1F || (file_->stream.avail_in > 1 && file_->input[1] != 0x8B)) {
    fail(file, "not a gzip file; compress the .npy with gzip");
  }
  const NpyArray header = read_npy_header([&](std::span<std::byte> to) { read(to); }, file.string());
  type_ = header.type;
  shape_ = header.shape;
}
GzipNpyReader::~GzipNpyReader() = default;

void GzipNpyReader::read(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    if (!file_->inflate_some(bytes)) fail(path_, "cut short: fewer data than its header says");
  }
}

void GzipNpyReader::expect_end() {
  while (true) {
    if (file_->member_over) file_->skip_zeros();
    std::byte more{};
    std::span<std::byte> rest(&more, 1);
    if (!file_->inflate_some(rest)) break;
    if (rest.empty()) fail(path_, "more data than its header says");
  }
  if (!file_->member_over) fail(path_, "cut short: its checksum is missing");
}

struct GzipNpyWriter::File {
  std::filesystem::path unfinished;
  gzFile handle = nullptr;
  ~File() {
    if (handle != nullptr) gzclose_w(handle);
    std::error_code ignored;
    if (!unfinished.empty()) std::filesystem::remove(unfinished, ignored);
  }
};

GzipNpyWriter::GzipNpyWriter(const std::filesystem::path& file, const std::string& type,
                             std::span<const std::size_t> shape)
    : path_(file), file_(std::make_unique<File>()) {
  file_->unfinished = file.string() + ".unfinished";
  file_->handle = gzopen(file_->unfinished.c_str(), "wb");
  if (file_->handle == nullptr) fail(file, "cannot be created: " + system_error());
  gzbuffer(file_->handle, kBufferBytes);
  const std::string header = npy_header(type, shape, file.string());
  missing_ = static_cast<std::size_t>(type[1] - '0');  // bytes per element
  for (const std::size_t extent : shape) missing_ *= extent;
  missing_ += header.size();
  write(std::as_bytes(std::span(header)));
}
GzipNpyWriter::~GzipNpyWriter() = default;

void GzipNpyWriter::write(std::span<const std::byte> bytes) {
  if (bytes.size() > missing_) fail(path_, "more data than its shape has; this is a bug");
  missing_ -= bytes.size();
  while (!bytes.empty()) {
    const auto size = static_cast<unsigned>(std::min(bytes.size(), kLargestCall));
    if (gzwrite(file_->handle, bytes.data(), size) != static_cast<int>(size)) {
      fail(path_, "cannot be written: " + system_error());
    }
    bytes = bytes.subspan(size);
  }
}

void GzipNpyWriter::finish() {
  if (missing_ != 0) fail(path_, fmt::format("{} bytes were not written; this is a bug", missing_));
  const gzFile handle = file_->handle;
  file_->handle = nullptr;
  if (gzclose_w(handle) != Z_OK) fail(path_, "cannot be written: " + system_error());
  const int descriptor = open(file_->unfinished.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = descriptor >= 0 && fsync(descriptor) == 0;
  if (descriptor >= 0) close(descriptor);
  if (!synced || std::rename(file_->unfinished.c_str(), path_.c_str()) != 0) {
    fail(path_, "cannot be written: " + system_error());
  }
  file_->unfinished.clear();
}

}  // namespace eaudeqn
