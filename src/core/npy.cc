// The .npy header is a Python dict literal of three known keys; this reads that and no other Python.
#include "core/npy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

#include "core/files.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

static_assert(std::endian::native == std::endian::little, "data is little endian and is copied as it is");

constexpr std::string_view kNpyMagic = "\x93NUMPY";
constexpr std::array<std::string_view, 6> kTypes = {"b1", "u1", "i4", "i8", "f4", "f8"};

bool known_type(std::string_view type) { return std::find(kTypes.begin(), kTypes.end(), type) != kTypes.end(); }

std::size_t bytes_per_element(std::string_view type) { return static_cast<std::size_t>(type[1] - '0'); }

// The product of `shape` times `factor`; nothing when it does not fit.
std::optional<std::size_t> checked_product(std::span<const std::size_t> shape, std::size_t factor) {
  if (std::find(shape.begin(), shape.end(), std::size_t{0}) != shape.end()) return 0;
  for (const std::size_t extent : shape) {
    if (factor > std::numeric_limits<std::size_t>::max() / extent) return std::nullopt;
    factor *= extent;
  }
  return factor;
}

class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& name) : rest_(text), name_(name) {}

  // Fills type and shape.
  void parse(NpyArray& array) {
    bool has_descr = false, has_order = false, has_shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = quoted();
      expect(':');
      if (key == "descr" && !has_descr) {
        array.type = type(quoted());
        has_descr = true;
      } else if (key == "fortran_order" && !has_order) {
        if (boolean()) fail("Fortran order is not supported (save numpy.ascontiguousarray(array))");
        has_order = true;
      } else if (key == "shape" && !has_shape) {
        array.shape = tuple();
        has_shape = true;
      } else {
        fail(fmt::format("malformed header (key \"{}\")", printable(key)));
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (!rest_.empty() || !has_descr || !has_order || !has_shape) fail("malformed header");
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw Error::failure(fmt::format("{}: {}", name_, what)); }

  static std::string printable(std::string_view text) {
    std::string out(text.substr(0, 40));
    std::replace_if(
        out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return out;
  }

  void skip_space() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n')) rest_.remove_prefix(1);
  }
  bool accept(char c) {
    skip_space();
    if (rest_.empty() || rest_[0] != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(fmt::format("malformed header ('{}' expected)", c));
  }
  std::string_view quoted() {
    skip_space();
    const char quote = rest_.empty() ? '\0' : rest_[0];
    const std::size_t end = quote == '\'' || quote == '"' ? rest_.find(quote, 1) : std::string_view::npos;
    if (end == std::string_view::npos) fail("malformed header (a quoted string expected)");
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }
  bool boolean() {
    skip_space();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (rest_.starts_with(word)) {
        rest_.remove_prefix(word.size());
        return value;
      }
    }
    fail("malformed header (True or False expected)");
  }
  std::vector<std::size_t> tuple() {
    std::vector<std::size_t> shape;
    expect('(');
    while (!accept(')')) {
      skip_space();
      std::size_t extent = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), extent);
      if (error != std::errc()) fail("malformed header (shape)");
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      shape.push_back(extent);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return shape;
  }
  std::string type(std::string_view descr) const {
    const bool native = descr.size() == 3 && (descr[0] == '<' || descr[0] == '|' || descr[0] == '=');
    if (!native || !known_type(descr.substr(1))) {
      fail(fmt::format("type \"{}\" is not supported; save one of little-endian {}", printable(descr),
                       fmt::join(kTypes, ", ")));
    }
    return std::string(descr.substr(1));
  }

  std::string_view rest_;
  const std::string& name_;
};

template <typename T>
T element(const NpyArray& array, std::size_t index) {
  T value;
  std::memcpy(&value, array.data.data() + index * sizeof(T), sizeof(T));
  return value;
}

// Calls visit(value, index) for all elements with their own C++ type.
template <typename Visit>
void visit_elements(const NpyArray& array, const Visit& visit) {
  const std::size_t count = array.elements();
  for (std::size_t i = 0; i < count; ++i) {
    if (array.type == "b1") visit(std::int64_t{array.data[i] != std::byte{0}}, i);
    if (array.type == "u1") visit(std::int64_t{element<std::uint8_t>(array, i)}, i);
    if (array.type == "i4") visit(std::int64_t{element<std::int32_t>(array, i)}, i);
    if (array.type == "i8") visit(element<std::int64_t>(array, i), i);
    if (array.type == "f4") visit(double{element<float>(array, i)}, i);
    if (array.type == "f8") visit(element<double>(array, i), i);
  }
}

// Both bounds are doubles: -2^63 and 2^63.
bool fits_int64(double value) { return value >= -0x1p63 && value < 0x1p63; }

}  // namespace

std::size_t NpyArray::elements() const { return checked_product(shape, 1).value_or(0); }

