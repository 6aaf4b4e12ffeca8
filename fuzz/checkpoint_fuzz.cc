// The contents of checkpoints behind all checksums: the input is a list of changes to a good checkpoint of CartPole,
// which is made here, so that it is always of this version. What is accepted must be able to go on. The container
// itself is archive_fuzz.cc's; Atari's and MuJoCo's own states are not tried here.
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <memory>

#include "core/archive.h"
#include "core/files.h"
#include "core/parallel.h"
#include "eaudeqn/config.h"
#include "experiment/checkpoints.h"
#include "experiment/run_state.h"
#include "harness.h"

namespace eaudeqn {
namespace {

constexpr std::int64_t kStep = 12;

const Config& config() {
  static const Config parsed =
      parse_config(builtin_config("classic/CartPole-v1", "eaudedqn"), "builtin",
                   {"environment=classic/CartPole-v1", "network.hidden=[8]", "population.networks=2",
                    "replay.capacity=64", "training.batch_size=2", "training.initial_samples=1"});
  return parsed;
}

class RunDirectory {
 public:
  RunDirectory() : folder_(directory_.path()) {
    RunState state(config());
    state.begin();
    ThreadPool pool(1);
    for (std::int64_t step = 1; step <= kStep; ++step) {
      const StepResult result = state.learner->step(*state.environment, step);
      if (result.terminal || result.truncated) broken("an episode lasts");
      state.learner->update(step, pool);
    }
    state.learner->update_target(kStep);
    state.counters.step = kStep;
    state.save(config(), folder_);
    const ArchiveReader saved(folder_.file(kStep));
    for (const std::string& name : saved.names()) {
      const auto bytes = saved.bytes(name);
      sections_.push_back({name, Bytes(bytes.begin(), bytes.end())});
    }
  }

  using Sections = std::vector<std::pair<std::string, Bytes>>;
  const Sections& sections() const { return sections_; }
  CheckpointFolder& folder() { return folder_; }

 private:
  MemoryDirectory directory_;
  CheckpointFolder folder_;
  Sections sections_;
};

// A change is 5 bytes: section, kind, where (2), value.
void change(RunDirectory::Sections& sections, std::span<const std::uint8_t> change) {
  Bytes& bytes = sections[change[0] % sections.size()].second;
  const std::size_t where = change[2] + 256U * change[3];
  const auto value = static_cast<std::byte>(change[4]);
  switch (change[1] % 5) {
    case 0:  // a byte
      if (!bytes.empty()) bytes[where % bytes.size()] = value;
      break;
    case 1:  // a bit
      if (!bytes.empty()) bytes[where % bytes.size()] ^= static_cast<std::byte>(1U << change[4] % 8U);
      break;
    case 2:  // another size
      bytes.resize(where % (bytes.size() + 9), value);
      break;
    case 3:  // eight bytes
      for (std::size_t i = where; i < std::min(where + 8, bytes.size()); ++i) bytes[i] = value;
      break;
    default:  // what another section holds
      bytes = sections[change[4] % sections.size()].second;
  }
}

// The checksums inside of sections: of an environment's state at its end, of a replay segment in its header.
void correct(RunDirectory::Sections& sections) {
  constexpr std::size_t kWord = sizeof(std::uint64_t), kSegmentHeader = 56;
  for (auto& [name, bytes] : sections) {
    if (name == "environment" && bytes.size() >= kWord) {
      const std::uint64_t sum = checksum(std::span(bytes).first(bytes.size() - kWord));
      std::memcpy(bytes.data() + bytes.size() - kWord, &sum, kWord);
    }
    if (name == "replay//open" && bytes.size() >= kSegmentHeader) {
      const std::uint64_t sum = checksum(std::span(bytes).subspan(kSegmentHeader));
      std::memcpy(bytes.data() + kSegmentHeader - kWord, &sum, kWord);
    }
  }
}

void go_on(RunState& state, ThreadPool& pool) {
  for (std::int64_t step = kStep + 1; step <= kStep + 3; ++step) {
    const StepResult result = state.learner->step(*state.environment, step);
    if (result.terminal || result.truncated) {
      state.environment->reset();
      state.learner->begin_episode(*state.environment);
    }
  }
  state.learner->update(kStep + 3, pool);
  state.learner->update_target(kStep + 3);
}

void run(std::span<const std::uint8_t> input) {
  static RunDirectory directory;
  static ThreadPool pool(1);
  RunDirectory::Sections sections = directory.sections();
  constexpr std::size_t kChange = 5, kMost = 16;
  for (std::size_t i = 0; i < kMost && (i + 1) * kChange <= input.size(); ++i) {
    change(sections, input.subspan(i * kChange, kChange));
  }
  correct(sections);
  ArchiveWriter archive;
  for (const auto& [name, bytes] : sections) archive.add_bytes(name, bytes);
  const std::filesystem::path file = directory.folder().file(kStep);
  archive.write(file);
  RunState state(config());
  const bool good = accepted(file.string(), [&] { state.load(config(), directory.folder(), kStep); });
  if (!good && sections == directory.sections()) broken("what was saved is read");
  // Numbers may be anything, so going on may end in an error that no file is to blame for.
  if (good) accepted("", [&] { go_on(state, pool); });
}

}  // namespace
}  // namespace eaudeqn

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  eaudeqn::run(std::span(data, size));
  return 0;
}
