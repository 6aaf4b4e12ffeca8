// Counter-based random streams (Philox4x32-10; Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
// Every draw is a pure function of (seed, purpose, index, position), so a stream is saved by one number and streams of
// different purposes never disturb each other. Not cryptographic; not std::*_distribution (those differ by library).
#pragma once

#include <cstdint>
#include <string_view>

namespace eaudeqn {

// Thread safety: none; one owner per stream.
class RandomStream {
 public:
  // `purpose` names what the numbers are for ("exploration", "replay", ...); `index` tells equal purposes apart
  // (network k).
  RandomStream(std::uint64_t seed, std::string_view purpose, std::uint64_t index = 0);

  std::uint32_t next_u32();                 // consumes one position
  std::uint64_t next_u64();                 // two positions, low word first
  double uniform();                         // [0, 1), 53 bits, two positions
  double uniform(double low, double high);  // [low, high)
  std::uint64_t below(std::uint64_t n);     // 0..n-1 without bias; n >= 1
  double normal();                          // N(0, 1), Box-Muller, no cached second value; four positions

  std::uint64_t position() const { return position_; }  // the whole state that changes
  void seek(std::uint64_t position) { position_ = position; }

 private:
  std::uint64_t key_;
  std::uint64_t position_ = 0;  // in 32-bit words
};

}  // namespace eaudeqn
