// See dataset.h.
#include "replay/dataset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <map>
#include <set>

#include "core/files.h"
#include "core/npy.h"
#include "eaudeqn/error.h"
#include "replay/gzip_npy.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kChunk = 256;  // entries read at once

std::filesystem::path file_of(const std::filesystem::path& directory, const std::string& part, std::int64_t number) {
  return directory / fmt::format("{}_ckpt.{}.gz", part, number);
}

std::size_t bytes_of(const std::string& type, std::span<const std::size_t> shape) {
  auto bytes = static_cast<std::size_t>(type[1] - '0');
  for (const std::size_t extent : shape) bytes *= extent;
  return bytes;
}

// Opens the file of rows of that type and shape; `rows` < 0: as many as it says.
std::unique_ptr<GzipNpyReader> open(const std::filesystem::path& file, const std::string& type,
                                    std::vector<std::size_t> row_shape, std::int64_t rows) {
  auto reader = std::make_unique<GzipNpyReader>(file);
  const auto& shape = reader->shape();
  const bool fits =
      shape.size() == row_shape.size() + 1 && std::equal(row_shape.begin(), row_shape.end(), shape.begin() + 1);
  if (reader->type() != type || !fits) {
    throw Error::failure(fmt::format("{}: has type {} and shape ({}), wants type {} and shape (n{}{})", file.string(),
                                     reader->type(), fmt::join(shape, ", "), type, row_shape.empty() ? "" : ", ",
                                     fmt::join(row_shape, ", ")));
  }
  if (rows >= 0 && shape[0] != static_cast<std::size_t>(rows)) {
    throw Error::failure(
        fmt::format("{}: has {} entries, but the observations of the same number have {}; the files of "
                    "one number must be of one length",
                    file.string(), shape[0], rows));
  }
  return reader;
}

// Indices at which time is broken, from the optional file.
std::set<std::int64_t> invalid_indices(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) return {};
  GzipNpyReader reader(file);
  NpyArray array{reader.type(), reader.shape(), {}};
  constexpr std::size_t kMost = 1 << 20;
  if (array.elements() > kMost) throw Error::failure(file.string() + ": too long for an invalid range");
  array.data.resize(array.elements() * bytes_of(array.type, {}));
  reader.read(array.data);
  reader.expect_end();
  const auto indices = to_integers(array, file.string());
  return {indices.begin(), indices.end()};
}

std::filesystem::path find_files(const std::filesystem::path& directory, std::vector<std::int64_t>& numbers) {
  const std::string start = "$store$_observation_ckpt.", end = ".gz";
  for (const auto& folder : {directory, directory / "replay_logs"}) {
    std::error_code code;
    for (const auto& entry : std::filesystem::directory_iterator(folder, code)) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with(start) || !name.ends_with(end) || name.size() <= start.size() + end.size()) continue;
      const char* first = name.data() + start.size();
      const char* last = name.data() + name.size() - end.size();
      std::int64_t number = 0;
      const auto [at, error] = std::from_chars(first, last, number);
      if (error == std::errc() && at == last && number >= 0) numbers.push_back(number);
    }
    if (numbers.empty()) continue;
    std::sort(numbers.begin(), numbers.end());
    return folder;
  }
  throw Error::usage(
      fmt::format("dataset.path: \"{}\" holds no {}N{}, nor does its folder replay_logs; give a folder of "
                  "the DQN Replay Dataset, or make one with `eaudeqn dataset record`",
                  directory.string(), start, end));
}

// The size of a gzip file and its last bytes: a checksum and the length of what it holds. None: the file is not there.
std::vector<std::uint64_t> size_and_checksum(const std::filesystem::path& file) {
  std::error_code code;
  if (!std::filesystem::exists(file, code)) return {};
  std::uint64_t end = 0;
  std::ifstream stream(file, std::ios::binary);
  stream.seekg(-static_cast<std::streamoff>(sizeof(end)), std::ios::end);
  const std::streamoff at = stream.tellg();
  stream.read(reinterpret_cast<char*>(&end), sizeof(end));
  if (!stream) throw Error::failure(file.string() + ": its end cannot be read");
  return {static_cast<std::uint64_t>(at), end};
}

// Entries in time order become episodes of a replay.
class BufferBuilder {
 public:
  explicit BufferBuilder(const DatasetSpec& spec) : spec_(spec), padding_(spec.stack - 1) {
    ReplaySpec replay;
    replay.capacity = spec.buffer;
    replay.frame_bytes = bytes_of(spec.frame_type, spec.frame_shape);
    replay.stack = spec.stack;
    replay.compress = spec.frame_type == "u1";
    replay.gamma = spec.gamma;
    replay_ = std::make_unique<Replay>(replay);
    zeros_.resize(replay.frame_bytes);
  }

  // Time is broken here: what comes next is another episode.
  void interrupt() { in_episode_ = false; }

