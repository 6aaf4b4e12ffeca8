// What a run leaves for people and plots: metrics.jsonl, timing.jsonl and TensorBoard events. Not the console progress.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace eaudeqn {

// metrics.jsonl holds only what is a function of the config (equal runs give equal bytes, resumed or not); wall-clock
// facts go to timing.jsonl. Finite numbers are also written to a TensorBoard event file as scalars, at the line's step,
// under the tag that metric_names.h gives them; entries of arrays are "tag/0", "tag/1", ... Every line
// is in the file when its call returns. Every function throws Error::failure naming the file when a write fails. Thread
// safety: none.
class Metrics {
 public:
  // Opens for append. A resumed run passes the size saved in its checkpoint: the lines of metrics.jsonl after it are
  // cut off (they will be written again), timing.jsonl only loses a last line that a kill left incomplete. A new run
  // passes 0: both begin empty. TensorBoard events go to a new file, which declares older ones of the directory void
  // from the first recorded step on. Throws Error::failure: unwritable, metrics.jsonl shorter than saved, size inside a
  // line.
  Metrics(const std::filesystem::path& run_directory, std::uint64_t metrics_bytes);
  ~Metrics();

  // {"event": event, "step": step, ...fields}: one line of metrics.jsonl. NaN and infinities become null. `fields` is
  // an object without "event" and "step".
  void record(const std::string& event, std::int64_t step, const nlohmann::ordered_json& fields);
  // Wall-clock facts ({"seconds", "steps_per_second", ...}): one line {"step": step, ...fields} of timing.jsonl.
  void record_timing(std::int64_t step, const nlohmann::ordered_json& fields);
  // The same, where a process goes on with the run: tells readers that its seconds count from here. Not a scalar:
  // TensorBoard would take what older event files have at this step for void.
  void record_resumption(std::int64_t step, const nlohmann::ordered_json& fields);

  // Flushes to disk (fsync) and returns metrics.jsonl's size, for the checkpoint.
  std::uint64_t sync();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// TensorBoard event file (record framing with masked crc32c; scalars only).
class EventWriter {
 public:
  // Creates events.out.tfevents.<seconds>.<host>.<pid>; <seconds> is the time, or one more than that of the newest
  // event file in the directory, so that names sort in the order of writing. Beside older files the first scalar is
  // preceded by a SessionLog START of its step, upon which TensorBoard discards what they hold from that step on.
  explicit EventWriter(const std::filesystem::path& directory);
  ~EventWriter();
  void scalar(const std::string& tag, std::int64_t step, double value);  // buffered; stored as float32
  void flush();                                                          // hands the buffer to the system; no fsync

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace eaudeqn
