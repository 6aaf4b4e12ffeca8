// A saved population loaded elsewhere goes on as the original would have, to the bit, and nothing less is accepted.
// The file that holds it is tested in core/archive_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/test_directory.h"
#include "population/population.h"
#include "population/test_population.h"

namespace eaudeqn {
namespace {

using testing::HasSubstr;

// A population in the midst of a run, and what it does next.
class SavedPopulation : public testing::Test {
 protected:
  static Config config() {
    Config config = small_config(3);
    config.population.selection = "random";  // so that every stream matters
    return config;
  }
  SavedPopulation() : population_(small_plan(), config()) {
    RandomStream stream(5, "saved");
    for (std::size_t k = 0; k < 3; ++k) set_trained_state(population_.network(k), 0.7, stream);
    for (int i = 1; i <= 5; ++i) {
      add_losses(population_, {0.5, 0.25, 0.75});
      population_.draw_acting_network();
      population_.update_target(1'000 * i);
    }
    add_losses(population_, {0.125, 3, 2});
    for (std::size_t k = 0; k < 3; ++k) {
      set_trained_state(population_.network(k), 0.5, stream);
      for (const Layer& layer : population_.network(k).layers()) (layer.compact ? compact_ : full_) += 1;
    }
    ArchiveWriter archive;
    population_.save(archive, "population/");
    archive.write(directory_ / "saved");
  }

  // Who acts and what the target updates make of the networks.
  static std::pair<std::vector<std::size_t>, std::vector<std::byte>> future(Population& population) {
    std::vector<std::size_t> choices;
    for (int i = 6; i <= 9; ++i) {
      for (int draw = 0; draw < 10; ++draw) choices.push_back(population.draw_acting_network());
      add_losses(population, {0.5, 0.25, 0.75});
      choices.push_back(population.update_target(1'000 * i).selected);
    }
    return {choices, state_of(population)};
  }

  // The names of the sections, from the population's shape.
  static std::vector<std::string> sections() {
    std::vector<std::string> names = {"losses", "selected", "acting_stream", "selection_stream"};
    for (const std::string network : {"network0/", "network1/", "network2/", "target/"}) {
      names.push_back(network + "optimizer_steps");
      std::vector<std::string> parts = {"weights", "mask", "bias"};
      if (network != "target/") {
        names.push_back(network + "pruning_stream");
        for (const char* part : {"first_moment", "second_moment", "bias_first_moment", "bias_second_moment"}) {
          parts.emplace_back(part);
        }
      }
      for (const std::string layer : {"dense1/", "dense2/", "dense3/"}) {
        for (const std::string& part : parts) names.push_back(network + layer + part);
      }
    }
    return names;
  }

  // Writes the saved archive anew with one section left out, or with all its bytes set to `byte`.
  std::filesystem::path altered(const std::string& section, bool left_out, std::byte byte = {}) const {
    const ArchiveReader saved(directory_ / "saved");
    ArchiveWriter archive;
    for (const std::string& name : sections()) {
      const auto bytes = saved.bytes("population/" + name);
      if (name != section) {
        archive.add_bytes("population/" + name, bytes);
      } else if (!left_out) {
        archive.add_bytes("population/" + name, std::vector<std::byte>(bytes.size(), byte));
      }
    }
    archive.write(directory_ / "altered");
    return directory_ / "altered";
  }

  TestDirectory directory_;
  Population population_;
  std::size_t compact_ = 0, full_ = 0;
};

TEST_F(SavedPopulation, LoadedElsewhereHasTheSameStateAndTheSameFuture) {
  ASSERT_GT(compact_, 0U);
  ASSERT_GT(full_, 0U);
  Population loaded(small_plan(), config());
  loaded.load(ArchiveReader(directory_ / "saved"), "population/");
  EXPECT_EQ(loaded.selected(), population_.selected());
  EXPECT_EQ(loaded.losses(), population_.losses());
  EXPECT_EQ(state_of(loaded), state_of(population_));
  EXPECT_EQ(future(loaded), future(population_));
}

// Negative control of the test above: without one of its streams a population goes another way.
TEST_F(SavedPopulation, WithOneStreamForgottenHasAnotherFuture) {
  const auto expected = future(population_);
  for (const std::string stream : {"acting_stream", "selection_stream", "network0/pruning_stream"}) {
    Population loaded(small_plan(), config());
    loaded.load(ArchiveReader(altered(stream, false)), "population/");
    EXPECT_NE(future(loaded), expected) << stream;
  }
}

// A mask of other numbers was counted as empty and then used as full: memory beyond the weights was written.
TEST_F(SavedPopulation, AMaskOfOtherNumbersThanZeroAndOneIsRefused) {
  for (const std::string section : {"network1/dense2/mask", "target/dense1/mask"}) {
    const auto file = altered(section, false, std::byte{2});
    Population loaded(small_plan(), config());
    EXPECT_THAT(failure_message([&] { loaded.load(ArchiveReader(file), "population/"); }),
                testing::AllOf(HasSubstr(file.string()), HasSubstr(section)));
  }
}

TEST_F(SavedPopulation, OfAnotherShapeIsRefusedByTheNameOfTheFile) {
  Architecture architecture = small_plan()->spec.architecture;
  architecture.hidden[0] = 32;
  Population other(std::make_shared<NetworkPlan>(make_network_spec(architecture)), config());
  EXPECT_THAT(failure_message([&] { other.load(ArchiveReader(directory_ / "saved"), "population/"); }),
              testing::AllOf(HasSubstr((directory_ / "saved").string()), HasSubstr("network0/dense1")));
}

TEST_F(SavedPopulation, NoSectionIsOptional) {
  for (const std::string& section : sections()) {
    const auto file = altered(section, true);
    Population loaded(small_plan(), config());
    EXPECT_THAT(failure_message([&] { loaded.load(ArchiveReader(file), "population/"); }), HasSubstr(section));
  }
}

TEST_F(SavedPopulation, IsRefusedByAPopulationOfAnotherSizeOrShape) {
  Config fewer = config();
  fewer.population.networks = 2;
  Population smaller(small_plan(), fewer);
  EXPECT_THAT(failure_message([&] { smaller.load(ArchiveReader(directory_ / "saved"), "population/"); }),
              HasSubstr("number of networks"));
  Architecture architecture = small_plan()->spec.architecture;
  architecture.hidden = {64, 49};
  Population wider(std::make_shared<NetworkPlan>(make_network_spec(architecture)), config());
  EXPECT_THAT(failure_message([&] { wider.load(ArchiveReader(directory_ / "saved"), "population/"); }),
              HasSubstr("dense2"));
}

}  // namespace
}  // namespace eaudeqn
