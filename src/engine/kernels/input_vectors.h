// How kernels load the inputs of a pixel, floats or bytes (byte_input.h), as vectors of floats. For kernel files alone:
// included inside each of Highway's per-target passes, after <hwy/highway.h>, hence the guard of its own.
#if defined(EAUDEQN_INPUT_VECTORS_TARGET) == defined(HWY_TARGET_TOGGLE)
#ifdef EAUDEQN_INPUT_VECTORS_TARGET
#undef EAUDEQN_INPUT_VECTORS_TARGET
#else
#define EAUDEQN_INPUT_VECTORS_TARGET
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "engine/tensor_layout.h"

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

using InputTag = hwy::HWY_NAMESPACE::CappedTag<float, kLanes>;

// `at` is aligned for floats; bytes need no alignment.
HWY_INLINE hwy::HWY_NAMESPACE::Vec<InputTag> load_input(const float* at) {
  return hwy::HWY_NAMESPACE::Load(InputTag(), at);
}
HWY_INLINE hwy::HWY_NAMESPACE::Vec<InputTag> load_input(const std::uint8_t* at) {
  namespace hn = hwy::HWY_NAMESPACE;
  const hn::Rebind<std::uint8_t, InputTag> d8;
  const hn::Rebind<std::int32_t, InputTag> d32;
  return hn::ConvertTo(InputTag(), hn::PromoteTo(d32, hn::LoadU(d8, at)));
}

// `row` has both pointers, of which the element type chooses one.
template <typename Element, typename Row>
HWY_INLINE const Element* input_of(const Row& row) {
  if constexpr (sizeof(Element) == 1) {
    return row.bytes;
  } else {
    return row.input;
  }
}

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
