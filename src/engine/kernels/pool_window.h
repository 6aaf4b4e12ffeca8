// Which input cells a 3x3 max-pooling with stride 2 and SAME padding looks at, along one axis.
#pragma once

#include <algorithm>
#include <cstddef>

namespace eaudeqn {

// The input cells under output cell `out`: [first, last) of `inputs`.
struct PoolWindow {
  std::size_t first, last;
};

inline PoolWindow pool_window(std::size_t out, std::size_t inputs, std::size_t outputs) {
  const std::size_t covered = (outputs - 1) * 2 + 3;
  const std::size_t before = covered > inputs ? (covered - inputs) / 2 : 0;
  const std::size_t begin = out * 2;
  return {begin > before ? begin - before : 0, std::min(begin + 3 - before, inputs)};
}

}  // namespace eaudeqn
