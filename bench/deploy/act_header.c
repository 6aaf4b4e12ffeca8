/* One greedy action by an exported header (-DHEADER='"policy.h"', prefix `policy`): act_header REPEATS. See act.h. */
#include HEADER

#include "act.h"

static policy_workspace workspace;
static policy_input observation[POLICY_INPUTS];

static int act(void) { return policy_act(&workspace, observation); }

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  if (policy_self_test(&workspace) != 0) {
    fprintf(stderr, "the self-test failed\n");
    return 1;
  }
  fill(observation, sizeof observation);
  return measure(act, atoi(argv[1]));
}
