// See matrix_vector.h.
#include "engine/kernels/matrix_vector.h"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/matrix_vector.cc"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, 8>;
using Vector = hn::Vec<Tag>;
constexpr std::size_t kWidth = hn::MaxLanes(Tag());
using Single = hn::CappedTag<float, 1>;

#if HWY_TARGET != HWY_SCALAR  // the baseline has no vectors

using Quad = hn::CappedTag<float, 4>;  // one 128-bit block

// {x[i0], x[i1], x[i2], x[i3]}: scalar loads and blends are quicker than the hardware's gathers on most machines, and
// two indices in one load leave the load units to the inputs.
HWY_INLINE auto pick_four(const float* HWY_RESTRICT input, const std::uint16_t* HWY_RESTRICT indices) {
  const Quad d;
  std::uint32_t low = 0, high = 0;
  std::memcpy(&low, indices, sizeof(low));
  std::memcpy(&high, indices + 2, sizeof(high));
  const auto lower = hn::OddEven(hn::Set(d, input[low >> 16]), hn::Set(d, input[low & 0xFFFF]));
  const auto upper = hn::OddEven(hn::Set(d, input[high >> 16]), hn::Set(d, input[high & 0xFFFF]));
  return hn::ConcatUpperLower(d, upper, lower);
}

// A vector of kLanes, 4 or 8.
template <std::size_t kLanes>
HWY_INLINE auto pick(const float* HWY_RESTRICT input, const std::uint16_t* HWY_RESTRICT indices) {
  if constexpr (kLanes == 8) {
    return hn::Combine(hn::CappedTag<float, kLanes>(), pick_four(input, indices + 4), pick_four(input, indices));
  } else {
    return pick_four(input, indices);
  }
}

void multiply_groups_target(const GroupedMatrix& matrix, const float* HWY_RESTRICT input, float* HWY_RESTRICT outputs) {
  const Tag d;
  constexpr std::size_t kVectors = kGroup / kWidth;
  for (std::size_t g = 0; g < matrix.groups; ++g) {
    Vector sums[kVectors];
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) sums[v] = hn::LoadU(d, outputs + g * kGroup + v * kWidth);
    const std::size_t end = matrix.starts[g + 1];
    for (std::size_t e = matrix.starts[g]; e < end; ++e) {
      const float* HWY_RESTRICT values = matrix.values + e * kGroup;
      const std::uint16_t* HWY_RESTRICT indices = matrix.indices + e * kGroup;
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) {
        sums[v] = hn::MulAdd(hn::LoadU(d, values + v * kWidth), pick<kWidth>(input, indices + v * kWidth), sums[v]);
      }
    }
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(sums[v], d, outputs + g * kGroup + v * kWidth);
  }
}

#else

void multiply_groups_target(const GroupedMatrix& matrix, const float* input, float* outputs) {
  const Single d;
  for (std::size_t i = 0; i < matrix.groups * kGroup; ++i) {
    auto sum = hn::Set(d, outputs[i]);
    for (std::size_t e = matrix.starts[i / kGroup]; e < matrix.starts[i / kGroup + 1]; ++e) {
      const std::size_t at = e * kGroup + i % kGroup;
      sum = hn::MulAdd(hn::Set(d, matrix.values[at]), hn::Set(d, input[matrix.indices[at]]), sum);
    }
    outputs[i] = hn::GetLane(sum);
  }
}

#endif

using WideTag = hn::CappedTag<float, 16>;
constexpr std::size_t kWideWidth = hn::MaxLanes(WideTag());

// Where one instruction picks from two registers, there are a tenth to a quarter fewer parts at 90 to 99 % zeros, and
// aligned windows, whose loads cross no cache line, do (from four registers: fewer still, but no quicker).
constexpr std::size_t kWindowVectors = HWY_TARGET <= HWY_AVX3 ? 2 : 1;

std::size_t window_width_target() { return kWideWidth >= 8 ? kWideWidth : 0; }
std::size_t window_inputs_target() { return kWindowVectors * kWideWidth; }

#if HWY_TARGET <= HWY_AVX2

// Loads before it picks: on some machines (Zen 3) a permutation of a memory operand takes twice the time of both.
HWY_INLINE hn::Vec<WideTag> load_window(const float* HWY_RESTRICT input) {
  auto window = hn::LoadU(WideTag(), input);
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  asm("" : "+v"(window.raw));
#endif
  return window;
}

constexpr std::size_t kPartsAhead = 64;  // a page: the hardware's fetching ahead ends with each

