// Sweep files: any text. Every run that comes of an accepted one must be a config that can be written and read again,
// with a name that is one part of a path.
#include "experiment/sweep.h"
#include "harness.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace eaudeqn;
  const std::string text(reinterpret_cast<const char*>(data), size);
  Sweep sweep;
  if (!accepted("a.toml", [&] { sweep = parse_sweep(text, "a.toml"); })) return 0;
  if (sweep.runs.empty()) broken("a sweep has runs");
  for (const SweepRun& run : sweep.runs) {
    if (run.name.empty() || run.name == "." || run.name == ".." || run.name.find('/') != std::string::npos ||
        run.name.find('\0') != std::string::npos) {
      broken("a run has a directory of its own: " + run.name);
    }
    if (!(parse_config(to_toml(run.config), "again.toml") == run.config)) broken("a config survives being written");
  }
  return 0;
}
