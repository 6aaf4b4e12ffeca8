// See checkpoints.h.
#include "experiment/checkpoints.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <string_view>

#include "core/archive.h"
#include "core/command.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

constexpr std::string_view kPrefix = "step_";
constexpr std::string_view kSuffix = ".checkpoint";

}  // namespace

CheckpointFolder::CheckpointFolder(const std::filesystem::path& run_directory)
    : directory_(run_directory / "checkpoints"), segments_(directory_ / "replay") {
  std::error_code code;
  std::filesystem::create_directories(segments_, code);
  if (code) throw Error::failure(fmt::format("{}: cannot be created: {}", segments_.string(), code.message()));
}

std::filesystem::path CheckpointFolder::file(std::int64_t step) const {
  return directory_ / fmt::format("{}{:012}{}", kPrefix, step, kSuffix);
}

std::vector<std::int64_t> CheckpointFolder::steps() const {
  std::vector<std::int64_t> steps;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    const std::string name = entry.path().filename().string();
    if (name.size() <= kPrefix.size() + kSuffix.size() || !name.starts_with(kPrefix) || !name.ends_with(kSuffix))
      continue;
    std::int64_t step = 0;
    const char* end = name.data() + name.size() - kSuffix.size();
    const auto [last, error] = std::from_chars(name.data() + kPrefix.size(), end, step);
    if (error == std::errc() && last == end) steps.push_back(step);
  }
  std::sort(steps.begin(), steps.end());
  return steps;
}

std::optional<std::int64_t> CheckpointFolder::newest() const {
  const auto all = steps();
  return all.empty() ? std::nullopt : std::optional(all.back());
}

void CheckpointFolder::keep_newest(std::int64_t keep) {
  std::vector<std::int64_t> all = steps();
  while (static_cast<std::int64_t>(all.size()) > keep) {
    std::filesystem::remove(file(all.front()));
    needed_.erase(all.front());  // what is remembered must not grow with the length of the run
    all.erase(all.begin());
  }
  std::set<std::string> needed;
  for (const std::int64_t step : all) {
    if (needed_.contains(step)) {
      needed.insert(needed_[step].begin(), needed_[step].end());
      continue;
    }
    try {
      std::istringstream names(ArchiveReader(file(step)).text(kSegmentsSection));
      for (std::string name; std::getline(names, name);) needed.insert(name);
    } catch (const Error&) {
      return;  // an unreadable older checkpoint: keep every segment rather than guess
    }
  }
  for (const auto& entry : std::filesystem::directory_iterator(segments_)) {
    if (!needed.contains(entry.path().filename().string())) std::filesystem::remove(entry.path());
  }
}

std::string CheckpointFolder::advice_after_damage(std::int64_t step) const {
  std::optional<std::int64_t> older;
  for (const std::int64_t other : steps()) {
    if (other < step) older = other;
  }
  if (!older) {
    return fmt::format("; {} is the oldest checkpoint: choose another --output to begin anew", file(step).string());
  }
  return fmt::format("; remove it (rm {}) and use --resume again to go on from the older checkpoint of step {}",
                     shell_quoted(file(step).string()), *older);
}

}  // namespace eaudeqn
