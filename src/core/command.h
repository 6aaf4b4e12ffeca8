// Runs another program to its end and takes what it says. Not for programs that one talks to, or that run for long.
#pragma once

#include <string>
#include <vector>

namespace eaudeqn {

struct CommandResult {
  int exit_code = 0;  // 128 + the signal if one ended it
  std::string output;
  std::string errors;  // standard error
};

// `words` are the program, found on PATH, and its arguments; no shell sees them. Standard input is empty. Throws
// Error::failure when the program cannot be started, naming it.
CommandResult run_command(const std::vector<std::string>& words);

// `text` as one word of a POSIX shell.
std::string shell_quoted(const std::string& text);

}  // namespace eaudeqn
