// What is read of run directories, damaged ones included. Against real runs: tests/conformance/test_report.py.
#include "report/run_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/test_directory.h"
#include "eaudeqn/config.h"
#include "eaudeqn/error.h"
#include "report/curves.h"
#include "report/page.h"
#include "report/variants.h"

namespace eaudeqn {
namespace {

using testing::DoubleEq;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Optional;

class ReadRun : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories((directory_.path() / name).parent_path());
    std::ofstream(directory_.path() / name, std::ios::binary) << text;
  }
  void write_run(const std::string& name, const std::string& algorithm, int seed, const std::string& more = "") {
    write(name + "/config.toml", "environment = \"classic/CartPole-v1\"\nalgorithm = \"" + algorithm +
                                     "\"\nseed = " + std::to_string(seed) + "\n\n[training]\nsteps = 1_000\n" + more);
  }
  std::filesystem::path path(const std::string& name) const { return directory_.path() / name; }

  TestDirectory directory_;
};

TEST_F(ReadRun, TakesEveryKindOfLine) {
  write_run("run", "eaudedqn", 3);
  write("run/metrics.jsonl",
        R"({"event":"episode","step":10,"return":10.5,"length":10})"
        "\n"
        R"({"event":"target_update","step":500,"selected":1,"losses":[null,2.0],"sparsity":0.1,"sparsities":[0.2,0.1]})"
        "\n"
        R"({"event":"mask_change","step":600,"sparsities":[0.3,0.1]})"
        "\n"
        R"({"event":"something new","step":700})"
        "\n"
        R"({"event":"evaluation","step":1000,"mean_return":7.0,"returns":[6.0,8.0],"sparsity":0.1})"
        "\n");
  const RunRecord run = read_run(path("run"));
  EXPECT_EQ(run.environment, "classic/CartPole-v1");
  EXPECT_EQ(run.algorithm, "eaudedqn");
  EXPECT_EQ(run.seed, 3);
  EXPECT_EQ(run.planned_steps, 1000);
  ASSERT_EQ(run.episodes.size(), 1U);
  EXPECT_EQ(run.episodes[0].episode_return, 10.5);
  ASSERT_EQ(run.updates.size(), 2U);
  EXPECT_THAT(run.updates[0].losses, ElementsAre(std::nullopt, Optional(2.0)));
  EXPECT_EQ(run.updates[0].selected, 1);
  EXPECT_EQ(run.updates[1].selected, -1);
  EXPECT_THAT(run.updates[1].sparsities, ElementsAre(0.3, 0.1));
  EXPECT_EQ(run.step, 1000);
  EXPECT_TRUE(run.finished);
  EXPECT_TRUE(run.problems.empty());
}

TEST_F(ReadRun, DamageIsAProblemAndNothingElse) {
  write_run("run", "dqn", 1);
  std::string text;
  for (int i = 0; i < 8; ++i) text += "{damaged\n";
  text += R"({"event":"episode","step":5,"return":"high"})"
          "\n"
          R"({"event":"episode","step":9,"return":2.0})"
          "\n"
          R"({"event":"episode","st)";
  write("run/metrics.jsonl", text);
  write("run/timing.jsonl", "");
  write("run/policy.safetensors", "not one");
  const RunRecord run = read_run(path("run"));
  EXPECT_EQ(run.episodes.size(), 1U);
  EXPECT_FALSE(run.finished);
  ASSERT_EQ(run.problems.size(), 7U);  // five lines, how many more, the policy
  EXPECT_EQ(run.problems[0].line, 1U);
  EXPECT_THAT(run.problems[5].what, HasSubstr("4 more"));
  EXPECT_EQ(run.problems[6].file, "policy.safetensors");
}

// Numbers that no step or network can have were converted, to anything.
TEST_F(ReadRun, StepsAndNetworksThatAreNoWholeNumbersAreProblems) {
  write_run("run", "dqn", 1);
  std::string text;
  for (const char* step : {"1e300", "1.5", "18446744073709551615", "null"}) {
    text += std::string(R"({"event":"episode","step":)") + step + ",\"return\":1.0}\n";
  }
  text += R"({"event":"target_update","step":500,"selected":4294967296,"losses":[],"sparsity":0.1,"sparsities":[]})"
          "\n";
  write("run/metrics.jsonl", text);
  write("run/timing.jsonl", "");
  const RunRecord run = read_run(path("run"));
  EXPECT_TRUE(run.episodes.empty());
  EXPECT_TRUE(run.updates.empty());
  EXPECT_EQ(run.problems.size(), 5U);
}

TEST_F(ReadRun, WallTimeIsThatOfAllProcesses) {
  write_run("run", "dqn", 1);
  write("run/timing.jsonl",
        "{\"step\":1,\"seconds\":10,\"steps_per_second\":5}\n{\"step\":2,\"seconds\":20,\"steps_per_second\":9}\n"
        "{\"step\":2,\"seconds\":0,\"steps_per_second\":0}\n{\"step\":3,\"seconds\":30,\"steps_per_second\":7}\n"
        "{\"step\":3,\"seconds\":4,\"steps_per_second\":6}\n");
  const RunRecord run = read_run(path("run"));
  EXPECT_EQ(run.wall_seconds, 54) << "a process that resumes begins with 0; older ones are told by seconds that fall";
  EXPECT_EQ(run.steps_per_second, 6.5) << "the median of an even number of rates";
}

