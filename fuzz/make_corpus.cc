// Writes the seeds that the fuzz targets start from: make_corpus DIRECTORY. Small files of every form that the writers
// know; corpus/ holds its output, and inputs that once broke something (found_*), which this leaves alone.
#include <filesystem>
#include <fstream>

#include "core/archive.h"
#include "core/npy.h"
#include "deploy/policy.h"
#include "deploy/quantize.h"
#include "deploy/test_policy.h"
#include "eaudeqn/config.h"

namespace eaudeqn {
namespace {

void write_policies(const std::filesystem::path& directory) {
  write_policy(random_policy("mlp", 6, 0.0, 1), directory / "dense");
  write_policy(random_policy("mlp", 6, 0.5, 1), directory / "sparse");
  write_policy(quantize(random_policy("mlp", 6, 0.0, 1)), directory / "dense_int8");
  write_policy(quantize(random_policy("mlp", 6, 0.5, 1)), directory / "sparse_int8");
  write_policy(quantize(random_policy("nature", 1, 0.998, 1)), directory / "nature_int8");
  Policy continuous = random_policy("mlp", 4, 0.5, 1);
  continuous.metadata["actions"] = R"({"low":[-1],"high":[2.5]})";
  write_policy(continuous, directory / "continuous");
}

void write_configs(const std::filesystem::path& directory) {
  std::ofstream(directory / "all_keys") << to_toml(Config());
  std::ofstream(directory / "some")
      << "algorithm = \"eaudesac\"\nenvironment = 'mujoco/Hopper-v5'\n[training]\n"
         "steps = 1_000e0 # comment\nlearning_rate = inf\n[network]\nhidden = [2, 0x10]\n";
  std::ofstream(directory / "override") << "training.gamma=0.9";
  std::ofstream(directory / "strings") << "environment = \"\"\"a\\u00e9\nb\"\"\"\nseed = 1979-05-27T07:32:00Z\n";
}

void write_archives(const std::filesystem::path& directory) {
  ArchiveWriter archive;
  archive.write(directory / "empty");
  archive.add_text("config", "seed = 1\n");
  archive.add_value("step", std::int64_t{7});
  archive.add("a", std::span<const float>());
  archive.write(directory / "sections");
}

void write_arrays(const std::filesystem::path& directory) {
  const std::vector<std::byte> data(24, std::byte{1});
  for (const char* type : {"u1", "b1", "i4", "i8", "f4", "f8"}) {
    const std::size_t shape[] = {3, 24U / 3 / static_cast<std::size_t>(type[1] - '0')};
    write_npy(directory / type, type, shape, data);
  }
  write_npy(directory / "scalar", "f8", {}, std::span(data).first(8));
  const std::size_t none[] = {0};
  write_npy(directory / "empty", "f4", none, {});
}

void write_sweeps(const std::filesystem::path& directory) {
  std::ofstream(directory / "grid") << "environments = [\"atari/Pong\"]\nalgorithms = [\"eaudedqn_small\", \"dqn\"]\n"
                                       "seeds = [1, 2]\n[settings]\n\"training.steps\" = 100_000\n[grid]\n"
                                       "\"training.learning_rate\" = [1e-4, 3e-4]\n";
  std::ofstream(directory / "groups") << "seeds = [1]\n[[group]]\nenvironments = [\"mujoco/Hopper-v5\"]\n"
                                         "algorithms = [\"sac\"]\n[group.settings]\n\"training.steps\" = 9\n"
                                         "[slurm]\ntime = \"1:00:00\"\ncpus = 2\nthrottle = 3\n"
                                         "setup = [\"module load x\"]\n";
}

// Lists of changes, see checkpoint_fuzz.cc.
void write_checkpoints(const std::filesystem::path& directory) {
  std::ofstream(directory / "none") << "";
  std::ofstream(directory / "byte") << std::string("\x09\x00\x05\x00\x02", 5);
  std::ofstream(directory / "every_kind")
      << std::string("\x02\x01\x08\x00\x03\x0a\x02\x04\x00\x00\x0b\x03\x00\x00\xff\x0c\x04\x00\x00\x07", 20);
}

void write_metrics(const std::filesystem::path& directory) {
  std::ofstream(directory / "lines") << R"({"event":"episode","step":10,"return":10.5,"length":10}
{"event":"target_update","step":500,"selected":1,"losses":[null,2.0],"sparsity":0.1,"sparsities":[0.2,0.1]}
{"event":"mask_change","step":600,"sparsities":[0.3,0.1]}
{"event":"evaluation","step":1000,"mean_return":7.0,"returns":[6.0,8.0],"sparsity":0.1}
)";
}

}  // namespace
}  // namespace eaudeqn

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]);
    return 2;
  }
  const std::filesystem::path root = argv[1];
  for (const char* name : {"policy", "config", "archive", "checkpoint", "npy", "sweep", "metrics"})
    std::filesystem::create_directories(root / name);
  eaudeqn::write_policies(root / "policy");
  eaudeqn::write_configs(root / "config");
  eaudeqn::write_archives(root / "archive");
  eaudeqn::write_checkpoints(root / "checkpoint");
  eaudeqn::write_arrays(root / "npy");
  eaudeqn::write_sweeps(root / "sweep");
  eaudeqn::write_metrics(root / "metrics");
}
