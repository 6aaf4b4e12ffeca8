// See signals.h.
#include "experiment/signals.h"

#include <unistd.h>

#include <csignal>
#include <initializer_list>

namespace eaudeqn {
namespace {

volatile std::sig_atomic_t stop_signals = 0;

void on_signal(int signal) {
  if (signal == SIGINT && stop_signals != 0) _exit(128 + SIGINT);
  stop_signals = 1;
}

}  // namespace

void install_stop_handlers() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2}) sigaction(signal, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // nobody reads the progress any more: go on without
  std::signal(SIGXFSZ, SIG_IGN);  // a write past RLIMIT_FSIZE fails with an error instead, which says what to do
}

bool stop_requested() { return stop_signals != 0; }

}  // namespace eaudeqn
