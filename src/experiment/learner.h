// What the training loop moves: an agent with its memory. One implementation for each kind of agent, because what an
// action is and what is remembered differ; the loop, its metrics and its checkpoints are the same for all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/archive.h"
#include "core/parallel.h"
#include "eaudeqn/config.h"
#include "engine/network.h"
#include "environments/environment.h"
#include "population/population.h"
#include "replay/replay.h"

namespace eaudeqn {

using NamedNumbers = std::vector<std::pair<std::string, double>>;

// Steps count from 0 over the whole run. Thread safety: one owner.
class Learner {
 public:
  virtual ~Learner() = default;

  virtual void begin_episode(const Environment& environment) = 0;  // right after its reset
  // Acts, steps the environment and remembers.
  virtual StepResult step(Environment& environment, std::int64_t step) = 0;

  virtual bool can_update() const = 0;  // something to learn from is remembered
  // One gradient step of every network on a batch from memory; the losses of the K online networks.
  virtual std::vector<double> update(std::int64_t step, ThreadPool& pool) = 0;
  // After the update of `step`: lets the sparsity method change masks, if it does so then; returns whether it did.
  virtual bool change_masks(std::int64_t step, ThreadPool& pool) = 0;
  virtual TargetUpdate update_target(std::int64_t step) = 0;

  virtual const Population& population() const = 0;
  // What is evaluated and shipped: it reads what the environment shows. Valid until the learner changes.
  virtual const Network& policy() = 0;
  // For metrics: how much it explores at `step`, and sparsities other than the population's.
  virtual NamedNumbers exploration(std::int64_t step) const = 0;
  virtual NamedNumbers sparsities() const = 0;

  // What it remembers, as a whole; nullptr if that is no replay of frames.
  virtual const Replay* memory() const { return nullptr; }

  // Of what it learns from that checkpoints do not hold, a dataset: another number where that is another one. 0:
  // nothing.
  virtual std::uint64_t data_fingerprint() const { return 0; }

  // Everything but the environment. Names of the replay's segment files are returned, as by Replay::save.
  virtual std::set<std::string> save(ArchiveWriter& archive, const std::filesystem::path& segments) = 0;
  virtual void load(const ArchiveReader& archive, const std::filesystem::path& segments) = 0;
};

// The learner of config.algorithm. Throws Error::usage where the environment's actions are of the other kind.
std::unique_ptr<Learner> make_learner(const Config& config, const EnvironmentSpec& environment);
std::unique_ptr<Learner> make_dqn_learner(const Config& config, const EnvironmentSpec& environment);
std::unique_ptr<Learner> make_offline_learner(const Config& config, const EnvironmentSpec& environment);
std::unique_ptr<Learner> make_sac_learner(const Config& config, const EnvironmentSpec& environment);

}  // namespace eaudeqn
