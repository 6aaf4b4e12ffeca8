// Saving and loading a replay. Full segments go into files of their own, each written once; the open segment, the list
// of episodes and the counts go into the archive, under `prefix`:
//   spec      u64[8]: form version, capacity, frame bytes, stack, compressed, n-step, gamma's bits, records per segment
//   counts    u64[3]: transitions ever added, records ever added, number of the first segment held
//   episodes  u64[3 E]: first record, first transition, end (EpisodeEnd) of each episode held
//   segments  u64[S]: checksums of the full segments held, in order
//   open      the image of the open segment; empty before the first episode
//
// A segment's file name holds its number and checksum, so that a file left by another run, which may have the same
// number, is never mistaken for it.
#include <fmt/format.h>

#include <bit>
#include <system_error>
#include <utility>

#include "core/files.h"
#include "eaudeqn/error.h"
#include "replay/replay.h"
#include "replay/replay_state.h"

namespace eaudeqn {
namespace {

constexpr std::uint64_t kVersion = 1;

std::vector<std::uint64_t> spec_values(const ReplaySpec& spec) {
  return {kVersion,
          spec.capacity,
          spec.frame_bytes,
          spec.stack,
          spec.compress ? 1U : 0U,
          spec.n_step,
          std::bit_cast<std::uint64_t>(spec.gamma),
          kRecordsPerSegment};
}

std::string segment_file_name(std::uint64_t number, std::uint64_t checksum) {
  return fmt::format("replay-{:08}-{:016x}.segment", number, checksum);
}

[[noreturn]] void fail(const ArchiveReader& archive, const std::string& section, const std::string& what) {
  throw Error::failure(
      fmt::format("{}: section {}: {}; resume from another checkpoint", archive.file().string(), section, what));
}

void check_spec(const ArchiveReader& archive, const std::string& section, const ReplaySpec& spec) {
  static constexpr const char* kNames[] = {"form version", "capacity", "frame bytes", "stack",
                                           "compression",  "n-step",   "gamma",       "records per segment"};
  const auto expected = spec_values(spec);
  const auto found = archive.values<std::uint64_t>(section);
  if (found.size() != expected.size()) fail(archive, section, "wrong size");
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (found[i] == expected[i]) continue;
    const bool is_gamma = i == 6;
    const auto show = [&](std::uint64_t value) {
      return is_gamma ? fmt::format("{}", std::bit_cast<double>(value)) : fmt::format("{}", value);
    };
    throw Error::failure(fmt::format("{}: the saved replay's {} is {}, this run's is {}; resume with the saved config",
                                     archive.file().string(), kNames[i], show(found[i]), show(expected[i])));
  }
}

// Fills counts and episodes and checks that they fit each other; returns the number of the first segment.
std::uint64_t load_index(const ArchiveReader& archive, const std::string& prefix, ReplayState& state) {
  const auto counts = archive.values<std::uint64_t>(prefix + "/counts");
  if (counts.size() != 3) fail(archive, prefix + "/counts", "wrong size");
  state.transitions = counts[0];
  state.records = counts[1];
  const auto values = archive.values<std::uint64_t>(prefix + "/episodes");
  const std::string section = prefix + "/episodes";
  if (values.size() % 3 != 0) fail(archive, section, "wrong size");
  for (std::size_t i = 0; i < values.size(); i += 3) {
    if (values[i + 2] > static_cast<std::uint64_t>(EpisodeEnd::abandoned)) fail(archive, section, "unknown end");
    state.episodes.push_back({values[i], values[i + 1], static_cast<EpisodeEnd>(values[i + 2])});
  }
  if (state.episodes.empty()) {
    if (counts != std::vector<std::uint64_t>{0, 0, 0}) fail(archive, section, "there are records but no episode");
    return 0;
  }
  for (std::size_t i = 0; i < state.episodes.size(); ++i) {
    const Episode& episode = state.episodes[i];
    const bool newest = i + 1 == state.episodes.size();
    const std::uint64_t end_transition = newest ? state.transitions : state.episodes[i + 1].first_transition;
    const std::uint64_t end_record = state.end_record(i);
    const bool fits = episode.first_record < end_record && episode.first_transition <= end_transition &&
                      end_record - episode.first_record - 1 == end_transition - episode.first_transition &&
                      episode.first_transition <= episode.first_record && (newest || episode.end != EpisodeEnd::none);
    if (!fits) fail(archive, section, fmt::format("episode {} does not fit its neighbours", i));
  }
  const std::uint64_t oldest = state.oldest_transition();
  if (state.episodes.front().first_transition > oldest) fail(archive, section, "the oldest episode is missing");
  if (state.episodes.size() > 1 && state.episodes[1].first_transition <= oldest) {
    fail(archive, section, "starts with an episode that is not needed");
  }
  const std::uint64_t needed = oldest_record_shown(state.episodes.front(), oldest, state.spec.stack);
  if (counts[2] != needed / kRecordsPerSegment) fail(archive, prefix + "/counts", "wrong first segment");
  return counts[2];
}

StoredSegment load_segment(const std::filesystem::path& file, const SegmentFormat& format, std::uint64_t number,
                           std::uint64_t checksum) {
  const auto image = read_file(file);
  StoredSegment stored{Segment::parse(image, format, number, file.string()), file, checksum};
  if (Segment::image_checksum(image) != checksum || !stored.segment.full()) {
    throw Error::failure(fmt::format(
        "{}: damaged replay segment: not the content of its name; resume from another checkpoint", file.string()));
  }
  return stored;
}

void load_segments(const ArchiveReader& archive, const std::string& prefix, const std::filesystem::path& directory,
                   std::uint64_t first_number, ReplayState& state) {
  const auto checksums = archive.values<std::uint64_t>(prefix + "/segments");
  const std::string section = prefix + "/open";
  const auto open = archive.bytes(section);
  if (state.episodes.empty()) {
    if (!checksums.empty() || !open.empty()) fail(archive, section, "there are records but no episode");
    return;
  }
  const std::uint64_t open_number = (state.records - 1) / kRecordsPerSegment;
  if (checksums.size() != open_number - first_number) fail(archive, prefix + "/segments", "wrong size");
  for (std::size_t i = 0; i < checksums.size(); ++i) {
    const std::uint64_t number = first_number + i;
    state.segments.push_back(
        load_segment(directory / segment_file_name(number, checksums[i]), state.format(), number, checksums[i]));
  }
  const std::string origin = fmt::format("{}: section {}", archive.file().string(), section);
  state.segments.push_back({Segment::parse(open, state.format(), open_number, origin)});
  if (state.segments.back().segment.records() != state.records - open_number * kRecordsPerSegment) {
    fail(archive, section, "wrong number of records");
  }
}

// Whoever learns from the replay indexes a network's outputs with its actions.
void check_actions(const ArchiveReader& archive, const std::string& prefix, const ReplayState& state) {
  if (state.spec.actions == 0) return;
  for (const StoredSegment& stored : state.segments) {
    for (std::size_t record = 0; record < stored.segment.records(); ++record) {
      const int action = stored.segment.action(record);
      if (action >= 0 && static_cast<std::size_t>(action) < state.spec.actions) continue;
      const std::string what =
          fmt::format("record {} has action {}, the environment has {}", record, action, state.spec.actions);
      if (stored.file.empty()) fail(archive, prefix + "/open", what);
      throw Error::failure(fmt::format("{}: {}; resume from another checkpoint", stored.file.string(), what));
    }
  }
}

// One spelling per directory, so that saving where the segments were loaded from is recognised.
std::filesystem::path normal_directory(const std::filesystem::path& directory) {
  return std::filesystem::absolute(directory).lexically_normal();
}

bool is_in(const std::filesystem::path& directory, const StoredSegment& stored) {
  std::error_code ignored;
  return !stored.file.empty() && stored.file == directory / stored.file.filename() &&
         std::filesystem::is_regular_file(stored.file, ignored);
}

}  // namespace

