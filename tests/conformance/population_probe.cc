// population_probe DIRECTORY [--network nature|mlp|impala] [--seed N]: does twenty updates of five masked networks on
// random batches with the program's own agent, and writes all that goes in and comes out as .npy files, for
// test_population_jax.py to repeat. It judges nothing itself.
//
// Arrays: target.*, initial.K.*, final.K.* (*: LAYER.weight and LAYER.bias), mask.K.LAYER, batch.U.*, loss (U, K).
// Observations in files are rows (84, 84, 4), newest frame last, as everywhere outside the engine.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agents/dqn.h"
#include "core/files.h"
#include "core/random.h"
#include "eaudeqn/error.h"
#include "probe_writer.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kNetworks = 5, kUpdates = 20, kBatch = 32, kActions = 6;
constexpr std::size_t kSide = 84, kPixels = kSide * kSide, kStack = 4, kVector = 17;
constexpr double kSparsities[kNetworks] = {0.0, 0.3, 0.6, 0.9, 0.97};

struct Arguments {
  std::filesystem::path directory;
  std::string network = "nature";
  std::int64_t seed = 1;
};

std::optional<Arguments> parse(std::span<char*> words) {
  Arguments arguments;
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--network" && i + 1 < words.size()) {
      arguments.network = words[++i];
    } else if (word == "--seed" && i + 1 < words.size()) {
      arguments.seed = std::atoll(words[++i]);
    } else if (arguments.directory.empty() && !word.starts_with("-")) {
      arguments.directory = word;
    } else {
      return std::nullopt;
    }
  }
  if (arguments.directory.empty()) return std::nullopt;
  return arguments;
}

Config probe_config(const Arguments& arguments) {
  Config config;
  config.seed = arguments.seed;
  config.training.batch_size = kBatch;
  config.network.kind = arguments.network;
  config.network.features = 32;
  config.network.hidden = {64, 48};
  config.population.networks = kNetworks;
  return config;
}

class Writer : public ProbeWriter {
 public:
  using ProbeWriter::ProbeWriter;

  void config(const Config& config, const NetworkSpec& spec) const {
    nlohmann::ordered_json json;
    json["kind"] = config.network.kind;
    json["networks"] = kNetworks;
    json["updates"] = kUpdates;
    json["batch"] = kBatch;
    json["actions"] = kActions;
    json["learning_rate"] = config.training.learning_rate;
    json["adam_epsilon"] = config.training.adam_epsilon;
    for (const LayerSpec& layer : spec.layers) {
      json["layers"].push_back({{"name", layer.name}, {"shape", layer.shape()}});
    }
    write_file_atomically(directory_ / "config.json", json.dump(1));
  }

  void batch(std::size_t update, bool images, const Batch& batch) const {
    const std::string prefix = "batch." + std::to_string(update) + ".";
    observations(prefix + "observations", images, batch.observations);
    observations(prefix + "next_observations", images, batch.next_observations);
    array(prefix + "actions", "i4", {kBatch}, batch.actions);
    array(prefix + "rewards", "f4", {kBatch}, batch.rewards);
    array(prefix + "discounts", "f4", {kBatch}, batch.discounts);
  }

 private:
  // Images: the engine reads planes, files hold their pixels interleaved.
  void observations(const std::string& name, bool images, const std::vector<std::byte>& planes) const {
    if (!images) {
      array(name, "f4", {kBatch, kVector}, planes);
      return;
    }
    std::vector<std::byte> interleaved(planes.size());
    for (std::size_t i = 0; i < planes.size(); ++i) {
      const std::size_t sample = i / (kStack * kPixels), channel = i / kPixels % kStack, pixel = i % kPixels;
      interleaved[(sample * kPixels + pixel) * kStack + channel] = planes[i];
    }
    array(name, "u1", {kBatch, kSide, kSide, kStack}, interleaved);
  }
};

// Each layer at its own random distance from `sparsity`. What stays is scaled up as if it had been initialised sparse,
// so that signals still come through at 97 %. Biases are not zero, so that a forgotten one shows.
void mask_randomly(Network& network, double sparsity, RandomStream& stream) {
  for (std::size_t l = 0; l < network.layers().size(); ++l) {
    const double density = (1.0 - sparsity) * (sparsity > 0 ? stream.uniform(0.6, 1.4) : 1.0);
    LayerWeights layer = network.layer_weights(l);
    for (std::size_t i = 0; i < layer.weights.size(); ++i) {
      const bool active = i == layer.weights.size() / 2 || stream.uniform() < density;
      layer.mask[i] = active ? 1 : 0;
      layer.weights[i] = active ? static_cast<float>(layer.weights[i] / std::sqrt(std::min(density, 1.0))) : 0.0F;
    }
    for (float& bias : layer.bias) bias = static_cast<float>(stream.uniform(-0.1, 0.1));
    network.set_layer(l, layer);
  }
}

