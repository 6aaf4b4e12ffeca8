/* One greedy action by the installed library: act_library POLICY REPEATS. See act.h. */
#include <eaudeqn/eaudeqn.h>

#include "act.h"

static eaudeqn_session *session;
static unsigned char *observation;
static size_t size;

static int act(void) {
  size_t action = 0;
  if (eaudeqn_act(session, observation, size, &action) != EAUDEQN_OK) exit(3);
  return (int)action;
}

int main(int argc, char **argv) {
  eaudeqn_policy *policy = NULL;
  if (argc != 3) return 2;
  if (eaudeqn_policy_load(argv[1], &policy) != EAUDEQN_OK || eaudeqn_session_create(policy, &session) != EAUDEQN_OK) {
    fprintf(stderr, "%s\n", eaudeqn_last_error());
    return 1;
  }
  size = eaudeqn_policy_spec(policy)->observation_bytes;
  observation = malloc(size);
  if (observation == NULL) return 1;
  fill(observation, size);
  return measure(act, atoi(argv[2]));
}
