// See record.h.
#include "experiment/record.h"

#include <algorithm>
#include <optional>

#include "agents/dqn.h"
#include "core/frame_stack.h"
#include "core/random.h"
#include "eaudeqn/error.h"
#include "environments/environment.h"
#include "replay/dataset_writer.h"

namespace eaudeqn {
namespace {

DatasetWriterSpec writer_spec(const RecordRequest& request, const EnvironmentSpec& environment) {
  if (environment.continuous()) {
    throw Error::usage(environment.name + " has actions that are vectors, for which the dataset has no place");
  }
  DatasetWriterSpec spec;
  spec.directory = request.output;
  spec.frame_type = environment.npy_type();
  spec.frame_shape = environment.frame_shape;
  spec.stack = environment.stack;
  spec.entries = request.steps;
  return spec;
}

}  // namespace

RecordProgress record_dataset(const Network* network, const RecordRequest& request, const std::function<bool()>& stop,
                              const std::function<void(const RecordProgress&)>& progress) {
  RandomStream seeds(request.seed, "record environment");
  RandomStream exploration(request.seed, "record exploration");
  const auto environment = make_environment(request.environment, seeds.next_u32() >> 1, request.horizon);
  const EnvironmentSpec& spec = environment->spec();
  DatasetWriter writer(writer_spec(request, spec));
  FrameStack stack(spec.stack, spec.frame_bytes());
  std::optional<GreedyActor> actor;
  std::optional<SingleWeights> weights;
  if (network != nullptr) {
    actor.emplace(std::make_shared<NetworkPlan>(network->plan()));
    weights.emplace(actor->make_weights());
    weights->copy(*network);
  }
  RecordProgress state;
  while (!writer.full()) {
    environment->reset();
    stack.reset(environment->frame());
    writer.begin_episode();
    double episode_return = 0;
    bool over = false;
    while (!over && !writer.full()) {
      if (stop()) {
        throw Error::failure(request.output.string() +
                             ": stopped by a signal before the end; files that are not whole were removed");
      }
      const bool random = !actor || exploration.uniform() < request.epsilon;
      const int action =
          random ? static_cast<int>(exploration.below(spec.actions())) : actor->act(*weights, stack.planes());
      const std::vector<std::byte> frame(environment->frame().begin(), environment->frame().end());
      const StepResult result = environment->step(action);
      over = result.terminal || result.truncated;
      writer.add(frame, action, static_cast<float>(spec.learning_reward(result.reward)), over);
      stack.push(environment->frame());
      episode_return += result.reward;
      state.written = writer.written();
      if (over) ++state.episodes, state.return_sum += episode_return;
      progress(state);
    }
  }
  return state;
}

}  // namespace eaudeqn
