// The two JSON-lines files of a run and the mapping of metrics to TensorBoard tags: see metrics.h.
#include "experiment/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/files.h"
#include "eaudeqn/error.h"
#include "experiment/append_file.h"
#include "experiment/metric_names.h"

namespace eaudeqn {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::byte kNewline{'\n'};

void check_fields(const std::string& event, const Json& fields) {
  if (fields.is_object() && !fields.contains("event") && !fields.contains("step")) return;
  throw Error::failure(
      fmt::format("metrics of '{}': fields must be an object without event and step; rename the field", event));
}

std::string line_of(Json head, const Json& fields) {
  head.update(fields);
  return head.dump() + '\n';  // dump writes NaN and infinities as null
}

// The size of `file` up to and including its last newline.
std::uint64_t size_of_whole_lines(const std::filesystem::path& file) {
  const auto content = read_file(file);
  return static_cast<std::uint64_t>(content.rend() - std::find(content.rbegin(), content.rend(), kNewline));
}

// Cuts metrics.jsonl where the checkpoint was taken.
void cut_to_saved_size(AppendFile& open, const std::filesystem::path& file, std::uint64_t saved) {
  if (open.size() < saved) {
    throw Error::failure(
        fmt::format("{}: {} bytes, but the checkpoint was taken at {}; restore the file or start a new run",
                    file.string(), open.size(), saved));
  }
  if (saved > 0 && read_file(file)[saved - 1] != kNewline) {
    throw Error::failure(
        fmt::format("{}: byte {}, where the checkpoint was taken, does not end a line; restore the file "
                    "or start a new run",
                    file.string(), saved));
  }
  open.truncate(saved);
}

void write_scalars(EventWriter& events, const std::string& tag, std::int64_t step, const Json& value) {
  if (value.is_number()) {
    const double number = value.get<double>();
    if (std::isfinite(number)) events.scalar(tag, step, number);
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) write_scalars(events, fmt::format("{}/{}", tag, i), step, value[i]);
  } else if (value.is_object()) {
    for (const auto& [key, entry] : value.items()) write_scalars(events, tag + "/" + key, step, entry);
  }
}

void write_fields(EventWriter& events, const std::string& event, std::int64_t step, const Json& fields) {
  for (const auto& [field, value] : fields.items()) {
    const std::string tag = scalar_tag(event, field);
    if (!tag.empty()) write_scalars(events, tag, step, value);
  }
  events.flush();
}

}  // namespace

struct Metrics::State {
  AppendFile metrics;
  AppendFile timing;
  std::optional<EventWriter> events;

  State(const std::filesystem::path& directory, std::uint64_t saved)
      : metrics(directory / "metrics.jsonl", AppendFile::Existing::append),
        timing(directory / "timing.jsonl", AppendFile::Existing::append) {
    cut_to_saved_size(metrics, directory / "metrics.jsonl", saved);
    timing.truncate(saved == 0 ? 0 : size_of_whole_lines(directory / "timing.jsonl"));
    events.emplace(directory);
  }
};

Metrics::Metrics(const std::filesystem::path& run_directory, std::uint64_t metrics_bytes)
    : state_(std::make_unique<State>(run_directory, metrics_bytes)) {}

Metrics::~Metrics() = default;

void Metrics::record(const std::string& event, std::int64_t step, const Json& fields) {
  check_fields(event, fields);
  state_->metrics.append(line_of({{"event", event}, {"step", step}}, fields));
  write_fields(*state_->events, event, step, fields);
}

void Metrics::record_resumption(std::int64_t step, const Json& fields) {
  check_fields("timing", fields);
  state_->timing.append(line_of({{"step", step}}, fields));
}

void Metrics::record_timing(std::int64_t step, const Json& fields) {
  record_resumption(step, fields);  // the line
  write_fields(*state_->events, "timing", step, fields);
}

std::uint64_t Metrics::sync() {
  state_->metrics.sync();
  return state_->metrics.size();
}

}  // namespace eaudeqn
