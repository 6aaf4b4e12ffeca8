// Saving and loading a replay: nothing lost, nothing written twice, damage named.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>

#include "core/archive.h"
#include "core/files.h"
#include "eaudeqn/error.h"
#include "replay/naive_replay.h"
#include "replay/replay.h"
#include "replay/segment.h"

namespace eaudeqn {
namespace {

namespace fs = std::filesystem;
using Names = std::set<std::string>;

constexpr ReplaySpec kSpec = {.capacity = 9000, .frame_bytes = 32, .stack = 4, .compress = true};

class ReplayCheckpoint : public testing::Test {
 protected:
  ReplayCheckpoint() {
    directory_ = fs::temp_directory_path() / fmt::format("replay_checkpoint_test_{}_{}", ::getpid(),
                                                         testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }
  ~ReplayCheckpoint() override { fs::remove_all(directory_); }

  fs::path segments() const { return directory_ / "segments"; }
  fs::path archive_file(const std::string& name) const { return directory_ / name; }

  Names save(Replay& replay, const std::string& name, const fs::path& segments_directory) const {
    ArchiveWriter writer;
    Names needed = replay.save(writer, "replay", segments_directory);
    writer.write(archive_file(name));
    return needed;
  }
  Names save(Replay& replay, const std::string& name) const { return save(replay, name, segments()); }

  void load(Replay& replay, const std::string& name, const fs::path& segments_directory) const {
    replay.load(ArchiveReader(archive_file(name)), "replay", segments_directory);
  }
  void load(Replay& replay, const std::string& name) const { load(replay, name, segments()); }

  std::string load_error(const std::string& name, const ReplaySpec& spec = kSpec) const {
    Replay replay(spec);
    try {
      load(replay, name);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Error::Kind::failure);
      EXPECT_EQ(replay.total_added(), 0U) << "a failed load must leave the replay as it was";
      return error.what();
    }
    return "";
  }

