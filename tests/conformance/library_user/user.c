/* A user of the C API in C99: user POLICY OBSERVATIONS COUNT OUTPUT. Reads COUNT raw observations, writes their outputs
 * (float) in one batch, then the action of each (int32). Errors go to standard error, with the status as exit code. */
#include <eaudeqn/eaudeqn.h>
#include <stdio.h>
#include <stdlib.h>

static int give_up(eaudeqn_status status) {
  fprintf(stderr, "%s\n", eaudeqn_last_error());
  return (int)status;
}

int main(int argc, char** argv) {
  eaudeqn_policy* policy = NULL;
  eaudeqn_session* session = NULL;
  const eaudeqn_spec* spec = NULL;
  eaudeqn_status status = EAUDEQN_OK;
  size_t count = 0, size = 0, i = 0;
  unsigned char* observations = NULL;
  float* outputs = NULL;
  FILE* file = NULL;
  if (argc != 5) return 64;
  status = eaudeqn_policy_load(argv[1], &policy);
  if (status != EAUDEQN_OK) return give_up(status);
  spec = eaudeqn_policy_spec(policy);
  count = (size_t)strtoul(argv[3], NULL, 10);
  size = spec->observation_bytes;
  observations = malloc(count * size);
  outputs = malloc(count * spec->outputs * sizeof(float));
  file = fopen(argv[2], "rb");
  if (observations == NULL || outputs == NULL || file == NULL) return 65;
  if (fread(observations, size, count, file) != count) return 66;
  fclose(file);
  status = eaudeqn_session_create(policy, &session);
  if (status != EAUDEQN_OK) return give_up(status);
  status = eaudeqn_forward(session, observations, count * size, count, outputs);
  if (status != EAUDEQN_OK) return give_up(status);
  file = fopen(argv[4], "wb");
  if (file == NULL || fwrite(outputs, sizeof(float) * spec->outputs, count, file) != count) return 67;
  for (i = 0; i < count; ++i) {
    size_t action = 0;
    int32_t narrow = 0;
    status = eaudeqn_act(session, observations + i * size, size, &action);
    if (status != EAUDEQN_OK) return give_up(status);
    narrow = (int32_t)action;
    if (fwrite(&narrow, sizeof(narrow), 1, file) != 1) return 68;
  }
  printf("%s %s %.6f\n", eaudeqn_version(), eaudeqn_policy_metadata(policy, "environment"), spec->sparsity);
  eaudeqn_session_free(session);
  eaudeqn_policy_free(policy);
  free(observations);
  free(outputs);
  return fclose(file) == 0 ? 0 : 69;
}
