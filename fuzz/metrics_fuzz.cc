// metrics.jsonl of a run directory, as `eaudeqn report` reads it: whatever the lines say, the run is read.
#include <fstream>

#include "harness.h"
#include "report/run_reader.h"

namespace eaudeqn {
namespace {

struct RunDirectory : MemoryDirectory {
  RunDirectory() {
    std::ofstream(path() / "config.toml") << "environment = \"classic/CartPole-v1\"\nalgorithm = \"eaudedqn\"\n"
                                             "seed = 1\n[training]\nsteps = 1_000\n";
  }
};

}  // namespace
}  // namespace eaudeqn

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace eaudeqn;
  static const RunDirectory directory;
  std::ofstream(directory.path() / "metrics.jsonl", std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  const RunRecord run = read_run(directory.path());
  if (run.episodes.size() + run.updates.size() + run.evaluations.size() > size) broken("a row takes bytes");
  return 0;
}
