// See evaluation.h.
#include "experiment/evaluation.h"

#include <numeric>

#include "agents/dqn.h"
#include "core/random.h"
#include "environments/environment.h"
#include "environments/frame_stack.h"

namespace eaudeqn {

double EvaluationResult::mean_return() const {
  if (returns.empty()) return 0;
  return std::accumulate(returns.begin(), returns.end(), 0.0) / static_cast<double>(returns.size());
}

EvaluationResult evaluate(const Network& network, const EvaluationRequest& request, const std::function<bool()>& stop,
                          const std::function<void(const EvaluationResult&)>& progress) {
  RandomStream seeds(request.seed, "evaluation environment");
  RandomStream exploration(request.seed, "evaluation exploration");
  const auto environment = make_environment(request.environment, seeds.next_u32() >> 1, request.horizon);
  const EnvironmentSpec& spec = environment->spec();
  FrameStack stack(spec.stack, spec.frame_bytes());
  GreedyActor actor(std::make_shared<NetworkPlan>(network.plan()));
  SingleWeights weights = actor.make_weights();
  weights.copy(network);
  EvaluationResult result;
  const auto finished = [&] {
    if (request.steps > 0) return result.steps >= request.steps;
    return static_cast<std::int64_t>(result.returns.size()) >= request.episodes;
  };
  while (!finished()) {
    environment->reset();
    stack.reset(environment->frame());
    double episode_return = 0;
    std::int64_t length = 0;
    bool over = false;
    while (!over && !(request.steps > 0 && finished())) {
      if (stop()) {
        result.stopped = true;
        return result;
      }
      const bool random = exploration.uniform() < request.epsilon;
      const int action =
          random ? static_cast<int>(exploration.below(spec.actions())) : actor.act(weights, stack.planes());
      const StepResult step = environment->step(action);
      stack.push(environment->frame());
      episode_return += step.reward;
      ++length;
      ++result.steps;
      over = step.terminal || step.truncated;
      if (progress) progress(result);
    }
    if (over || result.returns.empty()) {
      result.returns.push_back(episode_return);
      result.lengths.push_back(length);
    }
  }
  return result;
}

}  // namespace eaudeqn
