// Which units each network has: worked out by hand for every kind.
#include "engine/unit_classes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "engine/test_network.h"

namespace eaudeqn {
namespace {

using testing::ElementsAre;

// "16: conv1 conv3 > conv2 dense1": units, producers, consumers.
std::vector<std::string> classes_of(const std::string& kind) {
  const NetworkSpec spec = make_network_spec(small_network(kind));
  std::vector<std::string> texts;
  for (const UnitClass& units : unit_classes(spec)) {
    std::string text = std::to_string(units.units) + ":";
    for (const std::size_t l : units.producers) text += " " + spec.layers[l].name;
    text += " >";
    for (const std::size_t l : units.consumers) text += " " + spec.layers[l].name;
    texts.push_back(text);
  }
  return texts;
}

TEST(UnitClasses, OfAChainAreItsHiddenLayers) {
  EXPECT_THAT(classes_of("mlp"), ElementsAre("19: dense1 > dense2", "8: dense2 > dense3"));
  EXPECT_THAT(classes_of("nature"),
              ElementsAre("32: conv1 > conv2", "64: conv2 > conv3", "64: conv3 > dense1", "12: dense1 > dense2"));
}

TEST(UnitClasses, SkipConnectionsTieWhatTheyAdd) {
  EXPECT_THAT(classes_of("impala"),
              ElementsAre("16: conv1 conv3 conv5 > conv2 conv4 conv6", "16: conv2 > conv3", "16: conv4 > conv5",
                          "32: conv6 conv8 conv10 > conv7 conv9 conv11", "32: conv7 > conv8", "32: conv9 > conv10",
                          "32: conv11 conv13 conv15 > conv12 conv14 dense1", "32: conv12 > conv13",
                          "32: conv14 > conv15", "12: dense1 > dense2"));
}

TEST(UnitClasses, ConsumersReadWholeUnits) {
  for (const char* kind : {"mlp", "nature", "impala"}) {
    const NetworkSpec spec = make_network_spec(small_network(kind));
    for (const UnitClass& units : unit_classes(spec)) {
      for (const std::size_t l : units.producers) EXPECT_EQ(spec.layers[l].out, units.units);
      for (const std::size_t l : units.consumers) EXPECT_EQ(spec.layers[l].row_size() % units.units, 0U);
    }
  }
}

}  // namespace
}  // namespace eaudeqn
