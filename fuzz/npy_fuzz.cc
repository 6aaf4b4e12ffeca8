// Arrays: .npy files, and the same bytes inside gzip as the DQN Replay Dataset has them. Both readers must agree on
// what an array is.
#include <zlib.h>

#include <algorithm>

#include "core/npy.h"
#include "harness.h"
#include "replay/gzip_npy.h"

namespace eaudeqn {
namespace {

Bytes gzipped(std::span<const std::byte> input) {
  z_stream stream{};
  constexpr int kGzip = 9 + 16, kMemory = 1;  // the least, as inputs are small
  if (deflateInit2(&stream, 1, Z_DEFLATED, kGzip, kMemory, Z_DEFAULT_STRATEGY) != Z_OK) broken("zlib works");
  Bytes out(deflateBound(&stream, input.size()));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(input.data()));
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) broken("zlib works");
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// In pieces, as a dataset is read. A header may promise more than any memory holds.
void read_gzip(const std::string& path) {
  GzipNpyReader reader(path);
  NpyArray array{reader.type(), reader.shape(), {}};
  std::size_t left = array.elements() * static_cast<std::size_t>(array.type[1] - '0');
  Bytes piece(1 << 12);
  for (; left > 0; left -= std::min(left, piece.size()))
    reader.read(std::span(piece).first(std::min(left, piece.size())));
  reader.expect_end();
}

}  // namespace
}  // namespace eaudeqn

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace eaudeqn;
  const auto input = std::as_bytes(std::span(data, size));
  NpyArray array;
  const bool good = accepted("a.npy", [&] { array = parse_npy(input, "a.npy"); });
  if (good) {
    accepted("a.npy", [&] { to_integers(array, "a.npy"); });
    accepted("a.npy", [&] { to_doubles(array, "a.npy"); });
    const std::string header = npy_header(array.type, array.shape, "b.npy");
    const auto start = std::as_bytes(std::span(header));
    Bytes again(start.begin(), start.end());
    again.insert(again.end(), array.data.begin(), array.data.end());
    const NpyArray other = parse_npy(again, "b.npy");
    if (other.type != array.type || other.shape != array.shape || other.data != array.data) {
      broken("an array survives being written");
    }
  }
  const MemoryFile raw(input);  // no gzip, or whatever the fuzzer makes of it
  accepted(raw.path(), [&] { read_gzip(raw.path()); });
  const MemoryFile compressed(gzipped(input));
  if (accepted(compressed.path(), [&] { read_gzip(compressed.path()); }) != good) {
    broken("an array is an array with and without gzip");
  }
  return 0;
}
