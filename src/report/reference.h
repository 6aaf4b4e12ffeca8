// Published learning curves to draw beside one's own: some come with the program, more from files. Not runs of this
// program.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace eaudeqn {

struct ReferenceCurve {
  std::string algorithm;                  // "DQN, dense (Dopamine)"
  std::string source;                     // where the numbers are from, in a sentence
  std::vector<double> steps;              // agent steps, ascending
  std::vector<std::vector<double>> runs;  // [run][step]
};

using ReferenceCurves = std::map<std::string, ReferenceCurve>;  // by environment

// Those that come with the program.
ReferenceCurves built_in_reference_curves();

// Those of a file. It is JSON: {"source": text, "curves": {"atari/Pong": {"algorithm": text, "steps": [...], "runs":
// [[...], ...]}, ...}}. Throws Error::failure naming the file and what is wrong with it.
ReferenceCurves read_reference_curves(const std::filesystem::path& file);

}  // namespace eaudeqn
