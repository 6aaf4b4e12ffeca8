// The command line. Exit codes: 0 done, 1 failed, 2 bad usage or config, 75 stopped by a signal after saving.
#include <cstdio>
#include <exception>

#include "commands.h"
#include "eaudeqn/error.h"
#include "experiment/signals.h"

namespace eaudeqn {

std::filesystem::path policy_file(const std::filesystem::path& run_or_policy) {
  if (!std::filesystem::exists(run_or_policy)) {
    throw Error::failure(run_or_policy.string() + ": no such run directory or policy file");
  }
  if (!std::filesystem::is_directory(run_or_policy)) return run_or_policy;
  std::filesystem::path file = run_or_policy / "policy.safetensors";
  if (!std::filesystem::exists(file)) {
    throw Error::failure(run_or_policy.string() +
                         ": has no policy.safetensors; it is written with the run's first checkpoint");
  }
  return file;
}

std::string metadata(const Policy& policy, const std::string& key, const std::filesystem::path& file) {
  const auto found = policy.metadata.find(key);
  if (found == policy.metadata.end()) throw Error::failure(file.string() + ": the metadata has no \"" + key + "\"");
  return found->second;
}

namespace {

constexpr int kExitUsage = 2;

int run_command_line(int argc, char** argv) {
  CLI::App app{
      "eaudeqn trains Eau De Q-Network agents that grow sparse at their own pace, and runs them.\n"
      "First steps:  eaudeqn train classic/CartPole-v1      then  eaudeqn inspect runs/...\n"
      "              eaudeqn train atari/Pong --algorithm eaudedqn_small\n"
      "              eaudeqn COMMAND --help"};
  app.name("eaudeqn");
  app.require_subcommand(0, 1);  // none: answered below, since the word that was meant as one should be named
  app.set_version_flag("--version", std::string("eaudeqn ") + EAUDEQN_VERSION);
  app.failure_message([](const CLI::App* failed, const CLI::Error& error) {
    return "error: " + std::string(error.what()) + " (see " + failed->get_name() + " --help)\n";
  });
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
    return app.exit(error) == 0 ? 0 : kExitUsage;
  }
  if (!run)
    throw Error::usage(
        "a command is required: train, evaluate, inspect, forward, export, trace, list, dataset, sweep, report or "
        "bench (see eaudeqn --help)");
  install_stop_handlers();
  return run();
}

}  // namespace
}  // namespace eaudeqn

int main(int argc, char** argv) {
  try {
    return eaudeqn::run_command_line(argc, argv);
  } catch (const eaudeqn::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return error.kind() == eaudeqn::Error::Kind::usage ? eaudeqn::kExitUsage : 1;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "error: out of memory; a smaller replay.capacity or network needs less\n");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
  }
  return 1;
}
