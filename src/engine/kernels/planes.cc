// See planes.h. A tile is as many vectors of a run as the register file holds; all channels pass over one tile before
// the next, so that the part of the input under it stays in the first-level cache.
#include "engine/kernels/planes.h"

#include "engine/kernels/byte_input.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/planes.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr bool kManyRegisters = HWY_TARGET <= HWY_AVX3 || HWY_TARGET == HWY_NEON;  // 32, else 16

// Epilogue of kVectors vectors of one channel; `runs` is a local copy, which the stores cannot change.
template <std::size_t kVectors, class D>
HWY_INLINE void finish_tile(const PlaneRuns& runs, D d, float bias, std::size_t channel, std::size_t cell,
                            hn::Vec<D>* sums) {
  constexpr std::size_t kWidth = hn::MaxLanes(D());
  if (runs.bytes) {
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) {
      sums[v] = hn::MulAdd(sums[v], hn::Set(d, kByteScale), hn::Set(d, bias));
    }
  }
  if (runs.residual != nullptr) {
    const float* HWY_RESTRICT residual = runs.residual + channel * runs.residual_pitch + cell;
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) sums[v] = hn::Add(sums[v], hn::LoadU(d, residual + v * kWidth));
  }
  if (runs.relu) {
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) sums[v] = hn::Max(hn::Zero(d), sums[v]);  // this order keeps NaN
  }
  float* HWY_RESTRICT output = runs.output + channel * runs.output_pitch + cell;
  const float* HWY_RESTRICT mask = runs.mask + cell;
  EAUDEQN_UNROLL
  for (std::size_t v = 0; v < kVectors; ++v) {
    hn::StoreU(hn::And(hn::LoadU(d, mask + v * kWidth), sums[v]), d, output + v * kWidth);
  }
}

// Half of the loads of 8 floats of a run cross a cache line, those of 16 nearly all do.
using NarrowTag = hn::CappedTag<float, 8>;
using WideTag = hn::CappedTag<float, 16>;
constexpr std::size_t kSparseTile = kManyRegisters ? 24 : 13;  // one register for the weight, inputs from memory

template <class Tag, std::size_t kVectors>
HWY_INLINE void sparse_tile(const SparsePlanes weights, const PlaneRuns runs, std::size_t cell) {
  const Tag d;
  const float* HWY_RESTRICT input = runs.input + cell;
  for (std::size_t k = 0; k < weights.channels; ++k) {
    const std::size_t o = weights.order[k];
    hn::Vec<Tag> sums[kVectors];
    const auto bias = hn::Set(d, runs.bytes ? 0.0F : weights.biases[o]);
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) sums[v] = bias;
    for (std::size_t s = 0; s < weights.segments; ++s) {
      const std::size_t* starts = weights.starts + s * weights.channels + o;
      for (std::size_t i = starts[0]; i < starts[1]; ++i) {
        const auto weight = hn::Set(d, weights.values[i]);
        const float* HWY_RESTRICT source = whole_address(input + weights.offsets[i]);
        EAUDEQN_UNROLL
        for (std::size_t v = 0; v < kVectors; ++v) {
          sums[v] = hn::MulAdd(weight, hn::LoadU(d, source + v * hn::MaxLanes(d)), sums[v]);
        }
      }
    }
    finish_tile<kVectors>(runs, d, weights.biases[o], o, cell, sums);
  }
}

// The tile of `vectors` vectors, 1 .. kVectors.
template <class Tag, std::size_t kVectors>
void any_sparse_tile(const SparsePlanes& weights, const PlaneRuns& runs, std::size_t cell, std::size_t vectors) {
  if constexpr (kVectors > 0) {
    if (vectors == kVectors) {
      sparse_tile<Tag, kVectors>(weights, runs, cell);
    } else {
      any_sparse_tile<Tag, kVectors - 1>(weights, runs, cell, vectors);
    }
  }
}

template <class Tag>
void sparse_planes_of(const SparsePlanes& weights, const PlaneRuns& runs) {
  constexpr std::size_t kWidth = hn::MaxLanes(Tag());
  const std::size_t vectors = (runs.run + kWidth - 1) / kWidth;
  const std::size_t tiles = (vectors + kSparseTile - 1) / kSparseTile;
  std::size_t done = 0;
  for (std::size_t tile = 0; tile < tiles; ++tile) {  // of equal sizes, give or take one
    const std::size_t size = (vectors - done) / (tiles - tile);
    any_sparse_tile<Tag, kSparseTile>(weights, runs, done * kWidth, size);
    done += size;
  }
}

