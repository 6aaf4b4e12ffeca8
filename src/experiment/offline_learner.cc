// Deep Q-learning from a dataset, with CQL's loss: see learner.h. Nothing acts.
#include "agents/dqn.h"
#include "core/random.h"
#include "eaudeqn/error.h"
#include "experiment/learner.h"
#include "replay/dataset.h"

namespace eaudeqn {
namespace {

DatasetSpec dataset_spec(const Config& config, const EnvironmentSpec& environment) {
  if (config.dataset.path.empty()) {
    throw Error::usage(config.algorithm +
                       " learns from a dataset: say where it is with --set dataset.path=DIR; "
                       "`eaudeqn dataset record --help` shows how to make one");
  }
  DatasetSpec spec;
  spec.directory = config.dataset.path;
  spec.frame_type = environment.npy_type();
  spec.frame_shape = environment.frame_shape;
  spec.stack = environment.stack;
  spec.actions = environment.actions();
  spec.clip_rewards = environment.clip_rewards;
  spec.gamma = config.training.gamma;
  spec.buffer = static_cast<std::size_t>(config.dataset.buffer);
  spec.loaded = static_cast<std::size_t>(config.dataset.loaded);
  return spec;
}

class OfflineLearner : public Learner {
 public:
  OfflineLearner(const Config& config, const EnvironmentSpec& environment)
      : config_(config),
        dataset_(dataset_spec(config, environment), static_cast<std::uint64_t>(config.seed)),
        agent_(config, make_architecture(config.network, environment)),
        stream_(static_cast<std::uint64_t>(config.seed), "dataset") {}

  void begin_episode(const Environment&) override {}
  StepResult step(Environment&, std::int64_t) override { return {}; }

  bool can_update() const override { return true; }
  // Which buffers are loaded follows from the step, so that a resumed run has the same ones.
  std::vector<double> update(std::int64_t step, ThreadPool& pool) override {
    const std::int64_t refreshes = (step - 1) / config_.dataset.refresh_period;
    dataset_.load(static_cast<std::uint64_t>(config_.dataset.loaded + refreshes));
    dataset_.sample(stream_, static_cast<std::size_t>(config_.training.batch_size), batch_);
    return agent_.update(batch_, pool);
  }
  bool change_masks(std::int64_t step, ThreadPool& pool) override { return agent_.change_masks(batch_, step, pool); }
  TargetUpdate update_target(std::int64_t step) override { return agent_.update_target(step); }

  const Population& population() const override { return agent_.population(); }
  const Network& policy() override { return population().network(population().selected()); }
  NamedNumbers exploration(std::int64_t) const override { return {}; }
  NamedNumbers sparsities() const override { return {}; }

  std::uint64_t data_fingerprint() const override { return dataset_.fingerprint(); }

  std::set<std::string> save(ArchiveWriter& archive, const std::filesystem::path&) override {
    agent_.save(archive);
    archive.add_value("dataset_stream", stream_.position());
    return {};
  }
  void load(const ArchiveReader& archive, const std::filesystem::path&) override {
    agent_.load(archive);
    stream_.seek(archive.value<std::uint64_t>("dataset_stream"));
  }

 private:
  Config config_;
  Dataset dataset_;
  DqnAgent agent_;
  RandomStream stream_;
  Batch batch_;
};

}  // namespace

std::unique_ptr<Learner> make_offline_learner(const Config& config, const EnvironmentSpec& environment) {
  return std::make_unique<OfflineLearner>(config, environment);
}

}  // namespace eaudeqn
