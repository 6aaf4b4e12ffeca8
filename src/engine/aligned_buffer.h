// A zero-initialised float array aligned for any vector width. Not a container: it does not grow.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>

#include "engine/large_memory.h"

namespace eaudeqn {

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t size)
      : size_(size), data_(LargeAllocator<float>().allocate(std::max<std::size_t>(size, 1))) {
    clear();
  }

  float* data() { return data_.get(); }
  const float* data() const { return data_.get(); }
  std::size_t size() const { return size_; }
  std::span<float> span() { return {data_.get(), size_}; }
  std::span<const float> span() const { return {data_.get(), size_}; }
  void clear() { std::fill_n(data_.get(), size_, 0.0F); }

 private:
  struct Free {
    void operator()(float* memory) const { free_large(memory); }
  };

  std::size_t size_ = 0;
  std::unique_ptr<float[], Free> data_;
};

}  // namespace eaudeqn