TEST_F(ReadRun, ADirectoryThatIsNoRunIsAnError) {
  write("other/config.toml", "[section]\nkey = 1\n");
  EXPECT_THROW(read_run(path("other")), Error);
  EXPECT_THROW(read_run(path("missing")), Error);
}

// Links in a folder were once passed over without a word.
TEST_F(ReadRun, FindsARunBehindALinkButLooksForNoneThere) {
  write_run("elsewhere/seed3", "dqn", 3);
  write_run("folder/seed1", "dqn", 1);
  std::filesystem::create_directory_symlink(path("elsewhere/seed3"), path("folder/seed2"));
  std::filesystem::create_directory_symlink(path("elsewhere"), path("folder/more"));
  std::filesystem::create_directory_symlink(path("folder"), path("folder/back"));
  EXPECT_THAT(find_runs({path("folder")}), ElementsAre(path("folder/seed1"), path("folder/seed2")));
}

TEST_F(ReadRun, FindsRunsByNumberAndOnce) {
  for (const int seed : {10, 9, 1}) write_run("sweep/seed" + std::to_string(seed), "dqn", seed);
  write("sweep/sweep.log", "text");
  std::filesystem::create_directories(path("empty"));
  EXPECT_THAT(find_runs({path("sweep/seed9"), path("sweep/sweep.log"), path("sweep")}),
              ElementsAre(path("sweep/seed9"), path("sweep/seed1"), path("sweep/seed10")));
  EXPECT_THROW(find_runs({path("empty")}), Error);
  EXPECT_THROW(find_runs({path("sweep/sweep.log")}), Error);
  EXPECT_THROW(find_runs({path("nowhere")}), Error);
}

TEST_F(ReadRun, VariantsAreRunsThatDifferInTheSeedAlone) {
  const auto resolved = [&](const std::string& name, const std::vector<std::string>& settings) {
    write(name + "/config.toml", to_toml(parse_config(builtin_config("classic/CartPole-v1", "dqn"), "dqn", settings)));
    return read_run(path(name));
  };
  std::vector<RunRecord> runs = {resolved("a", {}), resolved("b", {"seed=2", "checkpoint.period=77"}),
                                 resolved("c", {"training.gamma=0.9"}), resolved("d", {})};
  // A version that knew fewer settings.
  runs[3].config_text.erase(runs[3].config_text.find("n_step = 1\n"), 11);
  const auto variants = group_runs(runs);
  ASSERT_EQ(variants.size(), 2U);
  EXPECT_EQ(variants[0].label, "dqn (gamma=0.9)");
  EXPECT_THAT(variants[0].runs, ElementsAre(2));
  EXPECT_EQ(variants[1].label, "dqn (gamma=0.99)");
  EXPECT_THAT(variants[1].runs, ElementsAre(0, 1, 3));
  const auto commands = reproduction(runs, variants[0]);
  EXPECT_EQ(commands["commands"][0],
            "eaudeqn train classic/CartPole-v1 --algorithm dqn --seed 1 --set training.gamma=0.9");
  ASSERT_EQ(config_differences(runs, variants).size(), 1U);
}

TEST_F(ReadRun, ConfigsOfOtherVersionsAreComparedAsWritten) {
  write_run("a", "dqn", 1, "unheard_of = 1\n");
  write_run("b", "dqn", 2, "unheard_of = 1\n");
  write_run("c", "dqn", 2, "unheard_of = 2\n");
  const std::vector<RunRecord> runs = {read_run(path("a")), read_run(path("b")), read_run(path("c"))};
  const auto variants = group_runs(runs);
  ASSERT_EQ(variants.size(), 2U);
  EXPECT_EQ(variants[0].label, "dqn (unheard_of=1)");
  EXPECT_EQ(reproduction(runs, variants[1])["commands"][0], "eaudeqn train config.toml --seed 2");
}

TEST_F(ReadRun, CurvesAverageEachRunOverBinsThenTheRuns) {
  RunRecord a, b;
  a.episodes = {{10, 1.0}, {100, 3.0}, {101, 10.0}};
  b.episodes = {{50, 6.0}};
  const auto curve = training_curve({&a, &b}, 100);
  ASSERT_EQ(curve.size(), 2U);
  EXPECT_EQ(curve[0].step, 100);
  EXPECT_EQ(curve[0].runs, 2U);
  EXPECT_THAT(curve[0].point, DoubleEq(4.0));
  EXPECT_TRUE(curve[0].interval.has_value());
  EXPECT_EQ(curve[1].step, 200);
  EXPECT_THAT(curve[1].point, DoubleEq(10.0));
  EXPECT_FALSE(curve[1].interval.has_value());
  EXPECT_EQ(bin_width(10'000'000), 200'000);
  EXPECT_EQ(bin_width(123'000), 2'500);
  EXPECT_EQ(bin_width(1), 1);
}

TEST_F(ReadRun, ARunIsJudgedByItsLastEvaluationElseByItsLastEpisodes) {
  RunRecord run;
  EXPECT_FALSE(run_score(run).has_value());
  run.step = 1000;
  run.episodes = {{100, 1.0}, {900, 4.0}, {1000, 6.0}};
  EXPECT_EQ(run_score(run)->value, 5.0);
  run.evaluations = {{500, 2.0, {2.0}, 0.0}};
  EXPECT_EQ(run_score(run)->value, 2.0);
  EXPECT_TRUE(run_score(run)->evaluation);
}

TEST(Base64, ByRfc4648) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe"), "//4=");
}

}  // namespace
}  // namespace eaudeqn
