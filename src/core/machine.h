// Where the program is and what it runs on: its file, the processor, the compiler, its memory. It measures nothing.
#pragma once

#include <filesystem>
#include <string>

namespace eaudeqn {

std::string cpu_name();                // "AMD EPYC 7B13, family 25 model 1", or "unknown"
std::string build_name();              // "GCC 12.2.0, optimised"
std::filesystem::path program_file();  // of this process, absolute; empty if the system does not say
int available_processors();            // those this process may run on, at least 1

// Hands back to the system what the allocator keeps of freed memory, in some milliseconds; for after work that needed
// much more than usual. Does nothing where the C library has no such call.
void return_freed_memory();

}  // namespace eaudeqn
