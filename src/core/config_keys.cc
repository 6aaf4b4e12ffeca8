// Every key of a config: name, place, allowed values, one line of help; and how values read as TOML.
#include "core/config_keys.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>

namespace eaudeqn {
namespace {

constexpr std::int64_t kMostSteps = 1'000'000'000'000;  // sums and products of two such still fit 64 bits or a double
constexpr std::int64_t kWidestLayer = 1 << 20;

template <typename... Kinds>
struct Overloaded : Kinds... {
  using Kinds::operator()...;
};
template <typename... Kinds>
Overloaded(Kinds...) -> Overloaded<Kinds...>;

// Values of `member` of the section `part`: field(&Config::training, &TrainingConfig::gamma).
template <typename Section, typename Value>
auto field(Section Config::*part, Value Section::*member) {
  return [=](Config& config) -> Value& { return config.*part.*member; };
}

template <typename Value>
auto field(Value Config::*member) {
  return [=](Config& config) -> Value& { return config.*member; };
}

void add_run(std::vector<KeyRow>& rows) {
  rows.push_back({"", "environment", StringKey{field(&Config::environment), {}}, "what the agent acts in"});
  rows.push_back(
      {"", "algorithm",
       StringKey{field(&Config::algorithm),
                 {"eaudedqn",   "dqn",      "distilldqn",   "polyprunedqn", "rigldqn", "setdqn", "staticdqn",
                  "eaudecql",   "cql",      "distillcql",   "polyprunecql", "riglcql", "setcql", "staticcql",
                  "distillsac", "eaudesac", "polyprunesac", "riglsac",      "sac",     "setsac", "staticsac"}},
       "how it learns"});
  rows.push_back({"", "seed", IntegerKey{field(&Config::seed), 0, 0x7FFF'FFFF},
                  "all randomness follows from it; equal configs give equal runs"});
}

void add_training(std::vector<KeyRow>& rows) {
  const auto add = [&](const char* key, auto kind, const char* help) { rows.push_back({"training", key, kind, help}); };
  const auto at = [](auto member) { return field(&Config::training, member); };
  using T = TrainingConfig;
  add("steps", IntegerKey{at(&T::steps), 1, kMostSteps},
      "environment steps of the whole run (H), offline gradient steps; schedules refer to it");
  add("initial_samples", IntegerKey{at(&T::initial_samples), 1, kMostSteps},
      "uniformly random steps before learning starts");
  add("gradient_period", IntegerKey{at(&T::gradient_period), 1, kMostSteps}, "environment steps between updates (G)");
  add("batch_size", IntegerKey{at(&T::batch_size), 1, 65'536}, "transitions per update (B)");
  add("learning_rate", NumberKey{at(&T::learning_rate), 0, 1, true}, "step size of Adam");
  add("adam_epsilon", NumberKey{at(&T::adam_epsilon), 0, 1, true}, "epsilon in the denominator of Adam");
  add("gamma", NumberKey{at(&T::gamma), 0, 1}, "discount factor");
  add("n_step", IntegerKey{at(&T::n_step), 1, 1'000}, "rewards summed before bootstrapping");
  add("epsilon_start", NumberKey{at(&T::epsilon_start), 0, 1}, "share of random actions when learning starts");
  add("epsilon_end", NumberKey{at(&T::epsilon_end), 0, 1}, "share of random actions after epsilon_duration");
  add("epsilon_duration", IntegerKey{at(&T::epsilon_duration), 1, kMostSteps},
      "environment steps in which epsilon falls linearly");
  add("target_update_period", IntegerKey{at(&T::target_update_period), 1, kMostSteps},
      "environment steps between target updates (T); with eaude the moments of selection and pruning");
  add("horizon", IntegerKey{at(&T::horizon), 0, kMostSteps},
      "an episode is truncated after this many steps; 0: the task's own limit");
}

void add_agent(std::vector<KeyRow>& rows) {
  using N = NetworkConfig;
  using P = PopulationConfig;
  const auto network = [](auto member) { return field(&Config::network, member); };
  const auto population = [](auto member) { return field(&Config::population, member); };

  rows.push_back({"replay", "capacity", IntegerKey{field(&Config::replay, &ReplayConfig::capacity), 1, 1'000'000'000},
                  "newest transitions kept to sample from"});

  rows.push_back({"network", "kind", StringKey{network(&N::kind), {"nature", "impala", "mlp"}}, "architecture"});
  rows.push_back({"network", "features", IntegerKey{network(&N::features), 1, kWidestLayer},
                  "width of the last hidden layer (F) of nature and impala"});
  rows.push_back(
      {"network", "width", IntegerKey{network(&N::width), 1, 256}, "multiplies the channels 16, 32, 32 of impala"});
  rows.push_back({"network", "hidden", IntegerListKey{network(&N::hidden), 1, kWidestLayer}, "hidden sizes of mlp"});

  rows.push_back({"population", "networks", IntegerKey{population(&P::networks), 1, 256}, "online networks (K)"});
  rows.push_back({"population", "reset_optimizer", BooleanKey{population(&P::reset_optimizer)},
                  "whether Adam's moments of all networks are reset at each target update"});
  rows.push_back({"population", "selection", StringKey{population(&P::selection), {"smallest_loss", "random"}},
                  "which online network becomes the target; random is a control"});
}

void add_sparsity(std::vector<KeyRow>& rows) {
  using S = SparsityConfig;
  const auto sparsity = [](auto member) { return field(&Config::sparsity, member); };
  rows.push_back({"sparsity", "method",
                  StringKey{sparsity(&S::method), {"eaude", "dense", "distill", "polynomial", "static", "set", "rigl"}},
                  "where zeros come from: see docs/algorithms.md"});
  rows.push_back({"sparsity", "max_noise", NumberKey{sparsity(&S::max_noise), 0, 1'000},
                  "bound of the random exponent of the schedule (U_max); 0: no pruning"});
  rows.push_back({"sparsity", "max_speed", NumberKey{sparsity(&S::max_speed), 0, 1},
                  "largest gain of sparsity in one target update (S_max)"});
  rows.push_back({"sparsity", "final", NumberKey{sparsity(&S::final), 0, 1},
                  "sparsity that distill and polynomial reach, and that static, set and rigl have from the start"});
  rows.push_back({"sparsity", "start", IntegerKey{sparsity(&S::start), 0, kMostSteps},
                  "step at which the schedule of distill and polynomial leaves 0; first move of set and rigl"});
  rows.push_back({"sparsity", "end", IntegerKey{sparsity(&S::end), 1, kMostSteps},
                  "step at which distill and polynomial reach final; set and rigl stop moving"});
  rows.push_back({"sparsity", "period", IntegerKey{sparsity(&S::period), 1, kMostSteps},
                  "steps between prunings of polynomial or moves of set and rigl"});
  rows.push_back({"sparsity", "drop_share", NumberKey{sparsity(&S::drop_share), 0, 1},
                  "share of the active weights that set and rigl drop at start (zeta); a cosine takes it to 0 at end"});
  rows.push_back({"sparsity", "distribution", StringKey{sparsity(&S::distribution), {"uniform", "erk", "global"}},
                  "how a network's sparsity is spread over its layers"});
  rows.push_back({"sparsity", "granularity", StringKey{sparsity(&S::granularity), {"weight", "unit"}},
                  "what is pruned at once: single weights, or whole filters and neurons"});
}

void add_sac(std::vector<KeyRow>& rows) {
  const auto add = [&](const char* key, auto kind, const char* help) { rows.push_back({"sac", key, kind, help}); };
  const auto at = [](auto member) { return field(&Config::sac, member); };
  using S = SacConfig;
  add("tau", NumberKey{at(&S::tau), 0, 1, true},
      "share of the way that the target critics move each update; also the weight of the newest loss in the averages");
  add("initial_temperature", NumberKey{at(&S::initial_temperature), 0, 1'000, true},
      "what entropy is worth at first (alpha); learned");
  add("target_entropy_scale", NumberKey{at(&S::target_entropy_scale), 0, 1'000},
      "the temperature keeps the entropy at minus this times the action dimensions");
  add("actor_learning_rate", NumberKey{at(&S::actor_learning_rate), 0, 1, true}, "step size of the actor's Adam");
  add("temperature_learning_rate", NumberKey{at(&S::temperature_learning_rate), 0, 1, true},
      "step size of the temperature's Adam");
  add("actor_pruning", StringKey{at(&S::actor_pruning), {"follow", "polynomial", "none"}},
      "follow: as the critics, or as sparse as the selected one; polynomial: by the schedule of [sparsity], with eaude "
      "and distill; none: stays dense");
  add("normalize_observations", BooleanKey{at(&S::normalize_observations)},
      "whether the networks read observations less their running mean, divided by their running deviation");
}

void add_offline(std::vector<KeyRow>& rows) {
  using D = DatasetConfig;
  rows.push_back({"cql", "alpha", NumberKey{field(&Config::cql, &CqlConfig::alpha), 0, 1'000},
                  "weight of the penalty that keeps values of unseen actions low"});
  rows.push_back({"dataset", "path", StringKey{field(&Config::dataset, &D::path), {}},
                  "folder with the files of the DQN Replay Dataset"});
  rows.push_back({"dataset", "buffer", IntegerKey{field(&Config::dataset, &D::buffer), 1, 1'000'000'000},
                  "entries of a file that are loaded together"});
  rows.push_back({"dataset", "loaded", IntegerKey{field(&Config::dataset, &D::loaded), 1, 1'000'000},
                  "buffers in memory, from which batches are drawn"});
  rows.push_back({"dataset", "refresh_period", IntegerKey{field(&Config::dataset, &D::refresh_period), 1, kMostSteps},
                  "gradient steps until the next buffer replaces the oldest one"});
}

void add_reports(std::vector<KeyRow>& rows) {
  using E = EvaluationConfig;
  using C = CheckpointConfig;
  rows.push_back({"evaluation", "period", IntegerKey{field(&Config::evaluation, &E::period), 0, kMostSteps},
                  "environment steps between evaluations; 0: only at the end"});
  rows.push_back({"evaluation", "episodes", IntegerKey{field(&Config::evaluation, &E::episodes), 1, 1'000'000},
                  "episodes of one evaluation"});
  rows.push_back({"evaluation", "epsilon", NumberKey{field(&Config::evaluation, &E::epsilon), 0, 1},
                  "share of random actions in evaluations"});
  rows.push_back({"checkpoint", "period", IntegerKey{field(&Config::checkpoint, &C::period), 0, kMostSteps},
                  "environment steps between checkpoints; 0: only at the end and on signals"});
  rows.push_back({"checkpoint", "keep", IntegerKey{field(&Config::checkpoint, &C::keep), 1, 1'000'000},
                  "newest checkpoints kept"});
}

// With a point or an exponent, so that it reads as a float in any TOML reader.
std::string double_as_toml(double value) {
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

std::string string_as_toml(const std::string& value) {
  std::string text = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\') {
      text += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      text += fmt::format("\\u{:04X}", static_cast<unsigned>(c));
    } else {
      text += c;
    }
  }
  return text + '"';
}

}  // namespace

const std::vector<KeyRow>& key_rows() {
  static const std::vector<KeyRow> rows = [] {
    std::vector<KeyRow> all;
    add_run(all);
    add_training(all);
    add_agent(all);
    add_sparsity(all);
    add_sac(all);
    add_offline(all);
    add_reports(all);
    return all;
  }();
  return rows;
}

std::string kind_name(const KeyRow& row) {
  return std::visit(
      Overloaded{[](const IntegerKey&) { return "an integer"; }, [](const NumberKey&) { return "a number"; },
                 [](const BooleanKey&) { return "true or false"; }, [](const StringKey&) { return "a string"; },
                 [](const IntegerListKey&) { return "a list of integers"; }},
      row.kind);
}

std::string allowed_range(const KeyRow& row) {
  return std::visit(
      Overloaded{[](const IntegerKey& key) { return fmt::format("in [{}, {}]", key.lowest, key.highest); },
                 [](const NumberKey& key) {
                   return fmt::format("in {}{}, {}]", key.above_lowest ? "(" : "[", key.lowest, key.highest);
                 },
                 [](const BooleanKey&) { return std::string(); },
                 [](const StringKey& key) {
                   if (key.allowed.empty()) return std::string();
                   return fmt::format("\"{}\"", fmt::join(key.allowed, "\" or \""));
                 },
                 [](const IntegerListKey& key) {
                   return fmt::format("one or more, each in [{}, {}]", key.lowest, key.highest);
                 }},
      row.kind);
}

std::string value_as_toml(const KeyRow& row, const Config& config) {
  Config copy = config;  // the table's places are those of a mutable config
  return std::visit(
      Overloaded{[&](const IntegerKey& key) { return fmt::format("{}", key.value(copy)); },
                 [&](const NumberKey& key) { return double_as_toml(key.value(copy)); },
                 [&](const BooleanKey& key) { return fmt::format("{}", key.value(copy)); },
                 [&](const StringKey& key) { return string_as_toml(key.value(copy)); },
                 [&](const IntegerListKey& key) { return fmt::format("[{}]", fmt::join(key.value(copy), ", ")); }},
      row.kind);
}

}  // namespace eaudeqn
