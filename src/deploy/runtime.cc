// See runtime.h.
#include "deploy/runtime.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "deploy/policy.h"
#include "deploy/policy_network.h"
#include "eaudeqn/error.h"
#include "engine/passes.h"

namespace eaudeqn {
namespace {

// Batches run in blocks of as many; a multiple of the engine's lanes.
constexpr std::size_t kBlock = 32;
// Fewer observations than these run one by one, which is quicker than a pass whose lanes are mostly empty.
constexpr std::size_t kFewest = 4;

std::vector<float> read_bounds(const nlohmann::json& actions, const char* key) {
  std::vector<float> bounds;
  for (const nlohmann::json& bound : actions.at(key)) bounds.push_back(bound.get<float>());
  return bounds;
}

// interleaved (pixels, channels) -> planes (channels, pixels). Constant channels let the compiler use vectors.
template <std::size_t kChannels>
void to_planes(const std::byte* interleaved, std::size_t pixels, std::size_t channels, std::byte* planes) {
  const std::size_t step = kChannels == 0 ? channels : kChannels;
  for (std::size_t channel = 0; channel < step; ++channel) {
    for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
      planes[channel * pixels + pixel] = interleaved[pixel * step + channel];
    }
  }
}

void require_finite(std::span<const std::byte> floats) {
  for (std::size_t i = 0; i < floats.size(); i += sizeof(float)) {
    float value = 0;
    std::memcpy(&value, floats.data() + i, sizeof(float));
    if (!std::isfinite(value)) {
      throw Error::usage(fmt::format("the observation: number {} is NaN or infinite", i / sizeof(float)));
    }
  }
}

// -0 becomes 0: the one thing in which the two ways to compute an output may differ.
float plain_zero(float value) { return value + 0.0F; }

}  // namespace

Runtime::Runtime(const std::filesystem::path& file) : Runtime(read_policy(file), file.string()) {}

Runtime::Runtime(Policy policy, const std::string& origin)
    : network_(make_network(policy, origin)),
      geometry_(std::make_shared<SingleGeometry>(std::make_shared<NetworkPlan>(network_.plan()))),
      single_weights_(geometry_) {
  if (images() && !architecture().byte_input) {
    throw Error::failure(origin + ": its network reads images of float32, which this library does not; export another");
  }
  metadata_ = std::move(policy.metadata);
  single_weights_.copy(network_);
  read_actions(origin);
}

void Runtime::read_actions(const std::string& origin) {
  const auto found = metadata_.find("actions");
  if (found == metadata_.end()) return;
  try {
    const auto actions = nlohmann::json::parse(found->second);
    if (actions.is_array()) {
      action_names_ = actions.get<std::vector<std::string>>();
      if (action_names_.size() == outputs()) return;
    } else {
      action_low_ = read_bounds(actions, "low");
      action_high_ = read_bounds(actions, "high");
      const bool ordered =
          std::equal(action_low_.begin(), action_low_.end(), action_high_.begin(), action_high_.end(),
                     [](float low, float high) { return std::isfinite(low) && std::isfinite(high) && low <= high; });
      if (ordered && !action_low_.empty() && 2 * action_low_.size() == outputs()) return;
    }
  } catch (const nlohmann::json::exception&) {
  }
  throw Error::failure(
      fmt::format("{}: not a valid policy file: its actions are neither {} names nor lower and upper bounds of {} "
                  "numbers; copy or export it again",
                  origin, outputs(), outputs() / 2));
}

std::size_t Runtime::active_weights() const {
  std::size_t active = 0;
  for (const Layer& layer : network_.layers()) active += layer.active;
  return active;
}

std::size_t Runtime::observation_bytes() const {
  return network_.spec().tensors[0].elements() * (architecture().byte_input ? 1 : sizeof(float));
}

RuntimeSession::RuntimeSession(std::shared_ptr<const Runtime> runtime, std::size_t largest_batch)
    : runtime_(std::move(runtime)), largest_batch_(largest_batch), single_(runtime_->geometry()) {
  if (largest_batch == 0) throw Error::usage("the session's largest batch: got 0, wants 1 or more");
  const std::size_t lanes = std::min(largest_batch, kBlock);
  if (runtime_->images()) {
    arranged_.resize(lanes * runtime_->observation_bytes());
    frames_.resize(runtime_->observation_bytes());
  }
  if (largest_batch < kFewest) return;
  const auto& plan = runtime_->geometry()->plan();
  input_.emplace_back(plan, lanes);
  workspace_.emplace_back(plan, lanes, false);
  workspace_[0].set_input(input_[0]);
}

std::span<const std::byte> RuntimeSession::arrange(std::span<const std::byte> observations, std::size_t count) {
  const std::size_t size = runtime_->observation_bytes();
  if (!runtime_->architecture().byte_input) require_finite(observations);
  if (!runtime_->images()) return observations;
  const std::size_t channels = runtime_->architecture().input[0];
  for (std::size_t b = 0; b < count; ++b) {
    const std::byte* from = observations.data() + b * size;
    std::byte* to = arranged_.data() + b * size;
    if (channels == 4) {
      to_planes<4>(from, size / channels, channels, to);
    } else {
      to_planes<0>(from, size / channels, channels, to);
    }
  }
  return std::span(arranged_).first(count * size);
}

