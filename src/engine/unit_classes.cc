// See unit_classes.h.
#include "engine/unit_classes.h"

#include <numeric>

namespace eaudeqn {
namespace {

bool has_layer(const Operation& operation) {
  return operation.kind == OperationKind::convolution || operation.kind == OperationKind::dense;
}

// For each tensor the first one that it shares its channels with (union-find).
std::vector<std::size_t> tied_tensors(const NetworkSpec& spec) {
  std::vector<std::size_t> first(spec.tensors.size());
  std::iota(first.begin(), first.end(), std::size_t{0});
  const auto root = [&](std::size_t tensor) {
    while (first[tensor] != tensor) tensor = first[tensor];
    return tensor;
  };
  const auto tie = [&](std::size_t a, std::size_t b) {
    a = root(a);
    b = root(b);
    first[std::max(a, b)] = std::min(a, b);
  };
  for (const Operation& operation : spec.operations) {
    if (!has_layer(operation)) tie(operation.input, operation.output);
    if (operation.residual >= 0) tie(static_cast<std::size_t>(operation.residual), operation.output);
  }
  for (std::size_t& tensor : first) tensor = root(tensor);
  return first;
}

}  // namespace

std::vector<UnitClass> unit_classes(const NetworkSpec& spec) {
  const std::vector<std::size_t> tensor_class = tied_tensors(spec);
  std::vector<UnitClass> by_tensor(spec.tensors.size());
  for (const Operation& operation : spec.operations) {
    if (!has_layer(operation)) continue;
    by_tensor[tensor_class[operation.output]].producers.push_back(operation.layer);
    by_tensor[tensor_class[operation.input]].consumers.push_back(operation.layer);
  }
  std::vector<UnitClass> classes;
  for (std::size_t tensor = 0; tensor < by_tensor.size(); ++tensor) {
    UnitClass& units = by_tensor[tensor];
    if (units.producers.empty() || units.consumers.empty()) continue;
    if (tensor_class[0] == tensor || tensor_class.back() == tensor) continue;
    units.units = spec.tensors[tensor].channels;
    classes.push_back(std::move(units));
  }
  return classes;
}

}  // namespace eaudeqn
