// The implementation of area_resize.h. What makes it equal to OpenCV in the last bit: the weights are computed in
// double and rounded once to float, a source row is narrowed tap by tap in float from the left, whole rows are then
// added from the top, and the sum is rounded half to even. Nothing here may be fused into multiply-adds
// (-ffp-contract=off).
#include "environments/area_resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

// OpenCV drops a source line whose overlap with the destination cell is not longer than this.
constexpr double shortest_overlap = 1e-3;

// OpenCV inverts the inverse factor; the two divisions do not always give source_size / size.
double scale_factor(std::size_t source_size, std::size_t size) {
  return 1.0 / (static_cast<double>(size) / static_cast<double>(source_size));
}

bool is_whole(double scale) { return std::abs(scale - std::round(scale)) < 1e-12; }

// Half to even, for 0 <= value < 2^22: adding 2^23 leaves no fraction bits. std::nearbyint would be a call per pixel.
float round_half_to_even(float value) {
  constexpr float no_fraction = 8388608.0F;
  return (value + no_fraction) - no_fraction;
}

}  // namespace

AreaResize::AreaResize(std::size_t source_rows, std::size_t source_columns, std::size_t rows, std::size_t columns)
    : source_rows_(source_rows),
      source_columns_(source_columns),
      rows_(rows),
      columns_(columns),
      wide_(source_columns),
      narrow_(columns),
      sum_(columns) {
  const bool shrinks = rows > 0 && columns > 0 && source_rows >= rows && source_columns >= columns;
  if (!shrinks || source_columns > 65535 ||
      (is_whole(scale_factor(source_rows, rows)) && is_whole(scale_factor(source_columns, columns)))) {
    throw Error::failure("area resize from " + std::to_string(source_rows) + "x" + std::to_string(source_columns) +
                         " to " + std::to_string(rows) + "x" + std::to_string(columns) +
                         " is not supported: both sides must shrink, not both by whole factors");
  }
  row_taps_ = taps(source_rows, rows);
  const Taps column_taps = taps(source_columns, columns);
  for (const auto& column : column_taps) taps_per_column_ = std::max(taps_per_column_, column.size());
  tap_column_.assign(taps_per_column_ * columns, 0);
  tap_weight_.assign(taps_per_column_ * columns, 0.0F);
  for (std::size_t column = 0; column < columns; ++column) {
    for (std::size_t tap = 0; tap < column_taps[column].size(); ++tap) {
      tap_column_[tap * columns + column] = static_cast<std::uint16_t>(column_taps[column][tap].source);
      tap_weight_[tap * columns + column] = column_taps[column][tap].weight;
    }
  }
}

AreaResize::Taps AreaResize::taps(std::size_t source_size, std::size_t size) {
  const double scale = scale_factor(source_size, size);
  const auto source_end = static_cast<double>(source_size);
  Taps all(size);
  for (std::size_t index = 0; index < size; ++index) {
    const double begin = static_cast<double>(index) * scale;
    const double end = begin + scale;
    const double width = std::min(scale, source_end - begin);
    const double last_whole = std::min(std::floor(end), source_end - 1.0);  // first line not wholly inside
    const double first_whole = std::min(std::ceil(begin), last_whole);
    const auto add = [&](double source, double share) {
      all[index].push_back({static_cast<std::size_t>(source), static_cast<float>(share)});
    };
    if (first_whole - begin > shortest_overlap) add(first_whole - 1.0, (first_whole - begin) / width);
    for (double source = first_whole; source < last_whole; ++source) add(source, 1.0 / width);
    if (end - last_whole > shortest_overlap) {
      add(last_whole, std::min(std::min(end - last_whole, 1.0), width) / width);
    }
  }
  return all;
}

void AreaResize::shrink_row(const std::uint8_t* row) {
  for (std::size_t column = 0; column < source_columns_; ++column) wide_[column] = static_cast<float>(row[column]);
  std::fill(narrow_.begin(), narrow_.end(), 0.0F);
  for (std::size_t tap = 0; tap < taps_per_column_; ++tap) {
    const std::uint16_t* source = &tap_column_[tap * columns_];
    const float* weight = &tap_weight_[tap * columns_];
    for (std::size_t column = 0; column < columns_; ++column) narrow_[column] += wide_[source[column]] * weight[column];
  }
}

void AreaResize::run(std::span<const std::uint8_t> source, std::span<std::uint8_t> destination) {
  if (source.size() != source_rows_ * source_columns_ || destination.size() != rows_ * columns_) {
    throw Error::failure("area resize got images of other sizes than it was made for");
  }
  const std::uint8_t* narrowed = nullptr;  // the source row that narrow_ holds
  for (std::size_t row = 0; row < rows_; ++row) {
    std::fill(sum_.begin(), sum_.end(), 0.0F);
    for (const Tap& tap : row_taps_[row]) {
      const std::uint8_t* source_row = source.data() + tap.source * source_columns_;
      // Game screens repeat rows; an equal row narrows to the same numbers.
      if (narrowed == nullptr || (narrowed != source_row && std::memcmp(narrowed, source_row, source_columns_) != 0)) {
        shrink_row(source_row);
      }
      narrowed = source_row;
      for (std::size_t column = 0; column < columns_; ++column) sum_[column] += tap.weight * narrow_[column];
    }
    std::uint8_t* out = destination.data() + row * columns_;
    for (std::size_t column = 0; column < columns_; ++column) {
      out[column] = static_cast<std::uint8_t>(std::min(round_half_to_even(sum_[column]), 255.0F));
    }
  }
}

}  // namespace eaudeqn
