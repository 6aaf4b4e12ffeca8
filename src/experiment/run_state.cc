// See run_state.h.
#include "experiment/run_state.h"

#include <fmt/format.h>

#include <numeric>

#include "eaudeqn/error.h"
#include "experiment/run_directory.h"

namespace eaudeqn {
namespace {

constexpr std::uint32_t kCheckpointVersion = 1;

std::unique_ptr<Environment> training_environment(const Config& config) {
  RandomStream seeds(static_cast<std::uint64_t>(config.seed), "environment");
  return make_environment(config.environment, seeds.next_u32() >> 1, config.training.horizon);
}

}  // namespace

std::unique_ptr<Learner> make_learner(const Config& config, const EnvironmentSpec& environment) {
  if (is_sac(config.algorithm) != environment.continuous()) {
    throw Error::usage(fmt::format("{} cannot act in {}, whose actions are {}", config.algorithm, environment.name,
                                   environment.continuous() ? "vectors" : "a list"));
  }
  if (is_offline(config.algorithm)) return make_offline_learner(config, environment);
  return environment.continuous() ? make_sac_learner(config, environment) : make_dqn_learner(config, environment);
}

RunState::RunState(const Config& config)
    : environment(training_environment(config)), learner(make_learner(config, environment->spec())) {}

void RunState::begin() {
  environment->reset();
  learner->begin_episode(*environment);
}

void RunState::save(const Config& config, CheckpointFolder& folder) {
  ArchiveWriter archive;
  archive.add_value("version", kCheckpointVersion);
  archive.add_text("config", to_toml(config));
  archive.add_value("data", learner->data_fingerprint());
  archive.add_value("counters", counters);
  archive.add<std::byte>("environment", environment->save());
  const std::vector<double> returns(recent_returns.begin(), recent_returns.end());
  archive.add<double>("recent_returns", returns);
  const std::set<std::string> segments = learner->save(archive, folder.segments());
  archive.add_text(kSegmentsSection, std::accumulate(segments.begin(), segments.end(), std::string(),
                                                     [](std::string all, const std::string& name) {
                                                       return std::move(all) + name + "\n";
                                                     }));
  archive.write(folder.file(counters.step));
  folder.remember(counters.step, segments);
  folder.keep_newest(config.checkpoint.keep);
}

void RunState::load(const Config& config, CheckpointFolder& folder, std::int64_t step) {
  std::string difference;
  bool same_data = true;
  try {
    const ArchiveReader archive(folder.file(step));
    if (archive.value<std::uint32_t>("version") != kCheckpointVersion) {
      throw Error::failure(fmt::format("{}: made by another version of the program (format {}, this one reads {})",
                                       archive.file().string(), archive.value<std::uint32_t>("version"),
                                       kCheckpointVersion));
    }
    // Compared as configs where the texts differ: a key that came after the checkpoint has its default.
    const std::string text = archive.text("config");
    if (text != to_toml(config)) difference = config_difference(config, parse_config(text, archive.file().string()));
    // Checkpoints of a time when it was not saved are taken as they are.
    same_data = !archive.has("data") || archive.value<std::uint64_t>("data") == learner->data_fingerprint();
    if (difference.empty() && same_data) return read(archive, folder, step);
  } catch (const Error& error) {
    throw Error::failure(error.what() + folder.advice_after_damage(step));
  }
  // The checkpoint is good.
  if (!same_data) {
    throw Error::usage(
        fmt::format("{}: the run learned from another dataset than what is in {} now: put the former files back, say "
                    "where they are "
                    "with --set dataset.path=DIR, or begin another run with another --output",
                    folder.file(step).string(), config.dataset.path));
  }
  throw Error::usage(fmt::format(
      "{}: belongs to a run of another config ({}): undo the change in config.toml, or choose another --output",
      folder.file(step).string(), difference));
}

void RunState::read(const ArchiveReader& archive, CheckpointFolder& folder, std::int64_t step) {
  counters = archive.value<Counters>("counters");
  if (counters.step != step) {
    throw Error::failure(fmt::format("{}: holds step {}; it was renamed", archive.file().string(), counters.step));
  }
  environment->load(archive.bytes("environment"));
  const auto returns = archive.values<double>("recent_returns");
  recent_returns.assign(returns.begin(), returns.end());
  learner->load(archive, folder.segments());
}

}  // namespace eaudeqn
