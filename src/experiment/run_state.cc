// See run_state.h.
#include "experiment/run_state.h"

#include <fmt/format.h>

#include <numeric>

#include "eaudeqn/error.h"

namespace eaudeqn {
namespace {

constexpr std::uint32_t kCheckpointVersion = 1;

std::unique_ptr<Environment> training_environment(const Config& config) {
  RandomStream seeds(static_cast<std::uint64_t>(config.seed), "environment");
  return make_environment(config.environment, seeds.next_u32() >> 1, config.training.horizon);
}

ReplaySpec replay_spec(const Config& config, const EnvironmentSpec& environment) {
  ReplaySpec spec;
  spec.capacity = static_cast<std::size_t>(config.replay.capacity);
  spec.frame_bytes = environment.frame_bytes();
  spec.stack = environment.stack;
  spec.compress = environment.frame_type == ElementType::uint8;
  spec.n_step = static_cast<std::size_t>(config.training.n_step);
  spec.gamma = config.training.gamma;
  return spec;
}

Architecture architecture_for(const Config& config, const EnvironmentSpec& environment) {
  std::vector<std::size_t> input = environment.frame_shape;
  if (input.size() > 1) input.insert(input.begin(), environment.stack);
  return make_architecture(config.network, input, environment.frame_type == ElementType::uint8, environment.actions());
}

}  // namespace

RunState::RunState(const Config& config)
    : environment(training_environment(config)),
      stack(environment->spec().stack, environment->spec().frame_bytes()),
      replay(replay_spec(config, environment->spec())),
      agent(config, architecture_for(config, environment->spec())),
      replay_stream(static_cast<std::uint64_t>(config.seed), "replay") {}

void RunState::begin() {
  environment->reset();
  stack.reset(environment->frame());
  replay.begin_episode(environment->frame());
}

void RunState::save(const Config& config, CheckpointFolder& folder) {
  ArchiveWriter archive;
  archive.add_value("version", kCheckpointVersion);
  archive.add_text("config", to_toml(config));
  archive.add_value("counters", counters);
  agent.save(archive);
  archive.add<std::byte>("environment", environment->save());
  archive.add<std::byte>("frame_stack", stack.planes());
  archive.add_value("replay_stream", replay_stream.position());
  const std::vector<double> returns(recent_returns.begin(), recent_returns.end());
  archive.add<double>("recent_returns", returns);
  const std::set<std::string> segments = replay.save(archive, "replay/", folder.segments());
  archive.add_text(kSegmentsSection, std::accumulate(segments.begin(), segments.end(), std::string(),
                                                     [](std::string all, const std::string& name) {
                                                       return std::move(all) + name + "\n";
                                                     }));
  archive.write(folder.file(counters.step));
  folder.remember(counters.step, segments);
  folder.keep_newest(config.checkpoint.keep);
}

void RunState::load(const Config& config, CheckpointFolder& folder, std::int64_t step) {
  try {
    const ArchiveReader archive(folder.file(step));
    if (archive.value<std::uint32_t>("version") != kCheckpointVersion) {
      throw Error::failure(fmt::format("{}: made by another version of the program (format {}, this one reads {})",
                                       archive.file().string(), archive.value<std::uint32_t>("version"),
                                       kCheckpointVersion));
    }
    if (archive.text("config") != to_toml(config)) {
      throw Error::failure(archive.file().string() + ": belongs to a run of another config");
    }
    counters = archive.value<Counters>("counters");
    agent.load(archive);
    environment->load(archive.bytes("environment"));
    stack.load(archive.bytes("frame_stack"));
    replay_stream.seek(archive.value<std::uint64_t>("replay_stream"));
    const auto returns = archive.values<double>("recent_returns");
    recent_returns.assign(returns.begin(), returns.end());
    replay.load(archive, "replay/", folder.segments());
  } catch (const Error& error) {
    throw Error::failure(error.what() + folder.advice_after_damage(step));
  }
}

}  // namespace eaudeqn
