// What a checkpoint folder keeps on disk, and in memory. Whole checkpoints are tests/durability's.
#include "experiment/checkpoints.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include <fstream>
#include <set>
#include <string>

#include "core/archive.h"
#include "core/test_directory.h"
#include "core/test_sanitizers.h"

namespace eaudeqn {
namespace {

using Names = std::set<std::string>;

void touch(const std::filesystem::path& file) { std::ofstream(file) << "x"; }

// A checkpoint of `step` that needs `segments`, as RunState::save leaves it.
void save(CheckpointFolder& folder, std::int64_t step, const Names& segments) {
  ArchiveWriter archive;
  std::string lines;
  for (const std::string& name : segments) lines += name + "\n";
  archive.add_text(kSegmentsSection, lines);
  archive.write(folder.file(step));
  for (const std::string& name : segments) touch(folder.segments() / name);
  folder.remember(step, segments);
}

Names files(const std::filesystem::path& directory) {
  Names names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.is_regular_file()) names.insert(entry.path().filename().string());
  }
  return names;
}

TEST(CheckpointFolder, keeps_the_newest_and_the_segments_that_they_need) {
  const TestDirectory directory;
  CheckpointFolder folder(directory.path());
  save(folder, 10, {"a", "b"});
  save(folder, 20, {"b", "c"});
  save(folder, 30, {"c", "d"});
  folder.keep_newest(2);
  EXPECT_EQ(folder.steps(), (std::vector<std::int64_t>{20, 30}));
  EXPECT_EQ(files(folder.segments()), (Names{"b", "c", "d"}));
}

TEST(CheckpointFolder, reads_the_segments_of_checkpoints_that_another_process_wrote) {
  const TestDirectory directory;
  {
    CheckpointFolder folder(directory.path());
    save(folder, 10, {"a", "b"});
  }
  CheckpointFolder folder(directory.path());
  save(folder, 20, {"c"});
  folder.keep_newest(2);
  EXPECT_EQ(files(folder.segments()), (Names{"a", "b", "c"}));
}

TEST(CheckpointFolder, keeps_every_segment_while_a_kept_checkpoint_cannot_be_read) {
  const TestDirectory directory;
  CheckpointFolder folder(directory.path());
  touch(folder.file(10));
  touch(folder.segments() / "of_an_unknown_step");
  save(folder, 20, {"c"});
  folder.keep_newest(2);
  EXPECT_EQ(files(folder.segments()), (Names{"c", "of_an_unknown_step"}));
}

#if defined(__GLIBC__) && !EAUDEQN_SANITIZED  // others do not say how much is in use

// Names of the segments of every checkpoint that a run had written stayed: 100 bytes each, 24 kB a checkpoint where a
// replay of a million is full.
TEST(CheckpointFolder, what_it_remembers_does_not_grow_with_the_run) {
  const TestDirectory directory;
  CheckpointFolder folder(directory.path());
  Names segments;
  for (int i = 0; i < 20; ++i) segments.insert("replay_segment_with_a_long_name_" + std::to_string(i));
  const auto run = [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t step = first; step < last; ++step) {
      touch(folder.file(step));
      folder.remember(step, segments);
      folder.keep_newest(2);
    }
    return mallinfo2().uordblks;
  };
  const std::size_t before = run(0, 10);
  EXPECT_LT(run(10, 110), before + 10'000);  // 100 times 20 names are some 200,000 bytes
}

#endif

}  // namespace
}  // namespace eaudeqn
