#include "eaudeqn/config.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/config_keys.h"
#include "core/files.h"
#include "core/random.h"
#include "core/test_config.h"
#include "core/test_directory.h"

namespace eaudeqn {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Config, DefaultsAreTheReleasedAtariSettings) {
  EXPECT_EQ(parse(""), Config());
  EXPECT_EQ(parse(builtin_config("atari/Pong", "eaudedqn")), Config());
}

TEST(Config, ReadsEveryKindOfValue) {
  const Config config = parse(R"(
    environment = "atari/Qbert"
    [training]
    gamma = 0.5
    steps = 1_000
    [network]
    hidden = [64, 32]
    [population]
    reset_optimizer = false)");
  EXPECT_EQ(config.environment, "atari/Qbert");
  EXPECT_EQ(config.training.gamma, 0.5);
  EXPECT_EQ(config.training.steps, 1000);
  EXPECT_THAT(config.network.hidden, ElementsAre(64, 32));
  EXPECT_FALSE(config.population.reset_optimizer);
  EXPECT_EQ(config.training.batch_size, TrainingConfig().batch_size) << "other keys keep their defaults";
}

TEST(Config, TakesIntegersForNumbersAndExactFloatsForIntegers) {
  EXPECT_EQ(parse("training.gamma = 1").training.gamma, 1.0);
  EXPECT_EQ(parse("training.steps = 1e6").training.steps, 1'000'000);
  EXPECT_EQ(parse("", {"training.steps=2.5e6"}).training.steps, 2'500'000);
  EXPECT_THAT(parse("network.hidden = [1e2, 64]").network.hidden, ElementsAre(100, 64));
  EXPECT_THAT(message_of("training.steps = 1.5"), HasSubstr("got 1.5"));
  EXPECT_THAT(message_of("training.steps = inf"), HasSubstr("got inf"));
  EXPECT_THAT(message_of("training.steps = 1e300"), HasSubstr("wants an integer"));
}

TEST(Config, NamesFileLineAndColumnOfSyntaxErrors) {
  EXPECT_THAT(message_of("seed = 1\nsteps = = 3\n"), StartsWith("run.toml:2:9: not valid TOML: "));
  EXPECT_THAT(message_of("seed = 1\nseed = 2\n"), HasSubstr("run.toml:2:"));
}

TEST(Config, NamesFileLineKeyAndWhatIsAllowed) {
  EXPECT_EQ(message_of("[training]\ngamma = \"x\""),
            "run.toml:2: training.gamma: wants a number in [0, 1], got the string \"x\"");
  EXPECT_EQ(message_of("\n\n[training]\nlearning_rate = 0"),
            "run.toml:4: training.learning_rate: wants a number in (0, 1], got 0");
  EXPECT_EQ(
      message_of("[sparsity]\nmethod = \"riggle\""),
      "run.toml:2: sparsity.method: wants \"eaude\" or \"dense\" or \"distill\" or \"polynomial\" or \"static\" or "
      "\"set\" or \"rigl\", got the string \"riggle\"");
  EXPECT_EQ(message_of("population.reset_optimizer = 1"),
            "run.toml:1: population.reset_optimizer: wants true or false, got 1");
  EXPECT_EQ(message_of("environment = 3"), "run.toml:1: environment: wants a string, got 3");
  EXPECT_THAT(message_of("[population]\nnetworks = 0"), HasSubstr("wants an integer in [1, 256], got 0"));
}

