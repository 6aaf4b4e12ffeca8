// See statistics.h.
#include "report/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/random.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

void require_runs(const Scores& scores) {
  if (scores.empty()) throw Error::usage("statistics of no task: give at least one");
  for (const auto& runs : scores) {
    if (runs.empty()) throw Error::usage("statistics of a task without a run: leave the task out or add a run");
  }
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

std::vector<double> task_means(const Scores& scores) {
  require_runs(scores);
  std::vector<double> means;
  means.reserve(scores.size());
  for (const auto& runs : scores) means.push_back(mean(runs));
  return means;
}

std::vector<double> pooled(const Scores& scores) {
  require_runs(scores);
  std::vector<double> all;
  for (const auto& runs : scores) all.insert(all.end(), runs.begin(), runs.end());
  return all;
}

// Draws `to` from `from`, task by task.
void resample(const Scores& from, RandomStream& stream, Scores& to) {
  for (std::size_t task = 0; task < from.size(); ++task) {
    for (double& score : to[task]) score = from[task][stream.below(from[task].size())];
  }
}

}  // namespace

double mean_score(const Scores& scores) { return mean(task_means(scores)); }

double median_score(const Scores& scores) {
  std::vector<double> means = task_means(scores);
  std::sort(means.begin(), means.end());
  return quantile_of_sorted(means, 0.5);
}

double interquartile_mean(const Scores& scores) {
  std::vector<double> all = pooled(scores);
  std::sort(all.begin(), all.end());
  const std::size_t cut = all.size() / 4;
  return std::accumulate(all.begin() + cut, all.end() - cut, 0.0) / static_cast<double>(all.size() - 2 * cut);
}

double optimality_gap(const Scores& scores, double gamma) {
  std::vector<double> all = pooled(scores);
  for (double& score : all) score = std::min(score, gamma);
  return gamma - mean(all);
}

std::vector<double> performance_profile(const Scores& scores, const std::vector<double>& taus) {
  std::vector<double> all = pooled(scores);
  std::sort(all.begin(), all.end());
  std::vector<double> shares;
  shares.reserve(taus.size());
  for (const double tau : taus) {
    const auto above = all.end() - std::upper_bound(all.begin(), all.end(), tau);
    shares.push_back(static_cast<double>(above) / static_cast<double>(all.size()));
  }
  return shares;
}

double probability_of_improvement(const Scores& x, const Scores& y) {
  require_runs(x);
  require_runs(y);
  if (x.size() != y.size()) throw Error::usage("probability of improvement: both need the same tasks");
  double sum = 0;
  for (std::size_t task = 0; task < x.size(); ++task) {
    double wins = 0;
    for (const double a : x[task]) {
      for (const double b : y[task]) wins += a > b ? 1.0 : a == b ? 0.5 : 0.0;
    }
    sum += wins / static_cast<double>(x[task].size() * y[task].size());
  }
  return sum / static_cast<double>(x.size());
}

double quantile_of_sorted(const std::vector<double>& sorted, double p) {
  if (sorted.empty()) throw Error::usage("quantile of no value");
  const double place = p * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

std::vector<Estimate> bootstrap(const std::vector<Scores>& samples,
                                const std::function<std::vector<double>(const std::vector<Scores>&)>& statistics,
                                const BootstrapOptions& options) {
  for (const Scores& sample : samples) require_runs(sample);
  if (options.replications == 0 || !(options.confidence > 0 && options.confidence < 1)) {
    throw Error::usage("bootstrap: needs at least one replication and a confidence between 0 and 1");
  }
  const std::vector<double> points = statistics(samples);
  std::vector<std::vector<double>> values(points.size());
  for (auto& column : values) column.reserve(options.replications);
  std::vector<Scores> drawn = samples;
  for (std::uint64_t r = 0; r < options.replications; ++r) {
    RandomStream stream(options.seed, "bootstrap", r);
    for (std::size_t s = 0; s < samples.size(); ++s) resample(samples[s], stream, drawn[s]);
    const std::vector<double> replication = statistics(drawn);
    for (std::size_t i = 0; i < points.size(); ++i) values[i].push_back(replication[i]);
  }
  std::vector<Estimate> estimates;
  const double tail = (1 - options.confidence) / 2;
  for (std::size_t i = 0; i < points.size(); ++i) {
    std::sort(values[i].begin(), values[i].end());
    estimates.push_back({points[i], quantile_of_sorted(values[i], tail), quantile_of_sorted(values[i], 1 - tail)});
  }
  return estimates;
}

Estimate bootstrap(const Scores& scores, const std::function<double(const Scores&)>& statistic,
                   const BootstrapOptions& options) {
  const auto one = [&](const std::vector<Scores>& samples) { return std::vector<double>{statistic(samples.front())}; };
  return bootstrap(std::vector<Scores>{scores}, one, options).front();
}

}  // namespace eaudeqn
