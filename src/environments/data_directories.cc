// The implementation of data_directories.h.
#include "environments/data_directories.h"

#include <cstdlib>
#include <system_error>

#include "core/machine.h"
#include "eaudeqn/error.h"

namespace eaudeqn {

std::vector<std::filesystem::path> data_directories(const char* variable, const std::string& folder,
                                                    const std::filesystem::path& known_at_build) {
  std::vector<std::filesystem::path> directories;
  const char* chosen = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): nothing here sets variables
  if (chosen != nullptr && *chosen != '\0') directories.emplace_back(chosen);
  const std::filesystem::path program = program_file();
  if (!program.empty()) directories.push_back(program.parent_path().parent_path() / "share" / "eaudeqn" / folder);
  directories.push_back(known_at_build);
  return directories;
}

std::filesystem::path find_data_file(const std::string& name, const std::vector<std::filesystem::path>& directories,
                                     const std::string& owner, const std::string& kind, const char* variable) {
  std::string places;
  for (const auto& directory : directories) {
    auto file = directory / name;
    std::error_code unreadable;
    if (std::filesystem::is_regular_file(file, unreadable)) return file;
    places += (places.empty() ? "" : ", ") + directory.string();
  }
  throw Error::failure(owner + ": no " + kind + " " + name + " in " + places + "; run scripts/bootstrap.sh or set " +
                       variable + " to the directory that has it");
}

}  // namespace eaudeqn
