// Sweep files, the states of run directories, tables. Running them: tests/command_line, tests/conformance.
#include "experiment/sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "core/test_directory.h"
#include "experiment/run_directory.h"
#include "experiment/sweep_local.h"
#include "experiment/sweep_table.h"

namespace eaudeqn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kTwoSeeds = R"(
environments = ["classic/CartPole-v1"]
algorithms = ["dqn"]
seeds = [1, 2]
[settings.training]
steps = 1000
[settings.evaluation]
period = 0
)";

Sweep sweep_of(const std::string& more, const std::string& text = kTwoSeeds) {
  return parse_sweep(text + more, "s.toml");
}

std::vector<std::string> names(const Sweep& sweep) {
  std::vector<std::string> all;
  for (const SweepRun& run : sweep.runs) all.push_back(run.name);
  return all;
}

TEST(SweepFile, ARunIsNamedByWhatItIsAndNotByItsPlace) {
  EXPECT_THAT(names(sweep_of("")), ElementsAre("classic_CartPole-v1_dqn_seed1", "classic_CartPole-v1_dqn_seed2"));
  const Sweep sweep = sweep_of(
      "[grid]\nnetwork.hidden = [[8, 4]]\ntraining.gamma = [0.90, 1]\n"
      "population.reset_optimizer = [true]\n");
  EXPECT_EQ(sweep.runs.size(), 4u);
  EXPECT_EQ(sweep.runs[1].name,
            "classic_CartPole-v1_dqn_network.hidden=8x4_population.reset_optimizer=true_training.gamma=1_seed1");
  EXPECT_EQ(sweep.runs[1].config.training.gamma, 1.0);
  EXPECT_EQ(sweep.runs[1].config.network.hidden, (std::vector<std::int64_t>{8, 4}));
  EXPECT_EQ(sweep.runs[1].config.training.steps, 1000);
}

TEST(SweepFile, NumbersKeepEveryDigit) {
  const Sweep sweep = sweep_of("[grid]\ntraining.learning_rate = [0.1234567890123456, 1e-4, 1e-10]\n");
  EXPECT_EQ(sweep.runs[0].config.training.learning_rate, 0.1234567890123456);
  EXPECT_EQ(sweep.runs[1].config.training.learning_rate, 1e-4);
  EXPECT_EQ(sweep.runs[2].config.training.learning_rate, 1e-10);
}

TEST(SweepFile, ANameHoldsNoLetterThatAShellOrAPathWouldMind) {
  const std::string text =
      "environments = ['classic/CartPole-v1']\nalgorithms = ['dqn']\nseeds = [1]\n"
      "[grid]\n'dataset.path' = ['../a b/$(c)']\n";
  const Sweep sweep = parse_sweep(text, "s.toml");
  EXPECT_EQ(sweep.runs[0].name, "classic_CartPole-v1_dqn_dataset.path=.._a-b_--c-_seed1");
  EXPECT_EQ(sweep.runs[0].config.dataset.path, "../a b/$(c)");
}

TEST(SweepFile, TheClusterIsToldWhatIsAsked) {
  const SlurmSettings slurm = sweep_of(
                                  "[slurm]\npartition = 'a,b'\ntime = '1-00'\nmemory = '4G'\ncpus = 2\n"
                                  "options = ['--account=x']\nsetup = ['module load y']\n")
                                  .slurm;
  EXPECT_EQ(slurm.partition, "a,b");
  EXPECT_EQ(slurm.cpus, 2);
  EXPECT_THAT(slurm.options, ElementsAre("--account=x"));
  for (const std::string time : {"4", "3:30", "0:03:30", "0-0:4"}) {
    EXPECT_EQ(sweep_of("[slurm]\ntime = '" + time + "'\n").slurm.time, time);
  }
  for (const std::string time : {"3", "2:59", "0:03:00", "0-0:2", "0"}) {
    EXPECT_THAT(usage_message([&] { sweep_of("[slurm]\ntime = '" + time + "'\n"); }),
                HasSubstr("signal_seconds = 120"));
  }
}

TEST(SweepFile, WhatIsTooMuchOrNotAtAllIsRefused) {
  const std::string many =
      "[grid]\ntraining.batch_size = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n"
      "training.n_step = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n"
      "network.features = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n"
      "population.networks = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n"
      "replay.capacity = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]\n";
  EXPECT_THAT(usage_message([&] { sweep_of(many); }), HasSubstr("more than 100000 runs"));
  EXPECT_THAT(usage_message([] { parse_sweep("", "s.toml"); }), HasSubstr("s.toml: no environments"));
  EXPECT_THAT(usage_message([] { sweep_of("[grid]\ntraining.steps = [2020-01-01]\n"); }), HasSubstr("s.toml:10"));
  EXPECT_THAT(usage_message([] { sweep_of("settings = 3\n", "seeds = [1]\n"); }), HasSubstr("[settings]"));
  EXPECT_THAT(usage_message([] { sweep_of("[slurm]\noptions = ['-n 3']\n"); }), HasSubstr("long options"));
  EXPECT_THAT(usage_message([] { sweep_of("[slurm]\npartition = 'a; rm'\n"); }), HasSubstr("slurm.partition"));
}

