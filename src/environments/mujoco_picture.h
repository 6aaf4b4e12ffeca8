// Pictures of a MuJoCo simulation by MuJoCo's own renderer, without a screen. Part of mujoco.cc; it simulates nothing.
#pragma once

#include <mujoco/mujoco.h>

#include <memory>

#include "environments/environment.h"

namespace eaudeqn {

// Thread safety: all calls from one thread.
class MujocoPainter {
 public:
  // Throws Error::failure where there is no OpenGL that draws without a screen (libEGL with Mesa's software renderer is
  // enough), with what to install.
  MujocoPainter(const mjModel& model, const std::string& name);
  ~MujocoPainter();
  MujocoPainter(const MujocoPainter&) = delete;
  MujocoPainter& operator=(const MujocoPainter&) = delete;

  Picture paint(const mjModel& model, mjData& data);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace eaudeqn
