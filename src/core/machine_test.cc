// What the program knows of the machine, as a specification.
#include "core/machine.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <vector>

#include "core/test_sanitizers.h"

namespace eaudeqn {
namespace {

TEST(Machine, IsKnown) {
  EXPECT_FALSE(cpu_name().empty());
#ifdef __x86_64__
  EXPECT_NE(cpu_name().find(", family "), std::string::npos) << cpu_name();
#endif
  EXPECT_NE(build_name().find('.'), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(program_file()));
  EXPECT_GE(available_processors(), 1);
}

#if defined(__GLIBC__) && !EAUDEQN_SANITIZED
std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

// Checkpoints' buffers stayed with the process, more of them or fewer from save to save.
TEST(Machine, FreedMemoryGoesBackToTheSystem) {
  constexpr std::size_t kBytes = std::size_t{64} << 10U, kPieces = 1'000;
  std::vector<std::unique_ptr<char[]>> pieces;
  for (std::size_t i = 0; i < kPieces; ++i) {
    pieces.push_back(std::make_unique<char[]>(kBytes));
    std::memset(pieces.back().get(), 1, kBytes);
  }
  const std::size_t full = resident_bytes();
  pieces.erase(pieces.begin(), pieces.end() - 1);  // the last one keeps those before it from the heap's end
  EXPECT_GT(resident_bytes() + kBytes * kPieces / 2, full) << "the allocator gave it back by itself";
  return_freed_memory();
  EXPECT_LT(resident_bytes() + kBytes * kPieces / 2, full);
}
#endif

}  // namespace
}  // namespace eaudeqn
