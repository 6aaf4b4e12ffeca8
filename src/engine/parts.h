// The parallel loop of a pass: networks x the parts into which each one's work falls. Inside the engine only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "core/parallel.h"
#include "engine/passes.h"

namespace eaudeqn {

// Calls work(pass, part, worker) for each part in 0 .. count(pass) - 1 of each pass, in any order and on any thread.
template <typename Count, typename Work>
void for_each_part(std::span<const Pass> passes, ThreadPool& pool, const Count& count, const Work& work) {
  std::vector<std::size_t> ends;
  for (const Pass& pass : passes) ends.push_back((ends.empty() ? 0 : ends.back()) + count(pass));
  pool.for_each(ends.back(), [&](std::size_t task, int worker) {
    const auto pass = static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), task) - ends.begin());
    work(passes[pass], pass == 0 ? task : task - ends[pass - 1], worker);
  });
}

}  // namespace eaudeqn
