// An evaluation as a video: the environment in colour, beside it what the agent sees and what it thinks of each action.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "experiment/evaluation.h"
#include "report/canvas.h"

namespace eaudeqn {

// One frame of the film. `lowest` and `highest` are the values at the ends of the bars. The size depends on the
// environment alone and is even.
Canvas film_frame(const EvaluationView& view, const Picture& picture, double lowest, double highest);

// Thread safety: one owner.
class Film {
 public:
  // Nothing is written before the first view. Throws Error::usage for an extension that is no video's.
  explicit Film(const std::filesystem::path& file);
  ~Film();

  // At most fifty pictures a second, of the environment's own time: of faster ones every second, third, ... step is
  // shown. Throws Error::failure where the environment cannot be shown or the file not be written.
  void add(const EvaluationView& view);
  void finish();  // throws as VideoWriter::finish; nothing was added: does nothing

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace eaudeqn