void write(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::create_directories(file.parent_path());
  write_file_atomically(file, text);
}

// The sweep fuzzer's find.
TEST(SweepFile, AnUnknownKeyWithALineBreakIsToldInOneLine) {
  const auto message = [](const std::string& text) { return usage_message([&] { parse_sweep(text, "s.toml"); }); };
  EXPECT_THAT(message("seeds = [1]\n\"a\\rb\\nc\" = 9\n"), HasSubstr("s.toml:2: a b c: unknown key"));
  EXPECT_THAT(message("seeds = [1]\n[settings]\n\"a\\nb\" = 9\n"), HasSubstr("a b: unknown key"));
}

class RunFiles : public testing::Test {
 protected:
  const SweepRun run_ = sweep_of("").runs[0];
  const TestDirectory directory_;

  RunStatus status() const { return read_status(run_.config, directory_.path()); }
  void metrics(const std::string& lines) const { write(directory_ / "metrics.jsonl", lines); }
};

TEST_F(RunFiles, NothingIsWaiting) { EXPECT_EQ(status().phase, RunPhase::waiting); }

TEST_F(RunFiles, MetricsTellHowFarItIsAndHowWell) {
  prepare_run(run_, directory_.path());
  EXPECT_EQ(status().phase, RunPhase::waiting);
  metrics(
      "{\"event\":\"episode\",\"step\":20,\"return\":4}\n{\"event\":\"episode\",\"step\":30,\"return\":8}\n"
      "{\"event\":\"target_update\",\"step\":40,\"sparsity\":0.25}\n{\"event\":\"episode\",\"step\":50,\"ret");
  write(directory_ / "timing.jsonl", "{\"step\":40,\"steps_per_second\":12.5}\n");
  const RunStatus seen = status();
  EXPECT_EQ(seen.phase, RunPhase::stopped);
  EXPECT_EQ(seen.step, 40) << "a line without its end is not read";
  EXPECT_EQ(seen.mean_return, 6.0);
  EXPECT_EQ(seen.sparsity, 0.25);
  EXPECT_EQ(seen.steps_per_second, 12.5);
  EXPECT_FALSE(seen.evaluation.has_value());
}

TEST_F(RunFiles, FinishedNeedsTheLastEvaluationThePolicyAndTheLastCheckpoint) {
  prepare_run(run_, directory_.path());
  metrics("{\"event\":\"evaluation\",\"step\":1000,\"mean_return\":9,\"sparsity\":0}\n");
  EXPECT_EQ(status().phase, RunPhase::stopped);
  write(directory_ / "policy.safetensors", "x");
  std::filesystem::create_directories(directory_ / "checkpoints" / "replay");
  write(directory_ / "checkpoints" / "step_000000000900.checkpoint", "x");
  EXPECT_EQ(status().phase, RunPhase::stopped);
  write(directory_ / "checkpoints" / "step_000000001000.checkpoint", "x");
  EXPECT_EQ(status().phase, RunPhase::finished);
  metrics("{\"event\":\"evaluation\",\"step\":900,\"mean_return\":9,\"sparsity\":0}\n");
  EXPECT_EQ(status().phase, RunPhase::stopped);
}

TEST_F(RunFiles, AnErrorCountsUntilTheNextAttempt) {
  prepare_run(run_, directory_.path());
  write(directory_ / "train.log", "--- one\nerror: disk full\n");
  EXPECT_EQ(status().phase, RunPhase::failed);
  EXPECT_EQ(status().error, "disk full");
  write(directory_ / "train.log", "--- one\nerror: disk full\n--- two\nresuming\n");
  EXPECT_EQ(status().phase, RunPhase::waiting);
}

TEST_F(RunFiles, ALockMeansRunningAndLookingDoesNotTakeIt) {
  {
    const DirectoryLock lock(directory_.path());
    EXPECT_EQ(status().phase, RunPhase::running);
  }
  EXPECT_EQ(status().phase, RunPhase::waiting);
  EXPECT_FALSE(directory_in_use(directory_ / "not there"));
}

TEST_F(RunFiles, DamageIsNoReasonToFail) {
  prepare_run(run_, directory_.path());
  metrics("\n{}\n[1]\nnot json\n{\"event\":3,\"step\":\"x\"}\n{\"event\":\"episode\",\"step\":null,\"return\":null}\n");
  write(directory_ / "timing.jsonl", "{\"step\":\n\xff\xff\n");
  write(directory_ / "train.log", std::string("\0\xff\n", 3));
  std::filesystem::create_directories(directory_ / "checkpoints" / "replay");
  write(directory_ / "checkpoints" / "step_x.checkpoint", "");
  EXPECT_EQ(status().phase, RunPhase::waiting);
  metrics("{\"event\":\"evaluation\",\"step\":1e300,\"mean_return\":1}\n");
  EXPECT_EQ(status().step, 0);
  write(directory_ / "config.toml", "steps = [");
  EXPECT_EQ(status().phase, RunPhase::foreign);
}

