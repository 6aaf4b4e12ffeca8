// See evaluation.h.
#include "experiment/evaluation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cstring>
#include <numeric>
#include <optional>

#include "agents/dqn.h"
#include "agents/sac.h"
#include "core/frame_stack.h"
#include "core/random.h"
#include "eaudeqn/error.h"
#include "environments/environment.h"

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

  // Decides on the mean or best action, and knows values() from then on.
  void choose(const Environment& environment, const FrameStack& stack) {
    if (greedy_) {
      action_ = greedy_->act(*weights_, stack.planes());
      values_ = greedy_->values();
      return;
    }
    std::memcpy(observation_.data(), environment.frame().data(), environment.frame().size());
    values_ = continuous_->mean_action(*weights_, observation_);
    direction_.assign(values_.begin(), values_.end());
  }
  void choose_at_random(RandomStream& stream) {
    if (greedy_) {
      action_ = static_cast<int>(stream.below(spec_.actions()));
      return;
    }
    direction_.resize(spec_.action_dimensions());
    for (float& value : direction_) value = static_cast<float>(stream.uniform(-1.0, 1.0));
  }
  StepResult step(Environment& environment) {
    if (greedy_) return environment.step(action_);
    scale_action(direction_, spec_.action_low, spec_.action_high, scaled_);
    return environment.step_continuous(std::span<const float>(scaled_));
  }

  int action() const { return greedy_ ? action_ : -1; }
  std::span<const float> values() const { return values_; }

 private:
  const EnvironmentSpec& spec_;
  std::vector<float> scaled_, observation_;
  int action_ = 0;                // discrete
  std::vector<float> direction_;  // continuous, in [-1, 1]
  std::span<const float> values_;
  std::optional<GreedyActor> greedy_;
  std::optional<ContinuousActor> continuous_;
  std::optional<SingleWeights> weights_;
};

}  // namespace

void require_fit(const Network& network, const EnvironmentSpec& environment, const std::string& origin) {
  const Architecture& has = network.spec().architecture;
  Architecture wants = make_architecture(NetworkConfig(), environment);
  if (environment.continuous()) wants.outputs = 2 * environment.action_dimensions();
  if (has.input == wants.input && has.byte_input == wants.byte_input && has.outputs == wants.outputs) return;
  const auto describe = [](const Architecture& architecture) {
    return fmt::format("({}) of {} to {} outputs", fmt::join(architecture.input, ", "),
                       architecture.byte_input ? "uint8" : "float32", architecture.outputs);
  };
  throw Error::failure(fmt::format("{}: its network goes from {}, but {} wants one from {}", origin, describe(has),
                                   environment.name, describe(wants)));
}

EvaluationResult evaluate(const Network& network, const EvaluationRequest& request, const std::function<bool()>& stop,
                          const std::function<void(const EvaluationResult&)>& progress,
                          const std::function<void(const EvaluationView&)>& watch) {
  RandomStream seeds(request.seed, "evaluation environment");
  RandomStream exploration(request.seed, "evaluation exploration");
  const auto environment = make_environment(request.environment, seeds.next_u32() >> 1, request.horizon);
  const EnvironmentSpec& spec = environment->spec();
  require_fit(network, spec, request.policy);
  FrameStack stack(spec.stack, spec.frame_bytes());
  Player player(network, spec);
  EvaluationResult result;
  const auto finished = [&] {
    if (request.steps > 0) return result.steps >= request.steps;
    return static_cast<std::int64_t>(result.returns.size()) >= request.episodes;
  };
  const auto view = [&](bool random, bool over, std::int64_t length, double episode_return) {
    const auto episode = static_cast<std::int64_t>(result.returns.size());
    return EvaluationView{*environment, stack.planes(), player.values(), player.action(), random,
                          over,         episode,        length,          episode_return};
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
      if (!random || watch) player.choose(*environment, stack);
      if (random) player.choose_at_random(exploration);
      if (watch) watch(view(random, false, length, episode_return));
      const StepResult step = player.step(*environment);
      stack.push(environment->frame());
      episode_return += step.reward;
      ++length;
      ++result.steps;
      over = step.terminal || step.truncated;
      if (progress) progress(result);
    }
    if (watch) watch(view(false, true, length, episode_return));
    if (over || result.returns.empty()) {
      result.returns.push_back(episode_return);
      result.lengths.push_back(length);
    }
  }
  return result;
}

}  // namespace eaudeqn