  void add(std::span<const std::byte> frame, std::int32_t action, float reward, bool terminal) {
    const bool blank = action == 0 && reward == 0 && !terminal;
    if (!in_episode_ && padding_ > 0 && blank && std::equal(frame.begin(), frame.end(), zeros_.begin())) {
      --padding_;
      return;
    }
    if (in_episode_) {
      replay_->add(action_, reward_, false, false, frame);
    } else {
      replay_->begin_episode(frame);
    }
    in_episode_ = !terminal;
    action_ = action;
    reward_ = spec_.clip_rewards ? std::clamp(reward, -1.0F, 1.0F) : reward;
    if (!terminal) return;
    replay_->add(action_, reward_, true, false, zeros_);  // no value is read of what follows a terminal
    padding_ = spec_.stack - 1;
  }

  std::unique_ptr<Replay> finish() { return std::move(replay_); }

 private:
  const DatasetSpec& spec_;
  std::unique_ptr<Replay> replay_;
  std::vector<std::byte> zeros_;
  bool in_episode_ = false;
  std::size_t padding_;      // entries of zeros that may come before the episode's first frame
  std::int32_t action_ = 0;  // of the entry before, which waits for its next frame
  float reward_ = 0;
};

}  // namespace

struct Dataset::Files {
  std::int64_t number = 0;
  std::size_t entries = 0;
  std::set<std::int64_t> invalid;
};

// The files of one number, opened, and the entry that is read next.
struct Dataset::Cursor {
  std::size_t file;  // index into files_
  std::size_t entry = 0;
  std::filesystem::path observation_file, action_file, reward_file;
  std::unique_ptr<GzipNpyReader> observations, actions, rewards, terminals;
  std::vector<std::byte> frames;
  std::vector<std::int32_t> action;
  std::vector<float> reward;
  std::vector<std::uint8_t> terminal;

  Cursor(const DatasetSpec& spec, std::size_t index, const Files& files) : file(index) {
    const auto rows = static_cast<std::int64_t>(files.entries);
    action_file = file_of(spec.directory, "$store$_action", files.number);
    reward_file = file_of(spec.directory, "$store$_reward", files.number);
    observation_file = file_of(spec.directory, "$store$_observation", files.number);
    observations = open(observation_file, spec.frame_type, spec.frame_shape, rows);
    actions = open(action_file, "i4", {}, rows);
    rewards = open(reward_file, "f4", {}, rows);
    terminals = open(file_of(spec.directory, "$store$_terminal", files.number), "u1", {}, rows);
  }

  std::span<const std::byte> frame(std::size_t i) const {
    const std::size_t bytes = frames.size() / action.size();
    return std::span(frames).subspan(i * bytes, bytes);
  }

  // The next `count` entries.
  void read(std::size_t count, const DatasetSpec& spec, const Files& files) {
    frames.resize(count * bytes_of(spec.frame_type, spec.frame_shape));
    action.resize(count);
    reward.resize(count);
    terminal.resize(count);
    observations->read(frames);
    actions->read(std::as_writable_bytes(std::span(action)));
    rewards->read(std::as_writable_bytes(std::span(reward)));
    terminals->read(std::as_writable_bytes(std::span(terminal)));
    for (std::size_t i = 0; i < count; ++i) {
      check(entry + i, action[i], reward[i], spec);
      if (spec.frame_type == "f4") check_numbers(entry + i, frame(i));
    }
    entry += count;
    if (entry < files.entries) return;
    for (GzipNpyReader* reader : {observations.get(), actions.get(), rewards.get(), terminals.get()}) {
      reader->expect_end();
    }
  }

 private:
  void check(std::size_t at, std::int32_t a, float r, const DatasetSpec& spec) const {
    if (a < 0 || static_cast<std::size_t>(a) >= spec.actions) {
      throw Error::failure(
          fmt::format("{}: entry {} is action {}, but the environment has {} actions; is it of another "
                      "game?",
                      action_file.string(), at, a, spec.actions));
    }
    if (!std::isfinite(r)) throw Error::failure(fmt::format("{}: entry {} is not a number", reward_file.string(), at));
  }

  void check_numbers(std::size_t at, std::span<const std::byte> frame) const {
    for (std::size_t i = 0; i < frame.size(); i += sizeof(float)) {
      float value = 0;
      std::memcpy(&value, frame.data() + i, sizeof(value));
      if (std::isfinite(value)) continue;
      throw Error::failure(fmt::format("{}: entry {} holds what is not a number", observation_file.string(), at));
    }
  }
};

Dataset::Dataset(const DatasetSpec& spec, std::uint64_t seed) : spec_(spec), seed_(seed) {
  std::vector<std::int64_t> numbers;
  spec_.directory = find_files(spec.directory, numbers);
  for (const std::int64_t number : numbers) {
    Files files;
    files.number = number;
    files.entries =
        open(file_of(spec_.directory, "$store$_observation", number), spec_.frame_type, spec_.frame_shape, -1)
            ->shape()[0];
    files.invalid = invalid_indices(file_of(spec_.directory, "invalid_range", number));
    const Cursor checked(spec_, 0, files);
    buffers_ += (files.entries + spec_.buffer - 1) / spec_.buffer;
    files_.push_back(std::move(files));
  }
  if (buffers_ == 0) throw Error::failure(spec_.directory.string() + ": the dataset's files hold no transition");
  fingerprint_ = fingerprint_of_files();
}
Dataset::~Dataset() = default;

