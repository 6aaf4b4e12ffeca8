// Statistics over few runs, as Agarwal et al. 2021 ("Deep Reinforcement Learning at the Edge of the Statistical
// Precipice") ask for them: point estimates and stratified bootstrap intervals. Numbers only: no files, no names.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace eaudeqn {

// Scores of one algorithm, scores[task][run], in any unit that tasks can share (human-normalised, or one task's own).
// Every task has at least one run; tasks may differ in how many. All functions here throw Error::usage for scores
// without a task or a task without a run, keep no state, and are safe to call from several threads.
using Scores = std::vector<std::vector<double>>;

double mean_score(const Scores& scores);    // mean over tasks of the tasks' means
double median_score(const Scores& scores);  // median over tasks of the tasks' means
// Mean of the middle half of all runs of all tasks: floor(n / 4) of the n scores are left out at either end.
double interquartile_mean(const Scores& scores);
// How much the scores fall short of `gamma` on average; what is above does not make up for what is below.
double optimality_gap(const Scores& scores, double gamma = 1.0);
// Share of runs whose score is above tau, for each tau.
std::vector<double> performance_profile(const Scores& scores, const std::vector<double>& taus);
// How likely a run of x scores higher than one of y on the same task, equals counting half; mean over tasks. Both have
// the same tasks in the same order (else Error::usage).
double probability_of_improvement(const Scores& x, const Scores& y);

struct Estimate {
  double point = 0;
  double low = 0, high = 0;  // of the interval
};

struct BootstrapOptions {
  std::uint64_t replications = 10'000;
  double confidence = 0.95;
  std::uint64_t seed = 0;
};

// The statistics of the samples, and percentile bootstrap intervals of each. Every replication draws, for each sample
// and each task, as many runs as there are, with replacement; tasks are not drawn. Replication r is a function of seed
// and r alone. Percentiles are interpolated linearly between order statistics.
std::vector<Estimate> bootstrap(const std::vector<Scores>& samples,
                                const std::function<std::vector<double>(const std::vector<Scores>&)>& statistics,
                                const BootstrapOptions& options = {});

// The same for one statistic of one sample.
Estimate bootstrap(const Scores& scores, const std::function<double(const Scores&)>& statistic,
                   const BootstrapOptions& options = {});

// The p-quantile of sorted values, linear between them.
double quantile_of_sorted(const std::vector<double>& sorted, double p);

}  // namespace eaudeqn
