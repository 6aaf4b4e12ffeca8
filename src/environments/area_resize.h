// Shrinks a gray image by area averaging, equal bit for bit to OpenCV's resize with INTER_AREA on 8-bit images.
// Not a general resize: no enlarging, one channel, and not the case where both factors are whole numbers (OpenCV then
// averages in integers).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace eaudeqn {

// Thread safety: one owner (it keeps scratch rows).
class AreaResize {
 public:
  // Throws Error::failure for sizes outside what is said above.
  AreaResize(std::size_t source_rows, std::size_t source_columns, std::size_t rows, std::size_t columns);

  // `source` is source_rows x source_columns, `destination` rows x columns, both row by row.
  void run(std::span<const std::uint8_t> source, std::span<std::uint8_t> destination);

 private:
  // The share of source line `source` in the destination line that owns the tap.
  struct Tap {
    std::size_t source;
    float weight;
  };
  using Taps = std::vector<std::vector<Tap>>;  // [destination line], in the order of the source lines

  static Taps taps(std::size_t source_size, std::size_t size);
  void shrink_row(const std::uint8_t* row);  // fills narrow_

  std::size_t source_rows_;
  std::size_t source_columns_;
  std::size_t rows_;
  std::size_t columns_;
  Taps row_taps_;
  std::size_t taps_per_column_ = 0;        // every column has as many: short ones end with weights of 0
  std::vector<std::uint16_t> tap_column_;  // [tap][column]
  std::vector<float> tap_weight_;          // [tap][column]
  std::vector<float> wide_;                // one source row
  std::vector<float> narrow_;              // the same, `columns_` wide
  std::vector<float> sum_;                 // the destination row under way
};

}  // namespace eaudeqn
