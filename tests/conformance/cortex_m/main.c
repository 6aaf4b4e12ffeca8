/* Runs a policy's self-test on a Cortex-M4 and prints its outputs, bit by bit, for test_export.py to compare. */
#include "policy.h"
#include "semihosting.h"

static policy_workspace workspace;

static void print_bits(float value) {
  union {
    float value;
    uint32_t bits;
  } number;
  char text[10];
  int i;
  number.value = value;
  for (i = 0; i < 8; ++i) text[i] = "0123456789abcdef"[number.bits >> (28 - 4 * i) & 15u];
  text[8] = '\n';
  text[9] = '\0';
  print_text(text);
}

int main(void) {
  int i;
  if (sizeof workspace != POLICY_RAM_BYTES) return 2;
  if (policy_self_test(&workspace) != 0) return 1;
  if (policy_act(&workspace, policy_example_observation) >= POLICY_OUTPUTS) return 3;
  for (i = 0; i < POLICY_OUTPUTS; ++i) print_bits(workspace.outputs[i]);
  return 0;
}