// Lane i is input[pick], the pick being the lowest kPickBits bits of picks[i].
HWY_INLINE hn::Vec<WideTag> pick_from_window(const float* HWY_RESTRICT input,
                                             hn::Vec<hn::RebindToUnsigned<WideTag>> picks) {
#if HWY_TARGET <= HWY_AVX3
  // Highway has no name for it. It looks at the lowest five bits.
  static_assert(kPickBits == 5 && kWindowVectors == 2 && kWideWidth == 16);
  return hn::Vec<WideTag>{
      _mm512_permutex2var_ps(load_window(input).raw, picks.raw, load_window(input + kWideWidth).raw)};
#else
  const auto own = hn::And(picks, hn::Set(hn::RebindToUnsigned<WideTag>(), kMostWindowInputs - 1));
  return hn::TableLookupLanes(load_window(input),
                              hn::IndicesFromVec(WideTag(), hn::BitCast(hn::RebindToSigned<WideTag>(), own)));
#endif
}

void multiply_windows_target(const WindowMatrix& matrix, const float* HWY_RESTRICT input, float* HWY_RESTRICT outputs) {
  const WideTag d;
  const hn::RebindToUnsigned<WideTag> du;
  constexpr std::size_t kBlockParts = kWindowSteps * kWindowGroups;
  for (std::size_t s = 0; s < matrix.sets; ++s) {
    float* HWY_RESTRICT output = outputs + s * kWindowGroups * kWideWidth;
    hn::Vec<WideTag> sums[kWindowGroups];
    EAUDEQN_UNROLL
    for (std::size_t h = 0; h < kWindowGroups; ++h) sums[h] = hn::LoadU(d, output + h * kWideWidth);
    const std::size_t end = matrix.starts[s + 1];
    for (std::size_t block = matrix.starts[s]; block < end; ++block) {
      const std::uint32_t* HWY_RESTRICT words = matrix.picks + block * (kBlockParts / kWordParts) * kWideWidth;
      auto picks = hn::Zero(du);
      EAUDEQN_UNROLL
      for (std::size_t k = 0; k < kBlockParts; ++k) {
        const std::size_t part = block * kBlockParts + k;
        picks =
            k % kWordParts == 0 ? hn::LoadU(du, words + k / kWordParts * kWideWidth) : hn::ShiftRight<kPickBits>(picks);
        hwy::Prefetch(matrix.values + (part + kPartsAhead) * kWideWidth);
        hn::Vec<WideTag>& sum = sums[k % kWindowGroups];
        sum = hn::MulAdd(hn::LoadU(d, matrix.values + part * kWideWidth),
                         pick_from_window(input + matrix.bases[part], picks), sum);
      }
    }
    EAUDEQN_UNROLL
    for (std::size_t h = 0; h < kWindowGroups; ++h) hn::StoreU(sums[h], d, output + h * kWideWidth);
  }
}

#else

void multiply_windows_target(const WindowMatrix&, const float*, float*) {}  // window_width() is 0

#endif

template <std::size_t kVectors>
HWY_INLINE void columns_of(const float* HWY_RESTRICT values, const std::uint32_t* HWY_RESTRICT columns,
                           const float* HWY_RESTRICT inputs, std::size_t count, float* outputs) {
  const Tag d;
  Vector sums[kVectors];
  EAUDEQN_UNROLL
  for (std::size_t v = 0; v < kVectors; ++v) sums[v] = hn::LoadU(d, outputs + v * kWidth);
  for (std::size_t k = 0; k < count; ++k) {
    const float* HWY_RESTRICT column = values + columns[k] * (kVectors * kWidth);
    const float* HWY_RESTRICT later = values + columns[k + kColumnsAhead] * (kVectors * kWidth);
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; v += 16 / kWidth) hwy::Prefetch(later + v * kWidth);
    const auto x = hn::Set(d, inputs[k]);
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) sums[v] = hn::MulAdd(x, hn::LoadU(d, column + v * kWidth), sums[v]);
  }
  EAUDEQN_UNROLL
  for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(sums[v], d, outputs + v * kWidth);
}

template <std::size_t kVectors>
void any_columns(const float* values, std::size_t vectors, const std::uint32_t* columns, const float* inputs,
                 std::size_t count, float* outputs) {
  if constexpr (kVectors > 0) {
    if (vectors == kVectors) {
      columns_of<kVectors>(values, columns, inputs, count, outputs);
    } else {
      any_columns<kVectors - 1>(values, vectors, columns, inputs, count, outputs);
    }
  }
}

