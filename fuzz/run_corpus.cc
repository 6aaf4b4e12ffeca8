// Runs a target without libFuzzer: run_corpus DIRECTORY [MUTATIONS]. Every file of the directory, and then as many
// mutations of them, always the same ones. It explores nothing; it shows that what was found stays corrected, and gives
// every sanitizer build the inputs. A crash prints the sanitizer's report; the input is in
// ./crash_NAME_fuzz.
#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "core/files.h"
#include "harness.h"

namespace {

using eaudeqn::Bytes;

// Where the current input is: crash_policy_fuzz, open all the time, since file systems write out what is replaced and
// closed.
int crash_file = -1;

// Bytes that mean something somewhere.
const Bytes kTelling = {std::byte{0},   std::byte{0x7f}, std::byte{0x80}, std::byte{0xff}, std::byte{'0'},
                        std::byte{'9'}, std::byte{'-'},  std::byte{'e'},  std::byte{','},  std::byte{'['},
                        std::byte{']'}, std::byte{'{'},  std::byte{'}'},  std::byte{'"'},  std::byte{'\n'}};

// One to four small damages: what libFuzzer does most.
Bytes mutated(Bytes bytes, const Bytes& other, std::mt19937& random) {
  for (auto damages = 1 + random() % 4; damages > 0; --damages) {
    const std::size_t at = bytes.empty() ? 0 : random() % bytes.size();
    const auto place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    switch (bytes.empty() ? 1 : random() % 6) {
      case 0:
        *place ^= static_cast<std::byte>(1U << random() % 8);
        break;
      case 1:
        bytes.insert(place, static_cast<std::byte>(random()));
        break;
      case 2:
        bytes.erase(place,
                    place + static_cast<std::ptrdiff_t>(1 + random() % std::min<std::size_t>(8, bytes.size() - at)));
        break;
      case 3:
        *place = kTelling[random() % kTelling.size()];
        break;
      case 4:
        bytes.resize(at);
        break;
      default:  // a piece of another file
        if (!other.empty()) {
          const std::size_t from = random() % other.size();
          const std::size_t size = 1 + random() % std::min<std::size_t>(16, other.size() - from);
          for (std::size_t i = 0; i < size && at + i < bytes.size(); ++i) bytes[at + i] = other[from + i];
        }
    }
  }
  return bytes;
}

void run(const Bytes& input) {
  // Written before, because a crash leaves no time.
  const auto size = static_cast<ssize_t>(input.size());
  if (pwrite(crash_file, input.data(), input.size(), 0) != size || ftruncate(crash_file, size) != 0) {
    eaudeqn::broken("the current directory can be written");
  }
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s DIRECTORY [MUTATIONS]\n", argv[0]);
    return 2;
  }
  const std::string name = "crash_" + std::filesystem::path(argv[0]).filename().string();
  crash_file = open(name.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<Bytes> corpus;
  for (const auto& file : files) corpus.push_back(eaudeqn::read_file(file));
  if (corpus.empty()) eaudeqn::broken("the corpus has files");
  for (const Bytes& input : corpus) run(input);
  std::mt19937 random(1);
  const long mutations = argc > 2 ? std::atol(argv[2]) : 0;
  for (long i = 0; i < mutations; ++i) {
    const Bytes& input = corpus[random() % corpus.size()];
    run(mutated(input, corpus[random() % corpus.size()], random));
  }
  std::remove(name.c_str());
  std::printf("%zu files and %ld mutations\n", corpus.size(), mutations);
}
