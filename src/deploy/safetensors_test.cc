// The container: what it writes, byte by byte, and every malformed file that it must refuse.
#include "deploy/safetensors.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "core/files.h"
#include "core/test_directory.h"
#include "eaudeqn/error.h"

namespace eaudeqn::safetensors {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class Safetensors : public ::testing::Test {
 protected:
  void write_raw(const std::string& header, const std::string& data) {
    write_with_length(header.size(), header + data);
  }

  void write_with_length(std::uint64_t length, const std::string& rest) {
    std::ofstream out(file_, std::ios::binary);
    out.write(reinterpret_cast<const char*>(&length), sizeof length);
    out << rest;
  }

  std::string content() {
    const auto bytes = read_file(file_);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  // The error of reading file_, or "" when it is accepted.
  std::string error() {
    try {
      const File file(file_);
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::Kind::failure);
      EXPECT_THAT(error.what(), AllOf(HasSubstr(file_.string()), Not(HasSubstr("\n"))));
      return error.what();
    }
  }

  std::string error_of(const std::string& header, const std::string& data = std::string(8, 'x')) {
    write_raw(header, data);
    return error();
  }

  TestDirectory directory_;
  std::filesystem::path file_ = directory_ / "x.safetensors";
};

const std::string kMetadata = R"({"__metadata__":{})";

// One tensor of the given JSON beside valid metadata.
std::string header_with(const std::string& entry) { return kMetadata + R"(,"a":)" + entry + "}"; }

TEST_F(Safetensors, WritesTheDocumentedBytes) {
  const std::vector<float> a = {1.0f, -2.0f};
  const std::vector<std::uint16_t> b = {3};
  const Tensor tensors[] = {{"a", Type::f32, {1, 2}, std::as_bytes(std::span(a))},
                            {"b", Type::u16, {1}, std::as_bytes(std::span(b))}};
  write(file_, {{"k", "v"}}, tensors);

  const std::string data("\x00\x00\x80\x3f\x00\x00\x00\xc0\x03\x00", 10);
  const std::string data_xxh3 = fmt::format("{:016x}", checksum(std::as_bytes(std::span(data))));
  const std::string canonical =
      R"({"__metadata__":{"data_xxh3":")" + data_xxh3 +
      R"(","k":"v"},"a":{"data_offsets":[0,8],"dtype":"F32","shape":[1,2]},"b":{"data_offsets":[8,10],"dtype":"U16","shape":[1]}})";
  const std::string metadata_xxh3 = fmt::format("{:016x}", checksum(std::as_bytes(std::span(canonical))));
  std::string header =
      R"({"__metadata__":{"k":"v","data_xxh3":")" + data_xxh3 + R"(","metadata_xxh3":")" + metadata_xxh3 +
      R"("},"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"b":{"dtype":"U16","shape":[1],"data_offsets":[8,10]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');

  const std::string written = content();
  std::uint64_t length = 0;
  std::memcpy(&length, written.data(), sizeof length);
  EXPECT_EQ(length, header.size());
  EXPECT_EQ(written.substr(8), header + data);
}

TEST_F(Safetensors, ReadsWhatItWrote) {
  const std::vector<float> a = {1.0f, -2.0f};
  const Tensor tensors[] = {{"a", Type::f32, {1, 2}, std::as_bytes(std::span(a))}, {"empty", Type::u32, {0}, {}}};
  write(file_, {{"k", "line\nnext \"quoted\" \xc3\xa9"}}, tensors);

  const File file(file_);
  EXPECT_THAT(file.metadata(), ::testing::ElementsAre(::testing::Pair("k", "line\nnext \"quoted\" \xc3\xa9")));
  ASSERT_EQ(file.tensors().size(), 2u);
  EXPECT_EQ(file.tensors().at("a").shape, (std::vector<std::size_t>{1, 2}));
  EXPECT_EQ(std::memcmp(file.tensors().at("a").data.data(), a.data(), 8), 0);
  EXPECT_EQ(file.tensors().at("empty").elements(), 0u);
}