void sparse_planes_target(const SparsePlanes& weights, const PlaneRuns& runs) {
  if constexpr (hn::MaxLanes(WideTag()) > hn::MaxLanes(NarrowTag())) {
    if (runs.wide) return sparse_planes_of<WideTag>(weights, runs);
  }
  sparse_planes_of<NarrowTag>(weights, runs);
}

using DenseTag = hn::CappedTag<float, 16>;
constexpr std::size_t kDenseWidth = hn::MaxLanes(DenseTag());
constexpr std::size_t kDenseChannels = 4;
constexpr std::size_t kDenseTile = kManyRegisters ? 6 : 3;  // x kDenseChannels accumulators

// kChannels x kVectors accumulators: each input vector serves kChannels weights, each weight kVectors vectors.
template <std::size_t kChannels, std::size_t kVectors>
HWY_INLINE void dense_tile(const DensePlanes& weights, const PlaneRuns runs, std::size_t channel, std::size_t cell) {
  const DenseTag d;
  hn::Vec<DenseTag> sums[kChannels][kVectors];
  const float* HWY_RESTRICT values[kChannels];
  EAUDEQN_UNROLL
  for (std::size_t c = 0; c < kChannels; ++c) {
    values[c] = weights.values + (channel + c) * weights.count;
    const auto bias = hn::Set(d, runs.bytes ? 0.0F : weights.biases[channel + c]);
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) sums[c][v] = bias;
  }
  const float* HWY_RESTRICT input = runs.input + cell;
  for (std::size_t i = 0; i < weights.count; ++i) {
    const float* HWY_RESTRICT source = input + weights.offsets[i];
    hn::Vec<DenseTag> loaded[kVectors];
    EAUDEQN_UNROLL
    for (std::size_t v = 0; v < kVectors; ++v) loaded[v] = hn::LoadU(d, source + v * kDenseWidth);
    EAUDEQN_UNROLL
    for (std::size_t c = 0; c < kChannels; ++c) {
      const auto weight = hn::Set(d, values[c][i]);
      EAUDEQN_UNROLL
      for (std::size_t v = 0; v < kVectors; ++v) sums[c][v] = hn::MulAdd(weight, loaded[v], sums[c][v]);
    }
  }
  EAUDEQN_UNROLL
  for (std::size_t c = 0; c < kChannels; ++c) {
    finish_tile<kVectors>(runs, d, weights.biases[channel + c], channel + c, cell, sums[c]);
  }
}

template <std::size_t kVectors>
void any_dense_tile(const DensePlanes& weights, const PlaneRuns& runs, std::size_t cell, std::size_t vectors) {
  if constexpr (kVectors > 0) {
    if (vectors != kVectors) {
      any_dense_tile<kVectors - 1>(weights, runs, cell, vectors);
      return;
    }
    std::size_t channel = 0;
    for (; channel + kDenseChannels <= weights.channels; channel += kDenseChannels) {
      dense_tile<kDenseChannels, kVectors>(weights, runs, channel, cell);
    }
    for (; channel < weights.channels; ++channel) dense_tile<1, kVectors>(weights, runs, channel, cell);
  }
}

void dense_planes_target(const DensePlanes& weights, const PlaneRuns& runs) {
  const std::size_t vectors = (runs.run + kDenseWidth - 1) / kDenseWidth;
  for (std::size_t done = 0; done < vectors; done += kDenseTile) {
    any_dense_tile<kDenseTile>(weights, runs, done * kDenseWidth, HWY_MIN(kDenseTile, vectors - done));
  }
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace eaudeqn {

HWY_EXPORT(sparse_planes_target);
HWY_EXPORT(dense_planes_target);

void sparse_planes(const SparsePlanes& weights, const PlaneRuns& runs) {
  HWY_DYNAMIC_DISPATCH(sparse_planes_target)(weights, runs);
}

void dense_planes(const DensePlanes& weights, const PlaneRuns& runs) {
  HWY_DYNAMIC_DISPATCH(dense_planes_target)(weights, runs);
}

}  // namespace eaudeqn
#endif
