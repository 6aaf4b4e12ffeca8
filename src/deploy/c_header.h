// A policy as one C99 header with no dependency: weights as constants, functions that run it, an example to test it by.
// For microcontrollers and for programs that want no library. Runs on a machine with an operating system and SIMD:
// single_forward.h.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "deploy/policy.h"
#include "engine/network_spec.h"

namespace eaudeqn {

// What a header is made of besides the policy. `prefix` begins all its names: a C identifier. `observation` is its
// example, in the form that `eaudeqn trace` writes: (H, W, C) bytes, newest frame last, or floats.
struct CHeader {
  std::string prefix;
  std::vector<std::byte> observation;
};

// The header. Its outputs equal those of `eaudeqn forward` but for rounding (1e-5 of the largest); weights are stored
// as integers where the policy has scales (quantize.h). Throws Error::failure naming `origin`, the policy's file:
// layers that disagree with the architecture, an observation of another size, images of floats; Error::usage: a prefix
// that is none.
std::string c_header(const Policy& policy, const CHeader& header, const std::string& origin);

// An example program for it; `header_name` and `program_name` are their files.
std::string c_program(const Policy& policy, const std::string& prefix, const std::string& header_name,
                      const std::string& program_name);

// A C identifier made of any text, such as a file's name.
std::string c_identifier(const std::string& text);

// An observation where there is no real one: noise that depends on the architecture alone.
std::vector<std::byte> example_observation(const Architecture& architecture);

}  // namespace eaudeqn
