// NumPy .npy files (format 1.0 written, 1.0 - 3.0 read), C order, little endian. No pickles, no Fortran order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace eaudeqn {

struct NpyArray {
  std::string type;  // NumPy's descr without byte order: "u1", "b1", "i4", "i8", "f4", "f8"
  std::vector<std::size_t> shape;
  std::vector<std::byte> data;  // C order

  std::size_t elements() const;  // product of shape
};

// Throws Error::failure naming the file and what is wrong (magic, header, type not among those above, Fortran order,
// size that does not match the shape, trailing bytes).
NpyArray read_npy(const std::filesystem::path& file);
// The same for a file's content that is in memory already; `name` stands for the file in errors.
NpyArray parse_npy(std::span<const std::byte> content, const std::string& name);
// For data that is streamed: magic and header, read with read(buffer), which fills the buffer or throws; data is empty.
NpyArray read_npy_header(const std::function<void(std::span<std::byte>)>& read, const std::string& name);
// Magic and header as write_npy writes them: what comes before the data.
std::string npy_header(const std::string& type, std::span<const std::size_t> shape, const std::string& name);
// Any integer or float array converted to T's type exactly; Error::failure where a value does not fit or is no integer.
std::vector<std::int64_t> to_integers(const NpyArray& array, const std::string& name);
std::vector<double> to_doubles(const NpyArray& array, const std::string& name);

// Atomic, as write_file_atomically.
void write_npy(const std::filesystem::path& file, const std::string& type, std::span<const std::size_t> shape,
               std::span<const std::byte> data);

}  // namespace eaudeqn
