// Errors that would hurt the test program itself (limits, user ids) are provoked in a child process.
#include "core/files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <functional>
#include <thread>

#include "core/test_directory.h"

namespace eaudeqn {
namespace {

using testing::HasSubstr;

std::string text_of(const std::filesystem::path& file) {
  const auto content = read_file(file);
  return {reinterpret_cast<const char*>(content.data()), content.size()};
}

// What `code` threw in a child process; "nothing" if it threw nothing, "signal N" if that ended it.
std::string thrown_in_child(const std::function<void()>& code) {
  int ends[2];
  if (::pipe(ends) != 0) return "pipe failed";
  const pid_t child = ::fork();
  if (child == 0) {
    std::string message = "nothing";
    try {
      code();
    } catch (const std::exception& error) {
      message = error.what();
    }
    const ssize_t written = ::write(ends[1], message.data(), message.size());
    ::_exit(written < 0 ? 1 : 0);
  }
  ::close(ends[1]);
  std::string message;
  char buffer[256];
  for (ssize_t got = 0; (got = ::read(ends[0], buffer, sizeof(buffer))) > 0;) {
    message.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status)) : message;
}

TEST(Files, ReadBackWhatWasWritten) {
  const TestDirectory directory;
  for (const std::size_t size : {0, 1, 4096, 300'000}) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7 + i / 256);
    write_file_atomically(directory / "file", text);
    EXPECT_EQ(text_of(directory / "file"), text);
  }
  EXPECT_EQ(directory.entries(), 1u) << "temporary files were left";
}

TEST(Files, WritePiecesInOrder) {
  const TestDirectory directory;
  const std::string first = "first ", second, third = "third";
  const std::vector<std::span<const std::byte>> pieces = {
      std::as_bytes(std::span(first)), std::as_bytes(std::span(second)), std::as_bytes(std::span(third))};
  write_file_atomically(directory / "file", pieces);
  EXPECT_EQ(text_of(directory / "file"), "first third");
}

TEST(Files, GetTheUsualPermissions) {
  const TestDirectory directory;
  const mode_t former = ::umask(027);
  write_file_atomically(directory / "file", std::string("x"));
  ::umask(former);
  struct stat status {};
  ASSERT_EQ(::stat((directory / "file").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST(Files, CanBeWrittenByNameAloneInTheWorkingDirectory) {
  const TestDirectory directory;
  EXPECT_EQ(thrown_in_child([&] {
              std::filesystem::current_path(directory.path());
              write_file_atomically("name", std::string("x"));
            }),
            "nothing");
  EXPECT_EQ(text_of(directory / "name"), "x");
}

TEST(Files, ReadOfNoFileSaysSo) {
  const TestDirectory directory;
  const std::string message = failure_message([&] { read_file(directory / "none"); });
  EXPECT_THAT(message, HasSubstr((directory / "none").string()));
  EXPECT_THAT(message, HasSubstr("No such file"));
  EXPECT_THAT(failure_message([&] { read_file(directory.path()); }), HasSubstr("Is a directory"));
}

// Their size says 0, yet they have content.
TEST(Files, ReadOfSpecialFilesGetsAllOfThem) { EXPECT_THAT(text_of("/proc/self/status"), HasSubstr("VmRSS")); }

TEST(Files, WriteIntoNoDirectorySaysSo) {
  const TestDirectory directory;
  const auto file = directory / "none/file";
  EXPECT_THAT(failure_message([&] { write_file_atomically(file, std::string("x")); }), HasSubstr("No such file"));
  write_file_atomically(directory / "plain", std::string("x"));
  EXPECT_THAT(failure_message([&] { write_file_atomically(directory / "plain/file", std::string("x")); }),
              HasSubstr("Not a directory"));
}

TEST(Files, ADirectoryInTheWayStaysAndNothingElseIsLeft) {
  const TestDirectory directory;
  std::filesystem::create_directories(directory / "file/inside");
  const std::string message = failure_message([&] { write_file_atomically(directory / "file", std::string("x")); });
  EXPECT_THAT(message, HasSubstr("cannot replace it"));
  EXPECT_THAT(message, HasSubstr("directory"));
  EXPECT_TRUE(std::filesystem::exists(directory / "file/inside"));
  EXPECT_EQ(directory.entries(), 1u);
}

TEST(Files, AWriteThatFailsHalfwayLeavesTheOldContent) {
  const TestDirectory directory;
  write_file_atomically(directory / "file", std::string("old"));
  const std::string message = thrown_in_child([&] {
    const rlimit limit{100'000, 100'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    write_file_atomically(directory / "file", std::string(200'000, 'x'));
  });
  EXPECT_THAT(message, HasSubstr((directory / "file").string()));
  EXPECT_THAT(message, HasSubstr("File too large"));
  EXPECT_THAT(message, HasSubstr("ulimit -f"));
  EXPECT_EQ(text_of(directory / "file"), "old");
  EXPECT_EQ(directory.entries(), 1u);
}

TEST(Files, AFailedWriteKeepsTheSignalMaskAndLeavesNoSignalPending) {
  const TestDirectory directory;
  EXPECT_EQ(thrown_in_child([&] {
              const rlimit limit{1000, 1000};
              ::setrlimit(RLIMIT_FSIZE, &limit);
              try {
                write_file_atomically(directory / "file", std::string(2000, 'x'));
              } catch (const Error&) {
              }
              sigset_t mask, pending;
              pthread_sigmask(SIG_SETMASK, nullptr, &mask);
              sigpending(&pending);
              if (sigismember(&mask, SIGXFSZ) || sigismember(&pending, SIGXFSZ)) throw std::runtime_error("changed");
            }),
            "nothing");
}

TEST(Files, WriteWithoutPermissionSaysSo) {
  const TestDirectory directory;
  std::filesystem::permissions(directory.path(), std::filesystem::perms{0555});
  const std::string message = thrown_in_child([&] {
    if (::geteuid() == 0 && ::seteuid(65'534) != 0) throw std::runtime_error("seteuid failed");
    write_file_atomically(directory / "file", std::string("x"));
  });
  EXPECT_THAT(message, HasSubstr("Permission denied"));
  EXPECT_THAT(message, HasSubstr("check the permissions"));
  std::filesystem::permissions(directory.path(), std::filesystem::perms{0755});
  EXPECT_EQ(directory.entries(), 0u);
}

TEST(Files, ReadersNeverSeeAPartialFile) {
  const TestDirectory directory;
  const auto file = directory / "file";
  write_file_atomically(file, std::string(50'000, 'a'));
  std::thread writer([&] {
    for (int i = 0; i < 30; ++i) write_file_atomically(file, std::string(50'000, i % 2 == 0 ? 'b' : 'a'));
  });
  int bad = 0;
  for (int i = 0; i < 300; ++i) {
    const std::string text = text_of(file);
    if (text != std::string(50'000, text.empty() ? 'a' : text[0])) ++bad;
  }
  writer.join();
  EXPECT_EQ(bad, 0);
}

TEST(Files, RemoveUnfinishedFilesRemovesOnlyThose) {
  const TestDirectory directory;
  for (const char* name : {".latest.123.0.unfinished", "notes.unfinished", ".hidden"}) {
    std::ofstream(directory / name) << "x";
  }
  remove_unfinished_files(directory.path());
  EXPECT_FALSE(std::filesystem::exists(directory / ".latest.123.0.unfinished"));
  EXPECT_TRUE(std::filesystem::exists(directory / "notes.unfinished"));
  EXPECT_TRUE(std::filesystem::exists(directory / ".hidden"));
  remove_unfinished_files(directory / "none");  // and is silent about what is not there
}

// A killed writer leaves its temporary file, under a name that remove_unfinished_files knows.
TEST(Files, RemoveUnfinishedFilesRemovesThatOfAKilledWriter) {
  const TestDirectory directory;
  const auto names = [&] {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path())) {
      found.push_back(entry.path().filename().string());
    }
    return found;
  };
  bool left_one = false;
  for (int attempt = 0; attempt < 200 && !left_one; ++attempt) {
    thrown_in_child([&] {
      ::ualarm(static_cast<useconds_t>(500 + 100 * attempt), 0);  // its signal ends the process
      const std::string text(1'000'000, 'x');
      for (;;) write_file_atomically(directory / "file", text);
    });
    for (const std::string& name : names()) left_one |= name != "file";
  }
  ASSERT_TRUE(left_one) << "no kill fell into a write";
  remove_unfinished_files(directory.path());
  for (const std::string& name : names()) EXPECT_EQ(name, "file");
}

TEST(Checksum, IsFixedForever) {
  EXPECT_EQ(checksum({}), 0x2D06800538D394C2u);  // XXH3_64bits of nothing
  const std::string text = "Eau De Q-Network";
  EXPECT_EQ(checksum(std::as_bytes(std::span(text))), 0x3F343191C5827F57u);
}

TEST(DirectoryLock, KeepsAnotherProcessOutAndNamesTheHolder) {
  const TestDirectory directory;
  const DirectoryLock lock(directory.path());
  const std::string message = thrown_in_child([&] { const DirectoryLock second(directory.path()); });
  EXPECT_THAT(message, HasSubstr(directory.path().string()));
  EXPECT_THAT(message, HasSubstr("process " + std::to_string(::getpid()) + ";"));
}

TEST(DirectoryLock, KeepsASecondLockOfTheSameProcessOut) {
  const TestDirectory directory;
  const DirectoryLock lock(directory.path());
  EXPECT_THAT(failure_message([&] { const DirectoryLock second(directory.path()); }), HasSubstr("in use by process"));
}

TEST(DirectoryLock, EndsWithItsLifeAndWithItsProcess) {
  const TestDirectory directory;
  { const DirectoryLock lock(directory.path()); }
  EXPECT_EQ(thrown_in_child([&] {
              const DirectoryLock lock(directory.path());
              ::raise(SIGKILL);
            }),
            "signal 9");
  const DirectoryLock lock(directory.path());
}

TEST(DirectoryLock, OfNoDirectorySaysSo) {
  EXPECT_THAT(failure_message([] { const DirectoryLock lock("/nonexistent"); }), HasSubstr("/nonexistent/.lock"));
}

}  // namespace
}  // namespace eaudeqn
