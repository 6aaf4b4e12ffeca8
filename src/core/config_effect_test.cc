// Which settings a run can depend on: those that the configs that ship name, for they name every key that applies.
#include <gtest/gtest.h>

#include "core/config_keys.h"
#include "core/test_config.h"
#include "core/toml.h"
#include "eaudeqn/config.h"

namespace eaudeqn {
namespace {

TEST(ConfigEffect, SettingsWithEffectAreThoseThatTheShippedConfigsName) {
  for (const EmbeddedConfig& shipped : embedded_configs()) {
    if (shipped.has_base()) continue;
    const Config config = parse_config(shipped.text, shipped.name);
    const auto table = parse_toml(shipped.text, shipped.name);
    for (const KeyRow& row : key_rows()) {
      EXPECT_EQ(has_effect(row.name(), config), static_cast<bool>(table.at_path(row.name())))
          << shipped.name << " " << row.name();
    }
  }
}

TEST(ConfigEffect, OneSettingDecidesWhetherAnotherHasOne) {
  const Config mlp = parse("environment = \"classic/CartPole-v1\"\n[network]\nkind = \"mlp\"\n");
  const Config impala = parse("[network]\nkind = \"impala\"\n");
  EXPECT_TRUE(has_effect("network.hidden", mlp));
  EXPECT_FALSE(has_effect("network.features", mlp));
  EXPECT_FALSE(has_effect("network.hidden", impala));
  EXPECT_TRUE(has_effect("network.width", impala));

  const Config ensemble = parse("[sparsity]\nmethod = \"dense\"\n");
  EXPECT_FALSE(has_effect("sparsity.max_speed", ensemble)) << "an ensemble that never prunes";

  const std::string sac = "environment = \"mujoco/Hopper-v5\"\nalgorithm = \"eaudesac\"\nnetwork.kind = \"mlp\"\n";
  EXPECT_FALSE(has_effect("sparsity.final", parse(sac)));
  EXPECT_TRUE(has_effect("sparsity.final", parse(sac, {"sac.actor_pruning=polynomial"})));
}

}  // namespace
}  // namespace eaudeqn
