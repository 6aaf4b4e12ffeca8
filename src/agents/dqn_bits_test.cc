// Runs of the agent to the last bit: one dense network is plain DQN, threads change nothing, a saved agent goes on as
// it would have. What the numbers should be is in dqn_test.cc.
#include <gtest/gtest.h>

#include "agents/dqn.h"
#include "agents/test_dqn.h"
#include "core/test_directory.h"

namespace eaudeqn {
namespace {

// Deep Q-learning with one network and nothing else, as in Mnih et al. 2015, on the engine's passes alone.
class PlainDqn {
 public:
  PlainDqn(const Config& config, const Architecture& architecture)
      : training_(config.training),
        plan_(std::make_shared<NetworkPlan>(make_network_spec(architecture))),
        online_(plan_, true),
        target_(plan_, false),
        states_(plan_, 32),
        next_states_(plan_, 32),
        state_(plan_, 1),
        learning_(plan_, 32, true),
        looking_ahead_(plan_, 32, false),
        acting_(plan_, 1, false),
        exploration_(static_cast<std::uint64_t>(config.seed), "exploration") {
    RandomStream initialization(static_cast<std::uint64_t>(config.seed), "initialization", 0);
    online_.initialize(initialization);
    target_.copy_from(online_);
    learning_.set_input(states_);
    looking_ahead_.set_input(next_states_);
    acting_.set_input(state_);
  }

  std::size_t act(const std::vector<std::byte>& observation, std::int64_t step) {
    if (exploration_.uniform() < exploration_epsilon(training_, step)) return exploration_.below(actions());
    state_.load(observation, 1, pool_);
    const Pass pass{&online_, &acting_};
    forward({&pass, 1}, pool_);
    return best_action(acting_, 0);
  }

  void learn(const Batch& batch) {
    states_.load(batch.observations, 32, pool_);
    next_states_.load(batch.next_observations, 32, pool_);
    const Pass ahead{&target_, &looking_ahead_}, online{&online_, &learning_};
    forward({&ahead, 1}, pool_);
    forward({&online, 1}, pool_);
    learning_.clear_output_gradient();
    for (std::size_t b = 0; b < 32; ++b) {
      const float y = batch.rewards[b] + batch.discounts[b] * looking_ahead_.output(b, best_action(looking_ahead_, b));
      const auto action = static_cast<std::size_t>(batch.actions[b]);
      learning_.set_output_gradient(b, action, 2.0F * (learning_.output(b, action) - y) / 32.0F);
    }
    backward({&online, 1}, pool_);
    adam_step({&online, 1}, training_.learning_rate, training_.adam_epsilon, pool_);
  }

  void update_target() { target_.copy_from(online_); }
  const Network& online() const { return online_; }
  const Network& target() const { return target_; }

 private:
  std::size_t actions() const { return plan_->spec.architecture.outputs; }
  std::size_t best_action(const Workspace& workspace, std::size_t sample) const {
    std::size_t best = 0;
    for (std::size_t a = 1; a < actions(); ++a) {
      if (workspace.output(sample, a) > workspace.output(sample, best)) best = a;
    }
    return best;
  }

  TrainingConfig training_;
  std::shared_ptr<const NetworkPlan> plan_;
  Network online_, target_;
  InputTensor states_, next_states_, state_;
  Workspace learning_, looking_ahead_, acting_;
  RandomStream exploration_;
  ThreadPool pool_{1};
};

TEST(OneDenseNetwork, IsDqnBitForBit) {
  Config config = dqn_config(1);
  config.sparsity.method = "dense";
  config.population.reset_optimizer = false;
  config.training.initial_samples = 3;
  config.training.epsilon_duration = 8;
  config.training.target_update_period = 4;
  for (const Architecture& architecture : {vectors(), images()}) {
    DqnAgent agent(config, architecture);
    PlainDqn plain(config, architecture);
    ThreadPool pool(2);
    RandomStream stream(5, "dqn");
    for (std::int64_t step = 0; step < (architecture.byte_input ? 12 : 40); ++step) {
      const auto observation = random_observations(architecture, 1, stream);
      ASSERT_EQ(agent.act(observation, step), static_cast<int>(plain.act(observation, step))) << "step " << step;
      const Batch batch = random_batch(architecture, 32, stream);
      agent.update(batch, pool);
      plain.learn(batch);
      if ((step + 1) % config.training.target_update_period == 0) {
        agent.update_target(step + 1);
        plain.update_target();
      }
      ASSERT_TRUE(same_bits(agent.population().network(0), plain.online())) << "step " << step;
      ASSERT_TRUE(same_bits(agent.population().target(), plain.target())) << "step " << step;
    }
  }
}

class EqualBits : public testing::TestWithParam<const char*> {
 protected:
  static Architecture architecture() { return std::string(GetParam()) == "mlp" ? vectors() : images(); }