TEST(Config, RefusesValuesOfOtherKinds) {
  EXPECT_THAT(message_of("seed = true"), HasSubstr("got true"));
  EXPECT_THAT(message_of("seed = -1"), HasSubstr("got -1"));
  EXPECT_THAT(message_of("seed = [1]"), HasSubstr("got the list [1]"));
  EXPECT_THAT(message_of("seed = 2020-01-01"), HasSubstr("got a date or time"));
  EXPECT_THAT(message_of("[seed]\nx = 1"), HasSubstr("got a section"));
  EXPECT_THAT(message_of("training.gamma = nan"), HasSubstr("got nan"));
  EXPECT_THAT(message_of("network.hidden = []"), HasSubstr("wants a list of integers, one or more"));
  EXPECT_THAT(message_of("network.hidden = [64, 0]"), HasSubstr("got the list [64, 0]"));
  EXPECT_THAT(message_of("network.hidden = [1, 2, 3, 4, 5, 6, 7, [8], 0]"), HasSubstr("7, a list, ...]"));
  EXPECT_THAT(message_of("training.gamma = 1.9"), HasSubstr("got 1.9"));
  EXPECT_THAT(message_of("network.hidden = [64, 0]"), HasSubstr("network.hidden"));
  EXPECT_THAT(message_of("network.hidden = [64, \"a\"]"), HasSubstr("network.hidden"));
  EXPECT_THAT(message_of("network.hidden = 64"), HasSubstr("got 64"));
  EXPECT_THAT(message_of("training = 3"),
              AllOf(HasSubstr("training: is a section"), HasSubstr("gamma"), HasSubstr("got 3")));
}

TEST(Config, NamesTheNearestKnownKey) {
  EXPECT_THAT(message_of("[training]\nstep = 3"),
              AllOf(StartsWith("run.toml:2: training.step: unknown key; did you mean training.steps?"),
                    HasSubstr("[training] has steps, initial_samples, ")));
  EXPECT_THAT(message_of("gamma = 0.9"), HasSubstr("did you mean training.gamma?"));
  EXPECT_THAT(message_of("sed = 1"), HasSubstr("did you mean seed?"));
  EXPECT_THAT(message_of("[trainig]\ngamma = 0.9"), HasSubstr("did you mean training?"));
  EXPECT_THAT(message_of("xyzzy = 1"), AllOf(HasSubstr("unknown key; there are environment, algorithm, seed"),
                                             HasSubstr("sections training, replay, network")));
}

TEST(ConfigOverrides, AreAppliedLastInOrder) {
  const Config config = parse("seed = 5", {"seed=6", " training.gamma = 0.25 ", "seed=7"});
  EXPECT_EQ(config.seed, 7);
  EXPECT_EQ(config.training.gamma, 0.25);
}

TEST(ConfigOverrides, TakeStringsWithAndWithoutQuotes) {
  EXPECT_EQ(parse("", {"environment=atari/Breakout"}).environment, "atari/Breakout");
  EXPECT_EQ(parse("", {"environment=\"atari/Breakout\""}).environment, "atari/Breakout");
  EXPECT_EQ(parse("", {"population.selection=random"}).population.selection, "random");
  EXPECT_THAT(parse("", {"network.hidden=[8]"}).network.hidden, ElementsAre(8));
  EXPECT_FALSE(parse("", {"population.reset_optimizer=false"}).population.reset_optimizer);
}

TEST(ConfigOverrides, AreCheckedAsFilesAre) {
  EXPECT_EQ(message_of("", {"training.gamma=2"}), "training.gamma: wants a number in [0, 1], got 2");
  EXPECT_EQ(message_of("", {"training.gamma=high"}), "training.gamma: wants a number in [0, 1], got \"high\"");
  EXPECT_THAT(message_of("", {"training.gamma="}), HasSubstr("got \"\""));
  EXPECT_THAT(message_of("", {"sparsity.method=1"}), HasSubstr("got the string \"1\""));
  EXPECT_THAT(message_of("", {"training.gama=0.9"}), HasSubstr("did you mean training.gamma?"));
  EXPECT_THAT(message_of("", {"training={gamma=1}"}), HasSubstr("training: is a section"));
  EXPECT_THAT(message_of("", {"training.gamma"}), HasSubstr("wants key=value"));
  EXPECT_THAT(message_of("", {"=1"}), HasSubstr("wants key=value"));
}