TEST_F(RunFiles, AnotherConfigIsForeignAndSaysWhy) {
  SweepRun other = run_;
  other.config.training.gamma = 0.5;
  prepare_run(other, directory_.path());
  EXPECT_EQ(status().phase, RunPhase::foreign);
  EXPECT_THAT(status().error, HasSubstr("training.gamma = 0.99 here, 0.5 there"));
}

std::vector<RunStatus> some_statuses() {
  RunStatus running;
  running.phase = RunPhase::running;
  running.step = 400;
  running.steps_per_second = 10;
  running.mean_return = -20.25;
  RunStatus failed;
  failed.phase = RunPhase::failed;
  failed.error = "disk full";
  return {running, failed};
}

TEST(SweepTable, EveryWindowIsWideEnough) {
  const Sweep sweep = sweep_of("");
  for (std::size_t width = 1; width < 120; ++width) {
    const auto lines = sweep_table(sweep, some_statuses(), 1, width, 100);
    EXPECT_EQ(lines.size(), 5u);  // titles, two runs, summary, error
    for (const std::string& line : lines) EXPECT_LE(line.size(), width);
  }
  const auto lines = sweep_table(sweep, some_statuses(), 1, 200, 100);
  EXPECT_THAT(lines[1], HasSubstr("classic_CartPole-v1_dqn_seed1  running"));
  EXPECT_THAT(lines[1], HasSubstr("400/1000"));
  EXPECT_THAT(lines[1], HasSubstr("1 min 00 s"));
  EXPECT_THAT(lines[1], HasSubstr("-20.2"));
  EXPECT_EQ(lines[3], "2 runs: 1 running, 1 failed | 20 % of all steps | ETA 1 min 00 s");
  EXPECT_EQ(lines[4], "  classic_CartPole-v1_dqn_seed2: disk full");
}

TEST(SweepTable, ShortNamesTellTheRunsApart) {
  const Sweep sweep = sweep_of("[grid]\ntraining.learning_rate = [1e-3, 1e-4]\n");
  const auto lines = sweep_table(sweep, std::vector<RunStatus>(4), 1, 60, 100);
  EXPECT_THAT(lines[1], testing::StartsWith("learning_rate=0.001 seed1 "));
  EXPECT_THAT(lines[4], testing::StartsWith("learning_rate=0.0001 seed2 "));
}

TEST(SweepTable, EveryWindowIsHighEnough) {
  std::string seeds = "seeds = [1";
  for (int seed = 2; seed <= 50; ++seed) seeds += ", " + std::to_string(seed);
  const Sweep sweep =
      parse_sweep("environments = ['classic/CartPole-v1']\nalgorithms = ['dqn']\n" + seeds + "]\n", "s.toml");
  std::vector<RunStatus> statuses(50);
  statuses[30] = some_statuses()[0];
  for (std::size_t height = 2; height < 60; ++height) {
    const auto lines = sweep_table(sweep, statuses, 1, 100, height);
    EXPECT_LE(lines.size(), height);
    if (height >= 3 && height < 52) {
      EXPECT_THAT(lines[1], HasSubstr("seed31  running"));
    }
  }
}

TEST(SweepTable, TheEstimateSharesTheRestAmongTheSlots) {
  const Sweep sweep =
      sweep_of("", std::string(kTwoSeeds).replace(std::string(kTwoSeeds).find("[1, 2]"), 6, "[1, 2, 3]"));
  std::vector<RunStatus> statuses(3);
  EXPECT_LT(estimate_seconds(sweep, statuses, 2), 0) << "nothing is known";
  statuses[0] = some_statuses()[0];  // 600 steps left, 10 a second
  EXPECT_DOUBLE_EQ(estimate_seconds(sweep, statuses, 1), 60 + 100 + 100);
  EXPECT_DOUBLE_EQ(estimate_seconds(sweep, statuses, 2), 60 + 100);
  statuses[1].phase = RunPhase::failed;
  EXPECT_DOUBLE_EQ(estimate_seconds(sweep, statuses, 2), 100);
}

TEST(SweepTable, JsonSaysNullForWhatIsNotKnown) {
  RunStatus strange = some_statuses()[0];
  strange.evaluation = std::numeric_limits<double>::quiet_NaN();
  const auto json = sweep_json(sweep_of(""), "d", {strange, some_statuses()[1]});
  const auto& run = json["runs"][0];
  EXPECT_EQ(run["return"], -20.25);
  EXPECT_EQ(run["directory"], "d/classic_CartPole-v1_dqn_seed1");
  EXPECT_THAT(run.dump(), HasSubstr("\"evaluation\":null,\"sparsity\":null,\"error\":null"));
  EXPECT_EQ(json["runs"][1]["error"], "disk full");
  EXPECT_EQ(json["finished"], false);
}

}  // namespace
}  // namespace eaudeqn
