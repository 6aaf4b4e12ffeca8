// The DQN Replay Dataset (Agarwal et al. 2020) for learning offline: its files streamed through a few buffers of
// bounded memory. Writing them: dataset_writer.h.
//
// A dataset is a folder, or its subfolder replay_logs, with the files of N = 0, 1, ... (gaps are allowed):
//   $store$_observation_ckpt.N.gz   uint8 (n, 84, 84)   the newest frame before the action
//   $store$_action_ckpt.N.gz        int32 (n)
//   $store$_reward_ckpt.N.gz        float32 (n)         clipped here as Dopamine clips it
//   $store$_terminal_ckpt.N.gz      uint8 (n)           1: the action ended the episode
//   add_count_ckpt.N.gz, invalid_range_ckpt.N.gz        optional: entries ever added; indices where time is broken
// each a gzip'd .npy, entries in time order. Dopamine puts stack - 1 entries of zeros before each episode: they are not
// transitions, and are left out. Environments of vectors have float32 (n, size) observations instead.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/random.h"
#include "replay/replay.h"

namespace eaudeqn {

struct DatasetSpec {
  std::filesystem::path directory;
  std::string frame_type = "u1";         // "u1" or "f4"
  std::vector<std::size_t> frame_shape;  // {84, 84}
  std::size_t stack = 4;
  std::size_t actions = 0;   // an action index of this or more is an error
  bool clip_rewards = true;  // to [-1, 1]
  double gamma = 0.99;
  std::size_t buffer = 50'000;  // entries of a file in one buffer; its last one may be shorter
  std::size_t loaded = 5;       // buffers in memory
};

// Buffers come in an endless order that the seed decides: pass after pass, each with all files in an order of its own,
// each file from its beginning. A buffer stands alone: the episode that it begins in starts with zeros before its first
// frame there, and its last entry, whose next frame is in the next buffer, is not a transition unless it is terminal.
// Throws Error::usage for a folder that is none, Error::failure naming the file for: missing, not gzip, cut short,
// damaged, wrong type or shape, other lengths than the observations, actions out of range, rewards that are no numbers.
// Thread safety: sample is const apart from the stream.
class Dataset {
 public:
  // Reads the headers of all files.
  Dataset(const DatasetSpec& spec, std::uint64_t seed);
  ~Dataset();

  // Makes the buffers number count - spec.loaded .. count - 1 of the order the loaded ones; the first call loads
  // spec.loaded buffers, one after the other. A dataset of no more than that stays loaded as a whole, whatever the
  // count. What is loaded depends on the count alone, not on the calls before.
  void load(std::uint64_t count);

  // Draws transitions uniformly and independently from the loaded buffers.
  void sample(RandomStream& stream, std::size_t batch_size, Batch& batch) const;

  std::size_t size() const;          // transitions loaded
  std::size_t memory_bytes() const;  // heap held by the buffers
  std::uint64_t entries() const;     // of all files
  // Of what all files held in the beginning, by their numbers, sizes and gzip's own checksums; the same wherever the
  // folder is.
  std::uint64_t fingerprint() const { return fingerprint_; }

 private:
  struct Files;  // of one N
  struct Cursor;
  std::unique_ptr<Replay> read_buffer(std::uint64_t number);
  std::vector<std::size_t> order_of(std::uint64_t pass) const;
  std::uint64_t fingerprint_of_files() const;

  DatasetSpec spec_;
  std::uint64_t seed_;
  std::vector<Files> files_;
  std::uint64_t fingerprint_ = 0;
  std::uint64_t buffers_ = 0;  // of one pass
  std::unique_ptr<Cursor> cursor_;
  std::deque<std::unique_ptr<Replay>> loaded_;
  std::uint64_t count_ = 0;  // loaded_.back() is number count_ - 1
};

}  // namespace eaudeqn
