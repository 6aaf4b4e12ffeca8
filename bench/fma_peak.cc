// See fma_peak.h.
#include "fma_peak.h"

#include <algorithm>
#include <cstddef>
#include <ctime>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fma_peak.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/kernels/simd.h"

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Tag = hn::CappedTag<float, 16>;

// 2 FMA ports x 4 cycles of latency (5 on some) = 8 to 10 in flight; 12 chains fill them in 16 registers.
constexpr std::size_t kChains = 12;

// `rounds` steps of every chain; returns the number of operations. `sink` keeps the compiler from leaving them out.
double multiply_add(std::size_t rounds, float* sink) {
  const Tag d;
  hn::Vec<Tag> sums[kChains];
  const auto a = hn::Set(d, sink[0]);
  const auto b = hn::Set(d, sink[1]);
  EAUDEQN_UNROLL
  for (std::size_t i = 0; i < kChains; ++i) sums[i] = hn::Set(d, static_cast<float>(i));
  for (std::size_t round = 0; round < rounds; ++round) {
    EAUDEQN_UNROLL
    for (std::size_t i = 0; i < kChains; ++i) sums[i] = hn::MulAdd(sums[i], a, b);
  }
  float total = 0;
  for (std::size_t i = 0; i < kChains; ++i) total += hn::GetLane(hn::SumOfLanes(d, sums[i]));
  sink[2] = total;
  return 2.0 * static_cast<double>(rounds * kChains * hn::Lanes(d));
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace eaudeqn {

HWY_EXPORT(multiply_add);

namespace {

double processor_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

double measure_fma_peak() {
  float sink[3] = {0.999F, 1e-3F, 0.0F};
  double best = 0;
  for (int attempt = 0; attempt < 12; ++attempt) {
    const double start = processor_seconds();
    const double operations = HWY_DYNAMIC_DISPATCH(multiply_add)(2'000'000, sink);
    best = std::max(best, operations / (processor_seconds() - start) * 1e-9);
  }
  return best;
}

}  // namespace eaudeqn
#endif
