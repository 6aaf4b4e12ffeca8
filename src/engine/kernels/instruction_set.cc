// See instruction_set.h.
#include "engine/kernels/instruction_set.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/instruction_set.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace eaudeqn::HWY_NAMESPACE {

const char* target_name() { return hwy::TargetName(HWY_TARGET); }
std::size_t target_floats() { return hwy::HWY_NAMESPACE::Lanes(hwy::HWY_NAMESPACE::ScalableTag<float>()); }

}  // namespace eaudeqn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace eaudeqn {

HWY_EXPORT(target_name);
HWY_EXPORT(target_floats);

const char* instruction_set() { return HWY_DYNAMIC_DISPATCH(target_name)(); }
std::size_t vector_floats() { return HWY_DYNAMIC_DISPATCH(target_floats)(); }

bool wide_loads_pay() {
#if HWY_ARCH_X86
  static const bool is_amd = [] {
    __builtin_cpu_init();
    return __builtin_cpu_is("amd") != 0;
  }();
  return is_amd;
#else
  return false;
#endif
}

}  // namespace eaudeqn
#endif
