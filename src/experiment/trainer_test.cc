// The training loop as a whole, on CartPole: what a run leaves, resuming, refusals. Signals and kills:
// tests/conformance.
#include <gtest/gtest.h>

#include <filesystem>

#include "core/files.h"
#include "core/test_directory.h"
#include "eaudeqn/config.h"
#include "eaudeqn/error.h"
#include "eaudeqn/train.h"
#include "experiment/checkpoints.h"
#include "experiment/record.h"

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

// The first gradient step is at training.initial_samples, the first target update a period later: the losses of a
// single batch would compare nothing.
TEST(Trainer, TheFirstTargetUpdateComesAfterAPeriodOfLearning) {
  const TestDirectory directory;
  train(small_config(), quiet(directory.path() / "a"));
  const auto metrics = read_file(directory.path() / "a" / "metrics.jsonl");
  const std::string text(reinterpret_cast<const char*>(metrics.data()), metrics.size());
  const std::string first = text.substr(text.find("\"target_update\""), 60);
  EXPECT_NE(first.find("\"step\":300,\"updates\":11,"), std::string::npos) << first;
}

TEST(Trainer, ARunThatCannotBeginLeavesNothingBehind) {
  const TestDirectory directory;
  const Config config = parse_config("algorithm = \"eaudecql\"\n", "builtin");
  EXPECT_THROW(train(config, quiet(directory.path() / "a")), Error);
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "a"));
}

// Killed within the first save, whichever of the two files is there.
TEST(Trainer, ARunOfWhichTheFirstCheckpointAloneWasWrittenGoesOnFromIt) {
  const TestDirectory directory;
  train(small_config(), quiet(directory.path() / "a"));
  const auto policy = read_file(directory.path() / "a" / "policy.safetensors");
  std::filesystem::remove(directory.path() / "a" / "policy.safetensors");
  EXPECT_EQ(train(small_config(), quiet(directory.path() / "a", true)), TrainOutcome::finished);
  EXPECT_EQ(read_file(directory.path() / "a" / "policy.safetensors"), policy);
}

