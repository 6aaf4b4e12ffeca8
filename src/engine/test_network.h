// For tests only: one small network of each kind, with odd sizes.
#pragma once

#include <string>

#include "engine/network_spec.h"

namespace eaudeqn {

inline Architecture small_network(const std::string& kind) {
  Architecture architecture;
  architecture.kind = kind;
  architecture.features = 12;
  architecture.outputs = 3;
  architecture.input = {2, 11, 9};
  if (kind == "mlp") {
    architecture.input = {5};
    architecture.hidden = {19, 8};
  }
  return architecture;
}

// Two inputs, hidden layers of three and two units, one output: small enough to tell by hand who reads whom.
inline Architecture chain_network() {
  Architecture chain;
  chain.kind = "mlp";
  chain.input = {2};
  chain.hidden = {3, 2};
  chain.outputs = 1;
  return chain;
}

}  // namespace eaudeqn
