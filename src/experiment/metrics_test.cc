// metrics.jsonl and timing.jsonl: what a line looks like, and that a killed and resumed run leaves the same bytes.
#include "experiment/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "core/test_directory.h"
#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

using ::testing::HasSubstr;

class MetricsFiles : public ::testing::Test {
 protected:
  std::string content(const std::string& name) {
    const auto bytes = read_file(directory_ / name);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  void append(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name, std::ios::binary | std::ios::app) << text;
  }
  std::string open_error(std::uint64_t bytes) {
    return failure_message([&] { Metrics(directory_.path(), bytes); });
  }

  TestDirectory directory_;
};

TEST_F(MetricsFiles, ALineIsEventStepAndFieldsInTheirOrder) {
  Metrics metrics(directory_.path(), 0);
  metrics.record("episode", 120, {{"return", 9.5}, {"length", 27}, {"epsilon", 0.1}});
  metrics.record("target_update", 200, {{"selected", 1}, {"losses", {0.25, 0.5}}});
  EXPECT_EQ(content("metrics.jsonl"),
            "{\"event\":\"episode\",\"step\":120,\"return\":9.5,\"length\":27,\"epsilon\":0.1}\n"
            "{\"event\":\"target_update\",\"step\":200,\"selected\":1,\"losses\":[0.25,0.5]}\n");
}

TEST_F(MetricsFiles, NaNAndInfinitiesBecomeNull) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Metrics metrics(directory_.path(), 0);
  metrics.record("target_update", 1,
                 {{"losses", {std::numeric_limits<double>::quiet_NaN(), kInfinity, 1.0}}, {"x", -kInfinity}});
  EXPECT_EQ(content("metrics.jsonl"),
            "{\"event\":\"target_update\",\"step\":1,\"losses\":[null,null,1.0],\"x\":null}\n");
}

TEST_F(MetricsFiles, WallClockFactsStayOutOfMetrics) {
  Metrics metrics(directory_.path(), 0);
  metrics.record_timing(500, {{"seconds", 1.5}});
  EXPECT_EQ(content("metrics.jsonl"), "");
  EXPECT_EQ(content("timing.jsonl"), "{\"step\":500,\"seconds\":1.5}\n");
}

TEST_F(MetricsFiles, FieldsMustNotReplaceEventOrStep) {
  Metrics metrics(directory_.path(), 0);
  EXPECT_THROW(metrics.record("episode", 1, {{"step", 2}}), Error);
  EXPECT_THROW(metrics.record("episode", 1, {{"event", "x"}}), Error);
  EXPECT_THROW(metrics.record("episode", 1, nlohmann::ordered_json::array({1, 2})), Error);
  EXPECT_EQ(content("metrics.jsonl"), "");
}

TEST_F(MetricsFiles, SyncReturnsTheSize) {
  Metrics metrics(directory_.path(), 0);
  EXPECT_EQ(metrics.sync(), 0u);
  metrics.record("episode", 1, {{"return", 1.0}});
  EXPECT_EQ(metrics.sync(), content("metrics.jsonl").size());
}

TEST_F(MetricsFiles, AResumedRunLeavesTheBytesOfAnUninterruptedOne) {
  const auto play = [](Metrics& metrics, std::int64_t from, std::int64_t to) {
    for (std::int64_t step = from; step < to; ++step) {
      metrics.record("episode", step, {{"return", 0.1 * static_cast<double>(step)}});
    }
  };
  const TestDirectory whole;
  {
    Metrics metrics(whole.path(), 0);
    play(metrics, 0, 10);
  }
  std::uint64_t saved = 0;
  {
    Metrics metrics(directory_.path(), 0);
    play(metrics, 0, 4);
    saved = metrics.sync();
    play(metrics, 4, 7);
  }
  append("metrics.jsonl", R"({"event":"epis)");  // killed inside a write
  {
    Metrics metrics(directory_.path(), saved);
    EXPECT_EQ(metrics.sync(), saved);
    play(metrics, 4, 10);
  }
  EXPECT_EQ(read_file(directory_ / "metrics.jsonl"), read_file(whole / "metrics.jsonl"));
}

TEST_F(MetricsFiles, ResumingKeepsWholeTimingLinesAndDropsAPartialOne) {
  std::uint64_t saved = 0;
  {
    Metrics metrics(directory_.path(), 0);
    metrics.record("episode", 1, {{"return", 1.0}});
    saved = metrics.sync();
    metrics.record_timing(1, {{"seconds", 1}});
  }
  append("timing.jsonl", R"({"step":2,"sec)");
  Metrics metrics(directory_.path(), saved);
  metrics.record_timing(2, {{"seconds", 3}});
  EXPECT_EQ(content("timing.jsonl"), "{\"step\":1,\"seconds\":1}\n{\"step\":2,\"seconds\":3}\n");
}

TEST_F(MetricsFiles, ANewRunBeginsEmpty) {
  append("metrics.jsonl", "old\n");
  append("timing.jsonl", "old\n");
  const Metrics metrics(directory_.path(), 0);
  EXPECT_EQ(content("metrics.jsonl"), "");
  EXPECT_EQ(content("timing.jsonl"), "");
}

TEST_F(MetricsFiles, AFileShorterThanSavedIsRefused) {
  append("metrics.jsonl", "{}\n");
  EXPECT_THAT(open_error(4), ::testing::AllOf(HasSubstr("metrics.jsonl"), HasSubstr("restore the file")));
  EXPECT_EQ(content("metrics.jsonl"), "{}\n") << "untouched";
  EXPECT_EQ(directory_.entries(), 2u) << "no event file of a run that did not begin";
}

TEST_F(MetricsFiles, ASavedSizeInsideALineIsRefused) {
  append("metrics.jsonl", "{\"event\":1}\n");
  EXPECT_THAT(open_error(3), HasSubstr("does not end a line"));
  EXPECT_EQ(content("metrics.jsonl"), "{\"event\":1}\n") << "untouched";
}

TEST_F(MetricsFiles, AMissingDirectoryIsNamed) {
  EXPECT_THAT(failure_message([&] { Metrics(directory_ / "nowhere", 0); }), HasSubstr("nowhere/metrics.jsonl"));
}

TEST_F(MetricsFiles, AFullDiskIsNamed) {
  std::filesystem::create_symlink("/dev/full", directory_ / "metrics.jsonl");
  std::filesystem::create_symlink("/dev/full", directory_ / "timing.jsonl");
  Metrics metrics(directory_.path(), 0);
  EXPECT_THAT(failure_message([&] {
                metrics.record("episode", 1, {{"return", 1}});
              }),
              ::testing::AllOf(HasSubstr("metrics.jsonl"), HasSubstr("No space left"), HasSubstr("make room")));
  EXPECT_THAT(failure_message([&] { metrics.record_timing(1, {{"seconds", 1}}); }), HasSubstr("timing.jsonl"));
}

}  // namespace
}  // namespace eaudeqn
