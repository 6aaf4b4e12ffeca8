// See c_layers.h.
#include "deploy/c_layers.h"

#include <algorithm>

#include "deploy/quantize.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kLargestGap = 255;

// A stored weight where the C program wants it; `from` is its index in the policy's layer.
struct Entry {
  std::size_t row, place, from;
};

// From an index in the order channel, row, column to one in the order row, column, channel.
std::size_t interleaved(const TensorShape& shape, std::size_t index) {
  const std::size_t pixels = shape.height * shape.width;
  return index % pixels * shape.channels + index / pixels;
}

std::vector<Entry> sorted_entries(const PolicyLayer& layer, const NetworkSpec& spec, const Operation& operation) {
  const bool dense = operation.kind == OperationKind::dense;
  std::vector<Entry> entries;
  entries.reserve(layer.values.size());
  for (std::size_t row = 0; row < layer.shape[0]; ++row) {
    for (std::size_t i = layer.row_starts[row]; i < layer.row_starts[row + 1]; ++i) {
      std::size_t column = layer.columns[i];
      if (dense && operation.input == 0) column = interleaved(spec.tensors[0], column);
      entries.push_back(dense ? Entry{column, row, i} : Entry{row, column, i});
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.row != b.row ? a.row < b.row : a.place < b.place; });
  return entries;
}

// Appends weights, gaps and counts to a layer.
class Stream {
 public:
  Stream(const PolicyLayer& from, CLayer& to) : from_(from), to_(to) {
    if (!from.scales.empty()) integers_ = integers_of(from);
  }

  void put(std::size_t index) {
    if (integers_.empty()) {
      to_.weights.push_back(from_.values[index]);
    } else {
      to_.integers.push_back(integers_[index]);
    }
  }

  void put_zero() {
    if (from_.scales.empty()) {
      to_.weights.push_back(0.0F);
    } else {
      to_.integers.push_back(0);
    }
  }

 private:
  const PolicyLayer& from_;
  CLayer& to_;
  std::vector<std::int8_t> integers_;
};

CLayer gapped_layer(const PolicyLayer& layer, const std::vector<Entry>& entries, std::size_t rows) {
  CLayer out;
  out.gapped = true;
  out.counts.assign(rows, 0);
  Stream stream(layer, out);
  std::size_t row = 0, next = 0;
  for (const Entry& entry : entries) {
    if (entry.row != row) row = entry.row, next = 0;
    for (; entry.place - next > kLargestGap; next += kLargestGap + 1) {
      out.gaps.push_back(kLargestGap);
      stream.put_zero();
      ++out.counts[row];
    }
    out.gaps.push_back(static_cast<std::uint8_t>(entry.place - next));
    stream.put(entry.from);
    ++out.counts[row];
    next = entry.place + 1;
  }
  return out;
}

CLayer full_layer(const PolicyLayer& layer, const std::vector<Entry>& entries, std::size_t places) {
  CLayer out;
  Stream stream(layer, out);
  std::size_t next = 0;
  for (const Entry& entry : entries) {
    for (; next < entry.row * places + entry.place; ++next) stream.put_zero();
    stream.put(entry.from);
    ++next;
  }
  for (; next < layer.parameters(); ++next) stream.put_zero();
  return out;
}

}  // namespace

CLayer make_c_layer(const PolicyLayer& layer, const NetworkSpec& spec, std::size_t index) {
  const Operation& operation = spec.operation_of(index);
  const LayerSpec& shape = spec.layers[index];
  const bool dense = operation.kind == OperationKind::dense;
  const std::size_t rows = dense ? shape.in : shape.out;
  const auto entries = sorted_entries(layer, spec, operation);
  CLayer gapped = gapped_layer(layer, entries, rows);
  const std::size_t weight_bytes = layer.scales.empty() ? sizeof(float) : 1;
  const std::size_t gapped_bytes = gapped.gaps.size() * (weight_bytes + 1) + rows;
  if (gapped_bytes < shape.weights() * weight_bytes) return gapped;
  return full_layer(layer, entries, shape.weights() / rows);
}

CWorkspace make_c_workspace(const NetworkSpec& spec) {
  const std::size_t count = spec.tensors.size();
  std::vector<std::size_t> made(count, 0), last_used(count, 0);
  for (std::size_t i = 0; i < spec.operations.size(); ++i) {
    const Operation& operation = spec.operations[i];
    made[operation.output] = i;
    last_used[operation.input] = i;
    if (operation.residual >= 0) last_used[static_cast<std::size_t>(operation.residual)] = i;
  }
  CWorkspace workspace;
  workspace.offsets.assign(count, 0);
  // In the order in which they are made, each at the lowest place that no tensor in use holds.
  std::vector<std::size_t> placed;
  for (const Operation& operation : spec.operations) {
    const std::size_t tensor = operation.output;
    if (tensor == count - 1) continue;
    std::vector<std::size_t> in_use;
    std::copy_if(placed.begin(), placed.end(), std::back_inserter(in_use),
                 [&](std::size_t other) { return last_used[other] >= made[tensor]; });
    std::sort(in_use.begin(), in_use.end(),
              [&](std::size_t a, std::size_t b) { return workspace.offsets[a] < workspace.offsets[b]; });
    std::size_t offset = 0;
    const std::size_t size = spec.tensors[tensor].elements();
    for (const std::size_t other : in_use) {
      if (offset + size <= workspace.offsets[other]) break;
      offset = std::max(offset, workspace.offsets[other] + spec.tensors[other].elements());
    }
    workspace.offsets[tensor] = offset;
    workspace.size = std::max(workspace.size, offset + size);
    placed.push_back(tensor);
  }
  return workspace;
}

}  // namespace eaudeqn
