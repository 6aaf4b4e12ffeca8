// Memory for arrays that passes walk over: aligned for any vector width, and in huge pages where the array is large and
// the system gives them, since such walks touch another small page every few lines. AlignedBuffer (aligned_buffer.h) is
// made of it; LargeAllocator gives it to a std::vector.
#pragma once

#include <cstddef>

namespace eaudeqn {

// At least `bytes` bytes at a multiple of 64; contents undefined. Throws std::bad_alloc. Thread-safe.
void* allocate_large(std::size_t bytes);
void free_large(void* memory) noexcept;  // nullptr: nothing

template <typename T>
struct LargeAllocator {
  using value_type = T;

  LargeAllocator() = default;
  template <typename U>
  LargeAllocator(const LargeAllocator<U>&) {}  // NOLINT(google-explicit-constructor): what an allocator must have

  T* allocate(std::size_t count) { return static_cast<T*>(allocate_large(count * sizeof(T))); }
  void deallocate(T* memory, std::size_t) noexcept { free_large(memory); }
  friend bool operator==(const LargeAllocator&, const LargeAllocator&) { return true; }
};

}  // namespace eaudeqn
