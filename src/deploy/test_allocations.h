// For tests only: how often a piece of code asks for memory, by new or by malloc. Under sanitizers, which bring their
// own malloc, only new is counted.
#pragma once

#include <functional>

namespace eaudeqn {

// Of the calling thread, while `work` runs.
int allocations_of(const std::function<void()>& work);

}  // namespace eaudeqn
