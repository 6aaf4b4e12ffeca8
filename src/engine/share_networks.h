// Who computes which network. Networks are independent, so each thread takes whole ones as long as there is one for
// every thread: it waits for nobody and a network's activations stay in one processor's cache. What is left is computed
// by all threads together, part by part. Results do not depend on it.
#pragma once

#include <algorithm>
#include <cstddef>

#include "core/parallel.h"

namespace eaudeqn {

// How many workspaces share_networks hands out.
inline std::size_t shared_workspaces(std::size_t networks, const ThreadPool& pool) {
  return std::min(networks, static_cast<std::size_t>(pool.threads()));
}

// Calls work(first, count, workspace, pool) such that all of networks 0 .. networks - 1 are covered once: networks
// first .. first + count - 1 are to be computed with `pool` in workspaces workspace .. workspace + count - 1. Calls
// whose workspaces differ run at the same time. Throws what `work` throws.
template <typename Work>
void share_networks(std::size_t networks, ThreadPool& pool, const Work& work) {
  const std::size_t whole = networks - networks % static_cast<std::size_t>(pool.threads());
  pool.for_each(whole, [&](std::size_t network, int worker) {
    ThreadPool alone(1);
    work(network, std::size_t{1}, static_cast<std::size_t>(worker), alone);
  });
  if (whole < networks) work(whole, networks - whole, std::size_t{0}, pool);
}

}  // namespace eaudeqn
