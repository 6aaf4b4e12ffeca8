// See memory_streams.h.
#include "memory_streams.h"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <thread>
#include <vector>

#include "engine/aligned_buffer.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "memory_streams.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/kernels/simd.h"

#ifndef EAUDEQN_MEMORY_STREAMS_SEGMENTS
#define EAUDEQN_MEMORY_STREAMS_SEGMENTS
namespace eaudeqn {
// A thread walks in several places at once, as kernels do: one place alone does not get all that memory can give. The
// places lie a little off from powers of two apart, which caches tell badly apart.
constexpr std::size_t kSegments = 4;
constexpr std::size_t kSkew = 80;  // floats: five cache lines
}  // namespace eaudeqn
#endif

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;
using Tag = hn::CappedTag<float, 16>;

// Vectors under way in each segment, each with a sum of its own, so that no addition waits for another.
constexpr std::size_t kUnroll = 2;

float read_target(const float* values, std::size_t segment, std::size_t passes) {
  const Tag d;
  const std::size_t width = hn::Lanes(d);
  hn::Vec<Tag> sums[kSegments * kUnroll];
  EAUDEQN_UNROLL
  for (std::size_t i = 0; i < kSegments * kUnroll; ++i) sums[i] = hn::Zero(d);
  for (std::size_t pass = 0; pass < passes; ++pass) {
    for (std::size_t at = 0; at < segment; at += kUnroll * width) {
      EAUDEQN_UNROLL
      for (std::size_t i = 0; i < kSegments * kUnroll; ++i) {
        const float* place = values + i % kSegments * (segment + kSkew) + at + i / kSegments * width;
        sums[i] = hn::Add(sums[i], hn::Load(d, place));
      }
    }
  }
  float total = 0;
  for (std::size_t i = 0; i < kSegments * kUnroll; ++i) total += hn::GetLane(hn::SumOfLanes(d, sums[i]));
  return total;
}

float update_target(float* values, std::size_t segment, std::size_t passes) {
  const Tag d;
  const std::size_t width = hn::Lanes(d);
  const auto change = hn::Set(d, 1.0F);
  for (std::size_t pass = 0; pass < passes; ++pass) {
    for (std::size_t at = 0; at < segment; at += kUnroll * width) {
      EAUDEQN_UNROLL
      for (std::size_t i = 0; i < kSegments * kUnroll; ++i) {
        float* place = values + i % kSegments * (segment + kSkew) + at + i / kSegments * width;
        hn::Store(hn::Add(hn::Load(d, place), change), d, place);
      }
    }
  }
  return values[0];
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace eaudeqn {

HWY_EXPORT(read_target);
HWY_EXPORT(update_target);

namespace {

constexpr double kBytesPerTry = 1 << 28;  // per thread; at least one pass
constexpr int kTries = 6;

using Clock = std::chrono::steady_clock;

struct Span {
  Clock::time_point begin, end;
};

}  // namespace

double measure_stream(Stream stream, std::size_t bytes, int threads) {
  const auto passes = std::max<std::size_t>(1, static_cast<std::size_t>(kBytesPerTry / static_cast<double>(bytes)));
  std::vector<std::vector<Span>> spans(static_cast<std::size_t>(threads), std::vector<Span>(kTries));
  std::barrier together(threads);
  const auto work = [&](std::vector<Span>& mine) {
    const std::size_t segment = bytes / sizeof(float) / kSegments;
    AlignedBuffer values(kSegments * (segment + kSkew));
    volatile float sink = 0;  // keeps the compiler from leaving the work out
    for (Span& span : mine) {
      together.arrive_and_wait();
      span.begin = Clock::now();
      sink = stream == Stream::read ? HWY_DYNAMIC_DISPATCH(read_target)(values.data(), segment, passes)
                                    : HWY_DYNAMIC_DISPATCH(update_target)(values.data(), segment, passes);
      span.end = Clock::now();
    }
    static_cast<void>(sink);
  };
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < spans.size(); ++i) others.emplace_back([&, i] { work(spans[i]); });
  work(spans[0]);
  for (std::thread& other : others) other.join();

  const double moved = static_cast<double>(bytes * passes * spans.size()) * (stream == Stream::update ? 2 : 1);
  double best = 0;
  for (std::size_t attempt = 0; attempt < kTries; ++attempt) {
    Span whole = spans[0][attempt];
    for (const std::vector<Span>& of_thread : spans) {
      whole.begin = std::min(whole.begin, of_thread[attempt].begin);
      whole.end = std::max(whole.end, of_thread[attempt].end);
    }
    best = std::max(best, moved / std::chrono::duration<double>(whole.end - whole.begin).count() * 1e-9);
  }
  return best;
}

}  // namespace eaudeqn
#endif
