// Stop requests: SIGINT, SIGTERM, SIGHUP, SIGUSR1 and SIGUSR2 ask for "finish the step, save, exit 75"; a second SIGINT
// ends the process at once (checkpoints are replaced atomically, so nothing is harmed).
#pragma once

namespace eaudeqn {

constexpr int kExitStopped = 75;  // stopped by a signal after saving; resume with --resume

// Installs the handlers for the whole process. Call once, early.
void install_stop_handlers();

// True once a signal came. Async-signal-safe flag; any thread may ask.
bool stop_requested();

}  // namespace eaudeqn
