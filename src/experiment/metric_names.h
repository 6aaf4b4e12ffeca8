// The one table of what a run records: files, fields, units, and the names under which TensorBoard and those who read
// its files (Weights & Biases) show them. docs/metrics.md is this table. Nothing is measured here.
#pragma once

#include <string>
#include <vector>

namespace eaudeqn {

struct MetricName {
  std::string file;   // "metrics.jsonl" or "timing.jsonl"
  std::string event;  // "episode", ...; of timing.jsonl "timing", which its lines do not say
  std::string field;
  std::string tag;  // "train/episode_return"; of an array's entry k: tag/k; empty: not a number, or told elsewhere
  std::string unit;
  std::string meaning;
};

// In the order of the files' fields.
const std::vector<MetricName>& metric_names();

// The tag of a field; "event/field" for one that the table does not hold, "" for one that is not shown.
std::string scalar_tag(const std::string& event, const std::string& field);

// The table in Markdown, as docs/metrics.md holds it.
std::string metric_table();

}  // namespace eaudeqn
