// The subcommands: each adds itself to the command line and runs when chosen. One file per subcommand.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>

#include "deploy/policy.h"

namespace eaudeqn {

// Each registers a subcommand whose callback sets `run` to what main then calls; the result is the exit code.
using Run = std::function<int()>;
void add_train(CLI::App& app, Run& run);
void add_evaluate(CLI::App& app, Run& run);
void add_inspect(CLI::App& app, Run& run);
void add_forward(CLI::App& app, Run& run);
void add_trace(CLI::App& app, Run& run);
void add_list(CLI::App& app, Run& run);
void add_bench(CLI::App& app, Run& run);
void add_dataset(CLI::App& app, Run& run);
void add_sweep(CLI::App& app, Run& run);
void add_report(CLI::App& app, Run& run);
void add_export(CLI::App& app, Run& run);

// For options: a whole number from `least` to `most`.
constexpr std::int64_t kAnyNumber = std::numeric_limits<std::int64_t>::max();
CLI::Validator whole_number(std::int64_t least, std::int64_t most = kAnyNumber);

// For options: a number in [0, 1], which NaN is not.
CLI::Validator share();

// The policy of a run directory, or the file itself. Throws Error with advice where there is none.
std::filesystem::path policy_file(const std::filesystem::path& run_or_policy);

// The sparsity that the policy's network was trained at; its own differs where units that no output depends on were
// left out (export).
double trained_sparsity(const Policy& policy);

// Where the runs of a sweep's file are unless --output says otherwise.
std::filesystem::path sweep_directory(const std::filesystem::path& file);

// A metadata entry of a policy. Throws Error::failure naming the file where it is missing.
std::string metadata(const Policy& policy, const std::string& key, const std::filesystem::path& file);

}  // namespace eaudeqn
