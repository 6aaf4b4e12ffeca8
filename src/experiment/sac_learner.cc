// Soft actor-critic with its replay of vectors: see learner.h. The environment gets actions scaled to its bounds; agent
// and replay know them in [-1, 1].
#include <cstring>

#include "agents/sac.h"
#include "core/random.h"
#include "experiment/learner.h"
#include "replay/vector_replay.h"

namespace eaudeqn {
namespace {

class SacLearner : public Learner {
 public:
  SacLearner(const Config& config, const EnvironmentSpec& environment)
      : batch_size_(static_cast<std::size_t>(config.training.batch_size)),
        observation_(environment.frame_elements()),
        scaled_action_(environment.action_dimensions()),
        replay_(static_cast<std::size_t>(config.replay.capacity), environment.frame_elements(),
                environment.action_dimensions(), config.training.gamma),
        agent_(config, environment.frame_elements(), environment.action_dimensions()),
        replay_stream_(static_cast<std::uint64_t>(config.seed), "replay") {}

  void begin_episode(const Environment& environment) override {
    observe(environment);
    replay_.begin_episode(observation_);
  }

  StepResult step(Environment& environment, std::int64_t step) override {
    const std::span<const float> action = agent_.act(observation_, step);
    scale_action(action, environment.spec().action_low, environment.spec().action_high, scaled_action_);
    const StepResult result = environment.step_continuous(std::span<const float>(scaled_action_));
    observe(environment);
    replay_.add(action, static_cast<float>(result.reward), result.terminal, result.truncated, observation_);
    return result;
  }

  bool can_update() const override { return replay_.size() > 0; }
  std::vector<double> update(std::int64_t step, ThreadPool& pool) override {
    replay_.sample(replay_stream_, batch_size_, batch_);
    return agent_.update(batch_, step, pool);
  }
  bool change_masks(std::int64_t step, ThreadPool&) override { return agent_.change_masks(step); }
  TargetUpdate update_target(std::int64_t step) override { return agent_.update_target(step); }

  const Population& population() const override { return agent_.critics(); }
  const Network& policy() const override { return agent_.actor(); }
  NamedNumbers exploration(std::int64_t) const override {
    return {{"temperature", agent_.temperature()}, {"entropy", agent_.entropy()}};
  }
  NamedNumbers sparsities() const override {
    return {{"critic_sparsity", population().sparsity(population().selected())},
            {"actor_sparsity", agent_.actor().sparsity()}};
  }

  std::set<std::string> save(ArchiveWriter& archive, const std::filesystem::path& segments) override {
    agent_.save(archive);
    archive.add<float>("observation", observation_);
    archive.add_value("replay_stream", replay_stream_.position());
    return replay_.save(archive, "replay/", segments);
  }
  void load(const ArchiveReader& archive, const std::filesystem::path& segments) override {
    agent_.load(archive);
    const auto observation = archive.values<float>("observation");
    if (observation.size() != observation_.size()) {
      throw Error::failure(archive.file().string() + ": section observation: is of another environment");
    }
    observation_ = observation;
    replay_stream_.seek(archive.value<std::uint64_t>("replay_stream"));
    replay_.load(archive, "replay/", segments);
  }

 private:
  void observe(const Environment& environment) {
    const auto frame = environment.frame();
    std::memcpy(observation_.data(), frame.data(), frame.size());
  }

  std::size_t batch_size_;
  std::vector<float> observation_, scaled_action_;
  VectorReplay replay_;
  SacAgent agent_;
  RandomStream replay_stream_;
  VectorBatch batch_;
};

}  // namespace

std::unique_ptr<Learner> make_sac_learner(const Config& config, const EnvironmentSpec& environment) {
  return std::make_unique<SacLearner>(config, environment);
}

}  // namespace eaudeqn
