// See document.h.
#include "report/document.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>

#include "report/aggregates.h"
#include "report/atari_scores.h"
#include "report/curves.h"
#include "report/variants.h"

namespace eaudeqn {
namespace {

using Json = nlohmann::ordered_json;

// Points of all charts of single runs together: enough for any screen, and a page that opens at once.
constexpr std::size_t kAllPoints = 30'000, kMostPoints = 400, kFewestPoints = 50;

template <typename T>
Json optional_json(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json interval_json(const Estimate& estimate) {
  return {{"point", estimate.point}, {"low", estimate.low}, {"high", estimate.high}};
}

// Shortest endings of the paths that are all different: "seed1", or "sweep_a/seed1" where two are called seed1.
std::vector<std::string> run_names(const std::vector<RunRecord>& runs) {
  std::vector<std::string> names;
  for (std::size_t parts = 1; parts < 32; ++parts) {
    names.clear();
    for (const RunRecord& run : runs) {
      std::filesystem::path path = run.directory;
      if (path.filename().empty()) path = path.parent_path();
      std::filesystem::path ending = path.filename();
      for (std::size_t i = 1; i < parts && path.has_parent_path() && path != path.root_path(); ++i) {
        path = path.parent_path();
        if (!path.filename().empty()) ending = path.filename() / ending;
      }
      names.push_back(ending.string());
    }
    if (std::set<std::string>(names.begin(), names.end()).size() == names.size()) break;
  }
  return names;
}

Json updates_json(const RunRecord& run, std::size_t most) {
  Json json = {{"every", 0},
               {"step", Json::array()},
               {"selected", Json::array()},
               {"losses", Json::array()},
               {"sparsities", Json::array()},
               {"actor", Json::array()}};
  const std::size_t every = std::max<std::size_t>((run.updates.size() + most - 1) / most, 1);
  json["every"] = every;
  for (std::size_t i = 0; i < run.updates.size(); ++i) {
    if (i % every != 0 && i + 1 != run.updates.size()) continue;
    const UpdateRow& row = run.updates[i];
    Json losses = Json::array();
    for (const auto& loss : row.losses) losses.push_back(optional_json(loss));
    json["step"].push_back(row.step);
    json["selected"].push_back(row.selected < 0 ? Json() : Json(row.selected));
    json["losses"].push_back(losses);
    json["sparsities"].push_back(row.sparsities);
    json["actor"].push_back(optional_json(row.actor_sparsity));
  }
  return json;
}

Json layers_json(const PolicyRow& policy) {
  Json layers = Json::array();
  for (const LayerRow& layer : policy.layers) {
    layers.push_back({{"name", layer.name},
                      {"shape", layer.shape},
                      {"parameters", layer.parameters},
                      {"active", layer.active},
                      {"sparsity", layer.sparsity()},
                      {"flops", layer.flops}});
  }
  return layers;
}

// Of what ships: the policy file, else the last evaluation.
std::optional<double> shipped_sparsity(const RunRecord& run) {
  if (run.policy) return run.policy->sparsity;
  if (!run.evaluations.empty()) return run.evaluations.back().sparsity;
  return std::nullopt;
}

Json run_json(const RunRecord& run, const std::string& name, std::size_t variant, std::size_t most_points) {
  Json json = {
      {"name", name},     {"variant", variant}, {"environment", run.environment},     {"algorithm", run.algorithm},
      {"seed", run.seed}, {"step", run.step},   {"planned_steps", run.planned_steps}, {"finished", run.finished}};
  const auto score = run_score(run);
  json["return"] = score ? Json(score->value) : Json();
  json["return_of"] = !score ? Json()
                             : Json{{"kind", score->evaluation ? "evaluation" : "training"},
                                    {"from_step", score->from_step},
                                    {"to_step", score->to_step},
                                    {"episodes", score->episodes}};
  json["human_normalised"] = score ? optional_json(human_normalised_score(run.environment, score->value)) : Json();
  json["sparsity"] = optional_json(shipped_sparsity(run));
  for (const char* key : {"parameters", "active", "flops", "bytes"}) json[key] = nullptr;
  if (run.policy) {
    json["parameters"] = run.policy->parameters;
    json["active"] = run.policy->active;
    json["flops"] = run.policy->flops;
    json["bytes"] = run.policy->bytes;
  }
  json["steps_per_second"] = run.steps_per_second > 0 ? Json(run.steps_per_second) : Json();
  json["wall_seconds"] = run.wall_seconds > 0 ? Json(run.wall_seconds) : Json();
  json["updates"] = updates_json(run, most_points);
  json["layers"] = run.policy ? layers_json(*run.policy) : Json::array();
  json["video"] = run.video.empty() ? Json() : Json(run.video.filename().string());
  return json;
}

// Mean over the runs that have the field; null if none has.
Json mean_of(const Json& runs, const Variant& variant, const char* field, bool sum = false) {
  double total = 0;
  std::size_t count = 0;
  for (const std::size_t r : variant.runs) {
    if (!runs[r][field].is_number()) continue;
    total += runs[r][field].get<double>();
    ++count;
  }
  if (count == 0) return nullptr;
  return sum ? total : total / static_cast<double>(count);
}

Json iqm_of(const Json& runs, const Variant& variant, const char* field) {
  std::vector<double> values;
  for (const std::size_t r : variant.runs) {
    if (runs[r][field].is_number()) values.push_back(runs[r][field].get<double>());
  }
  if (values.empty()) return nullptr;
  if (values.size() == 1) return {{"point", values[0]}, {"low", nullptr}, {"high", nullptr}};
  return interval_json(bootstrap({values}, interquartile_mean));
}

Json variant_json(const Json& runs, const Variant& variant) {
  Json json = {{"environment", variant.environment}, {"label", variant.label}, {"runs", variant.runs}};
  json["finished"] =
      std::count_if(variant.runs.begin(), variant.runs.end(), [&](auto r) { return runs[r]["finished"] == true; });
  json["return"] = mean_of(runs, variant, "return");
  json["iqm"] = iqm_of(runs, variant, "return");
  json["human_normalised_iqm"] = iqm_of(runs, variant, "human_normalised");
  for (const char* field : {"sparsity", "parameters", "active", "flops", "bytes", "steps_per_second"}) {
    json[field] = mean_of(runs, variant, field);
  }
  json["wall_seconds"] = mean_of(runs, variant, "wall_seconds", true);
  return json;
}

Json points_json(const std::vector<CurvePoint>& curve) {
  Json points = Json::array();
  for (const CurvePoint& point : curve) {
    points.push_back({point.step, point.runs, point.point, point.interval ? Json(point.interval->low) : Json(),
                      point.interval ? Json(point.interval->high) : Json()});
  }
  return points;
}

Json curves_json(const std::vector<RunRecord>& runs, const std::vector<Variant>& variants,
                 const std::map<std::string, ReferenceCurve>& references) {
  std::map<std::string, std::int64_t> last_steps;
  for (const RunRecord& run : runs) last_steps[run.environment] = std::max(last_steps[run.environment], run.step);
  Json all = Json::array();
  for (const auto& [environment, last_step] : last_steps) {
    const std::int64_t width = bin_width(last_step);
    Json json = {{"environment", environment}, {"bin", width}, {"variants", Json::array()}, {"reference", nullptr}};
    for (std::size_t v = 0; v < variants.size(); ++v) {
      if (variants[v].environment != environment) continue;
      std::vector<const RunRecord*> members;
      for (const std::size_t r : variants[v].runs) members.push_back(&runs[r]);
      json["variants"].push_back({{"variant", v},
                                  {"label", variants[v].label},
                                  {"training", points_json(training_curve(members, width))},
                                  {"evaluation", points_json(evaluation_curve(members))}});
    }
    const auto reference = references.find(environment);
    if (reference != references.end()) {
      json["reference"] = {{"algorithm", reference->second.algorithm},
                           {"source", reference->second.source},
                           {"points", points_json(reference_points(reference->second, last_step))}};
    }
    all.push_back(json);
  }
  return all;
}

Json problems_json(const std::vector<RunRecord>& runs, const std::vector<std::string>& names) {
  Json problems = Json::array();
  for (std::size_t r = 0; r < runs.size(); ++r) {
    for (const ReadProblem& problem : runs[r].problems) {
      problems.push_back({{"run", names[r]},
                          {"file", problem.file},
                          {"line", problem.line > 0 ? Json(problem.line) : Json()},
                          {"what", problem.what}});
    }
  }
  return problems;
}

}  // namespace

Json make_document(const std::vector<RunRecord>& runs, const std::map<std::string, ReferenceCurve>& references,
                   const std::string& version) {
  const std::vector<Variant> variants = group_runs(runs);
  const std::vector<std::string> names = run_names(runs);
  std::vector<std::size_t> variant_of(runs.size());
  for (std::size_t v = 0; v < variants.size(); ++v) {
    for (const std::size_t r : variants[v].runs) variant_of[r] = v;
  }
  const std::size_t most_points = std::clamp(kAllPoints / runs.size(), kFewestPoints, kMostPoints);
  Json document = {{"version", version}};
  document["problems"] = problems_json(runs, names);
  document["runs"] = Json::array();
  for (std::size_t r = 0; r < runs.size(); ++r) {
    document["runs"].push_back(run_json(runs[r], names[r], variant_of[r], most_points));
  }
  document["variants"] = Json::array();
  for (const Variant& variant : variants) document["variants"].push_back(variant_json(document["runs"], variant));
  document["curves"] = curves_json(runs, variants, references);
  document["aggregates"] = aggregates_json(document["runs"], variants);
  document["differences"] = config_differences(runs, variants);
  document["reproduction"] = Json::array();
  for (const Variant& variant : variants) document["reproduction"].push_back(reproduction(runs, variant));
  return document;
}

}  // namespace eaudeqn