std::set<std::string> Replay::save(ArchiveWriter& archive, const std::string& prefix,
                                   const std::filesystem::path& segments_directory) {
  State& state = *state_;
  const std::filesystem::path directory = normal_directory(segments_directory);
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) {
    throw Error::failure(
        fmt::format("{}: cannot create the directory: {}; set another --output", directory.string(), error.message()));
  }
  std::set<std::string> names;
  std::vector<std::uint64_t> checksums;
  for (std::size_t i = 0; i + 1 < state.segments.size(); ++i) {
    StoredSegment& stored = state.segments[i];
    if (!is_in(directory, stored)) {
      const auto image = stored.segment.image();
      stored.checksum = Segment::image_checksum(image);
      const auto file = directory / segment_file_name(stored.segment.number(), stored.checksum);
      write_file_atomically(file, std::span<const std::byte>(image));
      stored.file = file;
    }
    names.insert(stored.file.filename().string());
    checksums.push_back(stored.checksum);
  }
  std::vector<std::uint64_t> episodes;
  for (const Episode& episode : state.episodes) {
    episodes.insert(episodes.end(),
                    {episode.first_record, episode.first_transition, static_cast<std::uint64_t>(episode.end)});
  }
  const std::uint64_t first_segment = state.segments.empty() ? 0 : state.segments.front().segment.number();
  const std::vector<std::uint64_t> counts = {state.transitions, state.records, first_segment};
  const auto spec = spec_values(state.spec);
  archive.add(prefix + "/spec", std::span<const std::uint64_t>(spec));
  archive.add(prefix + "/counts", std::span<const std::uint64_t>(counts));
  archive.add(prefix + "/episodes", std::span<const std::uint64_t>(episodes));
  archive.add(prefix + "/segments", std::span<const std::uint64_t>(checksums));
  archive.add_bytes(prefix + "/open",
                    state.segments.empty() ? std::vector<std::byte>{} : state.segments.back().segment.image());
  return names;
}

void Replay::load(const ArchiveReader& archive, const std::string& prefix,
                  const std::filesystem::path& segments_directory) {
  check_spec(archive, prefix + "/spec", state_->spec);
  auto loaded = std::make_unique<State>(state_->spec);  // this replay stays as it is if anything throws
  const std::uint64_t first_segment = load_index(archive, prefix, *loaded);
  load_segments(archive, prefix, normal_directory(segments_directory), first_segment, *loaded);
  check_actions(archive, prefix, *loaded);
  state_ = std::move(loaded);
}

}  // namespace eaudeqn
