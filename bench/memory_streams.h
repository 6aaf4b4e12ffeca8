// What the memory system could do at most: the other yardstick beside fma_peak.h. It knows no kernel.
#pragma once

#include <cstddef>

namespace eaudeqn {

// read: every byte is loaded once per pass. update: loaded, changed and stored in place, as an optimizer does; counts
// twice, once each way.
enum class Stream { read, update };

// Bytes per second, in GB/s (1e9), of `threads` threads that each walk through `bytes` bytes of their own again and
// again: the best of some tries; takes 0.1 s or so. The size chooses the level of the memory system. `bytes` is a
// multiple of 4096.
double measure_stream(Stream stream, std::size_t bytes, int threads);

}  // namespace eaudeqn
