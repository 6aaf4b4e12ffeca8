#include "core/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/files.h"
#include "core/test_directory.h"

namespace eaudeqn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

// A version 1.0 file with this header dict and data.
std::vector<std::byte> file_with(const std::string& header, std::size_t data_bytes = 0, int major = 1) {
  std::string text = "\x93NUMPY";
  text +=
      {static_cast<char>(major), '\0', static_cast<char>(header.size() & 0xFF), static_cast<char>(header.size() >> 8)};
  if (major > 1) text += {'\0', '\0'};
  return bytes_of(text + header + std::string(data_bytes, '\1'));
}

std::string message_for(const std::vector<std::byte>& content) {
  return failure_message([&] { parse_npy(content, "x.npy"); });
}

template <typename T>
NpyArray array_of(const std::string& type, const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return {type, {values.size()}, {bytes.begin(), bytes.end()}};
}

TEST(Npy, GivesBackWhatWasWritten) {
  const TestDirectory directory;
  const std::vector<std::vector<std::size_t>> shapes = {{}, {0}, {7}, {2, 3}, {3, 84, 84, 4}, {0, 5}};
  for (const std::string type : {"b1", "u1", "i4", "i8", "f4", "f8"}) {
    for (const auto& shape : shapes) {
      NpyArray array{type, shape, {}};
      array.data.resize(array.elements() * static_cast<std::size_t>(type[1] - '0'));
      for (std::size_t i = 0; i < array.data.size(); ++i) array.data[i] = static_cast<std::byte>(i * 37);
      write_npy(directory / "x.npy", type, shape, array.data);
      const NpyArray back = read_npy(directory / "x.npy");
      EXPECT_EQ(back.type, type);
      EXPECT_EQ(back.shape, shape);
      EXPECT_EQ(back.data, array.data);
    }
  }
}

// As numpy.lib.format documents version 1.0: data starts at a multiple of 64 bytes, after a newline.
TEST(Npy, WritesTheDocumentedHeader) {
  const TestDirectory directory;
  const std::vector<std::size_t> shape = {2};
  write_npy(directory / "x.npy", "i4", shape, std::vector<std::byte>(8));
  const auto content = read_file(directory / "x.npy");
  const std::string text(reinterpret_cast<const char*>(content.data()), content.size());
  const std::string dict = "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }";
  const std::string expected = std::string("\x93NUMPY\x01\x00\x76\x00", 10) + dict;
  EXPECT_EQ(text.substr(0, expected.size()), expected);
  EXPECT_EQ(text.substr(expected.size(), 128 - expected.size()), std::string(127 - expected.size(), ' ') + "\n");
  EXPECT_EQ(content.size(), 128u + 8);
}

TEST(Npy, DataStartsAligned) {
  const TestDirectory directory;
  std::vector<std::size_t> shape;
  for (int dimensions = 0; dimensions < 40; ++dimensions) {
    write_npy(directory / "x.npy", "u1", shape, std::vector<std::byte>(1));
    EXPECT_EQ(std::filesystem::file_size(directory / "x.npy") % 64, 1u);
    shape.push_back(1);
  }
}

TEST(Npy, ReadsAllThreeVersionsAndOtherSpellings) {
  const std::string dict = "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }\n";
  for (const int major : {1, 2, 3}) EXPECT_EQ(parse_npy(file_with(dict, 8, major), "x").shape[0], 2u);
  const std::string other = "{\"shape\":(1 , 2,3),\"fortran_order\":False,\"descr\":\"|u1\"}";
  EXPECT_THAT(parse_npy(file_with(other, 6), "x").shape, ElementsAre(1, 2, 3));
}

TEST(Npy, RefusesMalformedHeaders) {
  for (const char* header :
       {"", "{", "{}", "[]", "{'descr': '<i4'}", "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), 'x': 1}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (2,)",
        "{'descr': '<i4', 'fortran_order': False, 'shape': 2}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), } x",
        "{'descr': '<i4', 'descr': '<i4', 'shape': (2,)}", "{'descr': '<i4', 'fortran_order': 0, 'shape': (2,)}",
        "{'descr': <i4, 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (-2,)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (2.0,)}",
        "{'descr' '<i4', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (2,}", "{'descr': '<i4' 'fortran_order': False}"}) {
    EXPECT_THAT(message_for(file_with(header, 8)), HasSubstr("malformed header")) << header;
  }
}

TEST(Npy, RefusesWhatItDoesNotSupportAndSaysWhat) {
  EXPECT_THAT(message_for(file_with("{'descr': '<i4', 'fortran_order': True, 'shape': (2,)}", 8)),
              HasSubstr("Fortran"));
  for (const std::string type : {">i4", "<i2", "<u8", "|O", "<c16", "<U3", "i4", "<f16", "<i4, ", ""}) {
    const std::string header = "{'descr': '" + type + "', 'fortran_order': False, 'shape': (2,)}";
    EXPECT_THAT(message_for(file_with(header, 8)), HasSubstr("type \"" + type + "\" is not supported")) << type;
  }
  EXPECT_THAT(message_for(file_with("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (2,)}", 8)),
              HasSubstr("malformed header"));
  EXPECT_THAT(message_for(bytes_of("PK\3\4 this is an .npz")), HasSubstr("wrong magic"));
  EXPECT_THAT(message_for({}), HasSubstr("wrong magic"));
  EXPECT_THAT(message_for(file_with("{}", 0, 4)), HasSubstr("version 4.0"));
}

