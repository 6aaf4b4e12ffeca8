// Datasets written and read back: every transition and no other, buffers in a fixed order, bounded memory, and an error
// that names the file for whatever is wrong with one. NumPy's side: tests/conformance/test_dataset.py.
#include "replay/dataset.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "core/files.h"
#include "core/test_directory.h"
#include "replay/dataset_writer.h"

namespace eaudeqn {
namespace {

using testing::HasSubstr;

constexpr std::size_t kStack = 3;
const std::vector<std::size_t> kShape = {2, 3};

DatasetSpec reader_spec(const std::filesystem::path& directory) {
  DatasetSpec spec;
  spec.directory = directory;
  spec.frame_shape = kShape;
  spec.stack = kStack;
  spec.actions = 200;
  spec.buffer = 40;
  spec.loaded = 3;
  spec.gamma = 0.5;
  return spec;
}

DatasetWriterSpec writer_spec(const std::filesystem::path& directory, std::uint64_t entries) {
  DatasetWriterSpec spec;
  spec.directory = directory;
  spec.frame_shape = kShape;
  spec.stack = kStack;
  spec.entries = entries;
  spec.file_entries = 100;
  return spec;
}

// Step t of episode e, told by its bytes; never all zeros.
std::vector<std::byte> frame_of(int episode, int step) {
  std::vector<std::byte> frame(6, static_cast<std::byte>(episode + 1));
  frame[1] = static_cast<std::byte>(step);
  return frame;
}

// Episodes of the given lengths, again and again, until the files are full; actions tell the step. Returns the lengths.
void write(const DatasetWriterSpec& spec, const std::vector<int>& lengths) {
  DatasetWriter writer(spec);
  for (int episode = 0; !writer.full(); ++episode) {
    const int length = lengths[static_cast<std::size_t>(episode) % lengths.size()];
    writer.begin_episode();
    for (int step = 0; step < length; ++step) {
      const float reward = step % 2 == 0 ? 3.0F : -0.5F;
      writer.add(frame_of(episode, step), step, reward, step + 1 == length);
    }
  }
}

// What a batch may hold, checked row by row; returns the (episode, step) pairs seen.
std::set<std::pair<int, int>> check_batch(const Batch& batch, const std::map<int, int>& length_of) {
  std::set<std::pair<int, int>> seen;
  for (std::size_t b = 0; b < batch.actions.size(); ++b) {
    const std::byte* planes = batch.observations.data() + b * kStack * 6;
    const std::byte* next = batch.next_observations.data() + b * kStack * 6;
    const int episode = std::to_integer<int>(planes[(kStack - 1) * 6]) - 1;
    const int step = batch.actions[b];
    seen.insert({episode, step});
    const bool terminal = step + 1 == length_of.at(episode);
    EXPECT_EQ(batch.discounts[b], terminal ? 0.0F : 0.5F);
    EXPECT_EQ(batch.rewards[b], step % 2 == 0 ? 1.0F : -0.5F) << "clipped";
    EXPECT_EQ(std::memcmp(planes + (kStack - 1) * 6, frame_of(episode, step).data(), 6), 0);
    for (std::size_t p = 0; p + 1 < kStack; ++p) {  // history: the frames before, or zeros
      const int before = step - static_cast<int>(kStack - 1 - p);
      const bool blank = std::all_of(planes + p * 6, planes + p * 6 + 6, [](std::byte x) { return x == std::byte{0}; });
      const bool right = before >= 0 && std::memcmp(planes + p * 6, frame_of(episode, before).data(), 6) == 0;
      EXPECT_TRUE(blank || right);
      EXPECT_TRUE(before >= 0 || blank) << "nothing of the episode before";
    }
    if (!terminal) {
      EXPECT_EQ(std::memcmp(next + (kStack - 1) * 6, frame_of(episode, step + 1).data(), 6), 0);
    }
  }
  return seen;
}

class DatasetFiles : public testing::Test {
 protected:
  std::filesystem::path file(const std::string& part, int number = 0) const {
    return directory_.path() / (part + "_ckpt." + std::to_string(number) + ".gz");
  }
  std::string message(const DatasetSpec& spec) {
    return failure_message([&] {
      Dataset dataset(spec, 1);
      dataset.load(3);
    });
  }
  void cut(const std::filesystem::path& path, std::size_t bytes) {
    auto content = read_file(path);
    content.resize(content.size() - bytes);
    write_file_atomically(path, content);
  }
  TestDirectory directory_;
};

TEST_F(DatasetFiles, EveryTransitionComesBackAndNoOther) {
  write(writer_spec(directory_.path(), 100), {7, 1, 13});
  DatasetSpec spec = reader_spec(directory_.path());
  spec.buffer = 1'000;
  Dataset dataset(spec, 1);
  EXPECT_EQ(dataset.entries(), 100U);
  dataset.load(1);
  std::map<int, int> lengths;
  std::set<std::pair<int, int>> expected;
  int entry = 0;
  // The first stack + 1 entries from the last one on are invalid, as in Dopamine's ring: indices 99, 0, 1, 2.
  for (int episode = 0; entry < 100; ++episode) {
    lengths[episode] = std::vector<int>{7, 1, 13}[static_cast<std::size_t>(episode % 3)];
    entry += kStack - 1;
    for (int step = 0; step < lengths[episode]; ++step, ++entry) {
      const bool invalid = entry <= 2 || entry >= 99;
      const bool next_is_there = entry + 1 < 99 || step + 1 == lengths[episode];
      if (!invalid && next_is_there && entry < 99) expected.insert({episode, step});
    }
  }
  EXPECT_EQ(dataset.size(), expected.size());
  RandomStream stream(2, "test");
  Batch batch;
  dataset.sample(stream, 5'000, batch);
  EXPECT_EQ(check_batch(batch, lengths), expected);
}

TEST_F(DatasetFiles, TheOptionalFilesMayBeMissing) {
  write(writer_spec(directory_.path(), 100), {7, 1, 13});
  DatasetSpec spec = reader_spec(directory_.path());
  spec.buffer = 1'000;
  Dataset with(spec, 1);
  with.load(1);
  std::filesystem::remove(file("invalid_range"));
  std::filesystem::remove(file("add_count"));
  Dataset without(spec, 1);
  without.load(1);
  EXPECT_EQ(without.size(), with.size() + 2) << "the first frame and the one before the last";
}

TEST_F(DatasetFiles, BuffersComeInAnOrderThatTheSeedAndTheCountDecideAlone) {
  write(writer_spec(directory_.path(), 330), {11});  // 3 + 3 + 3 + 1 buffers
  const auto what = [&](Dataset& dataset) {
    RandomStream stream(3, "test");
    Batch batch;
    dataset.sample(stream, 64, batch);
    return batch.observations;
  };
  Dataset one(reader_spec(directory_.path()), 1);
  std::vector<std::vector<std::byte>> seen;
  for (std::uint64_t count = 3; count < 25; ++count) {  // two passes and more
    one.load(count);
    seen.push_back(what(one));
  }
  for (const std::uint64_t count : {24, 3, 14, 15, 8}) {
    Dataset other(reader_spec(directory_.path()), 1);
    other.load(count);
    EXPECT_EQ(what(other), seen[count - 3]) << "as if nothing had been loaded before";
    one.load(count);
    EXPECT_EQ(what(one), seen[count - 3]) << "also back and forth";
  }
  EXPECT_NE(seen[0], seen[1]);
  std::set<std::vector<std::byte>> orders;
  for (std::uint64_t seed = 1; seed < 9; ++seed) {
    Dataset other(reader_spec(directory_.path()), seed);
    other.load(3);
    orders.insert(what(other));
  }
  EXPECT_GT(orders.size(), 2U);
}

TEST_F(DatasetFiles, HaveAFingerprintOfTheirContentsAndNotOfTheirPlace) {
  write(writer_spec(directory_.path() / "a", 250), {9, 4});
  const std::uint64_t fingerprint = Dataset(reader_spec(directory_.path() / "a"), 1).fingerprint();
  std::filesystem::copy(directory_.path() / "a", directory_.path() / "b");
  EXPECT_EQ(Dataset(reader_spec(directory_.path() / "b"), 2).fingerprint(), fingerprint);
  // Other actions, as many.
  write(writer_spec(directory_.path() / "c", 250), {4, 9});
  EXPECT_NE(Dataset(reader_spec(directory_.path() / "c"), 1).fingerprint(), fingerprint);
  // One file taken from elsewhere, of the same length.
  const auto actions = std::filesystem::path("$store$_action_ckpt.1.gz");
  std::filesystem::copy(directory_.path() / "c" / actions, directory_.path() / "b" / actions,
                        std::filesystem::copy_options::overwrite_existing);
  EXPECT_NE(Dataset(reader_spec(directory_.path() / "b"), 1).fingerprint(), fingerprint);
}

TEST_F(DatasetFiles, OnlyTheLoadedBuffersAreInMemory) {
  write(writer_spec(directory_.path(), 2'000), {11});
  Dataset dataset(reader_spec(directory_.path()), 1);
  dataset.load(3);
  const std::size_t at_first = dataset.memory_bytes();
  EXPECT_LE(dataset.size(), 120U);
  for (std::uint64_t count = 4; count < 60; ++count) {
    dataset.load(count);
    EXPECT_LE(dataset.size(), 120U);
    EXPECT_LE(dataset.memory_bytes(), at_first * 3 / 2);
  }
}

TEST_F(DatasetFiles, AreFoundInTheFolderReplayLogsToo) {
  write(writer_spec(directory_.path() / "replay_logs", 100), {7});
  EXPECT_EQ(Dataset(reader_spec(directory_.path()), 1).entries(), 100U);
  EXPECT_THAT(usage_message([&] { Dataset(reader_spec(directory_.path() / "none"), 1); }),
              HasSubstr("eaudeqn dataset record"));
}

TEST_F(DatasetFiles, AreNotWrittenOverAndUnfinishedOnesDisappear) {
  write(writer_spec(directory_.path(), 100), {7});
  EXPECT_THAT(usage_message([&] { DatasetWriter(writer_spec(directory_.path(), 100)); }),
              HasSubstr("another --output"));
  const TestDirectory other;
  {
    DatasetWriter writer(writer_spec(other.path(), 150));
    for (int i = 0; i < 120; ++i) writer.add(frame_of(1, 1), 0, 0, false);
  }
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(other.path())) names.insert(entry.path().filename());
  EXPECT_EQ(names.size(), 6U) << "the first number's files, whole, and nothing else";
  EXPECT_TRUE(names.contains("$store$_observation_ckpt.0.gz"));
}

TEST_F(DatasetFiles, ErrorsNameTheFile) {
  const std::vector<std::string> parts = {"$store$_observation", "$store$_action", "$store$_reward",
                                          "$store$_terminal"};
  for (const std::string& part : parts) {
    for (const std::size_t bytes : {1, 8, 40}) {
      const TestDirectory fresh;
      write(writer_spec(fresh.path(), 100), {7});
      const auto damaged = fresh.path() / (part + "_ckpt.0.gz");
      cut(damaged, bytes);
      EXPECT_THAT(message(reader_spec(fresh.path())), HasSubstr(damaged.string() + ": cut short"));
      auto content = read_file(damaged);
      content.resize(8);
      write_file_atomically(damaged, content);
      EXPECT_THAT(message(reader_spec(fresh.path())), HasSubstr(damaged.string()));
      std::filesystem::remove(damaged);
      if (part != parts[0]) {
        EXPECT_THAT(message(reader_spec(fresh.path())), HasSubstr(damaged.string()));
      }
    }
  }
}

TEST_F(DatasetFiles, OfWrongTypeShapeLengthOrContentAreRefused) {
  write(writer_spec(directory_.path(), 100), {7});
  const auto replace = [&](const std::string& part, const std::string& type, std::vector<std::size_t> shape,
                           std::byte value) {
    std::size_t bytes = static_cast<std::size_t>(type[1] - '0');
    for (const std::size_t extent : shape) bytes *= extent;
    GzipNpyWriter writer(file(part), type, shape);
    writer.write(std::vector<std::byte>(bytes, value));
    writer.finish();
  };
  const auto spec = reader_spec(directory_.path());
  replace("$store$_action", "i8", {100}, std::byte{0});
  EXPECT_THAT(message(spec), HasSubstr("$store$_action_ckpt.0.gz: has type i8 and shape (100), wants type i4"));
  replace("$store$_action", "i4", {100, 1}, std::byte{0});
  EXPECT_THAT(message(spec), HasSubstr("$store$_action_ckpt.0.gz: has type i4 and shape (100, 1)"));
  replace("$store$_action", "i4", {99}, std::byte{0});
  EXPECT_THAT(message(spec), HasSubstr("$store$_action_ckpt.0.gz: has 99 entries, but the observations"));
  replace("$store$_action", "i4", {100}, std::byte{1});
  EXPECT_THAT(message(spec), HasSubstr("$store$_action_ckpt.0.gz: entry 0 is action 16843009"));
  replace("$store$_action", "i4", {100}, std::byte{0});
  replace("$store$_reward", "f4", {100}, std::byte{0xFF});
  EXPECT_THAT(message(spec), HasSubstr("$store$_reward_ckpt.0.gz: entry 0 is not a number"));
  replace("$store$_reward", "f4", {100}, std::byte{0});
  // Once they were learned from, until some loss was no number.
  DatasetSpec of_floats = spec;
  of_floats.frame_type = "f4";
  replace("$store$_observation", "f4", {100, 2, 3}, std::byte{0xFF});
  EXPECT_THAT(message(of_floats), HasSubstr("$store$_observation_ckpt.0.gz: entry 0 holds what is not a number"));
  replace("$store$_observation", "u1", {100, 3, 2}, std::byte{0});
  EXPECT_THAT(message(spec), HasSubstr("$store$_observation_ckpt.0.gz: has type u1 and shape (100, 3, 2)"));
  write_file_atomically(file("$store$_observation"), std::string("no gzip at all"));
  EXPECT_THAT(message(spec), HasSubstr("$store$_observation_ckpt.0.gz: not a gzip file"));
}

// Drawing from it divided by zero.
TEST_F(DatasetFiles, WithoutAnyTransitionAreRefused) {
  write(writer_spec(directory_.path(), 100), {7});
  const auto empty = [&](const std::string& part, const std::string& type, std::vector<std::size_t> shape) {
    GzipNpyWriter writer(file(part), type, shape);
    writer.finish();
  };
  empty("$store$_action", "i4", {0});
  empty("$store$_reward", "f4", {0});
  empty("$store$_terminal", "u1", {0});
  empty("$store$_observation", "u1", {0, 2, 3});
  EXPECT_THAT(message(reader_spec(directory_.path())), HasSubstr("hold no transition"));
}

TEST_F(DatasetFiles, ADamagedByteIsFoundByTheChecksum) {
  write(writer_spec(directory_.path(), 100), {7});
  const auto path = file("$store$_observation");
  const auto good = read_file(path);
  int found = 0;
  for (std::size_t at = 20; at < good.size(); at += 7) {
    auto bad = good;
    bad[at] ^= std::byte{4};
    write_file_atomically(path, bad);
    try {
      Dataset dataset(reader_spec(directory_.path()), 1);
      dataset.load(3);
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr(path.string()));
      ++found;
    }
  }
  EXPECT_EQ(found, static_cast<int>((good.size() - 20 + 6) / 7));
}

}  // namespace
}  // namespace eaudeqn
