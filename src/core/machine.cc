// See machine.h.
#include "core/machine.h"

#include <sched.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <fstream>
#include <system_error>
#include <thread>

namespace eaudeqn {

std::string cpu_name() {
  std::string name = "unknown", family, model;
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line) && !line.empty();) {  // up to the end of the first processor's lines
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string key = line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1);
    const std::string value = line.substr(std::min(line.size(), colon + 2));
    if (key == "model name") name = value;
    if (key == "cpu family") family = value;
    if (key == "model") model = value;
  }
  // A virtual machine gives several generations the same name.
  if (!family.empty() && !model.empty()) name += ", family " + family + " model " + model;
  return name;
}

std::string build_name() {
#ifdef __clang__
  const std::string compiler = "Clang " + std::string(__clang_version__);
#else
  const std::string compiler = "GCC " + std::string(__VERSION__);
#endif
#ifdef __OPTIMIZE__
  return compiler + ", optimised";
#else
  return compiler + ", not optimised";
#endif
}

std::filesystem::path program_file() {
  std::error_code code;
  std::filesystem::path file = std::filesystem::read_symlink("/proc/self/exe", code);
  return code ? std::filesystem::path() : file;
}

int available_processors() {
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0) return std::max(1, CPU_COUNT(&cpus));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

void return_freed_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace eaudeqn