std::uint64_t Dataset::entries() const {
  std::uint64_t sum = 0;
  for (const Files& files : files_) sum += files.entries;
  return sum;
}

std::uint64_t Dataset::fingerprint_of_files() const {
  std::vector<std::uint64_t> contents;
  for (const Files& files : files_) {
    contents.push_back(static_cast<std::uint64_t>(files.number));
    for (const char* part :
         {"$store$_observation", "$store$_action", "$store$_reward", "$store$_terminal", "invalid_range"}) {
      const auto content = size_and_checksum(file_of(spec_.directory, part, files.number));
      contents.push_back(content.size());
      contents.insert(contents.end(), content.begin(), content.end());
    }
  }
  return checksum(std::as_bytes(std::span(contents)));
}

std::size_t Dataset::size() const {
  std::size_t sum = 0;
  for (const auto& replay : loaded_) sum += replay->size();
  return sum;
}

std::size_t Dataset::memory_bytes() const {
  std::size_t sum = 0;
  for (const auto& replay : loaded_) sum += replay->memory_bytes();
  return sum;
}

std::vector<std::size_t> Dataset::order_of(std::uint64_t pass) const {
  RandomStream stream(seed_, "dataset order", pass);
  std::vector<std::size_t> order(files_.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t other = stream.below(i + 1);
    order[i] = order[other];
    order[other] = i;
  }
  return order;
}

void Dataset::load(std::uint64_t count) {
  count = std::max<std::uint64_t>(count, spec_.loaded);
  if (buffers_ <= spec_.loaded) count = buffers_;
  if (count == count_) return;
  const std::uint64_t first = count - std::min<std::uint64_t>(count, spec_.loaded);
  if (count < count_ || first > count_) {
    loaded_.clear();
    count_ = first;
  }
  while (count_ < count) {
    if (loaded_.size() == spec_.loaded) loaded_.pop_front();  // before the next one is read: memory is bounded
    loaded_.push_back(read_buffer(count_++));
  }
  if (size() == 0) {
    throw Error::failure(spec_.directory.string() + ": the loaded buffers hold no transition; the files are too short");
  }
}

std::unique_ptr<Replay> Dataset::read_buffer(std::uint64_t number) {
  const std::vector<std::size_t> order = order_of(number / buffers_);
  std::uint64_t buffer = number % buffers_;
  std::size_t place = 0;
  const auto buffers_of = [&](std::size_t file) { return (files_[file].entries + spec_.buffer - 1) / spec_.buffer; };
  while (buffer >= buffers_of(order[place])) buffer -= buffers_of(order[place++]);
  const Files& files = files_[order[place]];
  const std::size_t first = buffer * spec_.buffer;
  const std::size_t last = std::min(first + spec_.buffer, files.entries);
  if (!cursor_ || cursor_->file != order[place] || cursor_->entry > first) {
    cursor_ = std::make_unique<Cursor>(spec_, order[place], files);
  }
  while (cursor_->entry < first) cursor_->read(std::min(kChunk, first - cursor_->entry), spec_, files);

  BufferBuilder builder(spec_);
  while (cursor_->entry < last) {
    const std::size_t at = cursor_->entry;
    cursor_->read(std::min(kChunk, last - at), spec_, files);
    for (std::size_t i = 0; i < cursor_->action.size(); ++i) {
      if (files.invalid.contains(static_cast<std::int64_t>(at + i))) {
        builder.interrupt();
      } else {
        builder.add(cursor_->frame(i), cursor_->action[i], cursor_->reward[i], cursor_->terminal[i] != 0);
      }
    }
  }
  return builder.finish();
}

void Dataset::sample(RandomStream& stream, std::size_t batch_size, Batch& batch) const {
  const std::size_t total = size();
  batch = {};
  Batch one;
  for (std::size_t row = 0; row < batch_size; ++row) {
    std::size_t index = stream.below(total);
    std::size_t buffer = 0;
    while (index >= loaded_[buffer]->size()) index -= loaded_[buffer++]->size();
    loaded_[buffer]->sample(stream, 1, one);
    batch.observations.insert(batch.observations.end(), one.observations.begin(), one.observations.end());
    batch.next_observations.insert(batch.next_observations.end(), one.next_observations.begin(),
                                   one.next_observations.end());
    batch.actions.push_back(one.actions[0]);
    batch.rewards.push_back(one.rewards[0]);
    batch.discounts.push_back(one.discounts[0]);
  }
}

}  // namespace eaudeqn
