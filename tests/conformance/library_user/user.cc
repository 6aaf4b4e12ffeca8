// A user of the C++ classes, which does what user.c does.
#include <eaudeqn/policy.h>

#include <cstdint>
#include <exception>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace {

template <typename T>
void run(const eaudeqn::deploy::Policy& policy, const std::string& input, std::size_t count, std::ofstream& output) {
  const eaudeqn_spec& spec = policy.spec();
  const std::size_t size = spec.observation_bytes / sizeof(T);
  std::vector<T> observations(count * size);
  std::ifstream(input, std::ios::binary)
      .read(reinterpret_cast<char*>(observations.data()),
            static_cast<std::streamsize>(observations.size() * sizeof(T)));
  eaudeqn::deploy::Session session(policy);
  std::vector<float> outputs(count * spec.outputs);
  session.forward(std::span<const T>(observations), count, outputs);
  output.write(reinterpret_cast<const char*>(outputs.data()),
               static_cast<std::streamsize>(outputs.size() * sizeof(float)));
  for (std::size_t i = 0; i < count; ++i) {
    const auto action =
        static_cast<std::int32_t>(session.act(std::span<const T>(observations).subspan(i * size, size)));
    output.write(reinterpret_cast<const char*>(&action), sizeof(action));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 64;
  try {
    const auto policy = eaudeqn::deploy::Policy::load(argv[1]);
    std::ofstream output(argv[4], std::ios::binary);
    if (policy.spec().observation_type == EAUDEQN_UINT8) {
      run<std::uint8_t>(policy, argv[2], std::stoul(argv[3]), output);
    } else {
      run<float>(policy, argv[2], std::stoul(argv[3]), output);
    }
    std::cout << eaudeqn_version() << ' ' << policy.metadata("environment") << ' ' << std::fixed
              << policy.spec().sparsity << '\n';
  } catch (const eaudeqn::Error& error) {
    std::cerr << error.what() << '\n';
    return 2;
  }
  return 0;
}
