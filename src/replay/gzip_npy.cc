// See gzip_npy.h.
#include "replay/gzip_npy.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/npy.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

constexpr unsigned kBufferBytes = 1 << 16;
constexpr std::size_t kLargestCall = 1 << 30;  // zlib counts a call's bytes in an int

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& what) {
  throw Error::failure(file.string() + ": " + what);
}

std::string system_error() { return std::strerror(errno); }

}  // namespace

struct GzipNpyReader::File {
  gzFile handle = nullptr;
  ~File() {
    if (handle != nullptr) gzclose_r(handle);
  }
};

GzipNpyReader::GzipNpyReader(const std::filesystem::path& file) : path_(file), file_(std::make_unique<File>()) {
  file_->handle = gzopen(file.c_str(), "rb");
  if (file_->handle == nullptr) fail(file, "cannot be opened: " + system_error());
  gzbuffer(file_->handle, kBufferBytes);
  if (gzdirect(file_->handle) != 0) fail(file, "not a gzip file; compress the .npy with gzip");
  const NpyArray header = read_npy_header([&](std::span<std::byte> to) { read(to); }, file.string());
  type_ = header.type;
  shape_ = header.shape;
}
GzipNpyReader::~GzipNpyReader() = default;

void GzipNpyReader::read(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const auto wanted = static_cast<unsigned>(std::min(bytes.size(), kLargestCall));
    const int got = gzread(file_->handle, bytes.data(), wanted);
    if (got > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(got));
      if (static_cast<unsigned>(got) == wanted) continue;
    }
    int code = Z_OK;
    const char* message = gzerror(file_->handle, &code);
    if (code == Z_OK || code == Z_BUF_ERROR) fail(path_, "cut short: fewer data than its header says");
    fail(path_, "damaged: " + (code == Z_ERRNO ? system_error() : std::string(message)));
  }
}

void GzipNpyReader::expect_end() {
  std::byte more{};
  const int got = gzread(file_->handle, &more, 1);
  int code = Z_OK;
  const char* message = gzerror(file_->handle, &code);
  if (got > 0) fail(path_, "more data than its header says");
  if (code == Z_BUF_ERROR) fail(path_, "cut short: its checksum is missing");
  if (code != Z_OK) fail(path_, std::string("damaged: ") + message);
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
