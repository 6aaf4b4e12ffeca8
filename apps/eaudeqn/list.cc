// `eaudeqn list`: what there is to choose from.
#include <fmt/format.h>

#include <memory>

#include "commands.h"
#include "environments/environment.h"

namespace eaudeqn {

void add_list(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand("list", "List environments or algorithms, one a line.");
  auto what = std::make_shared<std::string>();
  command->add_option("what", *what, "environments or algorithms")
      ->required()
      ->check(CLI::IsMember({"environments", "algorithms"}));
  command->callback([what, &run] {
    run = [what] {
      if (*what == "environments") {
        for (const std::string& name : list_environments()) fmt::print("{}\n", name);
      } else {
        for (const std::string family : {"dqn", "cql"}) {
          for (const char* method : {"", "distill", "eaude", "polyprune", "rigl", "set", "static"}) {
            fmt::print("{}{}\n", method, family);
          }
        }
        fmt::print("sac\neaudesac\npolyprunesac\n");
      }
      return 0;
    };
  });
}

}  // namespace eaudeqn
