// Columns of compressed rows as bytes: what is skipped before each, instead of where it is. At 5 % density a column
// takes 1.00 bytes instead of 2 or 4. Knows nothing of layers or files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace eaudeqn {

// Per stored weight the number of columns skipped since the one before it in its row (or since the row's beginning): a
// byte of 255 skips 255 columns and says that more is to come, the next smaller one ends the gap. Columns ascend within
// a row; row r has the columns row_starts[r] .. row_starts[r + 1] - 1.
std::vector<std::uint8_t> encode_gaps(std::span<const std::uint32_t> columns,
                                      std::span<const std::uint32_t> row_starts);

// The columns again. Nothing where the bytes do not make exactly row_starts.back() columns below `row_length`.
// row_starts begin with 0 and ascend.
std::optional<std::vector<std::uint32_t>> decode_gaps(std::span<const std::uint8_t> gaps,
                                                      std::span<const std::uint32_t> row_starts,
                                                      std::size_t row_length);

}  // namespace eaudeqn
