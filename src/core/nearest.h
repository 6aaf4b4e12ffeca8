// "Did you mean ...": the known names that a mistyped one resembles. For error messages only, never to guess silently.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace eaudeqn {

// With A to Z as a to z, all else as it is.
std::string lower_case(std::string text);

// The candidates that resemble `name`, best first, at most `most`; none when nothing is close. Case does not matter, a
// candidate's last part counts too ("pong" resembles "atari/Pong", "gamma" resembles "training.gamma").
std::vector<std::string> close_names(const std::string& name, const std::vector<std::string>& candidates,
                                     std::size_t most = 5);

// The first of close_names; empty when there is none.
std::string nearest_match(const std::string& name, const std::vector<std::string>& candidates);

}  // namespace eaudeqn
