// Durable files: read whole, write aside + fsync + rename + fsync of the directory. Not a stream library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace eaudeqn {

// The whole file. Throws Error::failure naming the file and the reason (missing, a directory, permission, I/O error).
std::vector<std::byte> read_file(const std::filesystem::path& file);

// After it returns, `file` holds exactly the given pieces, one after the other, and survives a power cut; if it throws
// (Error::failure with the file and the reason, a full disk included), the former content of `file` is untouched and no
// temporary file is left. At no instant does a reader see a partial file. Retries EINTR and short writes. (One failure
// comes too late for that: if the directory cannot be synced after the rename, `file` is whole but new.)
void write_file_atomically(const std::filesystem::path& file, std::span<const std::span<const std::byte>> pieces);
void write_file_atomically(const std::filesystem::path& file, std::span<const std::byte> bytes);
void write_file_atomically(const std::filesystem::path& file, const std::string& text);

// Whether `file` is no place for a file of ours: a device, a pipe, or what this process has open (/dev/stdout).
// write_file_atomically writes into it, not in its place.
bool is_stream(const std::filesystem::path& file);

// Makes it with all above it, where it is not there yet. Throws Error::failure that names --output.
void make_output_directory(const std::filesystem::path& directory);

// Removes what write_file_atomically left in `directory` when its process was killed meanwhile. Call it while no other
// process can be writing there (under a DirectoryLock). Never throws for what it cannot remove.
void remove_unfinished_files(const std::filesystem::path& directory);

// Text of a damaged file as an error may show it, which is one line: "?" for all that is not printable ASCII.
std::string printable(std::string text);

// XXH3 of the bytes: detects damage, does not authenticate.
std::uint64_t checksum(std::span<const std::byte> bytes);

// Holds an exclusive lock on `directory`/.lock while it lives. Throws Error::failure when another process holds it for
// longer than a moment, saying which (its pid). The lock goes with the process however it ends.
class DirectoryLock {
 public:
  explicit DirectoryLock(const std::filesystem::path& directory);
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  int descriptor_ = -1;
};

// Whether a process, this one included, holds the DirectoryLock of `directory`. Looking creates nothing; false where it
// cannot be told.
bool directory_in_use(const std::filesystem::path& directory);

}  // namespace eaudeqn
