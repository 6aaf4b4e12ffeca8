// Learning curves of several runs of one variant: returns over steps with bootstrap intervals. Numbers only.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "report/reference.h"
#include "report/run_reader.h"
#include "report/statistics.h"

namespace eaudeqn {

struct CurvePoint {
  std::int64_t step = 0;
  std::size_t runs = 0;              // that have a value here
  double point = 0;                  // interquartile mean over these runs (of fewer than four: their mean)
  std::optional<Estimate> interval;  // of at least two runs
};

// A round number of steps that gives about fifty bins up to `last_step`.
std::int64_t bin_width(std::int64_t last_step);

// Training: each run's value at step s is its mean return over the episodes that ended in (s - width, s].
std::vector<CurvePoint> training_curve(const std::vector<const RunRecord*>& runs, std::int64_t width);
// Evaluations: each run's mean return at that step.
std::vector<CurvePoint> evaluation_curve(const std::vector<const RunRecord*>& runs);
// A reference up to the first of its steps that is at or after `last_step`.
std::vector<CurvePoint> reference_points(const ReferenceCurve& reference, std::int64_t last_step);

struct Score {
  double value = 0;
  bool evaluation = false;  // else training episodes
  std::int64_t from_step = 0, to_step = 0;
  std::size_t episodes = 0;
};

// What a run is judged by: the last evaluation's mean return; without one the mean over the training episodes of the
// last tenth of its steps. None before the first episode.
std::optional<Score> run_score(const RunRecord& run);

}  // namespace eaudeqn
