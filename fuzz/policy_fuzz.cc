// Policy files: as they are, which tests the container, and with their checksums made right, which tests what is behind
// them. What is accepted must survive being written, run, and exported.
#include <fmt/format.h>

#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/files.h"
#include "deploy/c_header.h"
#include "deploy/onnx.h"
#include "deploy/policy.h"
#include "deploy/policy_network.h"
#include "deploy/quantize.h"
#include "deploy/runtime.h"
#include "harness.h"

namespace eaudeqn {
namespace {

using Json = nlohmann::json;

// Nothing where there is no header to put checksums into.
std::optional<Bytes> with_right_checksums(std::span<const std::byte> input) {
  std::uint64_t length = 0;
  if (input.size() < sizeof length) return std::nullopt;
  std::memcpy(&length, input.data(), sizeof length);
  if (length > input.size() - sizeof length) return std::nullopt;
  const char* text = reinterpret_cast<const char*>(input.data()) + sizeof length;
  Json header = Json::parse(text, text + length, nullptr, /*allow_exceptions=*/false);
  if (!header.is_object() || !header.contains("__metadata__") || !header["__metadata__"].is_object()) {
    return std::nullopt;
  }
  const auto data = input.subspan(sizeof length + length);
  Json& metadata = header["__metadata__"];
  metadata.erase("metadata_xxh3");
  metadata["data_xxh3"] = fmt::format("{:016x}", checksum(data));
  std::string content = header.dump();  // parsed text is UTF-8
  metadata["metadata_xxh3"] = fmt::format("{:016x}", checksum(std::as_bytes(std::span(content))));
  content = header.dump();
  length = content.size();
  const auto bytes = std::as_bytes(std::span(&length, 1));
  Bytes out(bytes.begin(), bytes.end());
  const auto header_bytes = std::as_bytes(std::span(content));
  out.insert(out.end(), header_bytes.begin(), header_bytes.end());
  out.insert(out.end(), data.begin(), data.end());
  return out;
}

bool equal(const Policy& a, const Policy& b) {
  if (a.layers.size() != b.layers.size()) return false;
  for (std::size_t l = 0; l < a.layers.size(); ++l) {
    const PolicyLayer &x = a.layers[l], &y = b.layers[l];
    if (x.name != y.name || x.shape != y.shape || x.values != y.values || x.columns != y.columns ||
        x.row_starts != y.row_starts || x.bias != y.bias || x.scales != y.scales) {
      return false;
    }
  }
  return true;
}

// Large networks are accepted, but would make this slow.
bool is_small(const Policy& policy) {
  std::size_t weights = 0;
  for (const PolicyLayer& layer : policy.layers) weights += layer.parameters();
  return weights < 200'000;
}

void use(const Policy& policy, const std::string& name) {
  static const MemoryDirectory directory;
  const std::string copy = directory.path() / "copy";
  // Metadata may not fit in a file again (text that is reserved); the rest does.
  Policy again = policy;
  again.metadata.erase("format_version");
  if (accepted(copy, [&] { write_policy(again, copy); })) {
    if (!equal(read_policy(copy), policy)) broken("what is written is what was read");
    std::remove(copy.c_str());
  }
  if (!is_small(policy)) return;
  std::shared_ptr<const Runtime> runtime;
  if (accepted(name, [&] { runtime = std::make_shared<const Runtime>(policy, name); })) {
    // Errors of calls are not the file's: sums that overflow may be NaN.
    accepted("", [&] {
      const Bytes observation(runtime->observation_bytes());
      std::vector<float> outputs(runtime->outputs());
      RuntimeSession(runtime).forward(observation, 1, outputs);
    });
  }
  accepted(name, [&] {
    const Architecture architecture = make_network(policy, name).spec().architecture;
    c_header(policy, {"p", example_observation(architecture)}, name);
    onnx_model(policy, name);
    c_header(quantize(policy), {"p", example_observation(architecture)}, name);
    onnx_model(quantize(policy), name);
  });
}

void read(std::span<const std::byte> content) {
  const MemoryFile file(content);
  Policy policy;
  if (accepted(file.path(), [&] { policy = read_policy(file.path()); })) use(policy, file.path());
}

}  // namespace
}  // namespace eaudeqn

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto input = std::as_bytes(std::span(data, size));
  eaudeqn::read(input);
  if (const auto corrected = eaudeqn::with_right_checksums(input)) eaudeqn::read(*corrected);
  return 0;
}
