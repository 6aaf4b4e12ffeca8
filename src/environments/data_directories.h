// Where files that come with a simulator (ROMs, models) are looked for at run time.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace eaudeqn {

// In this order: the directory that the environment variable names, share/eaudeqn/<folder> beside the program's
// directory, the directory known at build.
std::vector<std::filesystem::path> data_directories(const char* variable, const std::string& folder,
                                                    const std::filesystem::path& known_at_build);

// The file of that name in the first of the directories that has it. Throws Error::failure naming `owner`, what kind of
// file it is, the directories and the variable where none has.
std::filesystem::path find_data_file(const std::string& name, const std::vector<std::filesystem::path>& directories,
                                     const std::string& owner, const std::string& kind, const char* variable);

}  // namespace eaudeqn
