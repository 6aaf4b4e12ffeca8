// `eaudeqn report`: one HTML page about many runs.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "core/files.h"
#include "eaudeqn/error.h"
#include "experiment/progress.h"
#include "report/document.h"
#include "report/page.h"
#include "report/reference.h"

namespace eaudeqn {
namespace {

struct Arguments {
  std::vector<std::filesystem::path> subjects;
  std::filesystem::path output;  // empty: report.html, or with --json none
  std::vector<std::filesystem::path> references;
  bool json = false;
};

// A sweep's file stands for the folder where its runs are unless --output said otherwise.
std::filesystem::path folder_of(const std::filesystem::path& subject) {
  if (subject.extension() != ".toml" || !std::filesystem::is_regular_file(subject)) return subject;
  std::filesystem::path folder = sweep_directory(subject);
  if (std::filesystem::is_directory(folder)) return folder;
  throw Error::usage(
      fmt::format("{}: its runs are not in {}: give the folder where they are", subject.string(), folder.string()));
}

std::vector<RunRecord> read_runs(const Arguments& arguments) {
  std::vector<std::filesystem::path> folders;
  for (const std::filesystem::path& subject : arguments.subjects) folders.push_back(folder_of(subject));
  const auto directories = find_runs(folders);
  std::vector<RunRecord> runs;
  ProgressLine progress;
  for (const auto& directory : directories) {
    if (!arguments.json && progress.due()) {
      progress.show(fmt::format("reading run {} of {}: {}", runs.size() + 1, directories.size(), directory.string()));
    }
    try {
      runs.push_back(read_run(directory));
    } catch (const Error& error) {  // something else that has a config.toml
      progress.print(fmt::format("left out: {}", error.what()));
    }
  }
  if (runs.empty()) throw Error::failure("none of the directories holds a run that can be read");
  return runs;
}

// Later files replace earlier ones and what comes with the program. A file that has nothing for any of the runs is told
// of: most likely an environment's name is misspelt.
ReferenceCurves reference_curves(const std::vector<std::filesystem::path>& files, const std::vector<RunRecord>& runs) {
  ReferenceCurves all = built_in_reference_curves();
  for (const auto& file : files) {
    ReferenceCurves curves = read_reference_curves(file);
    const auto has = [&](const RunRecord& run) { return curves.contains(run.environment); };
    if (std::none_of(runs.begin(), runs.end(), has)) {
      std::string names;
      for (const auto& [environment, curve] : curves) names += (names.empty() ? "" : ", ") + environment;
      fmt::print(stderr, "{}: draws nothing: its curves are of {}, and no run is\n", file.string(),
                 names.empty() ? "no environment" : names);
    }
    curves.merge(std::move(all));  // keeps its own where both have one
    all = std::move(curves);
  }
  return all;
}

int run_report(const Arguments& arguments) {
  const std::vector<RunRecord> runs = read_runs(arguments);
  const auto document = make_document(runs, reference_curves(arguments.references, runs), EAUDEQN_VERSION);
  if (arguments.json) {
    fmt::print("{}\n", document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    if (arguments.output.empty()) return 0;
  }
  const std::filesystem::path output = arguments.output.empty() ? "report.html" : arguments.output;
  std::vector<std::filesystem::path> videos;
  videos.reserve(runs.size());
  for (const RunRecord& run : runs) videos.push_back(run.video);
  write_file_atomically(output, make_page(document, videos));
  for (const auto& problem : document["problems"]) {
    const std::string line = problem["line"].is_null() ? "" : fmt::format(":{}", problem["line"].get<std::size_t>());
    fmt::print(stderr, "{}/{}{}: {}\n", problem["run"].get<std::string>(), problem["file"].get<std::string>(), line,
               problem["what"].get<std::string>());
  }
  fmt::print(stderr, "{}: {} run{} of {} variant{}; open it in a browser\n", output.string(), runs.size(),
             runs.size() == 1 ? "" : "s", document["variants"].size(), document["variants"].size() == 1 ? "" : "s");
  return 0;
}

}  // namespace

void add_report(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "report",
      "One HTML page about runs: returns with intervals, learning curves, sparsity, cost. It needs no network and may "
      "be sent to anyone. Runs that still go on are shown as far as they are.");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("subjects", arguments->subjects, "Run directories, folders of them, or a sweep's file")
      ->required()
      ->type_name("RUN|FOLDER|SWEEP.toml");
  command->add_option("--output", arguments->output, "The page (default report.html)")->type_name("FILE.html");
  command
      ->add_option("--reference", arguments->references,
                   "More published curves to draw (docs/report.md has the format); dense DQN and SAC are built in")
      ->type_name("FILE.json");
  command->add_flag("--json", arguments->json,
                    "All numbers as one JSON object on stdout; the page then only with --output");
  command->footer("Example: eaudeqn report runs/ --output report.html");
  command->callback([arguments, &run] { run = [arguments] { return run_report(*arguments); }; });
}

}  // namespace eaudeqn
