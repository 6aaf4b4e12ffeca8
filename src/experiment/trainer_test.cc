// The training loop as a whole, on CartPole: what a run leaves, resuming, refusals. Signals and kills:
// tests/conformance.
#include <gtest/gtest.h>

#include <filesystem>

#include "core/files.h"
#include "core/test_directory.h"
#include "eaudeqn/eaudeqn.h"
#include "experiment/checkpoints.h"

namespace eaudeqn {
namespace {

Config small_config() {
  return parse_config(builtin_config("classic/CartPole-v1", "eaudedqn"), "builtin",
                      {"environment=classic/CartPole-v1", "training.steps=1200", "training.initial_samples=200",
                       "training.target_update_period=100", "network.hidden=[32,32]", "sparsity.max_speed=0.2",
                       "evaluation.period=500", "evaluation.episodes=2", "checkpoint.period=400"});
}

TrainOptions quiet(const std::filesystem::path& output, bool resume = false) {
  TrainOptions options;
  options.output = output;
  options.resume = resume;
  options.quiet = true;
  return options;
}

TEST(Trainer, LeavesAWholeRunDirectoryAndEqualRunsGiveEqualBytes) {
  const TestDirectory directory;
  EXPECT_EQ(train(small_config(), quiet(directory.path() / "a")), TrainOutcome::finished);
  EXPECT_EQ(train(small_config(), quiet(directory.path() / "b")), TrainOutcome::finished);
  for (const char* name : {"config.toml", "metrics.jsonl", "policy.safetensors"}) {
    EXPECT_EQ(read_file(directory.path() / "a" / name), read_file(directory.path() / "b" / name)) << name;
  }
  EXPECT_EQ(CheckpointFolder(directory.path() / "a").steps(), (std::vector<std::int64_t>{800, 1200}));
}

TEST(Trainer, ARunSetBackToAnOlderCheckpointEndsInTheSameBytes) {
  const TestDirectory directory;
  train(small_config(), quiet(directory.path() / "a"));
  const auto policy = read_file(directory.path() / "a" / "policy.safetensors");
  const auto metrics = read_file(directory.path() / "a" / "metrics.jsonl");
  std::filesystem::remove(CheckpointFolder(directory.path() / "a").file(1200));
  EXPECT_EQ(train(small_config(), quiet(directory.path() / "a", true)), TrainOutcome::finished);
  EXPECT_EQ(read_file(directory.path() / "a" / "policy.safetensors"), policy);
  EXPECT_EQ(read_file(directory.path() / "a" / "metrics.jsonl"), metrics);
  EXPECT_EQ(train(small_config(), quiet(directory.path() / "a", true)), TrainOutcome::already_finished);
}

TEST(Trainer, ADirectoryWithARunIsNotOverwrittenAndAnotherConfigNotResumed) {
  const TestDirectory directory;
  train(small_config(), quiet(directory.path() / "a"));
  EXPECT_THROW(train(small_config(), quiet(directory.path() / "a")), Error);
  Config other = small_config();
  other.training.gamma = 0.5;
  try {
    train(other, quiet(directory.path() / "a", true));
    FAIL() << "resumed a run of another config";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("gamma"), std::string::npos) << error.what();
  }
}

TEST(Trainer, ADamagedCheckpointIsNamedAndTheOlderOneOffered) {
  const TestDirectory directory;
  train(small_config(), quiet(directory.path() / "a"));
  const auto newest = CheckpointFolder(directory.path() / "a").file(1200);
  auto bytes = read_file(newest);
  bytes[bytes.size() / 2] ^= std::byte{1};
  write_file_atomically(newest, bytes);
  try {
    train(small_config(), quiet(directory.path() / "a", true));
    FAIL() << "resumed from a damaged checkpoint";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(newest.string()), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("step 800"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace eaudeqn
