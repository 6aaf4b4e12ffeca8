// The command line. Exit codes: 0 done, 1 failed, 2 bad usage or config, 75 stopped by a signal after saving.
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <string_view>

#include "commands.h"
#include "core/nearest.h"
#include "eaudeqn/error.h"

namespace eaudeqn {

CLI::Validator whole_number(std::int64_t least, std::int64_t most) {
  const std::string range =
      most == kAnyNumber ? fmt::format("from {} on", least) : fmt::format("from {} to {}", least, most);
  const auto check = [=](const std::string& text) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc::result_out_of_range)
      return fmt::format("{} is too large for a number here: at most {}", text, INT64_MAX);
    const bool good = error == std::errc() && end == text.data() + text.size() && value >= least && value <= most;
    return good ? std::string() : fmt::format("wants a whole number {}, got {}", range, text);
  };
  return {check, range};
}

CLI::Validator share() {
  const auto check = [](const std::string& text) {
    double value = -1;
    const bool good = CLI::detail::lexical_cast(text, value) && value >= 0 && value <= 1;
    return good ? std::string() : fmt::format("wants a number in [0, 1], got {}", text);
  };
  return {check, "in [0, 1]"};
}

std::filesystem::path policy_file(const std::filesystem::path& run_or_policy) {
  if (!std::filesystem::exists(run_or_policy)) {
    throw Error::failure(run_or_policy.string() + ": no such run directory or policy file");
  }
  if (!std::filesystem::is_directory(run_or_policy)) {
    const std::string extension = run_or_policy.extension().string();
    if (extension == ".toml" || extension == ".jsonl" || extension == ".checkpoint") {
      throw Error::failure(run_or_policy.string() +
                           ": no policy; give the run directory, or the policy.safetensors in it");
    }
    return run_or_policy;
  }
  std::filesystem::path file = run_or_policy / "policy.safetensors";
  if (!std::filesystem::exists(file)) {
    if (!std::filesystem::exists(run_or_policy / "config.toml")) {
      throw Error::failure(run_or_policy.string() +
                           ": neither a run directory, which has a config.toml, nor one with a policy.safetensors");
    }
    throw Error::failure(run_or_policy.string() +
                         ": has no policy.safetensors; it is written with the run's first checkpoint");
  }
  return file;
}

std::filesystem::path sweep_directory(const std::filesystem::path& file) {
  return std::filesystem::path("runs") / file.stem();
}

std::string metadata(const Policy& policy, const std::string& key, const std::filesystem::path& file) {
  const auto found = policy.metadata.find(key);
  if (found == policy.metadata.end()) throw Error::failure(file.string() + ": the metadata has no \"" + key + "\"");
  return found->second;
}

double trained_sparsity(const Policy& policy) {
  const auto found = policy.metadata.find("sparsity");
  double trained = policy.sparsity();
  if (found != policy.metadata.end()) CLI::detail::lexical_cast(found->second, trained);
  return trained;
}

namespace {

constexpr int kExitUsage = 2;

// The chosen subcommand of a subcommand ... of the program.
const CLI::App& innermost(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : innermost(*chosen.back());
}

std::string full_name(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name() : full_name(*app.get_parent()) + " " + app.get_name();
}

std::vector<std::string> command_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::string did_you_mean(const std::string& word, const std::vector<std::string>& names) {
  const std::string nearest = nearest_match(word, names);
  return nearest.empty() ? "." : fmt::format("; did you mean {}?", nearest);
}

std::string no_command(const CLI::App& app, const std::string& word) {
  const std::vector<std::string> commands = command_names(app);
  return fmt::format("{} has no command {}{} There are {}", full_name(app), word, did_you_mean(word, commands),
                     fmt::join(commands, ", "));
}

// What CLI11 says of a command line that it does not accept, in words that help.
std::string explain(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = innermost(app);
  const std::string see = fmt::format(" (see {} --help)", full_name(command));
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    for (const std::string& word : app.remaining(true)) {
      if (word.starts_with("-")) {
        const std::string name = word.substr(0, word.find('='));
        return fmt::format("{} has no option {}{}{}", full_name(command), name,
                           did_you_mean(name, option_names(command)), see);
      }
    }
    if (!command_names(command).empty() && !app.remaining(true).empty()) {
      return no_command(command, app.remaining(true).front()) + see;
    }
  }
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && !command_names(command).empty()) {
    const std::vector<std::string> commands = command_names(command);
    const std::vector<std::string> words = app.remaining(true);
    if (!words.empty() && !words.front().starts_with("-")) return no_command(command, words.front()) + see;
    return fmt::format("{} wants one of {}{}", full_name(command), fmt::join(commands, ", "), see);
  }
  return error.what() + see;
}

int run_command_line(int argc, char** argv) {
  CLI::App app{
      "eaudeqn trains Eau De Q-Network agents that grow sparse at their own pace, and runs them.\n"
      "First steps:  eaudeqn train classic/CartPole-v1      then  eaudeqn inspect runs/...\n"
      "              eaudeqn train atari/Pong --algorithm eaudedqn_small\n"
      "              eaudeqn COMMAND --help"};
  app.name("eaudeqn");
  app.require_subcommand(0, 1);  // none: answered below, since the word that was meant as one should be named
  app.set_version_flag("--version", std::string("eaudeqn ") + EAUDEQN_VERSION);
  Run run;
  add_train(app, run);
  add_evaluate(app, run);
  add_inspect(app, run);
  add_forward(app, run);
  add_trace(app, run);
  add_list(app, run);
  add_bench(app, run);
  add_dataset(app, run);
  add_sweep(app, run);
  add_report(app, run);
  add_export(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help, --version
    throw Error::usage(explain(app, error));
  }
  if (!run)
    throw Error::usage(
        fmt::format("a command is required: one of {} (see eaudeqn --help)", fmt::join(command_names(app), ", ")));
  return run();
}

constexpr std::string_view kOutOfMemory = "error: out of memory; a smaller replay.capacity or network needs less\n";

// A standard stream that was closed must not lend its number to a file, into which everything said would go. Opened for
// reading alone, so that writing to it fails as it did.
void keep_numbers_of_closed_streams() {
  for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; ++stream) {
    if (::fcntl(stream, F_GETFD) == -1) [[maybe_unused]]
      const int got = ::open("/dev/null", O_RDONLY);
  }
}

const std::terminate_handler kStandardEnd = std::get_terminate();

// Destructors that need memory themselves, as those of JSON values do, cannot say that there is none: they end the
// program.
void end_of_program() {
  try {
    if (const std::exception_ptr thrown = std::current_exception()) std::rethrow_exception(thrown);
  } catch (const std::bad_alloc&) {
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kOutOfMemory.data(), kOutOfMemory.size());
    ::_exit(1);
  } catch (...) {  // a mistake in the program, for which the standard has words
  }
  kStandardEnd();
}

}  // namespace
}  // namespace eaudeqn

int main(int argc, char** argv) {
  eaudeqn::keep_numbers_of_closed_streams();
  std::set_terminate(eaudeqn::end_of_program);
  try {
    const int exit_code = eaudeqn::run_command_line(argc, argv);
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return exit_code;
    std::fprintf(stderr, "error: standard output: cannot be written: %s\n", std::strerror(errno));
  } catch (const eaudeqn::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return error.kind() == eaudeqn::Error::Kind::usage ? eaudeqn::kExitUsage : 1;
  } catch (const std::bad_alloc&) {
    std::fputs(eaudeqn::kOutOfMemory.data(), stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
  }
  return 1;
}
