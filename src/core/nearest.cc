// Edit distance over a handful of names; quadratic in names of about the same size, and content with it.
#include "core/nearest.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace eaudeqn {

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

namespace {

std::string last_part(const std::string& name) {
  const std::size_t separator = name.find_last_of("./");
  return separator == std::string::npos ? name : name.substr(separator + 1);
}

// Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> before_last(b.size() + 1), last(b.size() + 1), current(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    current[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      current[j] = std::min({last[j] + 1, current[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) current[j] = std::min(current[j], before_last[j - 2] + 1);
    }
    before_last.swap(last);
    last.swap(current);
  }
  return last[b.size()];
}

// The same, or something above `limit` where the sizes alone say that it is: names in files may be of any size.
std::size_t edit_distance_up_to(std::size_t limit, const std::string& a, const std::string& b) {
  const std::size_t least = std::max(a.size(), b.size()) - std::min(a.size(), b.size());
  return least > limit ? least : edit_distance(a, b);
}

// How far `candidate` is from `name`, both in lower case; above `limit` it does not matter how far.
std::size_t difference(std::size_t limit, const std::string& name, const std::string& candidate) {
  std::size_t least = edit_distance_up_to(limit, name, candidate);
  const std::string name_part = last_part(name);
  if (name_part.empty()) return least;
  const std::string candidate_part = last_part(candidate);
  least = std::min(least, edit_distance_up_to(limit, name_part, candidate_part) + (name_part == name ? 0 : 1));
  const bool contained = name_part.size() >= 3 && candidate_part.find(name_part) != std::string::npos;
  return contained ? std::min<std::size_t>(least, 1) : least;
}

}  // namespace

std::vector<std::string> close_names(const std::string& name, const std::vector<std::string>& candidates,
                                     std::size_t most) {
  const std::string wanted = lower_case(name);
  const std::size_t limit = std::max<std::size_t>(1, std::min<std::size_t>(4, last_part(wanted).size() / 3));
  std::vector<std::pair<std::size_t, std::string>> close;
  for (const std::string& candidate : candidates) {
    const std::size_t distance = difference(limit, wanted, lower_case(candidate));
    if (distance <= limit) close.emplace_back(distance, candidate);
  }
  std::stable_sort(close.begin(), close.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> names;
  for (std::size_t i = 0; i < close.size() && i < most; ++i) names.push_back(std::move(close[i].second));
  return names;
}

std::string nearest_match(const std::string& name, const std::vector<std::string>& candidates) {
  const std::vector<std::string> names = close_names(name, candidates, 1);
  return names.empty() ? std::string() : names.front();
}

}  // namespace eaudeqn
