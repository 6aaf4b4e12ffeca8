// What one core could do at most: the yardstick of kernels_bench.cc. It knows no kernel.
#pragma once

namespace eaudeqn {

// Fused multiply-adds on registers alone, in GFLOP/s of processor time (two operations each), with the instruction set
// that the kernels use on this machine. Measured anew by each call, the best of some tries; takes about 0.1 s.
double measure_fma_peak();

}  // namespace eaudeqn
