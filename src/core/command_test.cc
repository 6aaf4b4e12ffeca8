// Other programs' output, exit codes and absence; words as a shell reads them.
#include "core/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/test_directory.h"

namespace eaudeqn {
namespace {

TEST(Command, TakesOutputErrorsAndExitCode) {
  const CommandResult result = run_command({"sh", "-c", "echo out; echo err >&2; cat; exit 3"});
  EXPECT_EQ(result.output, "out\n");
  EXPECT_EQ(result.errors, "err\n");
  EXPECT_EQ(result.exit_code, 3);
}

TEST(Command, TakesMoreThanAPipeHolds) {
  const CommandResult result = run_command({"sh", "-c", "head -c 300000 /dev/zero >&2; head -c 200000 /dev/zero"});
  EXPECT_EQ(result.output.size(), 200'000u);
  EXPECT_EQ(result.errors.size(), 300'000u);
}

TEST(Command, NamesTheSignalThatEndedIt) { EXPECT_EQ(run_command({"sh", "-c", "kill -9 $$"}).exit_code, 128 + 9); }

TEST(Command, AProgramThatIsNotThereIsNamed) {
  EXPECT_THAT(failure_message([] { run_command({"no-such-program-here"}); }),
              testing::HasSubstr("no-such-program-here: cannot be started: No such file"));
}

TEST(Command, QuotedWordsReachAProgramAsTheyAre) {
  for (const std::string word : {"plain", "two words", "it's", "$HOME `id` \"x\" \\", ""}) {
    EXPECT_EQ(run_command({"sh", "-c", "printf %s " + shell_quoted(word)}).output, word);
  }
}

}  // namespace
}  // namespace eaudeqn
