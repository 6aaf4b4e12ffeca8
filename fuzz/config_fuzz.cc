// Configs: any text. What is accepted must mean the same when it is written as TOML and read again; a line of the text
// is also tried as --set takes it.
#include "eaudeqn/config.h"
#include "harness.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace eaudeqn;
  const std::string text(reinterpret_cast<const char*>(data), size);
  Config config;
  if (accepted("a.toml", [&] { config = parse_config(text, "a.toml"); })) {
    if (!(parse_config(to_toml(config), "again.toml") == config)) broken("a config survives being written");
  }
  // Errors of overrides name the key instead of a file.
  accepted("", [&] { parse_config("", "a.toml", {text.substr(0, text.find('\n'))}); });
  return 0;
}
