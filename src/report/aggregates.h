// Statistics across environments, of algorithms that were run on several: see statistics.h. Part of the document.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "report/variants.h"

namespace eaudeqn {

// `runs`: the document's, with "return" and "human_normalised". Variants of the same label on different environments
// count as one algorithm. The result:
// "human_normalised": [{"label", "environments", "runs", "iqm", "median", "mean", "optimality_gap"}], Atari alone, each
//    statistic {"point", "low", "high"};
// "profiles": [{"unit", "environments", "taus", "curves": [{"label", "points": [[point, low, high], ...]}]}], one of
// the
//    human-normalised scores, and one of the returns of each other environment with more than one run;
// "improvement": [{"x", "y", "environments", "point", "low", "high"}], how likely a run of x beats one of y.
nlohmann::ordered_json aggregates_json(const nlohmann::ordered_json& runs, const std::vector<Variant>& variants);

}  // namespace eaudeqn
