// See curves.h.
#include "report/curves.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace eaudeqn {
namespace {

constexpr std::uint64_t kReplications = 2'000;  // of each point: curves have hundreds
constexpr double kBins = 50;

std::vector<CurvePoint> summarise(const std::map<std::int64_t, std::vector<double>>& values_at) {
  std::vector<CurvePoint> curve;
  for (const auto& [step, values] : values_at) {
    CurvePoint point{step, values.size(), interquartile_mean({values}), std::nullopt};
    if (values.size() > 1) {
      point.interval = bootstrap({values}, interquartile_mean, {.replications = kReplications});
    }
    curve.push_back(point);
  }
  return curve;
}

}  // namespace

std::int64_t bin_width(std::int64_t last_step) {
  const double least = std::max(static_cast<double>(last_step) / kBins, 1.0);
  const double power = std::pow(10.0, std::floor(std::log10(least)));
  for (const double factor : {1.0, 2.0, 2.5, 5.0, 10.0}) {
    const double width = factor * power;
    if (width >= least && width == std::floor(width)) return static_cast<std::int64_t>(width);
  }
  return static_cast<std::int64_t>(std::ceil(least));
}

std::vector<CurvePoint> training_curve(const std::vector<const RunRecord*>& runs, std::int64_t width) {
  std::map<std::int64_t, std::vector<double>> values_at;
  for (const RunRecord* run : runs) {
    std::map<std::int64_t, std::pair<double, std::size_t>> bins;
    for (const EpisodeRow& episode : run->episodes) {
      auto& [sum, count] = bins[(episode.step + width - 1) / width * width];
      sum += episode.episode_return;
      ++count;
    }
    for (const auto& [step, bin] : bins) values_at[step].push_back(bin.first / static_cast<double>(bin.second));
  }
  return summarise(values_at);
}

std::vector<CurvePoint> evaluation_curve(const std::vector<const RunRecord*>& runs) {
  std::map<std::int64_t, std::vector<double>> values_at;
  for (const RunRecord* run : runs) {
    for (const EvaluationRow& row : run->evaluations) values_at[row.step].push_back(row.mean_return);
  }
  return summarise(values_at);
}

std::vector<CurvePoint> reference_points(const ReferenceCurve& reference, std::int64_t last_step) {
  std::map<std::int64_t, std::vector<double>> values_at;
  for (std::size_t i = 0; i < reference.steps.size(); ++i) {
    auto& values = values_at[static_cast<std::int64_t>(reference.steps[i])];
    for (const auto& run : reference.runs) values.push_back(run[i]);
    if (reference.steps[i] >= static_cast<double>(last_step)) break;
  }
  return summarise(values_at);
}

std::optional<Score> run_score(const RunRecord& run) {
  if (!run.evaluations.empty()) {
    const EvaluationRow& last = run.evaluations.back();
    return Score{last.mean_return, true, last.step, last.step, last.returns.size()};
  }
  Score score{0, false, run.step - run.step / 10, run.step, 0};
  for (const EpisodeRow& episode : run.episodes) {
    if (episode.step < score.from_step) continue;
    score.value += episode.episode_return;
    ++score.episodes;
  }
  if (score.episodes == 0 && !run.episodes.empty()) {  // one long episode: the one before it
    return Score{run.episodes.back().episode_return, false, run.episodes.back().step, run.episodes.back().step, 1};
  }
  if (score.episodes == 0) return std::nullopt;
  score.value /= static_cast<double>(score.episodes);
  return score;
}

}  // namespace eaudeqn
