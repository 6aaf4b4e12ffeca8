// See topology.h.
#include "sparsity/topology.h"

#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "eaudeqn/error.h"
#include "sparsity/entries.h"

namespace eaudeqn {
namespace {

using Entries = std::vector<std::size_t>;

// `count` of the candidates, every choice equally likely, in their order (Knuth, algorithm S).
Entries draw(const Entries& candidates, std::size_t count, RandomStream& stream) {
  Entries chosen;
  chosen.reserve(count);
  for (std::size_t i = 0; chosen.size() < count; ++i) {
    if (stream.below(candidates.size() - i) < count - chosen.size()) chosen.push_back(candidates[i]);
  }
  return chosen;
}

// The first `count` of the candidates in a strict order of all of them, ascending by index.
template <typename Before>
Entries first_of(Entries candidates, std::size_t count, const Before& before) {
  const auto end = candidates.begin() + static_cast<std::ptrdiff_t>(count);
  std::nth_element(candidates.begin(), end, candidates.end(), before);
  candidates.resize(count);
  std::sort(candidates.begin(), candidates.end());
  return candidates;
}

// What a move chooses from, and what it drops.
struct Choice {
  Entries inactive, dropped;
};

Choice choose(const PrunableLayer& layer, double share) {
  if (layer.mask.size() != layer.weights.size()) {
    throw Error::failure(
        fmt::format("a layer of {} weights has a mask of {}", layer.weights.size(), layer.mask.size()));
  }
  Choice choice;
  Entries active;
  for (std::size_t i = 0; i < layer.mask.size(); ++i) (layer.mask[i] != 0 ? active : choice.inactive).push_back(i);
  const std::size_t most = std::min(active.empty() ? 0 : active.size() - 1, choice.inactive.size());
  const std::size_t count = std::min(share_of(share, active.size()), most);
  choice.dropped = first_of(std::move(active), count, [&](std::size_t a, std::size_t b) {
    const std::uint32_t key_a = magnitude_key(layer.weights[a]);
    const std::uint32_t key_b = magnitude_key(layer.weights[b]);
    return key_a != key_b ? key_a < key_b : a < b;
  });
  return choice;
}

}  // namespace

std::vector<std::vector<std::uint8_t>> random_masks(std::span<const std::vector<std::size_t>> shapes, double sparsity,
                                                    Distribution distribution, RandomStream& stream) {
  const std::vector<double> shares = layer_sparsities(shapes, sparsity, distribution);
  std::vector<std::vector<std::uint8_t>> masks;
  for (std::size_t l = 0; l < shapes.size(); ++l) {
    const std::size_t n = elements(shapes[l]);
    Entries all(n);
    std::iota(all.begin(), all.end(), std::size_t{0});
    masks.emplace_back(n, std::uint8_t{1});
    for (const std::size_t i : draw(all, std::min(share_of(shares[l], n), n - 1), stream)) masks.back()[i] = 0;
  }
  return masks;
}

double drop_share(std::int64_t step, std::int64_t start, std::int64_t end, double initial) {
  if (step <= start) return initial;
  if (step >= end) return 0.0;
  const double progress = static_cast<double>(step - start) / static_cast<double>(end - start);
  return initial / 2 * (1 + std::cos(std::numbers::pi * progress));
}

Move set_move(const PrunableLayer& layer, double share, RandomStream& stream) {
  Choice choice = choose(layer, share);
  return {choice.dropped, draw(choice.inactive, choice.dropped.size(), stream)};
}

Move rigl_move(const PrunableLayer& layer, std::span<const float> gradient, double share) {
  if (gradient.size() != layer.weights.size()) {
    throw Error::failure(
        fmt::format("a layer of {} weights was given {} gradients", layer.weights.size(), gradient.size()));
  }
  Choice choice = choose(layer, share);
  const auto larger = [&](std::size_t a, std::size_t b) {
    const std::uint32_t key_a = magnitude_key(gradient[a]);
    const std::uint32_t key_b = magnitude_key(gradient[b]);
    return key_a != key_b ? key_a > key_b : a < b;
  };
  return {choice.dropped, first_of(std::move(choice.inactive), choice.dropped.size(), larger)};
}

}  // namespace eaudeqn
