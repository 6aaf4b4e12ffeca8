// Adding to and sampling from the replay. Saving and loading are in replay_checkpoint.cc.
#include "replay/replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "eaudeqn/error.h"
#include "replay/replay_state.h"

namespace eaudeqn {
namespace {

void check(const ReplaySpec& spec) {
  if (spec.capacity < 1) throw Error::usage("replay.capacity: must be at least 1 transition");
  if (spec.stack < 1) throw Error::usage("replay: frames per observation must be at least 1");
  if (spec.n_step < 1) throw Error::usage("training.n_step: must be at least 1");
  if (!(spec.gamma >= 0 && spec.gamma <= 1)) throw Error::usage("training.gamma: must lie in [0, 1]");
  if (spec.frame_bytes < 1 || spec.frame_bytes > largest_frame_bytes()) {
    throw Error::usage(
        fmt::format("replay: a frame has {} bytes; 1 to {} can be stored", spec.frame_bytes, largest_frame_bytes()));
  }
}

void check_frame(std::span<const std::byte> frame, const ReplaySpec& spec) {
  if (frame.size() == spec.frame_bytes) return;
  throw Error::failure(fmt::format("replay: got a frame of {} bytes, expected {}; use one environment per replay",
                                   frame.size(), spec.frame_bytes));
}

void read_frame(FrameReader& reader, const Segment& segment, std::uint64_t record, std::span<std::byte> to) {
  if (!reader.read(segment, record % kRecordsPerSegment, to)) {
    throw Error::failure(fmt::format("replay: frame {} in memory is damaged; check the machine's memory", record));
  }
}

// Fills one sampled transition's rows of a batch.
class Gatherer {
 public:
  Gatherer(const ReplayState& state, Batch& batch) : state_(state), batch_(batch) {}
  void gather(std::uint64_t transition, std::size_t row);

 private:
  void gather_return(std::uint64_t record, std::size_t steps, bool terminal, std::size_t row);
  void gather_frames(const Episode& episode, std::uint64_t record, std::size_t steps, std::size_t row);
  void read(std::uint64_t record, std::byte* frame);

