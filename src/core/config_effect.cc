// Which settings a run can depend on, given its other settings. Not whether they fit together: that is config_check.cc.
#include <algorithm>
#include <initializer_list>
#include <string_view>

#include "eaudeqn/config.h"

namespace eaudeqn {
namespace {

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool training_has_effect(std::string_view key, const Config& config) {
  const bool offline = is_offline(config.algorithm);
  if (key.starts_with("epsilon_")) return !offline && !is_sac(config.algorithm);
  return !offline || !is_one_of(key, {"initial_samples", "gradient_period", "n_step"});
}

bool network_has_effect(std::string_view key, const Config& config) {
  const std::string& kind = config.network.kind;
  if (key == "features") return kind != "mlp";
  if (key == "width") return kind == "impala";
  return key != "hidden" || kind == "mlp";
}

bool sparsity_has_effect(std::string_view key, const Config& config) {
  const std::string& method = config.sparsity.method;
  const bool moves = is_one_of(method, {"set", "rigl"});
  const bool schedule = is_one_of(method, {"distill", "polynomial"}) ||
                        (is_sac(config.algorithm) && config.sac.actor_pruning == "polynomial");
  if (is_one_of(key, {"max_noise", "max_speed"})) return method == "eaude";
  if (is_one_of(key, {"start", "end"})) return schedule || moves;
  if (key == "final") return schedule || moves || method == "static";
  if (key == "period") return method == "polynomial" || moves;
  if (key == "drop_share") return moves;
  if (key == "granularity") return method != "dense" && method != "static" && !moves;
  return key != "distribution" || method != "dense";
}

}  // namespace

bool has_effect(const std::string& key, const Config& config) {
  const std::size_t dot = key.find('.');
  const std::string_view section = std::string_view(key).substr(0, dot);
  const std::string_view rest = dot == std::string::npos ? "" : std::string_view(key).substr(dot + 1);
  if (section == "training") return training_has_effect(rest, config);
  if (section == "network") return network_has_effect(rest, config);
  if (section == "sparsity") return sparsity_has_effect(rest, config);
  if (section == "replay") return !is_offline(config.algorithm);
  if (section == "sac") return is_sac(config.algorithm);
  if (section == "cql" || section == "dataset") return is_offline(config.algorithm);
  return true;
}

}  // namespace eaudeqn