TEST(ConfigOverrides, AreOneValueEach) {
  EXPECT_THAT(message_of("", {"seed=1\ntraining.gamma=0.5"}), HasSubstr("seed: wants an integer"));
}

// It was written to config.toml, which could then not be read.
TEST(ConfigOverrides, APathThatIsNoTextIsRefusedAtOnce) {
  EXPECT_THAT(message_of("", {"dataset.path=/data/K\xf6ln"}), HasSubstr("dataset.path: is not UTF-8 text"));
  EXPECT_EQ(parse("", {"dataset.path=/data/Köln \"a\\"}).dataset.path, "/data/Köln \"a\\");
}

// Random values within the allowed ranges, made to agree with the checks.
Config random_config(RandomStream& stream) {
  Config config;
  for (const KeyRow& row : key_rows()) {
    if (const auto* key = std::get_if<IntegerKey>(&row.kind)) {
      key->value(config) = key->lowest + static_cast<std::int64_t>(stream.below(key->highest - key->lowest + 1));
    } else if (const auto* number = std::get_if<NumberKey>(&row.kind)) {
      const double share = 1 - stream.uniform();
      number->value(config) = number->lowest + (number->highest - number->lowest) * share * share;
    } else if (const auto* boolean = std::get_if<BooleanKey>(&row.kind)) {
      boolean->value(config) = stream.below(2) == 1;
    } else if (const auto* text = std::get_if<StringKey>(&row.kind)) {
      if (!text->allowed.empty()) text->value(config) = text->allowed[stream.below(text->allowed.size())];
    } else if (const auto* list = std::get_if<IntegerListKey>(&row.kind)) {
      list->value(config).resize(1 + stream.below(4));
      for (auto& value : list->value(config)) {
        value = list->lowest + static_cast<std::int64_t>(stream.below(list->highest - list->lowest + 1));
      }
    }
  }
  config.environment = stream.below(2) == 1 ? "atari/MsPacman" : "classic/CartPole-v1";
  if (is_sac(config.algorithm)) config.environment = "mujoco/Ant-v5";
  if (config.environment[0] != 'a') config.network.kind = "mlp";
  TrainingConfig& training = config.training;
  if (is_sac(config.algorithm)) training.n_step = 1;
  if (is_offline(config.algorithm)) training.n_step = 1;
  if (config.algorithm == "sac") config.sac.actor_pruning = "none";
  if (!is_sac(config.algorithm)) config.sac.normalize_observations = false;
  SparsityConfig& sparsity = config.sparsity;
  const std::string prefix = config.algorithm.substr(0, config.algorithm.size() - 3);
  if (prefix != "eaude") {
    config.population.networks = 1;
    sparsity.method = prefix.empty() ? "dense" : prefix == "polyprune" ? "polynomial" : prefix;
    if (sparsity.distribution == "global") sparsity.distribution = "uniform";
  } else if (sparsity.method != "dense") {
    sparsity.method = "eaude";
  }
  if (sparsity.distribution == "erk") sparsity.granularity = "weight";
  const bool prunes = sparsity.method == "eaude" || sparsity.method == "distill" || sparsity.method == "polynomial";
  if (!prunes && sparsity.method != "dense") sparsity.granularity = "weight";
  if (!prunes && config.sac.actor_pruning == "polynomial" && is_sac(config.algorithm))
    config.sac.actor_pruning = "none";
  sparsity.end = std::max(sparsity.end, sparsity.start + 1);
  sparsity.period = training.gradient_period;
  training.target_update_period = std::max(training.target_update_period, training.gradient_period);
  if (training.epsilon_end > training.epsilon_start) std::swap(training.epsilon_end, training.epsilon_start);
  training.initial_samples = std::max(training.initial_samples, training.n_step);
  config.replay.capacity = std::max(config.replay.capacity, training.batch_size);
  return config;
}

