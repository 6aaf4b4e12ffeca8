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

namespace eaudeqn {
namespace {

// Loading takes some bytes for each weight, active or not, and a file of a few hundred bytes can declare any number.
constexpr std::size_t kMostWeights = std::size_t{1} << 28;

const Policy& checked(const Policy& policy, const std::string& origin) {
  std::size_t weights = 0;
  for (const PolicyLayer& layer : policy.layers) weights += layer.parameters();
  if (weights <= kMostWeights) return policy;
  throw Error::failure(
      fmt::format("{}: its network has {} weights, this library takes up to {}", origin, weights, kMostWeights));
}

std::vector<float> read_bounds(const nlohmann::json& actions, const char* key) {
  std::vector<float> bounds;
  for (const nlohmann::json& bound : actions.at(key)) bounds.push_back(bound.get<float>());
  return bounds;
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

// The first of the largest; NaN only where all are.
std::size_t largest(std::span<const float> values) {
  std::size_t best = 0;
  for (std::size_t a = 1; a < values.size(); ++a) {
    if (values[a] > values[best] || (std::isnan(values[best]) && !std::isnan(values[a]))) best = a;
  }
  if (std::isnan(values[best])) throw Error::failure("no action: all outputs of the network are NaN");
  return best;
}

void require_size(const char* what, std::size_t got, std::size_t wanted) {
  if (got != wanted) throw Error::usage(fmt::format("{}: got {} bytes, wants {}", what, got, wanted));
}

void require_images(const Runtime& runtime) {
  if (!runtime.images()) throw Error::usage("this policy's observations are vectors, which have no frames");
}

void require_discrete(const Runtime& runtime) {
  if (!runtime.continuous()) return;
  throw Error::usage("this policy's actions are continuous: use the function for continuous actions");
}

}  // namespace

Runtime::Runtime(const std::filesystem::path& file) : Runtime(read_policy(file), file.string()) {}

Runtime::Runtime(const Policy& policy, const std::string& origin)
    : Runtime(policy, make_network(checked(policy, origin), origin), origin) {}

Runtime::Runtime(const Policy& policy, const Network& network, const std::string& origin)
    : metadata_(policy.metadata),
      geometry_(std::make_shared<SingleGeometry>(std::make_shared<NetworkPlan>(network.plan()))),
      network_(geometry_) {
  if (images() && !architecture().byte_input) {
    throw Error::failure(origin + ": its network reads images of float32, which this library does not; export another");
  }
  network_.copy(network);
  for (const Layer& layer : network.layers()) active_weights_ += layer.active;
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

std::size_t Runtime::observation_bytes() const {
  return geometry_->spec().tensors[0].elements() * (architecture().byte_input ? 1 : sizeof(float));
}

RuntimeSession::RuntimeSession(std::shared_ptr<const Runtime> runtime)
    : runtime_(std::move(runtime)),
      forward_(runtime_->geometry()),
      planes_(runtime_->images() ? runtime_->observation_bytes() : 0),
      frames_(runtime_->architecture().input[0], planes_.size() / runtime_->architecture().input[0]) {}

std::span<const float> RuntimeSession::outputs_of(std::span<const std::byte> observation) {
  require_size("the observation", observation.size(), runtime_->observation_bytes());
  if (!runtime_->architecture().byte_input) require_finite(observation);
  if (!runtime_->images()) return forward_.forward(runtime_->network(), observation);
  deinterleave_planes(observation, runtime_->architecture().input[0], planes_);
  return forward_.forward(runtime_->network(), planes_);
}

void RuntimeSession::forward(std::span<const std::byte> observations, std::size_t batch, std::span<float> outputs) {
  const std::size_t size = runtime_->observation_bytes();
  // Divided rather than multiplied, which could overflow.
  if (observations.size() % size != 0 || observations.size() / size != batch) {
    throw Error::usage(fmt::format("the observations: got {} bytes for a batch of {} observations of {} bytes",
                                   observations.size(), batch, size));
  }
  for (std::size_t b = 0; b < batch; ++b) {
    const auto values = outputs_of(observations.subspan(b * size, size));
    // -0 becomes 0: the one thing in which these outputs could differ from those of the passes for batches.
    std::transform(values.begin(), values.end(), outputs.begin() + static_cast<std::ptrdiff_t>(b * values.size()),
                   [](float value) { return value + 0.0F; });
  }
}

std::size_t RuntimeSession::act(std::span<const std::byte> observation) {
  require_discrete(*runtime_);
  return largest(outputs_of(observation));
}

void RuntimeSession::act_continuous(std::span<const std::byte> observation, std::span<float> action) {
  if (!runtime_->continuous()) {
    throw Error::usage("this policy's actions are discrete: use the function for discrete actions");
  }
  const auto means = outputs_of(observation);
  for (std::size_t i = 0; i < action.size(); ++i) {
    if (std::isnan(means[i])) throw Error::failure(fmt::format("no action: output {} of the network is NaN", i));
    const float low = runtime_->action_low()[i], high = runtime_->action_high()[i];
    action[i] = low + 0.5F * (std::tanh(means[i]) + 1.0F) * (high - low);
  }
}

void RuntimeSession::reset() {
  require_images(*runtime_);
  frames_.clear();
}

std::size_t RuntimeSession::act_on_frame(std::span<const std::byte> frame) {
  require_images(*runtime_);
  require_discrete(*runtime_);
  require_size("the frame", frame.size(), planes_.size() / runtime_->architecture().input[0]);
  frames_.push(frame);
  return largest(forward_.forward(runtime_->network(), frames_.planes()));
}

}  // namespace eaudeqn