NpyArray read_npy_header(const std::function<void(std::span<std::byte>)>& read, const std::string& name) {
  constexpr std::size_t kLongestHeader = 1 << 20;
  const auto check = [&](bool good, const std::string& what) {
    if (!good) throw Error::failure(fmt::format("{}: {}", name, what));
  };
  std::array<std::byte, 12> start{};
  read(std::span(start).first(10));
  check(std::memcmp(start.data(), kNpyMagic.data(), kNpyMagic.size()) == 0, "not a NumPy .npy file (wrong magic)");
  const auto byte_at = [&](std::size_t i) { return std::to_integer<std::size_t>(start[i]); };
  const std::size_t major = byte_at(6);
  check(major >= 1 && major <= 3 && byte_at(7) == 0, fmt::format("unknown .npy version {}.{}", major, byte_at(7)));
  if (major >= 2) read(std::span(start).last(2));
  const std::size_t bytes = byte_at(8) | byte_at(9) << 8 | byte_at(10) << 16 | byte_at(11) << 24;
  check(bytes <= kLongestHeader, fmt::format("a header of {} bytes is no header", bytes));
  std::string text(bytes, ' ');
  read(std::as_writable_bytes(std::span(text)));
  NpyArray array;
  HeaderParser(text, name).parse(array);
  check(checked_product(array.shape, bytes_per_element(array.type)).has_value(),
        fmt::format("shape ({}) is more than any memory holds", fmt::join(array.shape, ", ")));
  return array;
}

NpyArray parse_npy(std::span<const std::byte> content, const std::string& name) {
  const std::string_view text(reinterpret_cast<const char*>(content.data()), content.size());
  if (!text.starts_with(kNpyMagic)) throw Error::failure(name + ": not a NumPy .npy file (wrong magic)");
  auto rest = content;
  const auto read = [&](std::span<std::byte> to) {
    if (to.size() > rest.size()) throw Error::failure(name + ": cut short within the header");
    std::copy_n(rest.begin(), to.size(), to.begin());
    rest = rest.subspan(to.size());
  };
  NpyArray array = read_npy_header(read, name);
  const auto expected = checked_product(array.shape, bytes_per_element(array.type));
  if (expected != rest.size()) {
    throw Error::failure(fmt::format("{}: {} bytes of data do not match shape ({}) of type {}", name, rest.size(),
                                     fmt::join(array.shape, ", "), array.type));
  }
  array.data.assign(rest.begin(), rest.end());
  return array;
}

NpyArray read_npy(const std::filesystem::path& file) { return parse_npy(read_file(file), file.string()); }

std::vector<std::int64_t> to_integers(const NpyArray& array, const std::string& name) {
  std::vector<std::int64_t> out;
  out.reserve(array.elements());
  visit_elements(array, [&](auto value, std::size_t index) {
    if constexpr (std::is_same_v<decltype(value), double>) {
      if (!fits_int64(value) || value != std::trunc(value)) {
        throw Error::failure(fmt::format("{}: element {} is {}, not a 64-bit integer", name, index, value));
      }
    }
    out.push_back(static_cast<std::int64_t>(value));
  });
  return out;
}

std::vector<double> to_doubles(const NpyArray& array, const std::string& name) {
  std::vector<double> out;
  out.reserve(array.elements());
  visit_elements(array, [&](auto value, std::size_t index) {
    const auto converted = static_cast<double>(value);
    if constexpr (std::is_same_v<decltype(value), std::int64_t>) {
      if (!fits_int64(converted) || static_cast<std::int64_t>(converted) != value) {
        throw Error::failure(fmt::format("{}: element {} is {}, which no double equals", name, index, value));
      }
    }
    out.push_back(converted);
  });
  return out;
}

std::string npy_header(const std::string& type, std::span<const std::size_t> shape, const std::string& name) {
  const char order = bytes_per_element(type) == 1 ? '|' : '<';
  std::string header = fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}{}), }}", order, type,
                                   fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
  // Magic, version, length, header and the final newline together are a multiple of 64 bytes, so that data is aligned.
  const std::size_t preamble = kNpyMagic.size() + 2 + 2;
  header.append(63 - (preamble + header.size()) % 64, ' ');
  header += '\n';
  if (header.size() > 65'535) throw Error::failure(fmt::format("{}: too many dimensions for .npy 1.0", name));

  std::string start(kNpyMagic);
  start += {'\x01', '\x00', static_cast<char>(header.size() & 0xFF), static_cast<char>(header.size() >> 8)};
  return start + header;
}

void write_npy(const std::filesystem::path& file, const std::string& type, std::span<const std::size_t> shape,
               std::span<const std::byte> data) {
  if (!known_type(type) || checked_product(shape, bytes_per_element(type)) != data.size()) {
    throw Error::failure(fmt::format("{}: cannot write {} bytes as type \"{}\" of shape ({}); this is a bug",
                                     file.string(), data.size(), type, fmt::join(shape, ", ")));
  }
  const std::string start = npy_header(type, shape, file.string());
  const std::array<std::span<const std::byte>, 2> pieces = {std::as_bytes(std::span(start)), data};
  write_file_atomically(file, pieces);
}

}  // namespace eaudeqn
