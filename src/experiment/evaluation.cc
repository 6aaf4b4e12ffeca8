// See evaluation.h.
#include "experiment/evaluation.h"

#include <cstring>
#include <numeric>
#include <optional>

#include "agents/dqn.h"
#include "agents/sac.h"
#include "core/random.h"
#include "environments/environment.h"
#include "environments/frame_stack.h"

namespace eaudeqn {

double EvaluationResult::mean_return() const {
  if (returns.empty()) return 0;
  return std::accumulate(returns.begin(), returns.end(), 0.0) / static_cast<double>(returns.size());
}

namespace {

// A fixed policy: the largest of the values, or the mean action scaled to the environment's bounds.
class Player {
 public:
  Player(const Network& network, const EnvironmentSpec& spec)
      : spec_(spec), scaled_(spec.action_dimensions()), observation_(spec.continuous() ? spec.frame_elements() : 0) {
    const auto plan = std::make_shared<NetworkPlan>(network.plan());
    if (spec.continuous()) {
      continuous_.emplace(plan);
    } else {
      greedy_.emplace(plan);
    }
    weights_.emplace(continuous_ ? continuous_->make_weights() : greedy_->make_weights());
    weights_->copy(network);
  }

  StepResult step(Environment& environment, const FrameStack& stack) {
    if (greedy_) return environment.step(greedy_->act(*weights_, stack.planes()));
    std::memcpy(observation_.data(), environment.frame().data(), environment.frame().size());
    return step_continuous(environment, continuous_->mean_action(*weights_, observation_));
  }
  StepResult step_at_random(Environment& environment, RandomStream& stream) {
    if (greedy_) return environment.step(static_cast<int>(stream.below(spec_.actions())));
    std::vector<float> action(spec_.action_dimensions());
    for (float& value : action) value = static_cast<float>(stream.uniform(-1.0, 1.0));
    return step_continuous(environment, action);
  }

 private:
  StepResult step_continuous(Environment& environment, std::span<const float> action) {
    scale_action(action, spec_.action_low, spec_.action_high, scaled_);
    return environment.step_continuous(std::span<const float>(scaled_));
  }

  const EnvironmentSpec& spec_;
  std::vector<float> scaled_, observation_;
  std::optional<GreedyActor> greedy_;
  std::optional<ContinuousActor> continuous_;
  std::optional<SingleWeights> weights_;
};

}  // namespace

EvaluationResult evaluate(const Network& network, const EvaluationRequest& request, const std::function<bool()>& stop,
                          const std::function<void(const EvaluationResult&)>& progress) {
  RandomStream seeds(request.seed, "evaluation environment");
  RandomStream exploration(request.seed, "evaluation exploration");
  const auto environment = make_environment(request.environment, seeds.next_u32() >> 1, request.horizon);
  const EnvironmentSpec& spec = environment->spec();
  FrameStack stack(spec.stack, spec.frame_bytes());
  Player player(network, spec);
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
      const StepResult step =
          random ? player.step_at_random(*environment, exploration) : player.step(*environment, stack);
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