TEST(ToToml, ReadsBackExactly) {
  RandomStream stream(1, "test");
  for (int i = 0; i < 300; ++i) {
    const Config config = random_config(stream);
    const std::string text = to_toml(config);
    const Config back = parse(text);
    ASSERT_EQ(back, config) << text;
    ASSERT_EQ(to_toml(back), text);
  }
}

TEST(ToToml, HasEveryKeyOfEveryStructInAFixedOrder) {
  const std::string text = to_toml(Config());
  EXPECT_THAT(text, StartsWith("environment = \"atari/Pong\"\nalgorithm = \"eaudedqn\"\nseed = 1\n\n[training]\n"
                               "steps = 10000000\n"));
  EXPECT_THAT(text, HasSubstr("\nlearning_rate = 6.25e-05\n"));
  EXPECT_THAT(text, HasSubstr("\nepsilon_start = 1.0\n"));
  EXPECT_THAT(text, HasSubstr("\nhidden = [256, 256]\n"));
  std::size_t at = 0;
  for (const ConfigKey& key : config_keys()) {
    const std::string line = fmt::format("\n{} = {}\n", key.name.substr(key.name.find('.') + 1), key.default_value);
    at = ("\n" + text).find(line, at);
    ASSERT_NE(at, std::string::npos) << key.name;
  }
}

// A key whose row points at another key's member would pass a round trip; here every key is changed alone.
TEST(ConfigKeys, EachKeyChangesOneMemberOfItsOwn) {
  std::set<std::string> texts;
  for (const KeyRow& row : key_rows()) {
    Config config;
    std::visit(
        [&](const auto& kind) {
          auto& value = kind.value(config);
          using Value = std::decay_t<decltype(value)>;
          if constexpr (std::is_same_v<Value, std::string> || std::is_same_v<Value, std::vector<std::int64_t>>) {
            value.push_back('x');
          } else if constexpr (std::is_same_v<Value, bool>) {
            value = !value;
          } else {
            value += 1;
          }
        },
        row.kind);
    EXPECT_NE(config, Config()) << row.name();
    const std::string text = to_toml(config);
    EXPECT_TRUE(texts.insert(text).second) << row.name();
    EXPECT_THAT("\n" + text, HasSubstr(fmt::format("\n{} = {}\n", row.key, value_as_toml(row, config)))) << row.name();
  }
}

TEST(ConfigKeys, AreDocumented) {
  for (const ConfigKey& key : config_keys()) {
    EXPECT_FALSE(key.type.empty() || key.help.empty() || key.default_value.empty()) << key.name;
    EXPECT_EQ(key.help.find('\n'), std::string::npos) << key.name;
  }
}

// docs/configuration.md is written by hand around one table row per key; on a failure, paste the row that is shown.
TEST(ConfigKeys, AreInTheManual) {
  const auto content = read_file(std::filesystem::path(EAUDEQN_SOURCE_DIRECTORY) / "docs/configuration.md");
  const std::string manual(reinterpret_cast<const char*>(content.data()), content.size());
  std::size_t rows = 0;
  for (const ConfigKey& key : config_keys()) {
    const std::string row = fmt::format("\n| `{}` | {}{}{} | `{}` | {} |\n", key.name, key.type,
                                        key.range.empty() ? "" : ", ", key.range, key.default_value, key.help);
    EXPECT_NE(manual.find(row), std::string::npos) << row;
    ++rows;
  }
  std::size_t documented = 0;
  for (std::size_t at = 0; (at = manual.find("\n| `", at)) != std::string::npos; ++at) ++documented;
  EXPECT_EQ(documented, rows) << "the manual has rows of keys that do not exist";
}