  fs::path directory_;
};

Names files_in(const fs::path& directory) {
  Names names;
  for (const auto& entry : fs::directory_iterator(directory)) names.insert(entry.path().filename().string());
  return names;
}

// Not synced, unlike the library's own writing: a test of damage has nothing to keep.
void write_unsynced(const fs::path& file, std::span<const std::byte> bytes) {
  std::ofstream(file, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

Batch sample(const Replay& replay, std::uint64_t seed) {
  RandomStream stream(seed, "replay");
  Batch batch;
  replay.sample(stream, 64, batch);
  return batch;
}

void play(RandomPlay& source, int calls, Replay& replay) {
  for (int call = 0; call < calls; ++call) source.step(replay);
}

TEST_F(ReplayCheckpoint, ResumesToTheSameBits) {
  const ReplaySpec three_step = {.capacity = 3000, .frame_bytes = 16, .n_step = 3};
  for (const ReplaySpec& spec : {kSpec, three_step}) {
    fs::remove_all(segments());
    auto replay = std::make_unique<Replay>(spec);
    NaiveReplay naive(spec);
    RandomPlay source(spec.frame_bytes, 30, 11);
    for (std::uint64_t round = 0; round < 30; ++round) {
      // Rounds of odd lengths: saves fall inside episodes, at their ends, and around full segments.
      for (std::uint64_t call = 0; call < 900 + 17 * round; ++call) source.step(*replay, naive);
      save(*replay, "a");
      auto resumed = std::make_unique<Replay>(spec);
      load(*resumed, "a");
      ASSERT_EQ(resumed->total_added(), replay->total_added());
      ASSERT_EQ(sample(*resumed, round), sample(*replay, round));
      RandomStream stream(round, "replay");
      ASSERT_EQ(sample(*resumed, round), naive.sample(stream, 64));
      replay = std::move(resumed);  // and goes on from there
    }
  }
}

// The last record of a full segment gets its action only with the next step: the segment must not be final before.
TEST_F(ReplayCheckpoint, ResumesAroundTheEndOfASegment) {
  for (int steps = static_cast<int>(kRecordsPerSegment) - 3; steps <= static_cast<int>(kRecordsPerSegment) + 2;
       ++steps) {
    Replay replay(kSpec);
    replay.begin_episode(std::vector<std::byte>(kSpec.frame_bytes));
    const auto add = [](Replay& to, int step) {
      to.add(step, static_cast<float>(step), false, false,
             std::vector<std::byte>(kSpec.frame_bytes, static_cast<std::byte>(step)));
    };
    for (int step = 0; step < steps; ++step) add(replay, step);
    const Names needed = save(replay, "a");
    EXPECT_EQ(needed.size(), steps + 1 > static_cast<int>(kRecordsPerSegment) ? 1U : 0U);
    Replay resumed(kSpec);
    load(resumed, "a");
    for (int step = steps; step < steps + 10; ++step) {
      add(replay, step);
      add(resumed, step);
    }
    for (std::uint64_t seed = 0; seed < 50; ++seed) ASSERT_EQ(sample(resumed, seed), sample(replay, seed));
  }
}

TEST_F(ReplayCheckpoint, KeepsAnEmptyReplayEmpty) {
  Replay replay(kSpec);
  EXPECT_EQ(save(replay, "empty"), Names{});
  Replay resumed(kSpec);
  load(resumed, "empty");
  EXPECT_EQ(resumed.size(), 0U);
  EXPECT_THROW(resumed.add(0, 0, false, false, std::vector<std::byte>(kSpec.frame_bytes)), Error);
  resumed.begin_episode(std::vector<std::byte>(kSpec.frame_bytes));
  resumed.add(0, 0, false, false, std::vector<std::byte>(kSpec.frame_bytes));
  EXPECT_EQ(resumed.size(), 1U);
}

TEST_F(ReplayCheckpoint, SavingChangesNothing) {
  Replay replay(kSpec);
  Replay never_saved(kSpec);
  RandomPlay source(kSpec.frame_bytes, 50, 12);
  for (int call = 0; call < 20'000; ++call) {
    source.step(replay, never_saved);
    if (call % 1999 == 0) save(replay, "a");
  }
  EXPECT_EQ(sample(replay, 1), sample(never_saved, 1));
}

TEST_F(ReplayCheckpoint, WritesEachSegmentOnce) {
  Replay replay(kSpec);
  RandomPlay source(kSpec.frame_bytes, 50, 13);
  play(source, 9000, replay);
  const Names first = save(replay, "a");
  EXPECT_EQ(first.size(), 2U);
  EXPECT_EQ(files_in(segments()), first);
  const auto long_ago = fs::file_time_type::clock::now() - std::chrono::hours(1);
  const auto mark = [&] {
    for (const auto& name : files_in(segments())) fs::last_write_time(segments() / name, long_ago);
  };
  const auto written_since = [&] {
    Names names;
    for (const auto& name : files_in(segments())) {
      if (fs::last_write_time(segments() / name) != long_ago) names.insert(name);
    }
    return names;
  };
  mark();
  EXPECT_EQ(save(replay, "b"), first);
  EXPECT_EQ(written_since(), Names{});

  Replay resumed(kSpec);
  load(resumed, "b", directory_ / "other" / ".." / "segments" / "");  // another spelling of the same directory
  EXPECT_EQ(save(resumed, "c"), first);
  EXPECT_EQ(written_since(), Names{});

  play(source, 5000, resumed);
  const Names later = save(resumed, "d");
  EXPECT_EQ(written_since().size(), 1U);
  EXPECT_EQ(later.size(), 2U);  // a new one, and the oldest is needed no more
  EXPECT_FALSE(later.contains(*first.begin()));

  const Names elsewhere = save(resumed, "e", directory_ / "elsewhere");
  EXPECT_EQ(elsewhere, later);
  EXPECT_EQ(files_in(directory_ / "elsewhere"), later);
}

TEST_F(ReplayCheckpoint, NamesTheFilesItNeedsAndNoOthers) {
  Replay replay(kSpec);
  RandomPlay source(kSpec.frame_bytes, 50, 14);
  Names earlier;
  for (int round = 0; round < 12; ++round) {
    play(source, 3000, replay);
    const Names needed = save(replay, "a");
    EXPECT_LE(needed.size(), kSpec.capacity / kRecordsPerSegment + 2);
    for (const auto& name : files_in(segments())) {  // as the caller does that keeps two checkpoints
      if (!needed.contains(name) && !earlier.contains(name)) fs::remove(segments() / name);
    }
    EXPECT_EQ(load_error("a"), "");
    earlier = needed;
  }
}

TEST_F(ReplayCheckpoint, OlderCheckpointsStayLoadable) {
  Replay replay(kSpec);
  RandomPlay source(kSpec.frame_bytes, 50, 15);
  play(source, 10'000, replay);
  save(replay, "old");
  const Batch expected = sample(replay, 1);
  play(source, 10'000, replay);
  save(replay, "new");
  Replay resumed(kSpec);
  load(resumed, "old");
  EXPECT_EQ(sample(resumed, 1), expected);
}

// A run is killed after a save whose archive was never completed; the resumed run takes another course and reaches the
// same segment number with other content.
TEST_F(ReplayCheckpoint, IsNotConfusedByTheSegmentsOfAKilledRun) {
  Replay killed(kSpec);
  RandomPlay source(kSpec.frame_bytes, 50, 16);
  play(source, 5000, killed);
  save(killed, "a");
  play(source, 5000, killed);
  save(killed, "lost");

  Replay resumed(kSpec);
  load(resumed, "a");
  resumed.begin_episode(std::vector<std::byte>(kSpec.frame_bytes));
  RandomPlay other_source(kSpec.frame_bytes, 50, 17);
  play(other_source, 5000, resumed);
  const Names needed = save(resumed, "b");
  EXPECT_EQ(needed.size(), 2U);
  EXPECT_EQ(files_in(segments()).size(), 3U);
  Replay again(kSpec);
  load(again, "b");
  EXPECT_EQ(sample(again, 1), sample(resumed, 1));
}

TEST_F(ReplayCheckpoint, DoesNotTrustAStrayFileOfTheRightName) {
  Replay replay(kSpec);
  RandomPlay source(kSpec.frame_bytes, 50, 18);
  play(source, 5000, replay);
  const Names names = save(replay, "a", directory_ / "elsewhere");
  fs::create_directories(segments());
  write_file_atomically(segments() / *names.begin(), std::string("damaged"));
  save(replay, "b");
  EXPECT_EQ(load_error("b"), "");
}

TEST_F(ReplayCheckpoint, WritesAgainWhatSomeoneDeleted) {
  Replay replay(kSpec);
  RandomPlay source(kSpec.frame_bytes, 50, 19);
  play(source, 10'000, replay);
  const Names names = save(replay, "a");
  fs::remove(segments() / *names.begin());
  save(replay, "b");
  EXPECT_EQ(load_error("b"), "");
}

TEST_F(ReplayCheckpoint, NamesAMissingOrDamagedSegment) {
  Replay replay(kSpec);
  RandomPlay source(kSpec.frame_bytes, 50, 20);
  play(source, 10'000, replay);
  const Names names = save(replay, "a");
  const fs::path file = segments() / *names.begin();
  const auto content = read_file(file);

  RandomStream random(1, "damage");
  for (int trial = 0; trial < 60; ++trial) {
    auto damaged = content;
    const std::size_t position = trial < 56 ? static_cast<std::size_t>(trial) : random.below(content.size());
    damaged[position] ^= std::byte{4};
    write_unsynced(file, damaged);
    EXPECT_TRUE(load_error("a").starts_with(file.string())) << load_error("a") << " with byte " << position;
  }
  write_unsynced(file, std::span<const std::byte>(content).first(content.size() / 2));
  EXPECT_TRUE(load_error("a").starts_with(file.string())) << load_error("a");

  const auto other = read_file(segments() / *names.rbegin());  // whole, but of another number
  write_unsynced(file, other);
  EXPECT_TRUE(load_error("a").starts_with(file.string())) << load_error("a");

  fs::remove(file);
  EXPECT_TRUE(load_error("a").starts_with(file.string())) << load_error("a");

  write_unsynced(file, content);
  EXPECT_EQ(load_error("a"), "");
}

// A whole segment of the right number but of another run, renamed: its own checksum is right, the checkpoint's is not.
TEST_F(ReplayCheckpoint, DetectsASegmentOfAnotherRun) {
  Replay replay(kSpec);
  RandomPlay source(kSpec.frame_bytes, 50, 21);
  play(source, 5000, replay);
  const Names names = save(replay, "a");
  Replay other(kSpec);
  RandomPlay other_source(kSpec.frame_bytes, 50, 22);
  play(other_source, 5000, other);
  const Names other_names = save(other, "b");
  fs::rename(segments() / *other_names.begin(), segments() / *names.begin());
  EXPECT_TRUE(load_error("a").starts_with((segments() / *names.begin()).string())) << load_error("a");
}

// What a load allocates fits exactly; a replay that grew must not hold on to the room it grew into.
TEST_F(ReplayCheckpoint, FullSegmentsTakeNoMoreMemoryThanWhenLoaded) {
  const ReplaySpec spec = {.capacity = 8 * kRecordsPerSegment, .frame_bytes = 300, .compress = true};
  Replay replay(spec);
  RandomPlay source(spec.frame_bytes, 1e9, 24);
  play(source, static_cast<int>(8 * kRecordsPerSegment) + 10, replay);
  save(replay, "a");
  Replay resumed(spec);
  load(resumed, "a");
  EXPECT_LE(static_cast<double>(replay.memory_bytes()), 1.01 * static_cast<double>(resumed.memory_bytes()));
}

TEST_F(ReplayCheckpoint, RefusesAnotherSpec) {
  Replay replay(kSpec);
  save(replay, "a");
  const auto error_with = [&](auto change) {
    ReplaySpec spec = kSpec;
    change(spec);
    return load_error("a", spec);
  };
  EXPECT_NE(error_with([](ReplaySpec& spec) { ++spec.capacity; }).find("capacity is 9000, this run's is 9001"),
            std::string::npos);
  EXPECT_NE(error_with([](ReplaySpec& spec) { ++spec.frame_bytes; }).find("frame bytes"), std::string::npos);
  EXPECT_NE(error_with([](ReplaySpec& spec) { ++spec.stack; }).find("stack"), std::string::npos);
  EXPECT_NE(error_with([](ReplaySpec& spec) { spec.compress = false; }).find("compression"), std::string::npos);
  EXPECT_NE(error_with([](ReplaySpec& spec) { ++spec.n_step; }).find("n-step"), std::string::npos);
  EXPECT_NE(error_with([](ReplaySpec& spec) { spec.gamma = 0.9; }).find("gamma is 0.99, this run's is 0.9"),
            std::string::npos);
}

// An archive with right checksums and wrong contents: refused, or a replay that works.
TEST_F(ReplayCheckpoint, SurvivesAnArchiveThatContradictsItself) {
  Replay replay(kSpec);
  RandomPlay source(kSpec.frame_bytes, 500, 23);
  play(source, 14'000, replay);
  save(replay, "a");
  const ArchiveReader good(archive_file("a"));
  const std::vector<std::string> sections = {"replay/spec", "replay/counts", "replay/episodes", "replay/segments"};
  RandomStream random(1, "damage");
  int refused = 0;
  const int trials = 100;  // each one writes and syncs a file
  for (int trial = 0; trial < trials; ++trial) {
    ArchiveWriter writer;
    const std::string& damaged_section = sections[random.below(sections.size())];
    for (const auto& section : sections) {
      auto values = good.values<std::uint64_t>(section);
      if (section == damaged_section) {
        std::uint64_t& value = values[random.below(values.size())];
        switch (random.below(4)) {
          case 0:
            value += 1;
            break;
          case 1:
            value -= 1;
            break;
          case 2:
            value = random.next_u64();
            break;
          default:
            values.pop_back();
        }
      }
      writer.add(section, std::span<const std::uint64_t>(values));
    }
    writer.add_bytes("replay/open", good.bytes("replay/open"));
    writer.write(archive_file("damaged"));
    Replay resumed(kSpec);
    try {
      load(resumed, "damaged");
      sample(resumed, 1);
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, trials * 9 / 10);  // one kind of end in place of another is a replay, too
}

// An action indexes the outputs of a network: one from a forged file would read and write elsewhere.
TEST_F(ReplayCheckpoint, RefusesAnActionThatTheEnvironmentDoesNotHave) {
  for (const int calls : {10, 6'000}) {  // in the archive, and in a segment's file
    for (const int action : {3, -1}) {
      ReplaySpec spec = kSpec;
      spec.actions = 3;
      Replay replay(spec);
      const std::vector<std::byte> frame(spec.frame_bytes);
      replay.begin_episode(frame);
      for (int call = 0; call < calls; ++call) replay.add(call == 5 ? action : 2, 0, false, false, frame);
      save(replay, "a");
      const std::string message = load_error("a", spec);
      EXPECT_NE(message.find(fmt::format("record 5 has action {}", action)), std::string::npos) << message;
      EXPECT_NE(message.find(calls == 10 ? archive_file("a").string() : ".segment"), std::string::npos) << message;
      spec.actions = 0;
      EXPECT_EQ(load_error("a", spec), "");
    }
  }
}

TEST_F(ReplayCheckpoint, SaysThatADirectoryCannotBeMade) {
  write_file_atomically(segments(), std::string("a file in its place"));
  Replay replay(kSpec);
  ArchiveWriter writer;
  EXPECT_THROW(replay.save(writer, "replay", segments()), Error);
}

}  // namespace
}  // namespace eaudeqn
