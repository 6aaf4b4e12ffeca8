// Copies that were pruned to the same sparsity share their networks, and nobody can tell but by the time it takes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/test_directory.h"
#include "population/population.h"
#include "population/test_population.h"

namespace eaudeqn {
namespace {

using testing::ElementsAre;

// Every exponent but the smallest meets the limit.
Config limited() {
  Config config = small_config(5);
  config.training.steps = 1'000;
  config.sparsity.max_speed = 0.01;
  return config;
}

std::vector<std::size_t> same_as(const Population& population) {
  std::vector<std::size_t> members;
  for (std::size_t k = 0; k < population.size(); ++k) members.push_back(population.same_as(k));
  return members;
}

class SharedCopies : public testing::Test {
 protected:
  SharedCopies() : population_(small_plan(), limited()) {
    add_losses(population_, {3, 1, 2, 4, 5});
    population_.update_target(100);
  }

  Population population_;
};

TEST_F(SharedCopies, AreThoseOfTheSameSparsity) {
  EXPECT_THAT(same_as(population_), ElementsAre(0, 1, 0, 0, 0)) << "1 was selected and stays as it was";
  EXPECT_THAT(population_.distinct(), ElementsAre(0, 1));
  for (const std::size_t k : {2, 3, 4}) {
    EXPECT_EQ(&population_.network(k), &population_.network(0));
    EXPECT_NEAR(population_.sparsity(k), 0.01, 1e-3);
  }
  EXPECT_EQ(population_.sparsity(1), 0.0);
  EXPECT_THAT(population_.of_all({0, 1}, {7, 8}), ElementsAre(7, 8, 7, 7, 7));
}

TEST_F(SharedCopies, AreApartWhereSparsitiesDiffer) {
  Config config = limited();
  config.sparsity.max_speed = 1.0;
  Population population(small_plan(), config);
  add_losses(population, {3, 1, 2, 4, 5});
  population.update_target(100);
  EXPECT_THAT(population.distinct(), ElementsAre(0, 1, 2, 3, 4));
}

TEST_F(SharedCopies, AreApartWhereEveryMemberKeepsItsMoments) {
  Config config = limited();
  config.population.reset_optimizer = false;
  Population population(small_plan(), config);
  add_losses(population, {3, 1, 2, 4, 5});
  population.update_target(100);
  EXPECT_THAT(population.distinct(), ElementsAre(0, 1, 2, 3, 4));
}

// As random selection may choose it, or a smaller loss of its own.
TEST_F(SharedCopies, OneThatIsSelectedStaysAsItIsWhileTheOthersAreReplaced) {
  RandomStream stream(1, "shared");
  set_trained_state(population_.network(2), 0.5, stream);
  const auto before = all_layers(population_.network(2));
  const double sparsity = population_.sparsity(2);
  add_losses(population_, {5, 4, 1, 2, 3});
  EXPECT_EQ(population_.update_target(200).selected, 2U);
  EXPECT_TRUE(same_bits(all_layers(population_.network(2)), before));
  EXPECT_TRUE(same_bits(all_layers(population_.target()), before));
  EXPECT_THAT(same_as(population_), ElementsAre(0, 0, 2, 0, 0));
  EXPECT_NEAR(population_.sparsity(0), sparsity + 0.01, 1e-3);
  for (std::size_t k = 0; k < 5; ++k) EXPECT_EQ(population_.network(k).optimizer_steps, 0);
}

TEST_F(SharedCopies, AreFoundAgainInACheckpoint) {
  const TestDirectory directory;
  ArchiveWriter archive;
  population_.save(archive, "population/");
  archive.write(directory / "saved");
  Population loaded(small_plan(), limited());
  loaded.load(ArchiveReader(directory / "saved"), "population/");
  EXPECT_EQ(same_as(loaded), same_as(population_));
  for (Population* population : {&population_, &loaded}) {
    add_losses(*population, {5, 4, 1, 2, 3});
    population->update_target(200);
  }
  EXPECT_EQ(state_of(loaded), state_of(population_));
}

}  // namespace
}  // namespace eaudeqn
