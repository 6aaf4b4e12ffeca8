// Everything that a report shows, as one JSON document: what `report --json` prints and the page is made from. No HTML.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "report/reference.h"
#include "report/run_reader.h"

namespace eaudeqn {

// A function of its arguments alone: no clock, no absolute path. Its fields are listed in docs/report.md.
nlohmann::ordered_json make_document(const std::vector<RunRecord>& runs,
                                     const std::map<std::string, ReferenceCurve>& references,
                                     const std::string& version);

}  // namespace eaudeqn
