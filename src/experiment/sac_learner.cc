// Soft actor-critic with its replay of vectors: see learner.h. The environment gets actions scaled to its bounds; agent
// and replay know them in [-1, 1]. The replay holds observations as the environment shows them; where the config asks,
// the agent reads them normalized by the statistics of this moment, and what ships has these in its first layer.
#include <cstring>
#include <optional>

#include "agents/observation_statistics.h"
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
        replay_stream_(static_cast<std::uint64_t>(config.seed), "replay") {
    if (config.sac.normalize_observations) statistics_.emplace(environment.frame_elements());
  }

  void begin_episode(const Environment& environment) override {
    observe(environment);
    replay_.begin_episode(observation_);
  }

  StepResult step(Environment& environment, std::int64_t step) override {
    if (statistics_) statistics_->add(observation_);
    const std::span<const float> action = agent_.act(what_the_agent_reads(), step);
    scale_action(action, environment.spec().action_low, environment.spec().action_high, scaled_action_);
    const StepResult result = environment.step_continuous(std::span<const float>(scaled_action_));
    observe(environment);
    replay_.add(action, static_cast<float>(result.reward), result.terminal, result.truncated, observation_);
    return result;
  }

  bool can_update() const override { return replay_.size() > 0; }
  std::vector<double> update(std::int64_t step, ThreadPool& pool) override {
    replay_.sample(replay_stream_, batch_size_, batch_);
    if (statistics_) {
      statistics_->normalize(batch_.observations);
      statistics_->normalize(batch_.next_observations);
    }
    return agent_.update(batch_, step, pool);
  }
  bool change_masks(std::int64_t step, ThreadPool&) override { return agent_.change_masks(step); }
  TargetUpdate update_target(std::int64_t step) override { return agent_.update_target(step); }

  const Population& population() const override { return agent_.critics(); }
  const Network& policy() override {
    if (!statistics_) return agent_.actor();
    return folded_actor_.emplace(statistics_->folded(agent_.actor()));
  }
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
    if (statistics_) statistics_->save(archive, "observation_statistics/");
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
    if (statistics_) statistics_->load(archive, "observation_statistics/");
    replay_stream_.seek(archive.value<std::uint64_t>("replay_stream"));
    replay_.load(archive, "replay/", segments);
  }

 private:
  void observe(const Environment& environment) {
    const auto frame = environment.frame();
    std::memcpy(observation_.data(), frame.data(), frame.size());
  }
  std::span<const float> what_the_agent_reads() {
    if (!statistics_) return observation_;
    normalized_ = observation_;
    statistics_->normalize(normalized_);
    return normalized_;
  }

  std::size_t batch_size_;
  std::vector<float> observation_, normalized_, scaled_action_;
  VectorReplay replay_;
  SacAgent agent_;
  std::optional<ObservationStatistics> statistics_;  // none: observations are read as they are
  std::optional<Network> folded_actor_;              // what policy() last returned
  RandomStream replay_stream_;
  VectorBatch batch_;
};

}  // namespace

std::unique_ptr<Learner> make_sac_learner(const Config& config, const EnvironmentSpec& environment) {
  return std::make_unique<SacLearner>(config, environment);
}

}  // namespace eaudeqn
