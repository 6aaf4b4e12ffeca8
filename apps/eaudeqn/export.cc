// `eaudeqn export`: a policy in another form: without the units that nothing reads, with fewer bits, as C, as ONNX.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "commands.h"
#include "core/files.h"
#include "core/npy.h"
#include "deploy/c_header.h"
#include "deploy/onnx.h"
#include "deploy/policy_network.h"
#include "deploy/quantize.h"
#include "deploy/quantize_observed.h"
#include "eaudeqn/error.h"
#include "experiment/progress.h"
#include "policy_forward.h"

namespace eaudeqn {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string subject, format, output, weights = "f32", prefix, observations;
  int threads = 1;
  bool json = false;
};

// Real observations: as the file has them, and as the network reads them.
struct Observations {
  NpyArray array;
  std::vector<std::byte> planes;

  std::size_t count() const { return array.shape[0]; }
};

// The index of the largest output in each row, the lower one of equals. Of a vector of actions there is none.
std::vector<std::size_t> actions_of(const std::vector<float>& outputs, std::size_t width) {
  std::vector<std::size_t> actions;
  for (auto row = outputs.begin(); row != outputs.end(); row += static_cast<std::ptrdiff_t>(width)) {
    actions.push_back(static_cast<std::size_t>(std::max_element(row, row + static_cast<std::ptrdiff_t>(width)) - row));
  }
  return actions;
}

// What the outputs of the exported weights are beside the original's on real observations.
Json compare(const Policy& original, const Policy& exported, const Observations& observations,
             const Arguments& arguments) {
  Network before = make_network(original, arguments.subject), after = make_network(exported, arguments.subject);
  const std::size_t count = observations.count(), width = before.spec().architecture.outputs;
  const auto old_outputs = forward_rows(before, observations.planes, count, arguments.threads);
  const auto new_outputs = forward_rows(after, observations.planes, count, arguments.threads);
  double difference = 0, largest = 0;
  for (std::size_t i = 0; i < old_outputs.size(); ++i) {
    difference = std::max(difference, std::abs(static_cast<double>(old_outputs[i]) - new_outputs[i]));
    largest = std::max(largest, std::abs(static_cast<double>(old_outputs[i])));
  }
  Json json;
  json["observations"] = count;
  json["largest_difference"] = difference;
  json["largest_output"] = largest;
  if (original.discrete_actions()) {
    const auto old_actions = actions_of(old_outputs, width), new_actions = actions_of(new_outputs, width);
    std::size_t same = 0;
    for (std::size_t i = 0; i < count; ++i) same += old_actions[i] == new_actions[i] ? 1U : 0U;
    json["same_actions"] = same;
  }
  return json;
}

Policy quantized(const Policy& policy, const std::optional<Observations>& observations, const Arguments& arguments) {
  if (!observations) return quantize(policy);
  ThreadPool pool(arguments.threads);
  ProgressLine progress;
  const auto start = std::chrono::steady_clock::now();
  return quantize_observed(
      policy, {arguments.subject, observations->planes, observations->count()}, pool, [&](double share) {
        if (!progress.due()) return;
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        progress.show(fmt::format("fitting weights of 8 bits: {:.0f} %, ETA {}", 100 * share,
                                  format_duration(seconds / share * (1 - share))));
      });
}

// The first of the given observations, in the form that observations have outside; noise where there are none.
std::vector<std::byte> example_of(const Architecture& architecture, const std::optional<Observations>& observations) {
  if (!observations || observations->count() == 0) return example_observation(architecture);
  const std::vector<std::byte>& rows = architecture.byte_input ? observations->array.data : observations->planes;
  return {rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(rows.size() / observations->count())};
}

std::size_t units_of(const Policy& policy) {
  std::size_t units = 0;
  for (const PolicyLayer& layer : policy.layers) units += layer.bias.size();
  return units;
}

std::size_t active_weights_of(const Policy& policy) {
  std::size_t weights = 0;
  for (const PolicyLayer& layer : policy.layers) weights += layer.values.size();
  return weights;
}

// Writes the header and, where there is a place beside it, a program; returns their names.
std::vector<std::string> write_c(const Policy& policy, const Architecture& architecture,
                                 const std::optional<Observations>& observations, const Arguments& arguments) {
  const std::filesystem::path header = arguments.output;
  const std::string stem = header.stem().string();
  if (header.filename().string().find_first_of("\"\\\n") != std::string::npos) {
    throw Error::usage(arguments.output +
                       ": C cannot include a file of this name: take out quotes, backslashes and "
                       "line ends");
  }
  const std::filesystem::path program = header.parent_path() / (stem + "_main.c");
  CHeader parts;
  parts.prefix = arguments.prefix.empty() ? c_identifier(stem) : arguments.prefix;
  parts.observation = example_of(architecture, observations);
  write_file_atomically(header, c_header(policy, parts, arguments.subject));
  if (is_stream(header)) return {header.string()};
  write_file_atomically(program,
                        c_program(policy, parts.prefix, header.filename().string(), program.filename().string()));
  return {header.string(), program.string()};
}