  // A little run with pruning on; everything it computes.
  static std::vector<float> run(int threads) {
    DqnAgent agent(dqn_config(3), architecture());
    ThreadPool pool(threads);
    RandomStream stream(5, "threads");
    std::vector<float> all;
    for (std::int64_t step = 1; step <= 6; ++step) {
      const auto observation = random_observations(architecture(), 1, stream);
      all.push_back(static_cast<float>(agent.act(observation, 100'000'000)));
      for (const double loss : agent.update(random_batch(architecture(), 32, stream), pool)) {
        all.push_back(static_cast<float>(loss));
      }
      if (step % 2 == 0) agent.update_target(step);
    }
    for (std::size_t k = 0; k < 3; ++k) {
      for (const LayerWeights& layer : all_layers(agent.population().network(k))) {
        all.insert(all.end(), layer.weights.begin(), layer.weights.end());
        all.insert(all.end(), layer.bias.begin(), layer.bias.end());
      }
    }
    return all;
  }
};

TEST_P(EqualBits, ComeFromAnyNumberOfThreads) {
  const auto one = run(1);
  EXPECT_TRUE(same_bits(run(2), one));
  EXPECT_TRUE(same_bits(run(3), one));
}

INSTANTIATE_TEST_SUITE_P(Networks, EqualBits, testing::Values("mlp", "nature"));

// Training goes on the same from a saved agent, and differs if exploration starts anew: the negative control.
TEST(SavedAgent, GoesOnToTheSameBits) {
  Config config = dqn_config(3);
  config.training.initial_samples = 1;  // so that greedy actions, and who takes them, count as well
  config.training.epsilon_duration = 10;
  config.training.epsilon_end = 0.3;
  ThreadPool pool(1);
  const auto go_on = [&](DqnAgent& agent) {
    RandomStream stream(6, "future");
    std::vector<int> actions;
    for (std::int64_t step = 31; step <= 60; ++step) {
      actions.push_back(agent.act(random_observations(vectors(), 1, stream), step));
      agent.update(random_batch(vectors(), 32, stream), pool);
      if (step % 10 == 0) agent.update_target(step);
    }
    return actions;
  };
  DqnAgent agent(config, vectors());
  RandomStream stream(5, "past");
  for (std::int64_t step = 1; step <= 35; ++step) {
    agent.act(random_observations(vectors(), 1, stream), step);
    agent.update(random_batch(vectors(), 32, stream), pool);
    if (step % 10 == 0) agent.update_target(step);
  }
  const TestDirectory directory;
  ArchiveWriter archive, of_the_population;
  agent.save(archive);
  archive.write(directory / "agent");
  agent.population().save(of_the_population, "population/");
  of_the_population.write(directory / "population");

  DqnAgent loaded(config, vectors()), forgetful(config, vectors());
  loaded.load(ArchiveReader(directory / "agent"));
  forgetful.population().load(ArchiveReader(directory / "population"), "population/");
  const auto actions = go_on(agent);
  EXPECT_EQ(go_on(loaded), actions);
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_TRUE(same_bits(loaded.population().network(k), agent.population().network(k)));
  }
  EXPECT_NE(go_on(forgetful), actions);
}

}  // namespace
}  // namespace eaudeqn
