// Folds the 16 running sums of a weight gradient, one per lane, into one number: halved 16 -> 8 -> 4 -> 2 -> 1 by
// adding upper to lower, the same on every instruction set. For kernel files alone: included inside each of Highway's
// per-target passes, after <hwy/highway.h>, hence the guard of its own.
#if defined(EAUDEQN_LANE_SUMS_TARGET) == defined(HWY_TARGET_TOGGLE)
#ifdef EAUDEQN_LANE_SUMS_TARGET
#undef EAUDEQN_LANE_SUMS_TARGET
#else
#define EAUDEQN_LANE_SUMS_TARGET
#endif

#include <hwy/highway.h>

#include <cstddef>

#include "engine/kernels/simd.h"
#include "engine/tensor_layout.h"

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

HWY_INLINE float fold_one(const float* sums16) {
  float s[8];
  for (std::size_t i = 0; i < 8; ++i) s[i] = sums16[i] + sums16[i + 8];
  for (std::size_t i = 0; i < 4; ++i) s[i] = s[i] + s[i + 4];
  return (s[0] + s[2]) + (s[1] + s[3]);
}

#if HWY_MAX_BYTES >= 32
using LaneSums8 = hwy::HWY_NAMESPACE::Vec<hwy::HWY_NAMESPACE::FixedTag<float, 8>>;

// sums: the vectors that hold one weight's 16.
template <typename Vector>
HWY_INLINE LaneSums8 fold_to_8(const Vector* sums) {
  namespace hn = hwy::HWY_NAMESPACE;
#if HWY_MAX_BYTES >= 64
  const hn::FixedTag<float, 8> d8;
  return hn::Add(hn::LowerHalf(d8, sums[0]), hn::UpperHalf(d8, sums[0]));
#else
  return hn::Add(sums[0], sums[1]);
#endif
}

// eights[w] are the 8 sums of weight w; out[w] its gradient.
HWY_INLINE void fold_eight(const LaneSums8* eights, float* HWY_RESTRICT out) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::FixedTag<float, 8> d8;
  const hn::Repartition<double, decltype(d8)> d64;
  LaneSums8 fours[4];  // four sums each of weights (0, 2), (1, 3), (4, 6), (5, 7): the order that ends sorted
  EAUDEQN_UNROLL
  for (std::size_t i = 0; i < 4; ++i) {
    const std::size_t low = i < 2 ? i : i + 2;
    fours[i] = hn::Add(hn::ConcatLowerLower(d8, eights[low + 2], eights[low]),
                       hn::ConcatUpperUpper(d8, eights[low + 2], eights[low]));
  }
  LaneSums8 twos[2];  // two sums each of weights 0, 1 | 2, 3 and 4, 5 | 6, 7
  EAUDEQN_UNROLL
  for (std::size_t i = 0; i < 2; ++i) {
    const auto a = hn::BitCast(d64, fours[2 * i]);
    const auto b = hn::BitCast(d64, fours[2 * i + 1]);
    twos[i] = hn::Add(hn::BitCast(d8, hn::InterleaveLower(d64, a, b)), hn::BitCast(d8, hn::InterleaveUpper(d64, a, b)));
  }
  hn::StoreU(hn::Add(hn::ConcatEven(d8, twos[1], twos[0]), hn::ConcatOdd(d8, twos[1], twos[0])), d8, out);
}
#endif

// out[w] = the fold of sums[w * 16] .. sums[w * 16 + 15], for `count` weights. `sums` is aligned to 64 bytes.
HWY_INLINE void fold_all(const float* HWY_RESTRICT sums, std::size_t count, float* HWY_RESTRICT out) {
  std::size_t i = 0;
#if HWY_MAX_BYTES >= 32
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::CappedTag<float, kLanes> d;
  constexpr std::size_t kWidth = hn::MaxLanes(d);
  for (; i + 8 <= count; i += 8) {
    LaneSums8 eights[8];
    EAUDEQN_UNROLL
    for (std::size_t w = 0; w < 8; ++w) {
      hn::Vec<decltype(d)> vectors[kLanes / kWidth];
      for (std::size_t v = 0; v < kLanes / kWidth; ++v) vectors[v] = hn::Load(d, sums + (i + w) * kLanes + v * kWidth);
      eights[w] = fold_to_8(vectors);
    }
    fold_eight(eights, out + i);
  }
#endif
  for (; i < count; ++i) out[i] = fold_one(sums + i * kLanes);
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
