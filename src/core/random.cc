// Philox4x32-10 and the few distributions that the program needs. Written out here, and not taken from <random>,
// because saved runs depend on every bit: nothing in this file may ever change what a (seed, purpose, index, position)
// yields.
#include "core/random.h"

#include <xxhash.h>

#include <cassert>
#include <cmath>
#include <numbers>

#include "core/philox.h"

namespace eaudeqn {
namespace {

// Steele, Lea and Flood's SplitMix64 finalizer: a bijection of 64-bit words that spreads every input bit.
std::uint64_t mix(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15u;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

PhiloxBlock block_at(std::uint64_t key, std::uint64_t position) {
  const std::uint64_t counter = position / 4;
  return philox4x32_10({static_cast<std::uint32_t>(counter), static_cast<std::uint32_t>(counter >> 32), 0, 0},
                       {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)});
}

std::uint64_t join(std::uint32_t low, std::uint32_t high) {
  return static_cast<std::uint64_t>(low) | static_cast<std::uint64_t>(high) << 32;
}

}  // namespace

// mix is a bijection, so equal purposes with different indices never share a key.
RandomStream::RandomStream(std::uint64_t seed, std::string_view purpose, std::uint64_t index)
    : key_(mix(XXH3_64bits_withSeed(purpose.data(), purpose.size(), mix(seed)) ^ index)) {}

std::uint32_t RandomStream::next_u32() {
  const std::uint32_t word = block_at(key_, position_)[position_ % 4];
  ++position_;
  return word;
}

std::uint64_t RandomStream::next_u64() {
  if (position_ % 4 == 3) {  // the two words lie in different blocks
    const std::uint32_t low = next_u32();
    return join(low, next_u32());
  }
  const PhiloxBlock block = block_at(key_, position_);
  const std::uint64_t first = position_ % 4;
  position_ += 2;
  return join(block[first], block[first + 1]);
}

double RandomStream::uniform() { return static_cast<double>(next_u64() >> 11) * 0x1.0p-53; }

double RandomStream::uniform(double low, double high) {
  const double value = low + (high - low) * uniform();
  return value < high ? value : std::nextafter(high, low);  // rounding may reach `high`
}

// Lemire, "Fast random integer generation in an interval", TOMACS 2019: the high word of a product, rejecting the few
// low words that would make some results likelier.
std::uint64_t RandomStream::below(std::uint64_t n) {
  assert(n >= 1);
  __extension__ using Wide = unsigned __int128;
  const std::uint64_t rejected_below = (0 - n) % n;
  for (;;) {
    const Wide product = static_cast<Wide>(next_u64()) * n;
    if (static_cast<std::uint64_t>(product) >= rejected_below) return static_cast<std::uint64_t>(product >> 64);
  }
}

double RandomStream::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));  // 1 - u is in (0, 1]
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

}  // namespace eaudeqn