void multiply_columns_target(const float* values, std::size_t width, const std::uint32_t* columns, const float* inputs,
                             std::size_t count, float* outputs) {
  any_columns<kColumnBlock / kWidth>(values, width / kWidth, columns, inputs, count, outputs);
}

// Four rows at once: one chain alone would wait for the multiply-add before.
void multiply_rows_target(const RowMatrix& matrix, const float* HWY_RESTRICT input, float* HWY_RESTRICT outputs) {
  const Single d;
  constexpr std::size_t kRows = 4;
  const std::int32_t* HWY_RESTRICT offsets = matrix.offsets;
  const float* HWY_RESTRICT values = matrix.values;
  for (std::size_t first = 0; first < matrix.rows; first += kRows) {
    std::size_t begins[kRows] = {}, counts[kRows] = {};
    hn::Vec<Single> sums[kRows];
    const std::size_t rows = std::min(kRows, matrix.rows - first);
    for (std::size_t r = 0; r < kRows; ++r) sums[r] = hn::Zero(d);
    for (std::size_t r = 0; r < rows; ++r) {
      begins[r] = matrix.starts[first + r];
      counts[r] = matrix.starts[first + r + 1] - begins[r];
      sums[r] = hn::Set(d, outputs[first + r]);
    }
    const auto add = [&](std::size_t r, std::size_t i) HWY_ATTR {
      sums[r] = hn::MulAdd(hn::Set(d, values[i]), hn::Set(d, input[offsets[i]]), sums[r]);
    };
    const std::size_t common = *std::min_element(counts, counts + kRows);
    for (std::size_t i = 0; i < common; ++i) {
      EAUDEQN_UNROLL
      for (std::size_t r = 0; r < kRows; ++r) add(r, begins[r] + i);
    }
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t i = common; i < counts[r]; ++i) add(r, begins[r] + i);
      outputs[first + r] = hn::GetLane(sums[r]);
    }
  }
}

void multiply_input_columns_target(const ColumnWeights& matrix, std::size_t columns, const float* HWY_RESTRICT input,
                                   float* HWY_RESTRICT outputs) {
  const Single d;
  const std::uint16_t* HWY_RESTRICT to = matrix.outputs;
  const float* HWY_RESTRICT values = matrix.values;
  for (std::size_t c = 0; c < columns; ++c) {
    if (input[c] == 0) continue;
    const auto x = hn::Set(d, input[c]);
    const std::size_t end = matrix.starts[c + 1];
    for (std::size_t i = matrix.starts[c]; i < end; ++i) {
      float* at = outputs + to[i];
      hn::Store(hn::MulAdd(hn::Set(d, values[i]), x, hn::Load(d, at)), d, at);
    }
  }
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace eaudeqn {

HWY_EXPORT(multiply_groups_target);
HWY_EXPORT(window_width_target);
HWY_EXPORT(window_inputs_target);
HWY_EXPORT(multiply_windows_target);
HWY_EXPORT(multiply_columns_target);
HWY_EXPORT(multiply_rows_target);
HWY_EXPORT(multiply_input_columns_target);

void multiply_groups(const GroupedMatrix& matrix, const float* input, float* outputs) {
  HWY_DYNAMIC_DISPATCH(multiply_groups_target)(matrix, input, outputs);
}

std::size_t window_width() { return HWY_DYNAMIC_DISPATCH(window_width_target)(); }

std::size_t window_inputs() { return HWY_DYNAMIC_DISPATCH(window_inputs_target)(); }

void multiply_windows(const WindowMatrix& matrix, const float* input, float* outputs) {
  HWY_DYNAMIC_DISPATCH(multiply_windows_target)(matrix, input, outputs);
}

void multiply_columns(const float* values, std::size_t width, const std::uint32_t* columns, const float* inputs,
                      std::size_t count, float* outputs) {
  HWY_DYNAMIC_DISPATCH(multiply_columns_target)(values, width, columns, inputs, count, outputs);
}

void multiply_rows(const RowMatrix& matrix, const float* input, float* outputs) {
  HWY_DYNAMIC_DISPATCH(multiply_rows_target)(matrix, input, outputs);
}

void multiply_input_columns(const ColumnWeights& matrix, std::size_t columns, const float* input, float* outputs) {
  HWY_DYNAMIC_DISPATCH(multiply_input_columns_target)(matrix, columns, input, outputs);
}

}  // namespace eaudeqn
#endif
