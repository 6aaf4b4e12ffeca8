// What a number was measured on: the processor and the compiler, as words for a report. It measures nothing.
#pragma once

#include <string>

namespace eaudeqn {

std::string cpu_name();      // "AMD EPYC 7B13", or "unknown"
std::string build_name();    // "GCC 12.2.0, optimised"
int available_processors();  // those this process may run on, at least 1

}  // namespace eaudeqn
