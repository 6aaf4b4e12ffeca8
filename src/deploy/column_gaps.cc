// See column_gaps.h.
#include "deploy/column_gaps.h"

namespace eaudeqn {

constexpr std::uint32_t kMore = 255;

std::vector<std::uint8_t> encode_gaps(std::span<const std::uint32_t> columns,
                                      std::span<const std::uint32_t> row_starts) {
  std::vector<std::uint8_t> gaps;
  gaps.reserve(columns.size());
  for (std::size_t row = 0; row + 1 < row_starts.size(); ++row) {
    std::uint32_t next = 0;
    for (std::size_t i = row_starts[row]; i < row_starts[row + 1]; ++i) {
      std::uint32_t gap = columns[i] - next;
      for (; gap >= kMore; gap -= kMore) gaps.push_back(kMore);
      gaps.push_back(static_cast<std::uint8_t>(gap));
      next = columns[i] + 1;
    }
  }
  return gaps;
}

std::optional<std::vector<std::uint32_t>> decode_gaps(std::span<const std::uint8_t> gaps,
                                                      std::span<const std::uint32_t> row_starts,
                                                      std::size_t row_length) {
  std::vector<std::uint32_t> columns;
  // A column takes at least a byte, so that a small file cannot ask for much memory.
  if (row_starts.empty() || row_starts.back() > gaps.size()) return std::nullopt;
  columns.reserve(row_starts.back());
  std::size_t at = 0;
  for (std::size_t row = 0; row + 1 < row_starts.size(); ++row) {
    std::size_t column = 0;
    for (std::size_t i = row_starts[row]; i < row_starts[row + 1]; ++i) {
      do {
        if (at == gaps.size()) return std::nullopt;
        column += gaps[at];
      } while (gaps[at++] == kMore);
      if (column >= row_length) return std::nullopt;
      columns.push_back(static_cast<std::uint32_t>(column++));
    }
  }
  if (at != gaps.size()) return std::nullopt;
  return columns;
}

}  // namespace eaudeqn