  const ReplayState& state_;
  Batch& batch_;
  FrameReader reader_;
};

void Gatherer::gather(std::uint64_t transition, std::size_t row) {
  const std::size_t position = state_.episode_of(transition);
  const Episode& episode = state_.episodes[position];
  const std::uint64_t record = episode.first_record + (transition - episode.first_transition);
  const std::uint64_t last_record = state_.end_record(position) - 1;
  const std::size_t steps = std::min<std::uint64_t>(state_.spec.n_step, last_record - record);
  const bool terminal = episode.end == EpisodeEnd::terminal && record + steps == last_record;
  gather_return(record, steps, terminal, row);
  gather_frames(episode, record, steps, row);
}

void Gatherer::gather_return(std::uint64_t record, std::size_t steps, bool terminal, std::size_t row) {
  double discount = 1;
  double sum = 0;
  for (std::size_t step = 0; step < steps; ++step) {
    const Segment& segment = state_.segment_of(record + step);
    sum += discount * static_cast<double>(segment.reward((record + step) % kRecordsPerSegment));
    discount *= state_.spec.gamma;
  }
  batch_.actions[row] = state_.segment_of(record).action(record % kRecordsPerSegment);
  batch_.rewards[row] = static_cast<float>(sum);
  batch_.discounts[row] = terminal ? 0.0F : static_cast<float>(discount);
}

void Gatherer::gather_frames(const Episode& episode, std::uint64_t record, std::size_t steps, std::size_t row) {
  const std::size_t stack = state_.spec.stack;
  const std::size_t frame_bytes = state_.spec.frame_bytes;
  std::byte* const observation = batch_.observations.data() + row * stack * frame_bytes;
  std::byte* const next = batch_.next_observations.data() + row * stack * frame_bytes;
  // Plane p of an observation at record r shows record r - (stack - 1) + p, zeros where that is before the episode.
  const auto exists = [&](std::uint64_t newest, std::size_t plane) {
    return newest - episode.first_record + plane >= stack - 1;
  };
  for (std::size_t plane = 0; plane < stack; ++plane) {
    std::byte* const to = observation + plane * frame_bytes;
    if (exists(record, plane)) {
      read(record + plane - (stack - 1), to);
    } else {
      std::memset(to, 0, frame_bytes);
    }
  }
  for (std::size_t plane = 0; plane < stack; ++plane) {
    std::byte* const to = next + plane * frame_bytes;
    if (plane + steps < stack) {  // the observation shows it too
      std::memcpy(to, observation + (plane + steps) * frame_bytes, frame_bytes);
    } else if (exists(record + steps, plane)) {
      read(record + steps + plane - (stack - 1), to);
    } else {
      std::memset(to, 0, frame_bytes);
    }
  }
}

void Gatherer::read(std::uint64_t record, std::byte* frame) {
  read_frame(reader_, state_.segment_of(record), record, {frame, state_.spec.frame_bytes});
}

}  // namespace

std::uint64_t ReplayState::complete_transitions() const {
  if (episodes.empty() || episodes.back().end != EpisodeEnd::none) return transitions;
  const std::uint64_t in_episode = transitions - episodes.back().first_transition;
  return transitions - std::min<std::uint64_t>(in_episode, spec.n_step - 1);
}

std::uint64_t ReplayState::oldest_transition() const {
  const std::uint64_t complete = complete_transitions();
  return complete > spec.capacity ? complete - spec.capacity : 0;
}

std::size_t ReplayState::episode_of(std::uint64_t transition) const {
  // The last one that starts at or before it: an episode without any transition starts where the next one does.
  const auto after =
      std::upper_bound(episodes.begin(), episodes.end(), transition,
                       [](std::uint64_t number, const Episode& episode) { return number < episode.first_transition; });
  return static_cast<std::size_t>(after - episodes.begin()) - 1;
}

std::uint64_t ReplayState::end_record(std::size_t episode) const {
  return episode + 1 < episodes.size() ? episodes[episode + 1].first_record : records;
}

const Segment& ReplayState::segment_of(std::uint64_t record) const {
  return segments[record / kRecordsPerSegment - segments.front().segment.number()].segment;
}

void ReplayState::append_frame(std::span<const std::byte> frame) {
  if (segments.empty() || segments.back().segment.full()) {
    if (!segments.empty()) segments.back().segment.shrink_to_fit();
    segments.push_back({Segment(format(), records / kRecordsPerSegment)});
  }
  segments.back().segment.append(frame, encoder);
  ++records;
}

void ReplayState::drop_unreachable() {
  const std::uint64_t oldest = oldest_transition();
  while (episodes.size() > 1 && episodes[1].first_transition <= oldest) episodes.pop_front();
  const std::uint64_t needed = oldest_record_shown(episodes.front(), oldest, spec.stack);
  while (segments.size() > 1 && segments[1].segment.number() * kRecordsPerSegment <= needed) segments.pop_front();
}

std::uint64_t oldest_record_shown(const Episode& episode, std::uint64_t oldest_transition, std::size_t stack) {
  const std::uint64_t before = oldest_transition - episode.first_transition;  // transitions of the episode before it
  return episode.first_record + (before >= stack - 1 ? before - (stack - 1) : 0);
}

Replay::Replay(const ReplaySpec& spec) {
  check(spec);
  state_ = std::make_unique<State>(spec);
}
Replay::~Replay() = default;

void Replay::begin_episode(std::span<const std::byte> first_frame) {
  State& state = *state_;
  check_frame(first_frame, state.spec);
  if (!state.episodes.empty() && state.episodes.back().end == EpisodeEnd::none) {
    state.episodes.back().end = EpisodeEnd::abandoned;
  }
  state.episodes.push_back({state.records, state.transitions, EpisodeEnd::none});
  state.append_frame(first_frame);
  state.drop_unreachable();
}

void Replay::add(int action, float reward, bool terminal, bool truncated, std::span<const std::byte> next_frame) {
  State& state = *state_;
  check_frame(next_frame, state.spec);
  if (state.episodes.empty() || state.episodes.back().end != EpisodeEnd::none) {
    throw Error::failure("replay: a step was added outside an episode; call begin_episode first");
  }
  // The newest record is always in the last segment, which is not final before the next record is added.
  state.segments.back().segment.set_step((state.records - 1) % kRecordsPerSegment, action, reward);
  state.append_frame(next_frame);
  ++state.transitions;
  if (terminal || truncated) {
    state.episodes.back().end = terminal ? EpisodeEnd::terminal : EpisodeEnd::truncated;
  }
  state.drop_unreachable();
}

std::size_t Replay::size() const { return state_->complete_transitions() - state_->oldest_transition(); }

std::uint64_t Replay::total_added() const { return state_->transitions; }

Replay::Held Replay::held() const {
  Held held;
  for (std::size_t i = 0; i < state_->episodes.size(); ++i) {
    if (!state_->is_whole(i) || state_->steps_of(i) == 0) continue;
    ++held.episodes;
    held.steps += state_->steps_of(i);
  }
  return held;
}

void Replay::walk(const std::function<void(const RecordedStep&)>& visit) const {
  std::vector<std::byte> frame(state_->spec.frame_bytes);
  FrameReader reader;
  for (std::size_t i = 0; i < state_->episodes.size(); ++i) {
    if (!state_->is_whole(i)) continue;
    const Episode& episode = state_->episodes[i];
    for (std::uint64_t step = 0; step < state_->steps_of(i); ++step) {
      const std::uint64_t record = episode.first_record + step;
      const Segment& segment = state_->segment_of(record);
      const std::size_t place = record % kRecordsPerSegment;
      read_frame(reader, segment, record, frame);
      const bool last = step + 1 == state_->steps_of(i);
      visit({frame, segment.action(place), segment.reward(place), step == 0, last && episode.end != EpisodeEnd::none});
    }
  }
}

std::size_t Replay::memory_bytes() const {
  std::size_t bytes = sizeof(State) + state_->encoder.memory_bytes();
  for (const StoredSegment& stored : state_->segments) {
    bytes += sizeof(StoredSegment) + stored.segment.memory_bytes() + stored.file.native().capacity();
  }
  return bytes + state_->episodes.size() * sizeof(Episode);
}

void Replay::sample(RandomStream& stream, std::size_t batch_size, Batch& batch) const {
  const std::size_t sampleable = size();
  if (sampleable == 0) throw Error::failure("replay: nothing to sample yet; add transitions first");
  const std::size_t observation_bytes = state_->spec.stack * state_->spec.frame_bytes;
  batch.observations.resize(batch_size * observation_bytes);
  batch.next_observations.resize(batch_size * observation_bytes);
  batch.actions.resize(batch_size);
  batch.rewards.resize(batch_size);
  batch.discounts.resize(batch_size);
  Gatherer gatherer(*state_, batch);
  const std::uint64_t oldest = state_->oldest_transition();
  for (std::size_t row = 0; row < batch_size; ++row) gatherer.gather(oldest + stream.below(sampleable), row);
}

}  // namespace eaudeqn
