// Speed and memory of the replay on given frames: bytes per transition, time per add, per sampled batch of 32, per save
// and load. Not part of the default build (cmake -DEAUDEQN_BENCHMARKS=ON); no figures without real frames, because
// compression depends on nothing else.
//
//   replay_bench [--benchmark_...] FRAMES.npy...
//
// Each file is a uint8 array (n, ...) of frames in the order of play. The replay is filled with TRANSITIONS
// (environment variable, default 1,000,000) by repeating the file, so that sampling meets the caches of a full replay.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <string>

#include "core/archive.h"
#include "core/npy.h"
#include "core/random.h"
#include "eaudeqn/error.h"
#include "replay/replay.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kBatch = 32;
constexpr std::size_t kEpisodeSteps = 1000;

std::size_t transitions() {
  const char* const text = std::getenv("TRANSITIONS");
  return text == nullptr ? 1'000'000 : std::stoul(text);
}

// Plays the frames of a file into a replay, over and over.
class Player {
 public:
  explicit Player(const std::string& file) : frames_(read_npy(file)) {
    if (frames_.type != "u1" || frames_.shape.size() < 2 || frames_.shape[0] < 2) {
      throw Error::usage(file + ": not an array of uint8 frames");
    }
    frame_bytes_ = frames_.elements() / frames_.shape[0];
  }
  std::size_t frame_bytes() const { return frame_bytes_; }

  void step(Replay& replay) {
    if (steps_++ % kEpisodeSteps == 0) replay.begin_episode(next_frame());
    replay.add(static_cast<int>(steps_ % 18), 0, false, steps_ % kEpisodeSteps == 0, next_frame());
  }

 private:
  std::span<const std::byte> next_frame() {
    return std::span(frames_.data).subspan(next_++ % frames_.shape[0] * frame_bytes_, frame_bytes_);
  }

  NpyArray frames_;
  std::size_t frame_bytes_ = 0;
  std::size_t next_ = 0;
  std::size_t steps_ = 0;
};

ReplaySpec spec_for(const Player& player) {
  return {.capacity = transitions(), .frame_bytes = player.frame_bytes(), .stack = 4, .compress = true};
}

// A full replay of the file, kept for the benchmarks of the same file that follow.
struct Filled {
  std::string file;
  std::unique_ptr<Player> player;
  std::unique_ptr<Replay> replay;
};

Filled& filled(const std::string& file) {
  static Filled kept;
  if (kept.file != file) {
    kept = {};
    kept.player = std::make_unique<Player>(file);
    kept.replay = std::make_unique<Replay>(spec_for(*kept.player));
    for (std::size_t step = 0; step < transitions(); ++step) kept.player->step(*kept.replay);
    kept.file = file;
  }
  return kept;
}

void add(benchmark::State& state, const std::string& file) {
  Filled& full = filled(file);
  for (auto _ : state) full.player->step(*full.replay);
  state.counters["bytes_per_transition"] =
      static_cast<double>(full.replay->memory_bytes()) / static_cast<double>(full.replay->size());
}

void sample(benchmark::State& state, const std::string& file) {
  const Filled& full = filled(file);
  RandomStream stream(1, "replay");
  Batch batch;
  for (auto _ : state) {
    full.replay->sample(stream, kBatch, batch);
    benchmark::DoNotOptimize(batch.observations.data());
  }
}

// The first save of a full replay, and one after 10,000 more steps; both with everything that goes to the disk synced.
void save_and_load(benchmark::State& state, const std::string& file) {
  Filled& full = filled(file);
  const auto directory = std::filesystem::temp_directory_path() / fmt::format("replay_bench_{}", ::getpid());
  const auto archive_file = directory / "archive";
  const auto measure = [&](const std::string& name, const auto& work) {
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t cpu_start = std::clock();
    work();
    state.counters[name + "_s"] = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    state.counters[name + "_cpu_s"] = static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC;
  };
  const auto save = [&] {
    ArchiveWriter archive;
    full.replay->save(archive, "replay", directory / "segments");
    archive.write(archive_file);
  };
  for (auto _ : state) {
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
    measure("first_save", save);
    for (int step = 0; step < 10'000; ++step) full.player->step(*full.replay);
    measure("next_save", save);
    Replay loaded(spec_for(*full.player));
    measure("load", [&] { loaded.load(ArchiveReader(archive_file), "replay", directory / "segments"); });
  }
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace eaudeqn

int main(int count, char** arguments) {
  benchmark::Initialize(&count, arguments);
  if (count < 2) {
    fmt::print(stderr, "usage: {} [--benchmark_...] FRAMES.npy...\n", arguments[0]);
    return 2;
  }
  for (int i = 1; i < count; ++i) {
    const std::string file = arguments[i];
    const std::string name = std::filesystem::path(file).stem().string();
    benchmark::RegisterBenchmark(("add/" + name).c_str(), eaudeqn::add, file)->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark(("sample_32/" + name).c_str(), eaudeqn::sample, file)->Unit(benchmark::kMicrosecond);
    benchmark::RegisterBenchmark(("save_load/" + name).c_str(), eaudeqn::save_and_load, file)
        ->Unit(benchmark::kSecond)
        ->Iterations(1)
        ->UseRealTime();
  }
  try {
    benchmark::RunSpecifiedBenchmarks();
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  return 0;
}
