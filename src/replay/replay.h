// Uniform experience replay that stores every frame once, images compressed. Not prioritised, no network input layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/archive.h"
#include "core/random.h"

namespace eaudeqn {

struct ReplaySpec {
  std::size_t capacity = 0;     // transitions that can be sampled: the newest `capacity` ones, exactly
  std::size_t frame_bytes = 0;  // one frame
  std::size_t stack = 1;        // frames per observation
  bool compress = false;        // images: yes; small vectors: no
  std::size_t n_step = 1;
  double gamma = 0.99;      // for n-step returns
  std::size_t actions = 0;  // load refuses an action outside [0, actions); 0: any action is taken
};

// B sampled transitions. Observations are planes: [B][stack, oldest first][frame bytes].
struct Batch {
  std::vector<std::byte> observations;
  std::vector<std::byte> next_observations;  // after n steps, or after the episode's last step if that came first
  std::vector<std::int32_t> actions;         // [B]
  std::vector<float> rewards;                // [B] sum of gamma^i r_i over the steps taken
  std::vector<float> discounts;              // [B] gamma^(steps taken); 0 where the episode terminated. A truncated
                                             // episode keeps its discount: it bootstraps from its last frame
};

// A transition as it was added.
struct RecordedStep {
  std::span<const std::byte> frame;  // the newest one before the action; valid during the call that shows it
  std::int32_t action = 0;
  float reward = 0;
  bool first = false;  // of its episode
  bool over = false;   // the episode ended with it, in whatever way
};

// Thread safety: sample is const apart from the stream and may run beside other samples, not beside add.
class Replay {
 public:
  explicit Replay(const ReplaySpec& spec);
  ~Replay();

  // An episode is begin_episode(first frame), then add(...) for each step with the frame that followed.
  // After terminal or truncated (or an episode abandoned by a stop), the next call must be begin_episode.
  void begin_episode(std::span<const std::byte> first_frame);
  void add(int action, float reward, bool terminal, bool truncated, std::span<const std::byte> next_frame);

  std::size_t size() const;           // transitions that can be sampled now
  std::uint64_t total_added() const;  // transitions ever added
  std::size_t memory_bytes() const;   // heap held, compressed frames included

  // Draws `batch_size` transitions independently and uniformly from the sampleable ones. With n_step > 1 a transition
  // is sampleable once its n steps (or its episode's end) are stored. Deterministic: which transitions are drawn
  // depends only on the stream and on what was added. Needs size() >= 1.
  void sample(RandomStream& stream, std::size_t batch_size, Batch& batch) const;

  // Shows in the order of time every transition of the episodes that are held from their first one on, those too that
  // wait for their n steps. held: how many these are.
  struct Held {
    std::uint64_t steps = 0, episodes = 0;
  };
  Held held() const;
  void walk(const std::function<void(const RecordedStep&)>& visit) const;

  // Incremental save. Frames live in immutable segment files in `segments_directory`, each written once (atomically,
  // with a checksum in its name's record); the rest goes into the archive under `prefix`. `save` writes only segments
  // that no earlier save wrote, and returns the names of the segment files that this checkpoint needs; the caller
  // deletes files that no kept checkpoint needs. Disk use stays under twice the compressed replay for two kept
  // checkpoints.
  std::set<std::string> save(ArchiveWriter& archive, const std::string& prefix,
                             const std::filesystem::path& segments_directory);
  // Restores to the same bits (contents, order, future samples). Throws Error::failure naming the segment file that is
  // missing or damaged, or a spec that does not match.
  void load(const ArchiveReader& archive, const std::string& prefix, const std::filesystem::path& segments_directory);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace eaudeqn
