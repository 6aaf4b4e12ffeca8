/* What a Cortex-M4 needs before and around main: the vector table, memory, the floating point unit, and semihosting, by
 * which the emulator prints and ends with an exit code. For the mps2-an386 board of QEMU; test_export.py builds it. */
#include <stddef.h>
#include <stdint.h>

#include "semihosting.h"

extern uint32_t stack_top[], data_begin[], data_end[], data_load[], bss_begin[], bss_end[];
int main(void);

enum { SYS_WRITE0 = 0x04, SYS_EXIT_EXTENDED = 0x20, APPLICATION_EXIT = 0x20026 };

static void semihosting_call(uint32_t operation, const void *argument) {
  register uint32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

void print_text(const char *text) { semihosting_call(SYS_WRITE0, text); }

void exit_program(uint32_t code) {
  const uint32_t block[2] = {APPLICATION_EXIT, code};
  semihosting_call(SYS_EXIT_EXTENDED, block);
  for (;;) {
  }
}

/* The two functions of a C library that a compiler may call for code that names neither. */
void *memset(void *to, int value, size_t size) {
  unsigned char *byte = to;
  while (size-- > 0) *byte++ = (unsigned char)value;
  return to;
}
void *memcpy(void *restrict to, const void *restrict from, size_t size) {
  unsigned char *byte = to;
  const unsigned char *source = from;
  while (size-- > 0) *byte++ = *source++;
  return to;
}
/* Their names in the embedded ABI. */
void __aeabi_memclr(void *to, size_t size) { memset(to, 0, size); }
void __aeabi_memclr4(void *to, size_t size) { memset(to, 0, size); }
void __aeabi_memcpy(void *to, const void *from, size_t size) { memcpy(to, from, size); }
void __aeabi_memcpy4(void *to, const void *from, size_t size) { memcpy(to, from, size); }

void reset(void) {
  volatile uint32_t *const coprocessor_access = (volatile uint32_t *)0xE000ED88u;
  const uint32_t *from = data_load;
  uint32_t *to;
  *coprocessor_access |= 0xFu << 20;
  __asm__ volatile("dsb\n\tisb");
  for (to = data_begin; to < data_end;) *to++ = *from++;
  for (to = bss_begin; to < bss_end;) *to++ = 0;
  exit_program((uint32_t)main());
}

static void fault(void) {
  print_text("fault\n");
  exit_program(99);
}

__attribute__((section(".vectors"), used)) static void (*const vectors[])(void) = {
    (void (*)(void))(uintptr_t)stack_top, reset, fault, fault, fault, fault, fault};
