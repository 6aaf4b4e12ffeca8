// statistics_probe < REQUEST.json > ANSWER.json: the statistics of src/report for test_statistics.py to compare with
// rliable. Request: {"x": scores, "y": scores, "taus": [...], "replications": N, "seed": N}, scores[task][run]. Answer:
// {"mean": [point, low, high], "median", "iqm", "optimality_gap" (all of x), "probability_of_improvement" (of x over
// y), "profile": [[point, low, high], ...] (of x, one per tau)}. It judges nothing itself.
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "eaudeqn/error.h"
#include "report/statistics.h"

namespace eaudeqn {
namespace {

using Json = nlohmann::ordered_json;

Json numbers(const Estimate& estimate) { return {estimate.point, estimate.low, estimate.high}; }

Json answer(const Json& request) {
  const auto x = request.at("x").get<Scores>();
  const auto y = request.at("y").get<Scores>();
  const auto taus = request.at("taus").get<std::vector<double>>();
  BootstrapOptions options;
  options.replications = request.at("replications");
  options.seed = request.at("seed");
  Json json;
  json["mean"] = numbers(bootstrap(x, mean_score, options));
  json["median"] = numbers(bootstrap(x, median_score, options));
  json["iqm"] = numbers(bootstrap(x, interquartile_mean, options));
  json["optimality_gap"] = numbers(bootstrap(
      x, [](const Scores& scores) { return optimality_gap(scores); }, options));
  const auto improvement = [](const std::vector<Scores>& samples) {
    return std::vector<double>{probability_of_improvement(samples[0], samples[1])};
  };
  json["probability_of_improvement"] = numbers(bootstrap({x, y}, improvement, options).front());
  const auto profile = [&](const std::vector<Scores>& samples) { return performance_profile(samples[0], taus); };
  json["profile"] = Json::array();
  for (const Estimate& estimate : bootstrap(std::vector<Scores>{x}, profile, options)) {
    json["profile"].push_back(numbers(estimate));
  }
  return json;
}

}  // namespace
}  // namespace eaudeqn

int main() {
  try {
    std::cout << eaudeqn::answer(nlohmann::ordered_json::parse(std::cin)).dump() << '\n';
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 1;
  }
  return 0;
}
