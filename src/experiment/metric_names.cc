// See metric_names.h.
#include "experiment/metric_names.h"

#include <fmt/format.h>

namespace eaudeqn {

const std::vector<MetricName>& metric_names() {
  static const std::string metrics = "metrics.jsonl", timing = "timing.jsonl";
  static const std::vector<MetricName> rows = {
      {metrics, "episode", "episode", "train/episodes", "count", "finished training episodes, this one included"},
      {metrics, "episode", "return", "train/episode_return", "reward", "sum of the episode's rewards, not clipped"},
      {metrics, "episode", "length", "train/episode_length", "steps", "of the episode"},
      {metrics, "episode", "truncated", "", "true or false", "cut at the horizon rather than ended by the task"},
      {metrics, "episode", "epsilon", "train/epsilon", "share", "of random actions at this step (DQN)"},
      {metrics, "episode", "temperature", "train/temperature", "reward per nat", "weight of the entropy (SAC)"},
      {metrics, "episode", "entropy", "train/entropy", "nats", "of the policy, estimated on the last batch (SAC)"},
      {metrics, "target_update", "updates", "train/updates", "count", "gradient steps of each network so far"},
      {metrics, "target_update", "selected", "train/selected_network", "index",
       "the network with the smallest loss, now the target"},
      {metrics, "target_update", "losses", "train/loss", "squared reward",
       "of each network, as they were compared: summed since the last update of the target (SAC: averaged); null: not "
       "a "
       "number"},
      {metrics, "target_update", "sparsity", "sparsity/selected", "share", "of zero weights in the selected network"},
      {metrics, "target_update", "sparsities", "sparsity/network", "share",
       "of zero weights in each network, afterwards"},
      {metrics, "target_update", "critic_sparsity", "sparsity/critic", "share", "of the selected critics (SAC)"},
      {metrics, "target_update", "actor_sparsity", "sparsity/actor", "share", "of the actor, which ships (SAC)"},
      {metrics, "mask_change", "updates", "", "count", "as in target_update"},
      {metrics, "mask_change", "sparsities", "sparsity/network", "share",
       "of each network after its mask was changed between target updates"},
      {metrics, "evaluation", "mean_return", "eval/mean_return", "reward", "over the evaluation's episodes"},
      {metrics, "evaluation", "returns", "eval/return", "reward", "of each episode"},
      {metrics, "evaluation", "epsilon", "eval/epsilon", "share", "of random actions"},
      {metrics, "evaluation", "sparsity", "eval/sparsity", "share", "of zero weights in the evaluated network"},
      {metrics, "evaluation", "critic_sparsity", "eval/critic_sparsity", "share", "of the selected critics (SAC)"},
      {metrics, "evaluation", "actor_sparsity", "eval/actor_sparsity", "share", "of the actor (SAC)"},
      {timing, "timing", "seconds", "time/seconds", "s", "wall time since this process began training"},
      {timing, "timing", "steps_per_second", "time/steps_per_second", "steps/s", "lately"},
      {timing, "timing", "threads", "", "count", "that train"},
  };
  return rows;
}

std::string scalar_tag(const std::string& event, const std::string& field) {
  for (const MetricName& row : metric_names()) {
    if (row.event == event && row.field == field) return row.tag;
  }
  return event + "/" + field;
}

std::string metric_table() {
  std::string table = "| file | event | field | TensorBoard | unit | meaning |\n|---|---|---|---|---|---|\n";
  for (const MetricName& row : metric_names()) {
    const std::string tag = row.tag.empty() ? "" : "`" + row.tag + "`";
    table += fmt::format("| {} | {} | `{}` | {} | {} | {} |\n", row.file, row.event == "timing" ? "" : row.event,
                         row.field, tag, row.unit, row.meaning);
  }
  return table;
}

}  // namespace eaudeqn