TEST(ConfigKeys, SayTypeAndRange) {
  const auto keys = config_keys();
  const auto gamma =
      std::find_if(keys.begin(), keys.end(), [](const auto& key) { return key.name == "training.gamma"; });
  ASSERT_NE(gamma, keys.end());
  EXPECT_EQ(gamma->type, "number");
  EXPECT_EQ(gamma->range, "in [0, 1]");
  EXPECT_EQ(gamma->default_value, "0.99");
}

TEST(BuiltinConfigs, AllParse) {
  EXPECT_GE(embedded_configs().size(), 12u);
  for (const EmbeddedConfig& config : embedded_configs()) {
    const std::string family = config.name.substr(0, config.name.find('/'));
    const std::string environment = family == "atari"    ? "atari/Breakout"
                                    : family == "mujoco" ? "mujoco/Another-v5"
                                                         : "classic/CartPole-v1";
    const std::string file = config.name.substr(family.size() + 1);
    const std::string text = builtin_config(environment, file);
    EXPECT_EQ(text, config.text);
    const Config parsed = parse_config(text, config.name + ".toml", {"environment=" + environment});
    EXPECT_EQ(parsed.environment, environment);
    const std::string task = config.has_base() ? file.substr(0, file.find('_') + 1) : "";
    EXPECT_THAT(file, StartsWith(task + parsed.algorithm)) << config.name;
  }
}

// What each method reads of [sparsity].
bool method_uses(const std::string& method, const std::string& key) {
  static const std::map<std::string, std::set<std::string>> keys = {
      {"dense", {}},
      {"eaude", {"max_noise", "max_speed", "distribution", "granularity"}},
      {"distill", {"final", "start", "end", "distribution", "granularity"}},
      {"polynomial", {"final", "start", "end", "period", "distribution", "granularity"}},
      {"static", {"final", "distribution"}},
      {"set", {"final", "start", "end", "period", "drop_share", "distribution"}},
      {"rigl", {"final", "start", "end", "period", "drop_share", "distribution"}}};
  return key == "method" || keys.at(method).contains(key);
}

bool applies(const KeyRow& row, const Config& config) {
  static const std::set<std::string> of_acting = {"training.initial_samples", "training.gradient_period",
                                                  "training.n_step", "replay.capacity"};
  const bool offline = is_offline(config.algorithm);
  if (row.name() == "network.features") return config.network.kind != "mlp";
  if (row.name() == "network.hidden") return config.network.kind == "mlp";
  if (row.name() == "network.width") return config.network.kind == "impala";
  if (row.section == "sac") return is_sac(config.algorithm);
  if (row.section == "cql" || row.section == "dataset") return offline;
  if (row.section == "training" && row.key.starts_with("epsilon_")) return !is_sac(config.algorithm) && !offline;
  if (of_acting.contains(row.name())) return !offline;
  return row.section != "sparsity" || method_uses(config.sparsity.method, row.key);
}

bool says(const std::string& text, const KeyRow& row) {
  const std::size_t section = row.section.empty() ? 0 : text.find(fmt::format("\n[{}]\n", row.section));
  if (section == std::string::npos) return false;
  const std::size_t end = text.find("\n[", section + 1);
  return text.substr(section, end - section).find(fmt::format("\n{} = ", row.key)) != std::string::npos;
}

// What a file leaves out would silently follow a changed default.
TEST(BuiltinConfigs, SayEverythingThatAppliesToThem) {
  for (const EmbeddedConfig& embedded : embedded_configs()) {
    if (embedded.has_base()) continue;
    const Config config = parse_config(embedded.text, embedded.name);
    for (const KeyRow& row : key_rows()) {
      EXPECT_EQ(says(embedded.text, row), applies(row, config)) << embedded.name << ": " << row.name();
    }
  }
}

