// Images stay bytes in the batch-innermost layout, a quarter of the traffic of floats. The network's input is byte /
// 255; kernels sum products with whole numbers and multiply each sum by kByteScale once: forward sum x kByteScale +
// bias (one fused multiply-add), weight gradient sum x kByteScale.
#pragma once

namespace eaudeqn {

constexpr float kByteScale = 1.0F / 255.0F;

}  // namespace eaudeqn
