// `eaudeqn inspect`: what is in a policy, layer by layer.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "deploy/policy.h"
#include "deploy/policy_network.h"

namespace eaudeqn {
namespace {

using Json = nlohmann::ordered_json;

struct Arguments {
  std::string subject;
  bool json = false;
};

Json describe(const Policy& policy, const std::filesystem::path& file) {
  const Network network = make_network(policy, file.string());
  Json layers = Json::array();
  std::size_t parameters = 0, active = 0, flops = 0;
  for (std::size_t l = 0; l < policy.layers.size(); ++l) {
    const PolicyLayer& layer = policy.layers[l];
    const Mask& read = network.layers()[l].read_rows;
    const std::size_t layer_flops = 2 * layer.values.size() * network.spec().positions(l);
    layers.push_back(
        {{"name", layer.name},
         {"shape", layer.shape},
         {"parameters", layer.parameters()},
         {"active", layer.values.size()},
         {"sparsity", 1.0 - static_cast<double>(layer.values.size()) / static_cast<double>(layer.parameters())},
         {"bytes", stored_bytes(layer)},
         {"flops", layer_flops},
         {"units", layer.bias.size()},
         {"read_units", std::count(read.begin(), read.end(), std::uint8_t{1})}});
    parameters += layer.parameters();
    active += layer.values.size();
    flops += layer_flops;
  }
  Json json;
  json["environment"] = metadata(policy, "environment", file);
  json["algorithm"] = metadata(policy, "algorithm", file);
  json["step"] = step_of(metadata(policy, "step", file), file.string());
  json["sparsity"] = policy.sparsity();
  json["trained_sparsity"] = trained_sparsity(policy);
  json["parameters"] = parameters;
  json["active"] = active;
  json["bytes"] = std::filesystem::file_size(file);
  json["flops"] = flops;
  json["layers"] = layers;
  return json;
}

std::string shape_text(const Json& shape) {
  std::string text;
  for (const auto& size : shape) text += (text.empty() ? "" : " x ") + size.dump();
  return text;
}

void print_table(const Json& json) {
  fmt::print("{} on {}, step {}\n\n", json["algorithm"].get<std::string>(), json["environment"].get<std::string>(),
             json["step"].get<std::int64_t>());
  fmt::print("{:<10} {:<20} {:>12} {:>12} {:>9} {:>12} {:>14} {:>10}\n", "layer", "shape", "weights", "active",
             "sparsity", "bytes", "FLOPs/step", "read units");
  bool all_read = true;
  for (const Json& layer : json["layers"]) {
    fmt::print("{:<10} {:<20} {:>12} {:>12} {:>9.4f} {:>12} {:>14} {:>10}\n", layer["name"].get<std::string>(),
               shape_text(layer["shape"]), layer["parameters"].get<std::size_t>(), layer["active"].get<std::size_t>(),
               layer["sparsity"].get<double>(), layer["bytes"].get<std::size_t>(), layer["flops"].get<std::size_t>(),
               layer["read_units"].get<std::size_t>());
    all_read = all_read && layer["read_units"] == layer["units"];
  }
  fmt::print("{:<10} {:<20} {:>12} {:>12} {:>9.4f} {:>12} {:>14}\n", "total", "", json["parameters"].get<std::size_t>(),
             json["active"].get<std::size_t>(), json["sparsity"].get<double>(), json["bytes"].get<std::size_t>(),
             json["flops"].get<std::size_t>());
  if (!all_read) {
    fmt::print("\nunits that are not read change no output: training skips them, `eaudeqn export` leaves them out\n");
  }
  if (json["sparsity"] != json["trained_sparsity"]) {
    fmt::print("\ntrained at sparsity {:.4f}; units that no output depends on are left out of this file\n",
               json["trained_sparsity"].get<double>());
  }
}

}  // namespace

void add_inspect(CLI::App& app, Run& run) {
  auto* command = app.add_subcommand("inspect",
                                     "Show a policy per layer: shape, active weights, sparsity, bytes, FLOPs of one "
                                     "forward pass, units that are read.");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("subject", arguments->subject, "A run directory or a policy.safetensors")
      ->required()
      ->type_name("RUN|POLICY");
  command->add_flag("--json", arguments->json, "One JSON object on stdout");
  command->callback([arguments, &run] {
    run = [arguments] {
      const auto file = policy_file(arguments->subject);
      const Json json = describe(read_policy(file), file);
      if (arguments->json) {
        fmt::print("{}\n", json.dump());
      } else {
        print_table(json);
      }
      return 0;
    };
  });
}

}  // namespace eaudeqn
