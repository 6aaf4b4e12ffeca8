// `eaudeqn list`: what there is to choose from.
#include <fmt/format.h>

#include <memory>

#include "commands.h"
#include "environments/environment.h"
#include "experiment/metric_names.h"

namespace eaudeqn {

void add_list(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand("list", "List environments, algorithms or what a run records, one a line.");
  auto what = std::make_shared<std::string>();
  command->add_option("what", *what, "environments, algorithms or metrics")
      ->required()
      ->check(CLI::IsMember({"environments", "algorithms", "metrics"}));
  command->callback([what, &run] {
    run = [what] {
      if (*what == "environments") {
        for (const std::string& name : list_environments()) fmt::print("{}\n", name);
      } else if (*what == "metrics") {
        fmt::print("{}", metric_table());
      } else {
        for (const std::string family : {"dqn", "cql", "sac"}) {
          for (const char* method : {"", "distill", "eaude", "polyprune", "rigl", "set", "static"}) {
            fmt::print("{}{}\n", method, family);
          }
        }
      }
      return 0;
    };
  });
}

}  // namespace eaudeqn