TEST(Npy, RefusesDataThatDoesNotMatchTheShape) {
  const std::string header = "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }";
  EXPECT_THAT(message_for(file_with(header, 7)), HasSubstr("7 bytes of data do not match shape (2) of type i4"));
  EXPECT_THAT(message_for(file_with(header, 9)), HasSubstr("9 bytes"));
  // 2^62 x 4 elements of 4 bytes are 0 modulo 2^64.
  const std::string huge = "{'descr': '<i4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }";
  EXPECT_THAT(message_for(file_with(huge)), HasSubstr("more than any memory holds"));
}

// Readers of gzip have the header alone, and took such a file for an empty one.
TEST(Npy, AShapeWhoseProductOverflowsIsNotTakenForAnEmptyArray) {
  const auto content = file_with("{'descr': '<f4', 'fortran_order': False, 'shape': (8888888888020008119, 20), }");
  auto rest = std::span(content);
  const auto read = [&](std::span<std::byte> to) {
    std::copy_n(rest.begin(), to.size(), to.begin());
    rest = rest.subspan(to.size());
  };
  EXPECT_THAT(failure_message([&] { read_npy_header(read, "x.npy"); }),
              HasSubstr("x.npy: shape (8888888888020008119, 20) is more than any memory holds"));
}

TEST(Npy, RefusesEveryTruncation) {
  const auto good = file_with("{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }", 8, 2);
  for (std::size_t size = 0; size < good.size(); ++size) {
    failure_message([&] { parse_npy(std::span(good).first(size), "x.npy"); });
  }
}

// Changes may give another valid array (the data is not checksummed): it must be one that matches its shape.
TEST(Npy, SurvivesEveryChangedByte) {
  const auto good = file_with("{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }", 8);
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (unsigned value = 0; value < 256; ++value) {
      auto changed = good;
      changed[i] = static_cast<std::byte>(value);
      try {
        const NpyArray array = parse_npy(changed, "x.npy");
        ASSERT_EQ(array.data.size(), array.elements() * static_cast<std::size_t>(array.type[1] - '0'));
      } catch (const Error& error) {
        ASSERT_EQ(std::string(error.what()).substr(0, 7), "x.npy: ");
      }
    }
  }
}

TEST(Npy, NamesTheFile) {
  const TestDirectory directory;
  write_file_atomically(directory / "x.npy", std::string("no"));
  EXPECT_THAT(failure_message([&] { read_npy(directory / "x.npy"); }), HasSubstr((directory / "x.npy").string()));
}

TEST(Npy, ConvertsToIntegers) {
  EXPECT_THAT(to_integers(array_of<std::uint8_t>("u1", {0, 255}), "x"), ElementsAre(0, 255));
  EXPECT_THAT(to_integers(array_of<std::uint8_t>("b1", {0, 1}), "x"), ElementsAre(0, 1));
  EXPECT_THAT(to_integers(array_of<std::int32_t>("i4", {-5, 5}), "x"), ElementsAre(-5, 5));
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  EXPECT_THAT(to_integers(array_of<std::int64_t>("i8", {kLeast, 1}), "x"), ElementsAre(kLeast, 1));
  EXPECT_THAT(to_integers(array_of<float>("f4", {-3.0f}), "x"), ElementsAre(-3));
  EXPECT_THAT(to_integers(array_of<double>("f8", {-0x1p63, 7.0}), "x"), ElementsAre(kLeast, 7));
}

TEST(Npy, RefusesIntegersThatAreNone) {
  for (const double value : {0.5, 0x1p63, -0x1.1p63, std::nan(""), std::numeric_limits<double>::infinity()}) {
    const std::string message = failure_message([&] { to_integers(array_of<double>("f8", {1.0, value}), "a.npy"); });
    EXPECT_THAT(message, HasSubstr("a.npy: element 1 is "));
  }
}

TEST(Npy, ConvertsToDoublesExactlyOrNotAtAll) {
  EXPECT_THAT(to_doubles(array_of<float>("f4", {0.1f}), "x"), ElementsAre(double{0.1f}));
  EXPECT_THAT(to_doubles(array_of<std::int32_t>("i4", {-5}), "x"), ElementsAre(-5.0));
  EXPECT_TRUE(std::isnan(to_doubles(array_of<double>("f8", {std::nan("")}), "x")[0]));
  constexpr std::int64_t kExact = std::int64_t{1} << 53;
  EXPECT_THAT(to_doubles(array_of<std::int64_t>("i8", {kExact}), "x"), ElementsAre(0x1p53));
  for (const std::int64_t value : {kExact + 1, std::numeric_limits<std::int64_t>::max()}) {
    EXPECT_THAT(failure_message([&] { to_doubles(array_of<std::int64_t>("i8", {value}), "a.npy"); }),
                HasSubstr("a.npy: element 0"));
  }
}

TEST(Npy, RefusesToWriteWhatDoesNotMatch) {
  const TestDirectory directory;
  const std::vector<std::size_t> shape = {2};
  failure_message([&] { write_npy(directory / "x.npy", "i4", shape, std::vector<std::byte>(7)); });
  failure_message([&] { write_npy(directory / "x.npy", "u2", shape, std::vector<std::byte>(4)); });
  EXPECT_EQ(directory.entries(), 0u);
}

}  // namespace
}  // namespace eaudeqn
