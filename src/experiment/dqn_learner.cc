// Deep Q-learning with its frame stack and its replay of frames: see learner.h.
#include <algorithm>

#include "agents/dqn.h"
#include "core/frame_stack.h"
#include "core/random.h"
#include "experiment/learner.h"
#include "replay/replay.h"

namespace eaudeqn {
namespace {

ReplaySpec replay_spec(const Config& config, const EnvironmentSpec& environment) {
  ReplaySpec spec;
  spec.capacity = static_cast<std::size_t>(config.replay.capacity);
  spec.frame_bytes = environment.frame_bytes();
  spec.stack = environment.stack;
  spec.compress = environment.frame_type == ElementType::uint8;
  spec.n_step = static_cast<std::size_t>(config.training.n_step);
  spec.gamma = config.training.gamma;
  spec.actions = environment.actions();
  return spec;
}

class DqnLearner : public Learner {
 public:
  DqnLearner(const Config& config, const EnvironmentSpec& environment)
      : training_(config.training),
        stack_(environment.stack, environment.frame_bytes()),
        replay_(replay_spec(config, environment)),
        agent_(config, make_architecture(config.network, environment)),
        replay_stream_(static_cast<std::uint64_t>(config.seed), "replay") {}

  void begin_episode(const Environment& environment) override {
    stack_.reset(environment.frame());
    replay_.begin_episode(environment.frame());
  }

  StepResult step(Environment& environment, std::int64_t step) override {
    const int action = agent_.act(stack_.planes(), step);
    const StepResult result = environment.step(action);
    replay_.add(action, static_cast<float>(environment.spec().learning_reward(result.reward)), result.terminal,
                result.truncated, environment.frame());
    stack_.push(environment.frame());
    return result;
  }

  bool can_update() const override { return replay_.size() > 0; }
  std::vector<double> update(std::int64_t, ThreadPool& pool) override {
    replay_.sample(replay_stream_, static_cast<std::size_t>(training_.batch_size), batch_);
    return agent_.update(batch_, pool);
  }
  bool change_masks(std::int64_t step, ThreadPool& pool) override { return agent_.change_masks(batch_, step, pool); }
  TargetUpdate update_target(std::int64_t step) override { return agent_.update_target(step); }

  const Population& population() const override { return agent_.population(); }
  const Network& policy() override { return population().network(population().selected()); }
  NamedNumbers exploration(std::int64_t step) const override {
    return {{"epsilon", exploration_epsilon(training_, step)}};
  }
  NamedNumbers sparsities() const override { return {}; }

  const Replay* memory() const override { return &replay_; }

  std::set<std::string> save(ArchiveWriter& archive, const std::filesystem::path& segments) override {
    agent_.save(archive);
    archive.add<std::byte>("frame_stack", stack_.planes());
    archive.add_value("replay_stream", replay_stream_.position());
    return replay_.save(archive, "replay/", segments);
  }
  void load(const ArchiveReader& archive, const std::filesystem::path& segments) override {
    agent_.load(archive);
    stack_.load(archive.bytes("frame_stack"));
    replay_stream_.seek(archive.value<std::uint64_t>("replay_stream"));
    replay_.load(archive, "replay/", segments);
  }

 private:
  TrainingConfig training_;
  FrameStack stack_;
  Replay replay_;
  DqnAgent agent_;
  RandomStream replay_stream_;
  Batch batch_;
};

}  // namespace

std::unique_ptr<Learner> make_dqn_learner(const Config& config, const EnvironmentSpec& environment) {
  return std::make_unique<DqnLearner>(config, environment);
}

}  // namespace eaudeqn
