// Running mean and variance of the observations that training acts on, by which soft actor-critic normalizes what its
// networks read where sac.normalize_observations asks for it. The networks that ship read raw observations: folded()
// moves the normalization into their first layer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/archive.h"
#include "engine/network.h"

namespace eaudeqn {

// No element is divided by less: one that hardly varies would be blown up when it first does.
constexpr double kSmallestDeviation = 0.01;

// In float64, and a function of the observations in their order. Thread safety: one owner.
class ObservationStatistics {
 public:
  explicit ObservationStatistics(std::size_t size);

  void add(std::span<const float> observation);

  // Each row of `observations` x becomes (x - mean) / deviation, element by element; deviation is the square root of
  // the mean squared distance from the mean, at least kSmallestDeviation. Before the first add: x.
  void normalize(std::span<float> observations) const;

  // What `network` says to normalized observations, said to raw ones: its weights behind input i divided by deviation
  // i, its biases less what the means add. Equal up to rounding; the same weights are active. Needs a first layer that
  // is dense. Not trainable.
  Network folded(const Network& network) const;

  void save(ArchiveWriter& archive, const std::string& prefix) const;
  // Throws Error::failure for statistics of another size, and for such as no observations have.
  void load(const ArchiveReader& archive, const std::string& prefix);

 private:
  std::vector<double> deviations() const;

  std::int64_t count_ = 0;
  std::vector<double> mean_, squares_;  // sums of squared distances from the mean
};

}  // namespace eaudeqn