TEST(Trainer, TheFirstCheckpointIsWrittenBeforeThePolicy) {
  const TestDirectory directory;
  const auto run = directory.path() / "a";
  // The policy cannot be written: a directory stands in its place.
  std::filesystem::create_directories(run / "policy.safetensors" / "in the way");
  EXPECT_THROW(train(small_config(), quiet(run)), Error);
  EXPECT_EQ(CheckpointFolder(run).steps(), (std::vector<std::int64_t>{400}));
  std::filesystem::remove_all(run / "policy.safetensors");
  EXPECT_EQ(train(small_config(), quiet(run, true)), TrainOutcome::finished);
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

// Each method: equal bytes for another number of threads, and after going on from an older checkpoint.
TEST(Trainer, EverySparsityMethodIsAFunctionOfItsConfig) {
  for (const std::string name : {"distilldqn", "polyprunedqn", "rigldqn", "setdqn", "staticdqn"}) {
    std::vector<std::string> settings = {"environment=classic/CartPole-v1",
                                         "training.steps=1000",
                                         "training.initial_samples=200",
                                         "training.target_update_period=100",
                                         "network.hidden=[32,32]",
                                         "evaluation.episodes=1",
                                         "evaluation.period=0",
                                         "checkpoint.period=600"};
    const Config defaults = parse_config(builtin_config("classic/CartPole-v1", name), "builtin");
    if (defaults.sparsity.method != "static")
      settings.insert(settings.end(), {"sparsity.start=300", "sparsity.end=900"});
    if (defaults.sparsity.method != "static") settings.push_back("sparsity.period=100");
    const Config config = parse_config(builtin_config("classic/CartPole-v1", name), "builtin", settings);
    const TestDirectory directory;
    train(config, quiet(directory.path() / "a"));
    TrainOptions threads = quiet(directory.path() / "b");
    threads.threads = 3;
    train(config, threads);
    const auto policy = read_file(directory.path() / "a" / "policy.safetensors");
    const auto metrics = read_file(directory.path() / "a" / "metrics.jsonl");
    EXPECT_EQ(read_file(directory.path() / "b" / "policy.safetensors"), policy) << name;
    EXPECT_EQ(read_file(directory.path() / "b" / "metrics.jsonl"), metrics) << name;
    std::filesystem::remove(CheckpointFolder(directory.path() / "a").file(1'000));
    train(config, quiet(directory.path() / "a", true));
    EXPECT_EQ(read_file(directory.path() / "a" / "policy.safetensors"), policy) << name;
    EXPECT_EQ(read_file(directory.path() / "a" / "metrics.jsonl"), metrics) << name;
    const std::string text(reinterpret_cast<const char*>(metrics.data()), metrics.size());
    const bool changes = name != "distilldqn" && name != "staticdqn";
    EXPECT_EQ(text.find("\"mask_change\"") != std::string::npos, changes) << name;
    const std::string last = text.substr(text.rfind("\"evaluation\""));
    const double sparsity = std::stod(last.substr(last.find("\"sparsity\":") + 11));
    EXPECT_NEAR(sparsity, 0.9, 0.01) << name << ": " << last;
  }
}

// Offline: the same bytes for another number of threads and after resuming, while buffers come and go.
TEST(Trainer, LearnsFromADatasetWithoutActing) {
  const TestDirectory directory;
  RecordRequest request;
  request.environment = "classic/CartPole-v1";
  request.steps = 2'000;
  request.output = directory.path() / "dataset";
  EXPECT_EQ(record_dataset(
                nullptr, request, [] { return false; }, [](const RecordProgress&) {})
                .written,
            2'000U);
  for (const std::string algorithm : {"eaudedqn", "rigldqn"}) {
    const std::string offline = algorithm == "eaudedqn" ? "eaudecql" : "riglcql";
    std::vector<std::string> settings = {"environment=classic/CartPole-v1",
                                         "algorithm=" + offline,
                                         "training.steps=400",
                                         "training.target_update_period=50",
                                         "network.hidden=[32,32]",
                                         "evaluation.episodes=2",
                                         "evaluation.period=0",
                                         "checkpoint.period=150",
                                         "dataset.path=" + request.output.string(),
                                         "dataset.buffer=300",
                                         "dataset.loaded=2",
                                         "dataset.refresh_period=70"};
    if (offline == "riglcql") settings.insert(settings.end(), {"sparsity.period=40", "sparsity.end=300"});
    const Config config = parse_config(builtin_config("classic/CartPole-v1", algorithm), "builtin", settings);
    train(config, quiet(directory.path() / (offline + "a")));
    TrainOptions threads = quiet(directory.path() / (offline + "b"));
    threads.threads = 3;
    train(config, threads);
    const auto policy = read_file(directory.path() / (offline + "a") / "policy.safetensors");
    const auto metrics = read_file(directory.path() / (offline + "a") / "metrics.jsonl");
    EXPECT_EQ(read_file(directory.path() / (offline + "b") / "policy.safetensors"), policy);
    EXPECT_EQ(read_file(directory.path() / (offline + "b") / "metrics.jsonl"), metrics);
    std::filesystem::remove(CheckpointFolder(directory.path() / (offline + "a")).file(400));
    train(config, quiet(directory.path() / (offline + "a"), true));
    EXPECT_EQ(read_file(directory.path() / (offline + "a") / "policy.safetensors"), policy);
    EXPECT_EQ(read_file(directory.path() / (offline + "a") / "metrics.jsonl"), metrics);
    const std::string text(reinterpret_cast<const char*>(metrics.data()), metrics.size());
    EXPECT_EQ(text.find("\"episode\""), std::string::npos) << "nothing acts";
    EXPECT_NE(text.find("\"step\":400,\"updates\":400"), std::string::npos) << "a gradient step each: " << text;
  }
}

// Where a dataset lies is no part of a run, what it holds is.
TEST(Trainer, AnOfflineRunGoesOnWhereItsDatasetWasMovedToAndNotWithAnotherOne) {
  const TestDirectory directory;
  const auto record = [&](const std::string& name, std::uint64_t seed) {
    RecordRequest request;
    request.environment = "classic/CartPole-v1";
    request.steps = 500;
    request.seed = seed;
    request.output = directory.path() / name;
    record_dataset(
        nullptr, request, [] { return false; }, [](const RecordProgress&) {});
    return request.output;
  };
  const auto config_for = [&](const std::filesystem::path& dataset) {
    return parse_config(builtin_config("classic/CartPole-v1", "eaudedqn"), "builtin",
                        {"environment=classic/CartPole-v1", "algorithm=eaudecql", "training.steps=200",
                         "training.target_update_period=50", "network.hidden=[32,32]", "evaluation.episodes=1",
                         "evaluation.period=0", "checkpoint.period=100", "dataset.path=" + dataset.string()});
  };
  const auto run = directory.path() / "run";
  const auto dataset = record("dataset", 1);
  train(config_for(dataset), quiet(run));
  const auto metrics = read_file(run / "metrics.jsonl");  // the policy names its config, with the dataset's place
  const auto back_to_the_middle = [&] {
    std::filesystem::remove(CheckpointFolder(run).file(200));
    std::filesystem::remove(run / "policy.safetensors");
  };

  back_to_the_middle();
  const auto moved = directory.path() / "moved";
  std::filesystem::rename(dataset, moved);
  EXPECT_EQ(train(config_for(moved), quiet(run, true)), TrainOutcome::finished);
  EXPECT_EQ(read_file(run / "metrics.jsonl"), metrics);
  EXPECT_EQ(load_config(run / "config.toml").dataset.path, moved.string());

  back_to_the_middle();
  const auto other = record("other", 2);
  const std::string message = error_message(Error::Kind::usage, [&] { train(config_for(other), quiet(run, true)); });
  EXPECT_NE(message.find("learned from another dataset than what is in " + other.string()), std::string::npos)
      << message;
  EXPECT_EQ(message.find("older"), std::string::npos) << "no checkpoint is damaged: " << message;
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

// Their run's config.toml was removed, they were not: the new run once removed each checkpoint that it had just
// written.
TEST(Trainer, ANewRunDoesNotBeginAmongTheCheckpointsOfAnother) {
  const TestDirectory directory;
  train(small_config(), quiet(directory.path() / "a"));
  std::filesystem::remove(directory.path() / "a/config.toml");
  Config other = small_config();
  other.seed = 2;
  try {
    train(other, quiet(directory.path() / "a"));
    FAIL() << "began among them";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::usage);
    EXPECT_NE(std::string(error.what()).find("add --resume"), std::string::npos) << error.what();
  }
  EXPECT_FALSE(std::filesystem::exists(directory.path() / "a/config.toml"));
  EXPECT_EQ(train(small_config(), quiet(directory.path() / "a", true)), TrainOutcome::already_finished);
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
  std::filesystem::copy_file(CheckpointFolder(directory.path() / "a").file(800), newest,
                             std::filesystem::copy_options::overwrite_existing);
  const std::string message = failure_message([&] { train(small_config(), quiet(directory.path() / "a", true)); });
  EXPECT_NE(message.find("holds step 800"), std::string::npos) << message;
}

}  // namespace
}  // namespace eaudeqn
