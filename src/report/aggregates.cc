// See aggregates.h.
#include "report/aggregates.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "report/statistics.h"

namespace eaudeqn {
namespace {

using Json = nlohmann::ordered_json;
// label -> environment -> its runs' values
using Table = std::map<std::string, std::map<std::string, std::vector<double>>>;

constexpr std::size_t kTaus = 101;
constexpr BootstrapOptions kFew{.replications = 2'000};  // of profiles and pairs, of which there are many

Table table_of(const Json& runs, const std::vector<Variant>& variants, const char* field) {
  Table table;
  for (const Variant& variant : variants) {
    for (const std::size_t r : variant.runs) {
      if (!runs[r][field].is_number()) continue;
      table[variant.label][variant.environment].push_back(runs[r][field].get<double>());
    }
  }
  return table;
}

Scores scores_of(const std::map<std::string, std::vector<double>>& by_environment) {
  Scores scores;
  for (const auto& [environment, values] : by_environment) scores.push_back(values);
  return scores;
}

std::size_t count_runs(const Scores& scores) {
  std::size_t count = 0;
  for (const auto& runs : scores) count += runs.size();
  return count;
}

std::vector<std::string> environments_of(const std::map<std::string, std::vector<double>>& by_environment) {
  std::vector<std::string> names;
  names.reserve(by_environment.size());
  for (const auto& [environment, values] : by_environment) names.push_back(environment);
  return names;
}

Json interval(const Estimate& estimate) {
  return {{"point", estimate.point}, {"low", estimate.low}, {"high", estimate.high}};
}

// Resampling single runs gives them back: that is no interval.
Json statistic_json(const Scores& scores, const std::function<double(const Scores&)>& statistic) {
  if (count_runs(scores) == scores.size()) return {{"point", statistic(scores)}, {"low", nullptr}, {"high", nullptr}};
  return interval(bootstrap(scores, statistic));
}

Json normalised_json(const Table& table) {
  Json rows = Json::array();
  for (const auto& [label, by_environment] : table) {
    const Scores scores = scores_of(by_environment);
    rows.push_back({{"label", label},
                    {"environments", environments_of(by_environment)},
                    {"runs", count_runs(scores)},
                    {"iqm", statistic_json(scores, interquartile_mean)},
                    {"median", statistic_json(scores, median_score)},
                    {"mean", statistic_json(scores, mean_score)},
                    {"optimality_gap", statistic_json(scores, [](const Scores& s) { return optimality_gap(s); })}});
  }
  return rows;
}

// From just below the lowest score, where every share is 1, to the highest, where every share is 0.
std::vector<double> taus_of(const Table& table) {
  double low = 1e300, high = -1e300;
  for (const auto& [label, by_environment] : table) {
    for (const auto& [environment, values] : by_environment) {
      low = std::min(low, *std::min_element(values.begin(), values.end()));
      high = std::max(high, *std::max_element(values.begin(), values.end()));
    }
  }
  const double margin = high > low ? (high - low) / static_cast<double>(kTaus - 2) : 1;
  std::vector<double> taus;
  for (std::size_t i = 0; i < kTaus; ++i) taus.push_back(low + (static_cast<double>(i) - 1) * margin);
  taus.back() = high;
  return taus;
}

Json profile_json(const Table& table, const std::string& unit) {
  const std::vector<double> taus = taus_of(table);
  std::set<std::string> environments;
  Json curves = Json::array();
  for (const auto& [label, by_environment] : table) {
    for (const auto& [environment, values] : by_environment) environments.insert(environment);
    const auto statistic = [&](const std::vector<Scores>& samples) { return performance_profile(samples[0], taus); };
    Json points = Json::array();
    for (const Estimate& estimate : bootstrap(std::vector<Scores>{scores_of(by_environment)}, statistic, kFew)) {
      points.push_back({estimate.point, estimate.low, estimate.high});
    }
    curves.push_back({{"label", label}, {"points", points}});
  }
  return {{"unit", unit}, {"environments", environments}, {"taus", taus}, {"curves", curves}};
}

Json profiles_json(const Table& normalised, const Table& returns) {
  Json profiles = Json::array();
  const auto more_than_one = [](const Table& table) {
    std::size_t count = 0;
    for (const auto& [label, by_environment] : table) count += count_runs(scores_of(by_environment));
    return count > 1;
  };
  if (more_than_one(normalised)) profiles.push_back(profile_json(normalised, "human-normalised score"));
  std::map<std::string, Table> by_environment;
  for (const auto& [label, environments] : returns) {
    for (const auto& [environment, values] : environments) by_environment[environment][label][environment] = values;
  }
  for (const auto& [environment, table] : by_environment) {
    if (more_than_one(table) && !environment.starts_with("atari/")) profiles.push_back(profile_json(table, "return"));
  }
  return profiles;
}

Json improvement_json(const Table& returns) {
  Json rows = Json::array();
  for (const auto& [x, of_x] : returns) {
    for (const auto& [y, of_y] : returns) {
      if (x == y) continue;
      std::vector<std::string> common;
      std::vector<Scores> samples(2);
      for (const auto& [environment, values] : of_x) {
        const auto other = of_y.find(environment);
        if (other == of_y.end()) continue;
        common.push_back(environment);
        samples[0].push_back(values);
        samples[1].push_back(other->second);
      }
      // One run against one says nothing about another pair of runs.
      if (common.empty() || count_runs(samples[0]) + count_runs(samples[1]) < 2 * common.size() + 2) continue;
      const auto statistic = [](const std::vector<Scores>& drawn) {
        return std::vector<double>{probability_of_improvement(drawn[0], drawn[1])};
      };
      Json row = {{"x", x}, {"y", y}, {"environments", common}};
      row.update(interval(bootstrap(samples, statistic, kFew).front()));
      rows.push_back(row);
    }
  }
  return rows;
}

}  // namespace

Json aggregates_json(const Json& runs, const std::vector<Variant>& variants) {
  const Table normalised = table_of(runs, variants, "human_normalised");
  const Table returns = table_of(runs, variants, "return");
  return {{"human_normalised", normalised_json(normalised)},
          {"profiles", profiles_json(normalised, returns)},
          {"improvement", improvement_json(returns)}};
}

}  // namespace eaudeqn