// `fitted`: the observations of the check are those that the weights were fitted to.
void print(const Json& json, bool fitted) {
  std::string files;
  for (const auto& file : json["files"]) files += (files.empty() ? "" : " and ") + file.get<std::string>();
  fmt::print("wrote {}: {} bytes; {} weights, sparsity {:.4f}\n", files, json["bytes"].get<std::size_t>(),
             json["weights"].get<std::string>(), json["sparsity"].get<double>());
  if (const auto removed = json["units_removed"].get<std::size_t>(); removed > 0) {
    fmt::print("left out: {} channels and neurons that no output depends on\n", removed);
  }
  if (!json.contains("check")) return;
  const Json& check = json["check"];
  const auto count = check["observations"].get<std::size_t>();
  if (check.contains("same_actions")) {
    const auto same = check["same_actions"].get<std::size_t>();
    fmt::print("chooses the same action as the policy on {} of {} observations ({:.2f} %){}\n", same, count,
               count == 0 ? 0.0 : 100.0 * static_cast<double>(same) / static_cast<double>(count),
               fitted ? ", which it was fitted to: others may be met less well" : "");
  }
  fmt::print("largest difference of an output: {:.3g}, the largest output being {:.3g}\n",
             check["largest_difference"].get<double>(), check["largest_output"].get<double>());
}

int run_export(const Arguments& arguments) {
  const auto file = policy_file(arguments.subject);
  Arguments with_file = arguments;
  with_file.subject = file.string();
  const Policy original = read_policy(file);
  const Policy smaller = without_dead_units(original, with_file.subject);  // refuses what is no network
  const Architecture architecture = architecture_from_json(smaller.metadata.at("architecture"));
  std::optional<Observations> observations;
  if (!arguments.observations.empty()) {
    NpyArray array = read_npy(arguments.observations);
    std::vector<std::byte> planes = planes_of(architecture, array, arguments.observations);
    observations.emplace(Observations{std::move(array), std::move(planes)});
  }
  const Policy policy = arguments.weights == "int8" ? quantized(smaller, observations, with_file) : smaller;
  Json json;
  json["format"] = arguments.format;
  json["weights"] = policy.layers.front().scales.empty() ? "f32" : "int8";
  json["sparsity"] = policy.sparsity();
  json["active_weights"] = active_weights_of(policy);
  json["units_removed"] = units_of(original) - units_of(policy);
  std::vector<std::string> files = {arguments.output};
  if (arguments.format == "safetensors") {
    write_policy(policy, arguments.output);
  } else if (arguments.format == "onnx") {
    write_file_atomically(arguments.output, onnx_model(policy, with_file.subject));
  } else {
    files = write_c(policy, architecture, observations, with_file);
  }
  json["files"] = files;
  std::error_code no_regular_file;  // a pipe has no size
  const std::uintmax_t bytes = std::filesystem::file_size(arguments.output, no_regular_file);
  json["bytes"] = no_regular_file ? 0 : bytes;
  if (observations) json["check"] = compare(original, policy, *observations, with_file);
  if (arguments.json) {
    fmt::print("{}\n", json.dump());
  } else {
    print(json, arguments.weights == "int8" && observations && can_be_fitted(smaller, observations->count()));
  }
  return 0;
}

}  // namespace

void add_export(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand(
      "export",
      "Write a policy in another form: a smaller policy file, C source that needs no library, or ONNX. Channels and "
      "neurons that no output depends on are left out.\n"
      "  eaudeqn export RUN --format c --weights int8 --output pong.h      pong.h and pong_main.c, to be compiled as "
      "they "
      "are\n"
      "  eaudeqn export RUN --format safetensors --weights int8 --output small.safetensors     for evaluate, forward, "
      "...");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("subject", arguments->subject, "A run directory or a policy.safetensors")
      ->required()
      ->type_name("RUN|POLICY");
  command
      ->add_option(
          "--format", arguments->format,
          "safetensors: a policy file (docs/policy_format.md); c: a C99 header with a self-test, and an example "
          "program beside it; onnx: opset 17, dense weights with zeros")
      ->required()
      ->check(CLI::IsMember({"safetensors", "c", "onnx"}));
  command->add_option("--output", arguments->output, "The file to write")->required()->type_name("FILE");
  command
      ->add_option("--weights", arguments->weights,
                   "f32: as they are; int8: 8 bits each and a scale per output, best with --observations")
      ->check(CLI::IsMember({"f32", "int8"}));
  command
      ->add_option(
          "--observations", arguments->observations,
          "Observations as for forward: tells how often the exported weights choose the same action; with int8 the "
          "weights are rounded so that they act on them as they did, which takes seconds to minutes: give it thousands "
          "from several episodes (fewer than 256 only check); the first one becomes the example in C")
      ->type_name("X.npy");
  command
      ->add_option("--prefix", arguments->prefix,
                   "What all names in C begin with, so that one program can hold several policies (default: from the "
                   "file's name)")
      ->type_name("NAME");
  command
      ->add_option("--threads", arguments->threads,
                   "Threads for what observations are used for; the result does not depend on them")
      ->check(CLI::Range(1, 256));
  command->add_flag("--json", arguments->json, "One JSON object on stdout, nothing else");
  command->callback([arguments, &run] { run = [arguments] { return run_export(*arguments); }; });
}

}  // namespace eaudeqn