// One sample's frames 0..kStack: gray rectangles that move over a gray ground, under noise.
std::vector<std::uint8_t> random_frames(RandomStream& stream) {
  std::vector<std::uint8_t> frames((kStack + 1) * kPixels, static_cast<std::uint8_t>(stream.below(192)));
  for (int rectangle = 0; rectangle < 5; ++rectangle) {
    const auto gray = static_cast<std::uint8_t>(stream.below(192));
    const std::size_t height = 2 + stream.below(30), width = 2 + stream.below(30);
    const std::size_t row = stream.below(kSide), column = stream.below(kSide);
    const std::size_t down = stream.below(5), right = stream.below(5);
    for (std::size_t frame = 0; frame <= kStack; ++frame) {
      for (std::size_t y = 0; y < height; ++y) {
        for (std::size_t x = 0; x < width; ++x) {
          frames[frame * kPixels + (row + frame * down + y) % kSide * kSide + (column + frame * right + x) % kSide] =
              gray;
        }
      }
    }
  }
  for (std::size_t i = 0; i < frames.size(); i += 4) {
    const std::uint32_t noise = stream.next_u32();
    for (std::size_t j = 0; j < 4; ++j) {
      frames[i + j] = static_cast<std::uint8_t>(frames[i + j] + (noise >> 8 * j & 63));
    }
  }
  return frames;
}

// One sample's observation and next observation; of images they share all frames but one.
struct Sample {
  std::vector<std::byte> now, next;
};

Sample draw_sample(bool images, RandomStream& stream) {
  if (images) {
    const auto frames = random_frames(stream);
    const auto bytes = std::as_bytes(std::span(frames));
    const auto now = bytes.first(kStack * kPixels), next = bytes.last(kStack * kPixels);
    return {{now.begin(), now.end()}, {next.begin(), next.end()}};
  }
  std::vector<float> values(2 * kVector);
  for (float& value : values) value = static_cast<float>(stream.normal());
  const auto bytes = std::as_bytes(std::span(values));
  const auto now = bytes.first(bytes.size() / 2), next = bytes.last(bytes.size() / 2);
  return {{now.begin(), now.end()}, {next.begin(), next.end()}};
}

// The same network with every ReLU as an operation of its own, so that what goes into it can be seen.
NetworkSpec with_separate_relus(const NetworkSpec& spec) {
  NetworkSpec separate = spec;
  separate.operations.clear();
  for (Operation operation : spec.operations) {
    if (!operation.relu) {
      separate.operations.push_back(operation);
      continue;
    }
    const std::size_t output = operation.output;
    separate.tensors.push_back(spec.tensors[output]);
    operation.output = separate.tensors.size() - 1;
    operation.relu = false;
    separate.operations.push_back(operation);
    separate.operations.push_back({OperationKind::relu, operation.output, output, 0, 1, false, -1});
  }
  return separate;
}

// Tells which observations keep every unit of every network away from ReLU's kink. There a sample's gradient is all
// there or not at all, and rounding decides. One such unit among the million of a batch changes a gradient by half a
// percent; Adam's division makes the weights differ by as much, more units cross, and within twenty updates two float32
// programs, or one and its float64 self, are a few percent of the way apart: no bound could tell that from a mistake.
// Impala's convolutions have too many units (and its pooling kinks of its own): only its dense layer is looked at.
class KinkFinder {
 public:
  explicit KinkFinder(const NetworkSpec& spec)
      : plan_(std::make_shared<NetworkPlan>(with_separate_relus(spec))),
        network_(plan_, false),
        input_(plan_, kBatch),
        workspace_(plan_, kBatch, false) {
    workspace_.set_input(input_);
  }

  // samples: kBatch of them.
  std::vector<bool> close(const Population& population, const std::vector<Sample>& samples, ThreadPool& pool) {
    std::vector<std::byte> observations;
    for (const Sample& sample : samples) observations.insert(observations.end(), sample.now.begin(), sample.now.end());
    input_.load(observations, kBatch, pool);
    std::vector<bool> found(kBatch, false);
    for (std::size_t k = 0; k < kNetworks; ++k) {
      network_.copy_from(population.network(k));
      const Pass pass{&network_, &workspace_};
      forward({&pass, 1}, pool);
      for (const Operation& operation : plan_->spec.operations) {
        if (operation.kind == OperationKind::relu) mark(operation.input, found);
      }
    }
    return found;
  }

