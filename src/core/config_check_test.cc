// Which settings go together: each refused combination says what to set instead.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/test_config.h"
#include "eaudeqn/config.h"

namespace eaudeqn {
namespace {

using testing::HasSubstr;

TEST(ConfigChecks, EnvironmentIsAFamilyAndAName) {
  for (const std::string name : {"", "Pong", "atari/", "/Pong", "dmc/Hopper-v5", "atari/Po ng", "atari/../x"}) {
    EXPECT_THAT(message_of("", {"environment=\"" + name + "\""}), HasSubstr("environment: wants \"atari/Game\""))
        << name;
  }
}

TEST(ConfigChecks, DqnIsOneDenseNetworkAndSaysWhatToSet) {
  EXPECT_THAT(message_of("algorithm = \"dqn\""), HasSubstr("set population.networks = 1"));
  EXPECT_THAT(message_of("algorithm = \"dqn\"\npopulation.networks = 1"), HasSubstr("set sparsity.method = \"dense\""));
  const Config config = parse("algorithm = \"dqn\"", {"population.networks=1", "sparsity.method=dense"});
  EXPECT_EQ(config.algorithm, "dqn");
  EXPECT_THAT(message_of("algorithm = \"ppo\""), HasSubstr("wants \"eaudedqn\" or \"dqn\" or \"distilldqn\""));
}

TEST(ConfigChecks, AnAlgorithmsNameSaysItsSparsityMethod) {
  EXPECT_THAT(message_of("", {"sparsity.method=rigl"}), HasSubstr("set sparsity.method = \"eaude\""));
  const std::vector<std::string> rigl = {"algorithm=rigldqn", "population.networks=1", "sparsity.method=rigl"};
  EXPECT_EQ(parse("", rigl).sparsity.method, "rigl");
  const auto with = [&](const std::string& setting) {
    std::vector<std::string> settings = rigl;
    settings.push_back(setting);
    return message_of("", settings);
  };
  EXPECT_THAT(with("population.networks=2"), HasSubstr("rigldqn has one network"));
  EXPECT_THAT(with("sparsity.method=set"), HasSubstr("set sparsity.method = \"rigl\""));
  EXPECT_THAT(with("sparsity.distribution=global"), HasSubstr("begins with random masks"));
  EXPECT_THAT(with("sparsity.granularity=unit"), HasSubstr("set sparsity.granularity = \"weight\""));
  EXPECT_THAT(message_of("", {"sparsity.granularity=unit", "sparsity.distribution=erk"}), HasSubstr("single weights"));
  EXPECT_THAT(with("sparsity.start=8000000"), HasSubstr("must be below sparsity.end"));
  EXPECT_THAT(with("sparsity.period=4001"), HasSubstr("multiple of training.gradient_period (4)"));
  EXPECT_THAT(with("training.target_update_period=3"), HasSubstr("at least training.gradient_period (4)"));
  EXPECT_THAT(message_of("algorithm = \"eaudecql\"\ntraining.n_step = 2"), HasSubstr("set training.n_step = 1"));
}

TEST(ConfigChecks, ActionsThatAreVectorsNeedSacAndSacNeedsThem) {
  const std::string hopper = "environment = \"mujoco/Hopper-v5\"\n";
  EXPECT_THAT(message_of(hopper), HasSubstr("set algorithm = \"eaudesac\""));
  EXPECT_THAT(message_of("algorithm = \"eaudesac\""), HasSubstr("an environment of mujoco/"));
  const std::string eaude = hopper + "algorithm = \"eaudesac\"\nnetwork.kind = \"mlp\"";
  EXPECT_EQ(parse(eaude).sac.tau, 0.005);
  EXPECT_THAT(message_of(hopper + "algorithm = \"eaudesac\""), HasSubstr("set network.kind = \"mlp\""));
  EXPECT_THAT(message_of(eaude, {"training.n_step=3"}), HasSubstr("set training.n_step = 1"));
  EXPECT_THAT(message_of(eaude, {"sparsity.method=polynomial"}), HasSubstr("set sparsity.method = \"eaude\""));
  EXPECT_EQ(parse(eaude, {"sac.actor_pruning=polynomial"}).sac.actor_pruning, "polynomial");
  EXPECT_THAT(message_of(eaude, {"sac.actor_pruning=polynomial", "sparsity.end=10"}), HasSubstr("sparsity.end (10)"));
}

TEST(ConfigChecks, SacAndPolyPruneSacSayWhatToSet) {
  const std::string hopper = "environment = \"mujoco/Hopper-v5\"\nnetwork.kind = \"mlp\"\n";
  const std::string sac = hopper + "algorithm = \"sac\"";
  EXPECT_THAT(message_of(sac), HasSubstr("set population.networks = 1"));
  EXPECT_THAT(message_of(sac, {"population.networks=1"}), HasSubstr("set sparsity.method = \"dense\""));
  EXPECT_THAT(message_of(sac, {"population.networks=1", "sparsity.method=dense"}),
              HasSubstr("set sac.actor_pruning = \"none\""));
  const std::string poly = hopper + "algorithm = \"polyprunesac\"\npopulation.networks = 1";
  EXPECT_THAT(message_of(poly), HasSubstr("set sparsity.method = \"polynomial\""));
  EXPECT_EQ(parse(poly, {"sparsity.method=polynomial"}).sparsity.final, 0.95);
  EXPECT_THAT(message_of("sparsity.method = \"polynomial\""), HasSubstr("set sparsity.method = \"eaude\""));
}

TEST(ConfigChecks, OnlySacNormalizesObservations) {
  EXPECT_FALSE(parse(builtin_config("mujoco/another", "eaudesac")).sac.normalize_observations);
  EXPECT_TRUE(parse(builtin_config("mujoco/another", "riglsac"), {"sac.normalize_observations=true"})
                  .sac.normalize_observations);
  EXPECT_THAT(message_of("algorithm = \"eaudedqn\"\nsac.normalize_observations = true"),
              HasSubstr("sac.normalize_observations is true, but eaudedqn reads observations as they are: set it to "
                        "false"));
}

TEST(ConfigChecks, OnlyActorsThatArePrunedFollowASchedule) {
  const std::string rigl =
      "environment = \"mujoco/Hopper-v5\"\nnetwork.kind = \"mlp\"\nalgorithm = \"riglsac\"\npopulation.networks = 1\n"
      "sparsity.method = \"rigl\"\nsparsity.distribution = \"erk\"";
  EXPECT_EQ(parse(rigl).sac.actor_pruning, "follow");
  EXPECT_THAT(message_of(rigl, {"sac.actor_pruning=polynomial"}), HasSubstr("set sac.actor_pruning = \"follow\""));
}

TEST(ConfigChecks, CombinationsThatCannotWorkAreRefused) {
  EXPECT_THAT(message_of("environment = \"classic/CartPole-v1\""), HasSubstr("set network.kind = \"mlp\""));
  EXPECT_THAT(message_of("training.epsilon_start = 0.0"), HasSubstr("training.epsilon_end (0.01)"));
  EXPECT_THAT(message_of("training.n_step = 3\ntraining.initial_samples = 2"),
              HasSubstr("training.initial_samples (2)"));
  EXPECT_THAT(message_of("replay.capacity = 31"), HasSubstr("at least training.batch_size (32)"));
  EXPECT_EQ(parse("replay.capacity = 32").replay.capacity, 32);
}

}  // namespace
}  // namespace eaudeqn
