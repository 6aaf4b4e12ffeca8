// See sac.h.
#include "agents/sac.h"

#include <algorithm>
#include <cmath>

#include "agents/dqn.h"
#include "engine/share_networks.h"
#include "population/network_archive.h"
#include "sparsity/polynomial.h"

namespace eaudeqn {
namespace {

constexpr std::size_t kTwins = 2;

std::shared_ptr<const NetworkPlan> plan_of(const Config& config, std::size_t inputs, std::size_t outputs) {
  return std::make_shared<NetworkPlan>(make_network_spec(make_architecture(config.network, {inputs}, false, outputs)),
                                       static_cast<std::size_t>(config.training.batch_size));
}

Network initial_actor(const Config& config, const std::shared_ptr<const NetworkPlan>& plan) {
  Network actor(plan, true);
  RandomStream stream(static_cast<std::uint64_t>(config.seed), "actor initialization");
  actor.initialize(stream);
  return actor;
}

}  // namespace

Temperature::Temperature(double initial, double learning_rate, double adam_epsilon)
    : learning_rate_(learning_rate), adam_epsilon_(adam_epsilon) {
  state_.log = std::log(initial);
}

double Temperature::value() const { return std::exp(state_.log); }

void Temperature::update(double entropy, double target_entropy) {
  const double gradient = value() * (entropy - target_entropy);
  ++state_.steps;
  state_.first_moment = 0.9 * state_.first_moment + 0.1 * gradient;
  state_.second_moment = 0.999 * state_.second_moment + 0.001 * gradient * gradient;
  const auto steps = static_cast<double>(state_.steps);
  const double first = state_.first_moment / (1.0 - std::pow(0.9, steps));
  const double second = state_.second_moment / (1.0 - std::pow(0.999, steps));
  state_.log -= learning_rate_ * first / (std::sqrt(second) + adam_epsilon_);
}

void Temperature::save(ArchiveWriter& archive, const std::string& prefix) const {
  archive.add_value(prefix + "log", state_.log);
  archive.add_value(prefix + "first_moment", state_.first_moment);
  archive.add_value(prefix + "second_moment", state_.second_moment);
  archive.add_value(prefix + "steps", state_.steps);
}

void Temperature::load(const ArchiveReader& archive, const std::string& prefix) {
  state_.log = archive.value<double>(prefix + "log");
  state_.first_moment = archive.value<double>(prefix + "first_moment");
  state_.second_moment = archive.value<double>(prefix + "second_moment");
  state_.steps = archive.value<std::int64_t>(prefix + "steps");
}

ContinuousActor::ContinuousActor(const std::shared_ptr<const NetworkPlan>& plan)
    : actions_(plan->spec.architecture.outputs / 2), forward_(std::make_shared<SingleGeometry>(plan)) {}

std::span<const float> ContinuousActor::mean_action(const SingleWeights& weights, std::span<const float> observation) {
  const std::span<const float> outputs = forward_.forward(weights, std::as_bytes(observation));
  sample_.actions.resize(actions_);
  for (std::size_t i = 0; i < actions_; ++i) sample_.actions[i] = std::tanh(outputs[i]);
  return sample_.actions;
}

std::span<const float> ContinuousActor::sample_action(const SingleWeights& weights, std::span<const float> observation,
                                                      RandomStream& noise) {
  sample_policy(forward_.forward(weights, std::as_bytes(observation)), actions_, noise, sample_);
  return sample_.actions;
}

SacAgent::SacAgent(const Config& config, std::size_t observation_size, std::size_t actions)
    : config_(config),
      observation_size_(observation_size),
      actions_(actions),
      batch_size_(static_cast<std::size_t>(config.training.batch_size)),
      actor_plan_(plan_of(config, observation_size, 2 * actions)),
      critic_plan_(plan_of(config, observation_size + actions, 1)),
      critics_(critic_plan_, config, kTwins),
      actor_(initial_actor(config, actor_plan_)),
      temperature_(config.sac.initial_temperature, config.sac.temperature_learning_rate, config.training.adam_epsilon),
      acting_(actor_plan_),
      acting_weights_(acting_.make_weights()),
      exploration_(static_cast<std::uint64_t>(config.seed), "exploration"),
      noise_(static_cast<std::uint64_t>(config.seed), "policy noise"),
      actor_pruning_(static_cast<std::uint64_t>(config.seed), "actor pruning"),
      random_action_(actions),
      observations_(actor_plan_, batch_size_),
      next_observations_(actor_plan_, batch_size_),
      pairs_(critic_plan_, batch_size_),
      next_pairs_(critic_plan_, batch_size_),
      actor_workspace_(actor_plan_, batch_size_, true),
      next_actor_workspace_(actor_plan_, batch_size_, false),
      target_workspace_(critic_plan_, batch_size_, false) {
  if (config.sac.actor_pruning == "follow") critics_.method().begin(actor_, actor_pruning_);
  actor_workspace_.set_input(observations_);
  next_actor_workspace_.set_input(next_observations_);
  target_workspace_.set_input(next_pairs_);
  for (std::size_t twin = 0; twin < kTwins; ++twin) {
    value_workspaces_.emplace_back(critic_plan_, batch_size_, true);
    value_workspaces_.back().keep_input_gradient();
    value_workspaces_.back().set_input(pairs_);
  }
}

std::span<const float> SacAgent::act(std::span<const float> observation, std::int64_t step) {
  if (step >= config_.training.initial_samples) {
    acting_weights_.refer_to(actor_);
    return acting_.sample_action(acting_weights_, observation, exploration_);
  }
  for (float& value : random_action_) value = static_cast<float>(exploration_.uniform(-1.0, 1.0));
  return random_action_;
}

std::vector<double> SacAgent::update(const VectorBatch& batch, std::int64_t step, ThreadPool& pool) {
  observations_.load_units(0, batch.observations, batch_size_);
  next_observations_.load_units(0, batch.next_observations, batch_size_);
  pairs_.load_units(0, batch.observations, batch_size_);
  pairs_.load_units(observation_size_, batch.actions, batch_size_);
  std::vector<double> losses = update_critics(targets(batch, pool), step, pool);
  for (std::size_t k = 0; k < losses.size(); ++k) critics_.average_loss(k, losses[k], config_.sac.tau);
  critics_.move_target(step, config_.sac.tau);  // selects psi
  update_actor(step, pool);
  entropy_ = -sample_.mean_log_probability();
  temperature_.update(entropy_, -config_.sac.target_entropy_scale * static_cast<double>(actions_));
  return losses;
}

// y = r + gamma (1 - terminal) (min_i Q_bar,i(s', a') - alpha log pi(a'|s')), a' ~ pi(.|s').
std::vector<float> SacAgent::targets(const VectorBatch& batch, ThreadPool& pool) {
  const Pass actor{&actor_, &next_actor_workspace_};
  forward(std::span(&actor, 1), pool);
  sample_policy(output_rows(next_actor_workspace_, batch_size_, 2 * actions_), actions_, noise_, next_sample_);
  next_pairs_.load_units(0, batch.next_observations, batch_size_);
  next_pairs_.load_units(observation_size_, next_sample_.actions, batch_size_);
  std::vector<float> values(batch_size_);
  for (std::size_t twin = 0; twin < kTwins; ++twin) {
    const Pass pass{&critics_.target(twin), &target_workspace_};
    forward(std::span(&pass, 1), pool);
    for (std::size_t b = 0; b < batch_size_; ++b) {
      const float value = target_workspace_.output(b, 0);
      if (twin == 0 || value < values[b] || std::isnan(value)) values[b] = value;  // NaN stays
    }
  }
  const auto alpha = static_cast<float>(temperature_.value());
  for (std::size_t b = 0; b < batch_size_; ++b) {
    const float soft_value = values[b] - alpha * next_sample_.log_probabilities[b];
    values[b] = batch.rewards[b] + batch.discounts[b] * soft_value;
  }
  return values;
}

// The loss of critic k is  mean((Q_k,1 - y)^2) + mean((Q_k,2 - y)^2).
std::vector<double> SacAgent::update_critics(const std::vector<float>& y, std::int64_t step, ThreadPool& pool) {
  const std::vector<std::size_t> members = critics_.distinct();
  const std::size_t count = kTwins * members.size();
  while (critic_workspaces_.size() < shared_workspaces(count, pool)) {
    critic_workspaces_.emplace_back(critic_plan_, batch_size_, true);
    critic_workspaces_.back().set_input(pairs_);
  }
  std::vector<double> losses(count, 0.0);
  critic_gradients_.assign(count, {});
  if (wants_gradients(step)) compute_unread(true);
  share_networks(count, pool, [&](std::size_t first, std::size_t networks, std::size_t workspace, ThreadPool& own) {
    std::vector<Pass> passes;
    for (std::size_t i = 0; i < networks; ++i) {
      const std::size_t network = first + i;
      passes.push_back(
          {&critics_.network(members[network / kTwins], network % kTwins), &critic_workspaces_[workspace + i]});
    }
    forward(passes, own);
    for (std::size_t i = 0; i < networks; ++i) losses[first + i] = differentiate_loss(y, *passes[i].workspace);
    backward_and_adam(passes, config_.training.learning_rate, config_.training.adam_epsilon, own);
    for (std::size_t i = 0; wants_gradients(step) && i < networks; ++i) {
      critic_gradients_[first + i] = all_weight_gradients(passes[i], own);
    }
  });
  std::vector<double> sums(members.size(), 0.0);
  for (std::size_t i = 0; i < count; ++i) sums[i / kTwins] += losses[i];
  return critics_.of_all(members, sums);
}

// The mean squared error of one critic, whose gradient it leaves in the workspace.
double SacAgent::differentiate_loss(const std::vector<float>& y, Workspace& workspace) const {
  workspace.clear_output_gradient();
  double sum = 0;
  for (std::size_t b = 0; b < batch_size_; ++b) {
    const float error = workspace.output(b, 0) - y[b];
    sum += static_cast<double>(error) * static_cast<double>(error);
    workspace.set_output_gradient(b, 0, 2.0F * error / static_cast<float>(batch_size_));
  }
  return sum / static_cast<double>(batch_size_);
}

// The actor's loss is  mean(alpha log pi(a|s) - min_i Q_psi,i(s, a)), a ~ pi(.|s).
void SacAgent::update_actor(std::int64_t step, ThreadPool& pool) {
  const Pass actor{&actor_, &actor_workspace_};
  forward(std::span(&actor, 1), pool);
  sample_policy(output_rows(actor_workspace_, batch_size_, 2 * actions_), actions_, noise_, sample_);
  pairs_.load_units(observation_size_, sample_.actions, batch_size_);
  set_policy_gradient(sample_, value_gradients(pool), temperature_.value(), actor_workspace_);
  backward_and_adam(std::span(&actor, 1), config_.sac.actor_learning_rate, config_.training.adam_epsilon, pool);
  if (wants_gradients(step)) actor_gradients_ = all_weight_gradients(actor, pool);
}

// d min_i Q_psi,i(s, a) / da at the pairs loaded: that of the smaller twin, sample by sample.
std::vector<float> SacAgent::value_gradients(ThreadPool& pool) {
  std::vector<Pass> passes;
  for (std::size_t twin = 0; twin < kTwins; ++twin) {
    passes.push_back({&critics_.network(critics_.selected(), twin), &value_workspaces_[twin]});
    value_workspaces_[twin].clear_output_gradient();
  }
  forward(passes, pool);
  std::vector<std::size_t> smaller(batch_size_);
  for (std::size_t b = 0; b < batch_size_; ++b) {
    smaller[b] = value_workspaces_[1].output(b, 0) < value_workspaces_[0].output(b, 0) ? 1 : 0;
    value_workspaces_[smaller[b]].set_output_gradient(b, 0, 1.0F);
  }
  backward_to_input(passes, observation_size_, pool);
  std::vector<float> gradients(batch_size_ * actions_);
  for (std::size_t b = 0; b < batch_size_; ++b) {
    for (std::size_t i = 0; i < actions_; ++i) {
      gradients[b * actions_ + i] = value_workspaces_[smaller[b]].input_gradient(b, observation_size_ + i);
    }
  }
  return gradients;
}

TargetUpdate SacAgent::update_target(std::int64_t step) {
  TargetUpdate update = critics_.replace_others(step);
  if (critics_.method().prunes_copies()) prune_actor(critics_.sparsity(update.selected), step);
  return update;
}

bool SacAgent::wants_gradients(std::int64_t step) const {
  return critics_.method().wants_gradients() && critics_.method().changes_at(step);
}

// Of the networks whose masks change by gradients of all weights.
void SacAgent::compute_unread(bool compute) {
  for (std::size_t i = 0; i < kTwins * critics_.size(); ++i) {
    critics_.network(i / kTwins, i % kTwins).compute_unread(compute);
  }
  actor_.compute_unread(compute);
}

bool SacAgent::change_masks(std::int64_t step) {
  const SparsityMethod& method = critics_.method();
  if (!method.changes_at(step)) return false;
  for (std::size_t i = 0; i < kTwins * critics_.size(); ++i) {
    critics_.change_masks(i / kTwins, i % kTwins, step, critic_gradients_.at(i));
  }
  critics_.follow_masks();
  if (config_.sac.actor_pruning != "none") method.change(actor_, step, actor_gradients_, actor_pruning_);
  if (wants_gradients(step)) compute_unread(false);
  return true;
}

// The actor of a method that prunes copies.
void SacAgent::prune_actor(double critic_sparsity, std::int64_t step) {
  const SparsityConfig& schedule = config_.sparsity;
  if (config_.sac.actor_pruning == "none") return;
  const double sparsity = config_.sac.actor_pruning == "follow"
                              ? critic_sparsity
                              : polynomial_sparsity(step, schedule.start, schedule.end, schedule.final);
  critics_.method().prune(actor_, sparsity, actor_);
}

void SacAgent::save(ArchiveWriter& archive) const {
  critics_.save(archive, "population/");
  save_network(archive, "actor/", actor_);
  temperature_.save(archive, "temperature/");
  archive.add_value("agent/entropy", entropy_);
  archive.add_value("agent/exploration_stream", exploration_.position());
  archive.add_value("agent/noise_stream", noise_.position());
  archive.add_value("agent/actor_pruning_stream", actor_pruning_.position());
}

void SacAgent::load(const ArchiveReader& archive) {
  critics_.load(archive, "population/");
  load_network(archive, "actor/", actor_);
  temperature_.load(archive, "temperature/");
  entropy_ = archive.value<double>("agent/entropy");
  exploration_.seek(archive.value<std::uint64_t>("agent/exploration_stream"));
  noise_.seek(archive.value<std::uint64_t>("agent/noise_stream"));
  actor_pruning_.seek(archive.value<std::uint64_t>("agent/actor_pruning_stream"));
}

}  // namespace eaudeqn
