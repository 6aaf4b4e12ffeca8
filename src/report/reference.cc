// See reference.h.
#include "report/reference.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

#include "core/files.h"
#include "eaudeqn/error.h"
#include "report/embedded_files.h"

namespace eaudeqn {
namespace {

ReferenceCurves parse_curves(const std::string& text, const std::string& origin) {
  ReferenceCurves all;
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    for (const auto& [environment, entry] : json.at("curves").items()) {
      ReferenceCurve curve;
      curve.source = json.at("source").get<std::string>();
      curve.algorithm = entry.at("algorithm").get<std::string>();
      curve.steps = entry.at("steps").get<std::vector<double>>();
      curve.runs = entry.at("runs").get<std::vector<std::vector<double>>>();
      const auto uneven = [&](const auto& run) { return run.size() != curve.steps.size(); };
      if (curve.runs.empty() || std::any_of(curve.runs.begin(), curve.runs.end(), uneven) ||
          !std::is_sorted(curve.steps.begin(), curve.steps.end())) {
        throw Error::failure(origin + ": " + environment +
                             ": every run needs one number per step, and steps must rise");
      }
      all[environment] = std::move(curve);
    }
    return all;
  } catch (const nlohmann::json::parse_error& error) {
    throw Error::failure(origin + ": no JSON from byte " + std::to_string(error.byte) +
                         " on; docs/report.md has the format of reference curves");
  } catch (const nlohmann::json::exception&) {
    throw Error::failure(origin +
                         ": no reference curves: a part is missing or of another type than docs/report.md says");
  }
}

}  // namespace

ReferenceCurves built_in_reference_curves() {
  ReferenceCurves all;
  for (const char* name : {"reference/atari_dqn.json", "reference/mujoco_sac.json"}) {
    all.merge(parse_curves(embedded_file(name), name));
  }
  return all;
}

ReferenceCurves read_reference_curves(const std::filesystem::path& file) {
  const auto bytes = read_file(file);
  return parse_curves({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file.string());
}

}  // namespace eaudeqn
