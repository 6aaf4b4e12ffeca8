// The checkpoints/ folder of a run: which ones there are, which to keep, and the replay segments they share. What
// stands inside a checkpoint is the trainer's business (trainer.cc); the container is core/archive.h.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace eaudeqn {

class CheckpointFolder {
 public:
  explicit CheckpointFolder(const std::filesystem::path& run_directory);

  const std::filesystem::path& segments() const { return segments_; }  // replay segment files
  std::filesystem::path file(std::int64_t step) const;                 // step_000000123456.checkpoint
  std::vector<std::int64_t> steps() const;                             // of the checkpoints there, ascending
  std::optional<std::int64_t> newest() const;

  // Says which segment files the checkpoint of `step` needs, so that keep_newest does not have to read it again.
  void remember(std::int64_t step, const std::set<std::string>& segments) { needed_[step] = segments; }

  // Deletes all but the newest `keep` checkpoints, and segment files that none of the kept ones needs.
  void keep_newest(std::int64_t keep);

  // What a damaged checkpoint's error should add: the next older one, and how to go back to it.
  std::string advice_after_damage(std::int64_t step) const;

 private:
  std::filesystem::path directory_, segments_;
  std::map<std::int64_t, std::set<std::string>> needed_;
};

// The section that lists the segment files a checkpoint needs, one name a line.
inline constexpr const char* kSegmentsSection = "replay_segments";

}  // namespace eaudeqn
