// See max_pool.h.
#include "engine/kernels/max_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/max_pool.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, kLanes>;
using Vector = hn::Vec<Tag>;
using IntegerTag = hn::RebindToSigned<Tag>;
using ByteTag = hn::Rebind<std::uint8_t, Tag>;
constexpr std::size_t kVectorWidth = hn::MaxLanes(Tag());

// Cells [first, last) of the three of a window are inside.
struct Window {
  std::size_t first, last;
};

// One axis. Window o has the input cells 2 o - before + (0, 1, 2).
struct Axis {
  std::size_t inputs, before;

  Axis(std::size_t all_inputs, std::size_t outputs) : inputs(all_inputs), before(2 * outputs + 1 - all_inputs) {
    before /= 2;  // SAME: what is missing is shared, the odd cell goes to the far side
  }
  Window window(std::size_t output) const {
    const std::size_t begin = 2 * output;  // counted from the cells before the first
    return {begin < before ? before - begin : 0, HWY_MIN(inputs + before - begin, std::size_t{3})};
  }
  std::size_t cell(std::size_t output, std::size_t k) const { return 2 * output + k - before; }
};

// `cell(row, column)`: where a cell of the window lies. Strictly larger cells win, so that the first one does.
template <typename Cell>
HWY_INLINE void pool_window(Window rows, Window columns, const Cell& cell, float* output, std::uint8_t* choices) {
  const Tag d;
  const IntegerTag di;
  for (std::size_t lane = 0; lane < kLanes; lane += kVectorWidth) {
    Vector largest = hn::Load(d, cell(rows.first, columns.first) + lane);
    auto choice = hn::Set(di, static_cast<std::int32_t>(3 * rows.first + columns.first));
    EAUDEQN_UNROLL
    for (std::size_t r = rows.first; r < rows.last; ++r) {
      EAUDEQN_UNROLL
      for (std::size_t c = columns.first; c < columns.last; ++c) {
        const Vector value = hn::Load(d, cell(r, c) + lane);
        const auto larger = hn::Gt(value, largest);
        largest = hn::IfThenElse(larger, value, largest);
        choice = hn::IfThenElse(hn::RebindMask(di, larger), hn::Set(di, static_cast<std::int32_t>(3 * r + c)), choice);
      }
    }
    hn::Store(largest, d, output + lane);
    if (choices != nullptr) hn::StoreU(hn::DemoteTo(ByteTag(), choice), ByteTag(), choices + lane);
  }
}

void max_pool_row_target(const TensorLayout& in, const float* input, const TensorLayout& out, float* output,
                         std::uint8_t* choices, std::size_t row) {
  const Axis down(in.height, out.height);
  const Axis across(in.width, out.width);
  const Window rows = down.window(row);
  const std::size_t pitch = in.row_pitch();
  for (std::size_t c = 0; c < out.channels; ++c) {
    float* to = output + out.offset(c, row, 0);
    std::uint8_t* chosen = choices == nullptr ? nullptr : choices + (c * out.height + row) * out.width * kLanes;
    for (std::size_t x = 0; x < out.width; ++x) {
      const Window columns = across.window(x);
      const float* first = input + in.offset(c, down.cell(row, rows.first), across.cell(x, columns.first));
      const auto cell = [&](std::size_t r, std::size_t q)
                            HWY_ATTR { return first + (r - rows.first) * pitch + (q - columns.first) * kLanes; };
      if (rows.last - rows.first == 3 && columns.last - columns.first == 3) {
        const auto whole = [&](std::size_t r, std::size_t q) HWY_ATTR { return first + r * pitch + q * kLanes; };
        pool_window({0, 3}, {0, 3}, whole, to, chosen);
      } else {
        pool_window(rows, columns, cell, to, chosen);
      }
      to += kLanes;
      if (chosen != nullptr) chosen += kLanes;
    }
  }
}

// A row of windows that have a row of input cells in them, as their row `first_choice` / 3.
struct WindowRow {
  const float* gradients;
  const std::uint8_t* choices;
  std::int32_t first_choice;
};

HWY_INLINE Vector arriving(const WindowRow& from, std::size_t window, std::int32_t column, std::size_t lane) {
  const IntegerTag di;
  const std::size_t at = window * kLanes + lane;
  const auto choice = hn::PromoteTo(di, hn::LoadU(ByteTag(), from.choices + at));
  const auto taken = hn::Eq(choice, hn::Set(di, from.first_choice + column));
  return hn::IfThenElseZero(hn::RebindMask(Tag(), taken), hn::Load(Tag(), from.gradients + at));
}

// One row of input cells: two for each window, of which the first lies in the window before as well.
HWY_INLINE void backward_row(const WindowRow* rows, std::size_t count, const Axis& across, std::size_t windows,
                             float* input_gradient) {
  const Tag d;
  for (std::size_t x = 0; x < windows; ++x) {
    for (std::size_t lane = 0; lane < kLanes; lane += kVectorWidth) {
      Vector shared = hn::Zero(d);
      Vector own = hn::Zero(d);
      for (std::size_t r = 0; r < count; ++r) {
        if (x > 0) shared = hn::Add(shared, arriving(rows[r], x - 1, 2, lane));
        shared = hn::Add(shared, arriving(rows[r], x, 0, lane));
        own = hn::Add(own, arriving(rows[r], x, 1, lane));
      }
      if (2 * x >= across.before) hn::Store(shared, d, input_gradient + across.cell(x, 0) * kLanes + lane);
      hn::Store(own, d, input_gradient + across.cell(x, 1) * kLanes + lane);
    }
  }
}

void max_pool_backward_target(const TensorLayout& out, const float* output_gradient, const std::uint8_t* choices,
                              const TensorLayout& in, float* input_gradient) {
  const Axis down(in.height, out.height);
  const Axis across(in.width, out.width);
  for (std::size_t c = 0; c < out.channels; ++c) {
    const auto windows = [&](std::size_t y, std::int32_t row) HWY_ATTR {
      return WindowRow{output_gradient + out.offset(c, y, 0), choices + (c * out.height + y) * out.width * kLanes,
                       3 * row};
    };
    for (std::size_t y = 0; y < in.height; ++y) {
      const std::size_t padded = y + down.before;
      const std::size_t half = padded / 2;
      WindowRow rows[2];
      std::size_t count = 0;
      if (padded % 2 == 0 && half > 0) rows[count++] = windows(half - 1, 2);
      rows[count++] = windows(half, static_cast<std::int32_t>(padded % 2));
      backward_row(rows, count, across, out.width, input_gradient + in.offset(c, y, 0));
    }
  }
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace eaudeqn {

HWY_EXPORT(max_pool_row_target);
HWY_EXPORT(max_pool_backward_target);

void max_pool_row(const TensorLayout& input_layout, const float* input, const TensorLayout& output_layout,
                  float* output, std::uint8_t* choices, std::size_t row) {
  HWY_DYNAMIC_DISPATCH(max_pool_row_target)(input_layout, input, output_layout, output, choices, row);
}

void max_pool_backward(const TensorLayout& output_gradient_layout, const float* output_gradient,
                       const std::uint8_t* choices, const TensorLayout& input_gradient_layout, float* input_gradient) {
  HWY_DYNAMIC_DISPATCH(max_pool_backward_target)
  (output_gradient_layout, output_gradient, choices, input_gradient_layout, input_gradient);
}

}  // namespace eaudeqn
#endif
