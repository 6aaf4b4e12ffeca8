// Between a policy file and a network that runs: conversion both ways. No files (policy.h), no training state.
#pragma once

#include <map>
#include <string>

#include "deploy/policy.h"
#include "engine/network.h"

namespace eaudeqn {

// The network's active weights; "architecture", "sparsity" and the layer names follow from the network, the rest of the
// metadata is the caller's.
Policy make_policy(const Network& network, std::map<std::string, std::string> metadata);

// A network without gradients that computes what the policy says. Throws Error::failure (naming `origin`, the file)
// when layers and architecture disagree.
Network make_network(const Policy& policy, const std::string& origin);

// The same outputs to float rounding from a smaller network: see smaller_network.h. "sparsity" stays that of the
// network as it was trained. A policy with 8-bit weights comes back as it is.
Policy without_dead_units(const Policy& policy, const std::string& origin);

}  // namespace eaudeqn
