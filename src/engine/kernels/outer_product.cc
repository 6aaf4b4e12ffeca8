// See outer_product.h. A tile of kRows outputs x kColumns vectors of weights stays in registers while the samples pass.
#include "engine/kernels/outer_product.h"

#include "engine/tensor_layout.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/outer_product.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Tag = hn::CappedTag<float, kLanes>;
using Vector = hn::Vec<Tag>;
using Distance = std::ptrdiff_t;

constexpr std::size_t kVectorWidth = hn::MaxLanes(Tag());
constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3 || HWY_TARGET == HWY_NEON;
constexpr std::size_t kRows = kManyRegisters ? 12 : 6;
constexpr std::size_t kColumns = kVectorWidth == 1 ? 1 : 2;
constexpr std::size_t kTileWeights = kColumns * kVectorWidth;

// kTileRows outputs from `o` on x the weights from `i` on, of which the first `count` are there.
template <std::size_t kTileRows>
HWY_INLINE void tile(const OuterProduct& product, std::size_t o, std::size_t i, std::size_t count) {
  const Tag d;
  Vector sums[kTileRows][kColumns];
  EAUDEQN_UNROLL
  for (std::size_t r = 0; r < kTileRows; ++r) {
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kColumns; ++v) sums[r][v] = hn::Zero(d);
  }
  const float* HWY_RESTRICT inputs = product.inputs + i;
  for (std::size_t first = 0; first < product.samples; first += kLanes) {
    const float* HWY_RESTRICT gradients =
        product.output_gradient + static_cast<Distance>(first / kLanes) * product.block_pitch + o * kLanes;
    const std::size_t samples = HWY_MIN(kLanes, product.samples - first);
    for (std::size_t s = 0; s < samples; ++s, inputs += product.inputs_pitch) {
      Vector loaded[kColumns];
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kColumns; ++v) loaded[v] = hn::Load(d, inputs + v * kVectorWidth);
      EAUDEQN_UNROLL
      for (std::size_t r = 0; r < kTileRows; ++r) {
        const Vector gradient = hn::Set(d, gradients[r * kLanes + s]);
        EAUDEQN_UNROLL
        for (std::size_t v = 0; v < kColumns; ++v) sums[r][v] = hn::MulAdd(gradient, loaded[v], sums[r][v]);
      }
    }
  }
  EAUDEQN_UNROLL
  for (std::size_t r = 0; r < kTileRows; ++r) {
    float* to = product.gradient + static_cast<Distance>(o + r) * product.gradient_pitch + i;
    if (count >= kTileWeights) {
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kColumns; ++v) hn::StoreU(sums[r][v], d, to + v * kVectorWidth);
      continue;
    }
    HWY_ALIGN float buffer[kTileWeights];
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kColumns; ++v) hn::Store(sums[r][v], d, buffer + v * kVectorWidth);
    for (std::size_t w = 0; w < count; ++w) to[w] = buffer[w];
  }
}

template <std::size_t kTileRows>
HWY_INLINE std::size_t tiles(const OuterProduct& product, std::size_t o) {
  for (; o + kTileRows <= product.outputs; o += kTileRows) {
    for (std::size_t i = 0; i < product.count; i += kTileWeights) tile<kTileRows>(product, o, i, product.count - i);
  }
  return o;
}

void outer_product_target(const OuterProduct& product) {
  std::size_t o = tiles<kRows>(product, 0);
  o = tiles<3>(product, o);
  tiles<1>(product, o);
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace eaudeqn {

HWY_EXPORT(outer_product_target);

void outer_product(const OuterProduct& product) { HWY_DYNAMIC_DISPATCH(outer_product_target)(product); }

}  // namespace eaudeqn
#endif