 private:
  // The sums of two programs in float32 differ by up to 1e-6 here.
  static constexpr float kMargin = 3e-6F;

  void mark(std::size_t tensor, std::vector<bool>& found) const {
    const TensorLayout layout = workspace_.activation_layout(tensor);
    if (plan_->spec.architecture.kind == "impala" && layout.height * layout.width > 1) return;
    for (std::size_t row = 0; row < layout.blocks * layout.channels * layout.height; ++row) {
      const std::size_t block = row / (layout.channels * layout.height);
      const std::size_t at = layout.offset(row / layout.height % layout.channels, row % layout.height, 0);
      const float* values = workspace_.activation(tensor) + block * layout.block_pitch() + at;
      for (std::size_t i = 0; i < layout.width * kLanes; ++i) {
        const std::size_t sample = block * kLanes + i % kLanes;
        if (std::abs(values[i]) < kMargin && sample < found.size()) found[sample] = true;
      }
    }
  }

  std::shared_ptr<const NetworkPlan> plan_;
  Network network_;
  InputTensor input_;
  Workspace workspace_;
};

Batch draw_batch(bool images, const Population& population, KinkFinder& kinks, RandomStream& stream, ThreadPool& pool) {
  Batch batch;
  while (batch.actions.size() < kBatch) {
    std::vector<Sample> samples;
    for (std::size_t i = 0; i < kBatch; ++i) samples.push_back(draw_sample(images, stream));
    const std::vector<bool> close = kinks.close(population, samples, pool);
    for (std::size_t i = 0; i < kBatch && batch.actions.size() < kBatch; ++i) {
      if (close[i]) continue;
      batch.observations.insert(batch.observations.end(), samples[i].now.begin(), samples[i].now.end());
      batch.next_observations.insert(batch.next_observations.end(), samples[i].next.begin(), samples[i].next.end());
      batch.actions.push_back(static_cast<std::int32_t>(stream.below(kActions)));
      batch.rewards.push_back(static_cast<float>(stream.uniform(-1, 1)));
      batch.discounts.push_back(stream.uniform() < 0.1 ? 0.0F : 0.99F);
    }
  }
  return batch;
}

void probe(const Arguments& arguments) {
  const Config config = probe_config(arguments);
  const bool images = config.network.kind != "mlp";
  const std::vector<std::size_t> input = images ? std::vector{kStack, kSide, kSide} : std::vector{kVector};
  DqnAgent agent(config, make_architecture(config.network, input, images, kActions));
  const Writer writer(arguments.directory);
  writer.config(config, agent.plan().spec);

  const auto seed = static_cast<std::uint64_t>(config.seed);
  RandomStream masks(seed, "probe masks"), batches(seed, "probe batches");
  Population& population = agent.population();
  population.target().initialize(masks);
  mask_randomly(population.target(), 0.5, masks);
  writer.network("target", population.target());
  for (std::size_t k = 0; k < kNetworks; ++k) {
    mask_randomly(population.network(k), kSparsities[k], masks);
    writer.masks(std::to_string(k), population.network(k));
    writer.network("initial." + std::to_string(k), population.network(k));
  }
  ThreadPool pool(2);
  KinkFinder kinks(agent.plan().spec);
  std::vector<double> losses;
  for (std::size_t update = 0; update < kUpdates; ++update) {
    const Batch batch = draw_batch(images, population, kinks, batches, pool);
    writer.batch(update, images, batch);
    const auto of_update = agent.update(batch, pool);
    losses.insert(losses.end(), of_update.begin(), of_update.end());
  }
  writer.array("loss", "f8", {kUpdates, kNetworks}, losses);
  for (std::size_t k = 0; k < kNetworks; ++k) writer.network("final." + std::to_string(k), population.network(k));
}

}  // namespace
}  // namespace eaudeqn

int main(int count, char** words) {
  try {
    const auto arguments = eaudeqn::parse({words, static_cast<std::size_t>(count)});
    if (!arguments) throw eaudeqn::Error::usage("population_probe DIRECTORY [--network nature|mlp|impala] [--seed N]");
    eaudeqn::probe(*arguments);
    return 0;
  } catch (const eaudeqn::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return error.kind() == eaudeqn::Error::Kind::usage ? 2 : 1;
  }
}
