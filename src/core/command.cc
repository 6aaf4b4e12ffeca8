// See command.h.
#include "core/command.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

struct Pipe {
  std::array<int, 2> ends = {-1, -1};  // read, write

  Pipe() {
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw Error::failure("cannot make a pipe: " + std::string(strerror(errno)));
  }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  void close_end(std::size_t end) {
    if (ends[end] >= 0) ::close(ends[end]);
    ends[end] = -1;
  }
};

// Until both are at their end; in turn as they come, so that neither fills up.
void drain(Pipe& output, Pipe& errors, CommandResult& result) {
  std::array<Pipe*, 2> pipes = {&output, &errors};
  std::array<std::string*, 2> texts = {&result.output, &result.errors};
  std::array<char, 4096> buffer{};
  while (output.ends[0] >= 0 || errors.ends[0] >= 0) {
    std::array<pollfd, 2> waiting = {pollfd{output.ends[0], POLLIN, 0}, pollfd{errors.ends[0], POLLIN, 0}};
    if (poll(waiting.data(), waiting.size(), -1) < 0) continue;  // a signal
    for (std::size_t i = 0; i < 2; ++i) {
      if (waiting[i].revents == 0 || waiting[i].fd < 0) continue;
      const ssize_t got = read(waiting[i].fd, buffer.data(), buffer.size());
      if (got > 0) texts[i]->append(buffer.data(), static_cast<std::size_t>(got));
      if (got == 0 || (got < 0 && errno != EINTR)) pipes[i]->close_end(0);
    }
  }
}

}  // namespace

CommandResult run_command(const std::vector<std::string>& words) {
  Pipe output;
  Pipe errors;
  std::vector<char*> arguments(words.size() + 1, nullptr);
  for (std::size_t i = 0; i < words.size(); ++i) arguments[i] = const_cast<char*>(words[i].c_str());

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output.ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors.ends[1], STDERR_FILENO);
  pid_t child = 0;
  const int code = posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (code != 0) {
    throw Error::failure(fmt::format("{}: cannot be started: {}", words[0], std::generic_category().message(code)));
  }
  output.close_end(1);
  errors.close_end(1);
  CommandResult result;
  drain(output, errors, result);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

std::string shell_quoted(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += R"('\'')";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

}  // namespace eaudeqn
