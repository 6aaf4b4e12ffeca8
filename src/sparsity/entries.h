// How entries of a layer are compared and counted, the same for every method. Inside sparsity only.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <span>

namespace eaudeqn {

// Non-negative floats are ordered as their bits are; NaN above infinity, all NaNs equal.
inline std::uint32_t magnitude_key(float weight) {
  constexpr std::uint32_t kInfinity = 0x7f800000u;
  const std::uint32_t key = std::bit_cast<std::uint32_t>(weight) & 0x7fffffffu;
  return std::min(key, kInfinity + 1);
}

// floor(share * n), where a product that misses a whole number only by rounding counts as that number: 0.29 * 100 is
// 28.999999999999996 in floating point and means 29. The slack, 8 units in the last place of 1 added to the share,
// covers shares that went through a few additions (1 - 0.9) and is far below one entry for any layer that fits in
// memory.
inline std::size_t share_of(double share, std::size_t n) {
  constexpr double kSlack = 8 * std::numeric_limits<double>::epsilon();
  const double count = std::floor((share + kSlack) * static_cast<double>(n));
  return std::min(n, static_cast<std::size_t>(std::max(count, 0.0)));
}

inline std::size_t elements(std::span<const std::size_t> shape) {
  return std::accumulate(shape.begin(), shape.end(), std::size_t{1}, std::multiplies<>());
}

}  // namespace eaudeqn