void RuntimeSession::forward_pass(std::span<const std::byte> observations, std::size_t count, float* outputs) {
  input_[0].load(observations, count, pool_);
  // A forward pass only reads the network; the pointer is for backward passes.
  const Pass pass{const_cast<Network*>(&runtime_->network()), workspace_.data()};
  eaudeqn::forward(std::span(&pass, 1), pool_);
  for (std::size_t b = 0; b < count; ++b) {
    for (std::size_t unit = 0; unit < runtime_->outputs(); ++unit) {
      *outputs++ = plain_zero(workspace_[0].output(b, unit));
    }
  }
}

void RuntimeSession::forward_single(std::span<const std::byte> observation, float* outputs) {
  const auto values = single_.forward(runtime_->single_weights(), observation);
  std::transform(values.begin(), values.end(), outputs, plain_zero);
}

void RuntimeSession::forward(std::span<const std::byte> observations, std::size_t batch, std::span<float> outputs) {
  const std::size_t size = runtime_->observation_bytes();
  if (batch == 0 || batch > largest_batch_) {
    throw Error::usage(fmt::format("the batch: got {} observations, the session takes 1 to {}", batch, largest_batch_));
  }
  if (observations.size() != batch * size) {
    throw Error::usage(fmt::format("the observations: got {} bytes, wants {} for a batch of {}", observations.size(),
                                   batch * size, batch));
  }
  for (std::size_t begin = 0; begin < batch; begin += kBlock) {
    const std::size_t count = std::min(batch - begin, kBlock);
    const auto arranged = arrange(observations.subspan(begin * size, count * size), count);
    float* block = outputs.data() + begin * runtime_->outputs();
    if (count >= kFewest) {
      forward_pass(arranged, count, block);
      continue;
    }
    for (std::size_t b = 0; b < count; ++b) {
      forward_single(arranged.subspan(b * size, size), block + b * runtime_->outputs());
    }
  }
}

std::size_t RuntimeSession::largest_output(std::span<const std::byte> planes) {
  if (runtime_->continuous()) {
    throw Error::usage("this policy's actions are continuous: use the function for continuous actions");
  }
  const auto values = single_.forward(runtime_->single_weights(), planes);
  std::size_t best = 0;
  for (std::size_t a = 1; a < values.size(); ++a) {
    if (values[a] > values[best] || (std::isnan(values[best]) && !std::isnan(values[a]))) best = a;
  }
  if (std::isnan(values[best])) throw Error::failure("no action: all outputs of the network are NaN");
  return best;
}

std::size_t RuntimeSession::act(std::span<const std::byte> observation) {
  if (observation.size() != runtime_->observation_bytes()) {
    throw Error::usage(
        fmt::format("the observation: got {} bytes, wants {}", observation.size(), runtime_->observation_bytes()));
  }
  return largest_output(arrange(observation, 1));
}

void RuntimeSession::act_continuous(std::span<const std::byte> observation, std::span<float> action) {
  if (!runtime_->continuous()) {
    throw Error::usage("this policy's actions are discrete: use the function for discrete actions");
  }
  if (observation.size() != runtime_->observation_bytes()) {
    throw Error::usage(
        fmt::format("the observation: got {} bytes, wants {}", observation.size(), runtime_->observation_bytes()));
  }
  const auto means = single_.forward(runtime_->single_weights(), arrange(observation, 1));
  for (std::size_t i = 0; i < action.size(); ++i) {
    if (std::isnan(means[i])) throw Error::failure(fmt::format("no action: output {} of the network is NaN", i));
    const float low = runtime_->action_low()[i], high = runtime_->action_high()[i];
    action[i] = low + 0.5F * (std::tanh(means[i]) + 1.0F) * (high - low);
  }
}

void RuntimeSession::reset() {
  if (frames_.empty()) throw Error::usage("this policy's observations are vectors, which have no frames");
  std::fill(frames_.begin(), frames_.end(), std::byte{0});
}

std::size_t RuntimeSession::act_on_frame(std::span<const std::byte> frame) {
  if (frames_.empty()) throw Error::usage("this policy's observations are vectors, which have no frames");
  const std::size_t wanted = frames_.size() / runtime_->architecture().input[0];
  if (frame.size() != wanted) {
    throw Error::usage(fmt::format("the frame: got {} bytes, wants {}", frame.size(), wanted));
  }
  std::memmove(frames_.data(), frames_.data() + wanted, frames_.size() - wanted);
  std::memcpy(frames_.data() + frames_.size() - wanted, frame.data(), wanted);
  return largest_output(frames_);
}

}  // namespace eaudeqn
