// What a replay holds, shared by replay.cc (adding and sampling) and replay_checkpoint.cc (saving and loading).
// Internal to this folder.
//
// Records and transitions are numbered from 0 in the order they were added, over the replay's whole life, and numbers
// are never reused. An episode of n transitions has n + 1 records (its last frame has no action), so that within one
// episode record and transition numbers differ by a constant: the list of episodes is all the index there is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <span>
#include <vector>

#include "replay/frame_codec.h"
#include "replay/replay.h"
#include "replay/segment.h"

namespace eaudeqn {

enum class EpisodeEnd : std::uint8_t {
  none,       // goes on: the newest episode only
  terminal,   // no bootstrap
  truncated,  // bootstraps from its last frame
  abandoned   // another episode began in its midst; as truncated
};

struct Episode {
  std::uint64_t first_record = 0;
  std::uint64_t first_transition = 0;
  EpisodeEnd end = EpisodeEnd::none;
};

struct StoredSegment {
  Segment segment;
  std::filesystem::path file = {};  // where an earlier save or load left it; empty while in no file
  std::uint64_t checksum = 0;       // of the image in `file`
};

struct ReplayState {
  explicit ReplayState(const ReplaySpec& replay_spec) : spec(replay_spec) {}

  SegmentFormat format() const { return {spec.frame_bytes, spec.compress}; }

  // One past the newest transition that has its n steps or its episode's end, and the oldest that may be drawn.
  std::uint64_t complete_transitions() const;
  std::uint64_t oldest_transition() const;

  // Transitions of an episode, and whether its first one is still held.
  std::uint64_t steps_of(std::size_t episode) const { return end_record(episode) - episodes[episode].first_record - 1; }
  bool is_whole(std::size_t episode) const { return episodes[episode].first_transition >= oldest_transition(); }

  // Position in `episodes` of the episode of a transition that is still held.
  std::size_t episode_of(std::uint64_t transition) const;
  std::uint64_t end_record(std::size_t episode) const;  // one past its last

  const Segment& segment_of(std::uint64_t record) const;

  void append_frame(std::span<const std::byte> frame);
  void drop_unreachable();

  ReplaySpec spec;
  std::uint64_t transitions = 0;  // ever added
  std::uint64_t records = 0;      // ever added
  std::deque<Episode> episodes;   // from the oldest one needed
  // From the oldest one needed; all but the last are full and never change. The last may be full too: its last record
  // still waits for its action until the next record is added.
  std::deque<StoredSegment> segments;
  FrameEncoder encoder;
};

// The header keeps Replay::State private; this folder's functions work on its base.
struct Replay::State : ReplayState {
  using ReplayState::ReplayState;
};

// The oldest record that some transition from `oldest_transition` on, in an episode that starts as given, can show.
std::uint64_t oldest_record_shown(const Episode& episode, std::uint64_t oldest_transition, std::size_t stack);

}  // namespace eaudeqn
