// Start here. The public API of eaudeqn, an implementation of Eau De Q-Network (arXiv 2503.01437):
//   config.h   what a run is: load_config, parse_config, builtin_config
//   train.h    train(config, options): one run, resumable
//   error.h    Error, the one exception type
// What a run leaves behind is described in docs/policy_format.md and docs/checkpoint_format.md.
#pragma once

#include "eaudeqn/config.h"  // IWYU pragma: export
#include "eaudeqn/error.h"   // IWYU pragma: export
#include "eaudeqn/train.h"   // IWYU pragma: export
