// See large_memory.h.
#include "engine/large_memory.h"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace eaudeqn {
namespace {

constexpr std::size_t kAlignment = 64;  // bytes: a cache line, and the widest vector
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kLarge = std::size_t{384} << 10;  // worth a huge page, of which the rest is lost
// Arrays that are walked side by side must not begin at the same place of their pages, where their lines would share
// sets of the caches.
constexpr std::size_t kShift = 17 * kAlignment;
constexpr std::size_t kShifts = 16;

std::size_t next_shift() {
  static std::atomic<std::size_t> arrays{0};
  return arrays.fetch_add(1, std::memory_order_relaxed) % kShifts * kShift;
}

// What lies in the line before the memory handed out.
struct Header {
  void* block;
  std::size_t mapped;  // bytes of a mapping of its own; 0: the heap's
};

// Fresh pages, at a multiple of a huge one: what the heap reuses has small pages already. nullptr if there are none.
void* map_huge(std::size_t bytes) {
#if defined(__linux__)
  void* start = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return nullptr;
  const std::size_t skipped = (kHugePage - reinterpret_cast<std::uintptr_t>(start) % kHugePage) % kHugePage;
  char* block = static_cast<char*>(start) + skipped;
  if (skipped > 0) munmap(start, skipped);
  if (skipped < kHugePage) munmap(block + bytes, kHugePage - skipped);
  madvise(block, bytes, MADV_HUGEPAGE);  // a wish: without it the pages are small
  return block;
#else
  return nullptr;
#endif
}

void unmap_huge(void* block, std::size_t bytes) {
#if defined(__linux__)
  munmap(block, bytes);
#endif
}

std::size_t whole_units(std::size_t bytes, std::size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

void* allocate_large(std::size_t bytes) {
  if (bytes > SIZE_MAX / 2) throw std::bad_alloc();
  std::size_t before = kAlignment + next_shift();
  std::size_t mapped = bytes >= kLarge ? whole_units(before + bytes, kHugePage) : 0;
  void* block = mapped > 0 ? map_huge(mapped) : nullptr;
  if (block == nullptr) {
    mapped = 0;
    before = kAlignment;
    block = std::aligned_alloc(kAlignment, whole_units(before + bytes, kAlignment));
  }
  if (block == nullptr) throw std::bad_alloc();
  char* memory = static_cast<char*>(block) + before;
  new (memory - kAlignment) Header{block, mapped};
  return memory;
}

void free_large(void* memory) noexcept {
  if (memory == nullptr) return;
  const Header header = *reinterpret_cast<Header*>(static_cast<char*>(memory) - kAlignment);
  if (header.mapped > 0) {
    unmap_huge(header.block, header.mapped);
  } else {
    std::free(header.block);
  }
}

}  // namespace eaudeqn