// configs/mujoco/Hopper-v5_eaudesac.toml is what `train mujoco/Hopper-v5 --algorithm eaudesac` takes.
TEST(BuiltinConfigs, OfOneTaskAreThoseOfTheirAlgorithmThere) {
  std::size_t of_tasks = 0;
  for (const EmbeddedConfig& embedded : embedded_configs()) {
    if (!embedded.has_base()) continue;
    ++of_tasks;
    const Config config = parse_config(embedded.text, embedded.name);
    EXPECT_EQ(embedded.name, config.environment + "_" + config.algorithm);
    EXPECT_EQ(builtin_config(config.environment, config.algorithm), embedded.text);
    EXPECT_EQ(config, parse_config(builtin_config("mujoco/another", config.algorithm), "family",
                                   {"environment=" + config.environment}));
  }
  EXPECT_EQ(of_tasks, 6u * 7u);
}

TEST(Base, ComesBeforeWhatTheFileSays) {
  Config expected = parse(builtin_config("mujoco/another", "eaudesac"));
  expected.training.batch_size = 64;
  expected.seed = 5;
  const std::string text = "base = \"mujoco/eaudesac\"\nseed = 4\n[training]\nbatch_size = 64\n";
  EXPECT_EQ(parse(text, {"seed=5"}), expected);
  EXPECT_EQ(parse("base = \"mujoco/Ant-v5_sac\"\n").environment, "mujoco/Ant-v5");
  EXPECT_EQ(to_toml(expected).find("base"), std::string::npos);
}

TEST(Base, IsTheNameOfABuiltInConfig) {
  EXPECT_THAT(usage_message([] { parse("seed = 1\nbase = \"mujoco/rainbow\"\n"); }),
              HasSubstr(":2: base: wants the name of a built-in config, got the string \"mujoco/rainbow\"; there are "
                        "atari/cql, "));
  usage_message([] { parse("base = 3\n"); });
  usage_message([] { parse("", {"base=mujoco/eaudesac"}); });
}

TEST(BuiltinConfigs, ListWhatExists) {
  const std::string message = usage_message([] { builtin_config("atari/Pong", "rainbow"); });
  EXPECT_THAT(message, HasSubstr("no config atari/rainbow is built in; there are atari/cql, "));
  EXPECT_THAT(message, HasSubstr("atari/eaudedqn_small"));
  EXPECT_EQ(message.find("mujoco"), std::string::npos) << "the list of what can be asked for is long enough";
  EXPECT_THAT(usage_message([] { builtin_config("atari/Pong", "eaudqn"); }), HasSubstr("did you mean atari/eaudedqn?"));
  const std::string of_mujoco = usage_message([] { builtin_config("mujoco/Hopper-v5", "eaudedqn"); });
  EXPECT_THAT(of_mujoco, HasSubstr("mujoco/eaudesac"));
  EXPECT_EQ(of_mujoco.find("Hopper-v5_"), std::string::npos) << "the family's configs are enough";
}

TEST(LoadConfig, ReadsAFileAndNamesItInErrors) {
  const TestDirectory directory;
  write_file_atomically(directory / "run.toml", std::string("seed = 9\n"));
  EXPECT_EQ(load_config(directory / "run.toml", {"training.steps=5"}).seed, 9);
  write_file_atomically(directory / "run.toml", std::string("sead = 9\n"));
  EXPECT_THAT(usage_message([&] { load_config(directory / "run.toml"); }),
              StartsWith((directory / "run.toml").string() + ":1: sead"));
  failure_message([&] { load_config(directory / "none.toml"); });
}

// Whatever bytes come, an Error or a config.
TEST(Config, SurvivesDamagedText) {
  const std::string good = to_toml(Config());
  RandomStream stream(2, "test");
  for (int i = 0; i < 2000; ++i) {
    std::string text = good.substr(0, stream.below(good.size() + 1));
    for (int change = 0; change < 3 && !text.empty(); ++change) {
      text[stream.below(text.size())] = static_cast<char>(stream.below(256));
    }
    try {
      parse(text);
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), Error::Kind::usage);
      ASSERT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace eaudeqn
