// See observation_statistics.h. The recurrence is Welford's: sums of squares would cancel.
#include "agents/observation_statistics.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "eaudeqn/error.h"

namespace eaudeqn {

ObservationStatistics::ObservationStatistics(std::size_t size) : mean_(size, 0.0), squares_(size, 0.0) {}

void ObservationStatistics::add(std::span<const float> observation) {
  ++count_;
  for (std::size_t i = 0; i < mean_.size(); ++i) {
    const double value = observation[i];
    const double distance = value - mean_[i];
    mean_[i] += distance / static_cast<double>(count_);
    squares_[i] += distance * (value - mean_[i]);
  }
}

std::vector<double> ObservationStatistics::deviations() const {
  std::vector<double> deviations(mean_.size(), 1.0);
  for (std::size_t i = 0; count_ > 0 && i < mean_.size(); ++i) {
    deviations[i] = std::max(std::sqrt(squares_[i] / static_cast<double>(count_)), kSmallestDeviation);
  }
  return deviations;
}

void ObservationStatistics::normalize(std::span<float> observations) const {
  const std::vector<double> deviation = deviations();
  const std::size_t size = mean_.size();
  for (std::size_t row = 0; row < observations.size(); row += size) {
    for (std::size_t i = 0; i < size; ++i) {
      float& value = observations[row + i];
      value = static_cast<float>((static_cast<double>(value) - mean_[i]) / deviation[i]);
    }
  }
}

Network ObservationStatistics::folded(const Network& network) const {
  Network result(std::make_shared<NetworkPlan>(network.plan()), false);
  result.copy_from(network);
  const std::vector<double> deviation = deviations();
  LayerWeights first = network.layer_weights(0);
  const std::size_t inputs = mean_.size();
  for (std::size_t out = 0; out < first.bias.size(); ++out) {
    double bias = first.bias[out];
    for (std::size_t i = 0; i < inputs; ++i) {
      float& weight = first.weights[out * inputs + i];
      const double raw_weight = static_cast<double>(weight) / deviation[i];
      bias -= raw_weight * mean_[i];
      weight = static_cast<float>(raw_weight);
    }
    first.bias[out] = static_cast<float>(bias);
  }
  result.set_layer(0, first);
  return result;
}

void ObservationStatistics::save(ArchiveWriter& archive, const std::string& prefix) const {
  archive.add_value(prefix + "count", count_);
  archive.add<double>(prefix + "mean", mean_);
  archive.add<double>(prefix + "squares", squares_);
}

void ObservationStatistics::load(const ArchiveReader& archive, const std::string& prefix) {
  const auto count = archive.value<std::int64_t>(prefix + "count");
  const auto mean = archive.values<double>(prefix + "mean"), squares = archive.values<double>(prefix + "squares");
  const auto finite = [](double value) { return std::isfinite(value); };
  const bool possible =
      count >= 0 && std::all_of(mean.begin(), mean.end(), finite) &&
      std::all_of(squares.begin(), squares.end(), [&](double square) { return finite(square) && square >= 0.0; });
  if (mean.size() != mean_.size() || squares.size() != squares_.size() || !possible) {
    throw Error::failure(archive.file().string() + ": sections " + prefix + "*: are " +
                         (possible ? "of another environment" : "no statistics of observations"));
  }
  count_ = count;
  mean_ = mean;
  squares_ = squares;
}

}  // namespace eaudeqn
