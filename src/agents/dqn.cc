// See dqn.h.
#include "agents/dqn.h"

#include <algorithm>
#include <cmath>

#include "agents/cql.h"
#include "eaudeqn/error.h"
#include "engine/share_networks.h"

namespace eaudeqn {

Architecture make_architecture(const NetworkConfig& network, const std::vector<std::size_t>& input, bool byte_input,
                               std::size_t actions) {
  Architecture architecture;
  architecture.kind = network.kind;
  architecture.features = static_cast<std::size_t>(network.features);
  architecture.width = static_cast<std::size_t>(network.width);
  if (network.kind == "mlp") architecture.hidden.assign(network.hidden.begin(), network.hidden.end());
  architecture.input = input;
  architecture.outputs = actions;
  architecture.byte_input = byte_input;
  return architecture;
}

Architecture make_architecture(const NetworkConfig& network, const EnvironmentSpec& environment) {
  std::vector<std::size_t> input = environment.frame_shape;
  if (input.size() > 1) input.insert(input.begin(), environment.stack);
  return make_architecture(network, input, environment.frame_type == ElementType::uint8, environment.actions());
}

double exploration_epsilon(const TrainingConfig& training, std::int64_t step) {
  if (step < training.initial_samples) return 1.0;
  if (step >= training.epsilon_duration) return training.epsilon_end;
  const double progress = static_cast<double>(step) / static_cast<double>(training.epsilon_duration);
  return training.epsilon_start + progress * (training.epsilon_end - training.epsilon_start);
}

GreedyActor::GreedyActor(const std::shared_ptr<const NetworkPlan>& plan)
    : forward_(std::make_shared<SingleGeometry>(plan)), values_(plan->spec.architecture.outputs) {}

int GreedyActor::act(const SingleWeights& weights, std::span<const std::byte> observation) {
  const std::span<const float> outputs = forward_.forward(weights, observation);
  values_.assign(outputs.begin(), outputs.end());
  std::size_t best = 0;
  for (std::size_t a = 1; a < values_.size(); ++a) {
    if (values_[a] > values_[best] || (std::isnan(values_[best]) && !std::isnan(values_[a]))) best = a;
  }
  return static_cast<int>(best);
}

DqnAgent::DqnAgent(const Config& config, const Architecture& architecture)
    : config_(config),
      plan_(std::make_shared<NetworkPlan>(make_network_spec(architecture),
                                          static_cast<std::size_t>(config.training.batch_size))),
      population_(plan_, config),
      actor_(plan_),
      exploration_(static_cast<std::uint64_t>(config.seed), "exploration"),
      observations_(plan_, static_cast<std::size_t>(config.training.batch_size)),
      next_observations_(plan_, static_cast<std::size_t>(config.training.batch_size)),
      target_workspace_(plan_, static_cast<std::size_t>(config.training.batch_size), false) {
  target_workspace_.set_input(next_observations_);
  for (std::size_t k = 0; k < population_.size(); ++k) acting_weights_.push_back(actor_.make_weights());
}

int DqnAgent::act(std::span<const std::byte> observation, std::int64_t step) {
  const std::size_t k = population_.draw_acting_network();
  const std::size_t actions = plan_->spec.architecture.outputs;
  if (exploration_.uniform() < exploration_epsilon(config_.training, step)) {
    return static_cast<int>(exploration_.below(actions));
  }
  acting_weights_[k].refer_to(population_.network(k));
  return actor_.act(acting_weights_[k], observation);
}

// y = r + gamma (1 - terminal) max_a Q_bar(s', a); the batch's discounts carry gamma and terminal.
std::vector<float> DqnAgent::targets(const Batch& batch, ThreadPool& pool) {
  observations_.load(batch.observations, batch.actions.size(), pool);
  next_observations_.load(batch.next_observations, batch.actions.size(), pool);
  const Pass pass{&population_.target(), &target_workspace_};
  forward(std::span(&pass, 1), pool);
  std::vector<float> y(batch.actions.size());
  for (std::size_t b = 0; b < y.size(); ++b) {
    float largest = target_workspace_.output(b, 0);
    for (std::size_t a = 1; a < plan_->spec.architecture.outputs; ++a) {
      const float value = target_workspace_.output(b, a);
      if (value > largest || std::isnan(value)) largest = value;  // NaN stays: the losses shall show it
    }
    y[b] = batch.rewards[b] + batch.discounts[b] * largest;
  }
  return y;
}

void DqnAgent::reserve_workspaces(std::size_t count) {
  while (workspaces_.size() < count) {
    workspaces_.emplace_back(plan_, static_cast<std::size_t>(config_.training.batch_size), true);
    workspaces_.back().set_input(observations_);
  }
}

std::vector<double> DqnAgent::update(const Batch& batch, ThreadPool& pool) {
  const std::vector<float> y = targets(batch, pool);
  const std::vector<std::size_t> members = population_.distinct();
  std::vector<double> member_losses(members.size(), 0.0);
  reserve_workspaces(shared_workspaces(members.size(), pool));
  share_networks(members.size(), pool,
                 [&](std::size_t first, std::size_t count, std::size_t workspace, ThreadPool& own) {
                   const auto passes = forward_losses(std::span(members).subspan(first, count), workspace, batch, y,
                                                      std::span(member_losses).subspan(first, count), own);
                   backward_and_adam(passes, config_.training.learning_rate, config_.training.adam_epsilon, own);
                 });
  std::vector<double> losses = population_.of_all(members, member_losses);
  for (std::size_t k = 0; k < losses.size(); ++k) population_.add_loss(k, losses[k]);
  return losses;
}

// CQL: sets the gradient of sample b to that of both parts of the loss and returns the penalty.
double DqnAgent::add_penalty(Workspace& workspace, std::size_t b, std::size_t action, float slope,
                             std::size_t batch_size) const {
  std::vector<float> values(plan_->spec.architecture.outputs);
  std::vector<float> gradient(values.size(), 0.0F);
  for (std::size_t a = 0; a < values.size(); ++a) values[a] = workspace.output(b, a);
  gradient[action] = slope;
  const double penalty =
      conservative_penalty(values, action, config_.cql.alpha, 1.0 / static_cast<double>(batch_size), gradient);
  for (std::size_t a = 0; a < values.size(); ++a) workspace.set_output_gradient(b, a, gradient[a]);
  return penalty;
}

std::vector<Pass> DqnAgent::forward_losses(std::span<const std::size_t> members, std::size_t first_workspace,
                                           const Batch& batch, const std::vector<float>& y, std::span<double> losses,
                                           ThreadPool& pool) {
  const std::size_t size = batch.actions.size();
  const bool conservative = is_offline(config_.algorithm) && config_.cql.alpha > 0;
  std::vector<Pass> passes;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    passes.push_back({&population_.network(members[i]), &workspaces_[first_workspace + i]});
  }
  forward(passes, pool);
  for (std::size_t i = 0; i < losses.size(); ++i) {
    Workspace& workspace = *passes[i].workspace;
    workspace.clear_output_gradient();
    for (std::size_t b = 0; b < size; ++b) {
      const auto action = static_cast<std::size_t>(batch.actions[b]);
      const float error = workspace.output(b, action) - y[b];
      losses[i] += static_cast<double>(error) * static_cast<double>(error);
      const float slope = 2.0F * error / static_cast<float>(size);
      if (conservative) {
        losses[i] += add_penalty(workspace, b, action, slope, size);
      } else {
        workspace.set_output_gradient(b, action, slope);
      }
    }
    losses[i] /= static_cast<double>(size);
  }
  return passes;
}

bool DqnAgent::change_masks(const Batch& batch, std::int64_t step, ThreadPool& pool) {
  const SparsityMethod& method = population_.method();
  if (!method.changes_at(step)) return false;
  std::vector<float> y;
  if (method.wants_gradients()) {
    y = targets(batch, pool);
    reserve_workspaces(1);
  }
  for (std::size_t k = 0; k < population_.size(); ++k) {
    WeightGradients gradients;
    if (method.wants_gradients()) {
      double loss = 0;
      population_.network(k).compute_unread(true);
      const auto passes = forward_losses(std::span(&k, 1), 0, batch, y, std::span(&loss, 1), pool);
      backward(passes, pool);
      gradients = all_weight_gradients(passes[0], pool);
    }
    population_.change_masks(k, 0, step, gradients);
    if (method.wants_gradients()) population_.network(k).compute_unread(false);
  }
  return true;
}

void DqnAgent::save(ArchiveWriter& archive) const {
  population_.save(archive, "population/");
  archive.add_value("agent/exploration_stream", exploration_.position());
}

void DqnAgent::load(const ArchiveReader& archive) {
  population_.load(archive, "population/");
  exploration_.seek(archive.value<std::uint64_t>("agent/exploration_stream"));
}

}  // namespace eaudeqn