TEST_F(Safetensors, RefusesTextThatIsNotUtf8) {
  EXPECT_THROW(write(file_, {{"k", "\xff"}}, {}), Error);
  EXPECT_FALSE(std::filesystem::exists(file_));
}

TEST_F(Safetensors, RefusesAMissingFile) { EXPECT_THAT(error(), HasSubstr(file_.string())); }

TEST_F(Safetensors, RefusesHeaderLengths) {
  write_with_length(0, "{}");
  EXPECT_THAT(error(), HasSubstr("length"));
  write_with_length(100'000'001, "{}");
  EXPECT_THAT(error(), HasSubstr("100 MB"));
  write_with_length(~std::uint64_t{0}, "{}");
  EXPECT_THAT(error(), HasSubstr("100 MB"));
  write_with_length(3, "{}");
  EXPECT_THAT(error(), HasSubstr("inside its header"));
  std::ofstream(file_, std::ios::binary | std::ios::trunc) << "1234567";
  EXPECT_THAT(error(), HasSubstr("too short"));
}

TEST_F(Safetensors, RefusesHeadersThatAreNotAnObject) {
  EXPECT_THAT(error_of("[]"), HasSubstr("begin with '{'"));
  EXPECT_THAT(error_of(" {}"), HasSubstr("begin with '{'"));
  EXPECT_THAT(error_of("{"), HasSubstr("not JSON"));
  EXPECT_THAT(error_of("{} x"), HasSubstr("not JSON"));
  EXPECT_THAT(error_of(kMetadata + "}" + std::string("\0", 1)), HasSubstr("zero byte"));
  EXPECT_THAT(error_of("{\"\xff\":1}"), HasSubstr("not JSON"));
  EXPECT_THAT(error_of(R"({"a":1e999})"), HasSubstr("out of range"));
  EXPECT_THAT(error_of(R"({"a":)" + std::string(1'000'000, '[')), HasSubstr("not JSON"));
  EXPECT_THAT(error_of(header_with(std::string(200'000, '[') + std::string(200'000, ']'))), HasSubstr("needs dtype"));
}

TEST_F(Safetensors, RefusesKeysThatAppearTwice) {
  EXPECT_THAT(error_of(R"({"__metadata__":{},"__metadata__":{}})"), HasSubstr("twice"));
  EXPECT_THAT(error_of(R"({"__metadata__":{"k":"1","k":"2"}})"), HasSubstr("twice"));
  EXPECT_THAT(error_of(header_with(R"({"dtype":"F32","dtype":"F32"})")), HasSubstr("twice"));
}

TEST_F(Safetensors, RefusesMetadataThatIsMissingOrNotText) {
  EXPECT_THAT(error_of("{}"), HasSubstr("no metadata"));
  EXPECT_THAT(error_of(R"({"__metadata__":[]})"), HasSubstr("no metadata"));
  EXPECT_THAT(error_of(R"({"__metadata__":{"k":1}})"), HasSubstr("must be text"));
}

TEST_F(Safetensors, RefusesMalformedTensorEntries) {
  EXPECT_THAT(error_of(header_with("1")), HasSubstr("needs dtype"));
  EXPECT_THAT(error_of(header_with(R"({"dtype":"F32","shape":[2]})")), HasSubstr("needs dtype"));
  EXPECT_THAT(error_of(header_with(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1})")),
              HasSubstr("needs dtype"));
  EXPECT_THAT(error_of(header_with(R"({"dtype":"F64","shape":[1],"data_offsets":[0,8]})")), HasSubstr("unknown type"));
  EXPECT_THAT(error_of(header_with(R"({"dtype":7,"shape":[1],"data_offsets":[0,8]})")), HasSubstr("unknown type"));
  EXPECT_THAT(error_of(header_with(R"({"dtype":"F32","shape":2,"data_offsets":[0,8]})")), HasSubstr("arrays"));
  for (const char* size : {"-2", "2.0", "\"2\"", "null", "18446744073709551616"}) {
    EXPECT_THAT(error_of(header_with(fmt::format(R"({{"dtype":"F32","shape":[{}],"data_offsets":[0,8]}})", size))),
                HasSubstr("whole numbers"))
        << size;
  }
}

TEST_F(Safetensors, RefusesOffsetsOutsideOfTheFile) {
  for (const char* offsets : {"[0,9]", "[9,9]", "[8,0]", "[0]", "[0,8,8]", "[0,18446744073709551615]"}) {
    EXPECT_THAT(error_of(header_with(fmt::format(R"({{"dtype":"F32","shape":[2],"data_offsets":{}}})", offsets))),
                HasSubstr("outside"))
        << offsets;
  }
}

TEST_F(Safetensors, RefusesShapesThatDisagreeWithTheSize) {
  // The second product is 2 modulo 2^64, the third 8 bytes modulo 2^64.
  for (const char* shape : {"[3]", "[9223372036854775809,2]", "[4611686018427387906]", "[]", "[2,0]"}) {
    EXPECT_THAT(error_of(header_with(fmt::format(R"({{"dtype":"F32","shape":{},"data_offsets":[0,8]}})", shape))),
                HasSubstr("disagree"))
        << shape;
  }
}

TEST_F(Safetensors, RefusesHolesOverlapsAndTrailingBytes) {
  const auto two = [](const char* first, const char* second) {
    return kMetadata + fmt::format(R"(,"a":{{"dtype":"F32","shape":[1],"data_offsets":{}}})", first) +
           fmt::format(R"(,"b":{{"dtype":"F32","shape":[1],"data_offsets":{}}}}})", second);
  };
  EXPECT_THAT(error_of(two("[0,4]", "[0,4]"), "12345678"), HasSubstr("overlap"));
  EXPECT_THAT(error_of(two("[0,4]", "[2,6]"), "123456"), HasSubstr("overlap"));
  EXPECT_THAT(error_of(two("[0,4]", "[5,9]"), "123456789"), HasSubstr("hole"));
  EXPECT_THAT(error_of(two("[1,5]", "[5,9]"), "123456789"), HasSubstr("hole"));
  EXPECT_THAT(error_of(two("[0,4]", "[4,8]"), "123456789"), HasSubstr("follow the last tensor"));
  EXPECT_THAT(error_of(kMetadata + "}", "1"), HasSubstr("follow the last tensor"));
  EXPECT_THAT(error_of(two("[4,8]", "[0,4]"), "12345678"), HasSubstr("checksums are missing")) << "any order is valid";
}

TEST_F(Safetensors, RefusesWrongChecksums) {
  const std::vector<float> a = {1.0f, -2.0f};
  write(file_, {}, std::vector<Tensor>{{"a", Type::f32, {2}, std::as_bytes(std::span(a))}});
  EXPECT_EQ(error(), "");
  const std::string good = content();
  const auto with = [&](std::size_t position, char byte) {
    std::string bad = good;
    bad[position] = byte;
    std::ofstream(file_, std::ios::binary | std::ios::trunc) << bad;
  };
  with(good.size() - 1, 0x40);
  EXPECT_THAT(error(), HasSubstr("tensors are damaged"));
  with(good.find("[2]") + 1, '1');
  EXPECT_THAT(error(), HasSubstr("disagree"));
  with(good.find("\"a\"") + 1, 'b');
  EXPECT_THAT(error(), HasSubstr("header is damaged"));
}

TEST_F(Safetensors, AnErrorIsOneLineWhateverTheNames) {
  EXPECT_THAT(error_of(kMetadata + R"(,"a\nb\u0000":1})"), HasSubstr("'a?b?'"));
}

}  // namespace
}  // namespace eaudeqn::safetensors
