// The policy file: one network with everything that is needed to run it. Format: docs/policy_format.md (safetensors).
// Not a checkpoint: no optimizer, no replay, no training state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace eaudeqn {

// One layer with weights. Compressed sparse rows over out x (in * rows * columns); a dense layer lists every entry.
struct PolicyLayer {
  std::string name;                       // "conv1", "dense2"
  std::vector<std::size_t> shape;         // {out, in} or {out, in, rows, columns}
  std::vector<float> values;              // active weights, row by row
  std::vector<std::uint32_t> columns;     // their column in in * rows * columns, ascending in a row
  std::vector<std::uint32_t> row_starts;  // [out + 1]
  std::vector<float> bias;                // [out]
  std::vector<float> scales;              // [out]: values are whole numbers times these (quantize.h); empty: any floats

  std::size_t parameters() const;  // product of shape (weights only)
  bool is_dense() const { return values.size() == parameters(); }
};

struct Policy {
  // Metadata, all of it text in the file: "environment", "algorithm", "step", "sparsity", "architecture" (JSON:
  // {"kind","features","width","hidden","input":[C,H,W] or [n],"outputs"}), "preprocessing" (JSON), "actions" (JSON
  // list), "config" (TOML), "format_version", ...
  std::map<std::string, std::string> metadata;
  std::vector<PolicyLayer> layers;  // in network order

  double sparsity() const;        // over the weights of all layers
  bool discrete_actions() const;  // "actions" is a list of names: the largest output is the choice
};

// Layers with no zero are written dense `<name>.weight` (out, in, rows, columns), others as CSR: `<name>.values`,
// `<name>.columns` (u16, or u32 where a row is longer than 65,536), `<name>.row_starts` (u32), and `<name>.shape` in
// the metadata. Layers with scales are stored with 8 bits a weight (format version 2): all of a policy's layers or
// none. Atomic; keys in a fixed order: equal policies give equal bytes. Refuses NaN and infinite weights.
void write_policy(const Policy& policy, const std::filesystem::path& file);

// Accepts what write_policy writes. Throws Error::failure naming the file and the failed check: header length, JSON,
// holes or overlaps, types, shapes that disagree, columns out of range or not ascending, NaN, unknown format version,
// trailing bytes.
Policy read_policy(const std::filesystem::path& file);

// The metadata's "step" as a number. Throws Error::failure, naming `origin`, for what is none.
std::int64_t step_of(const std::string& text, const std::string& origin);

// Serialised size of one layer in the file, bytes (tensor data only).
std::size_t stored_bytes(const PolicyLayer& layer);

}  // namespace eaudeqn
