/* What the two C contestants share: `repeats` timed actions after some that do not count, and one JSON line about them
 * on standard output, with the most memory that the process ever had. */
#ifndef EAUDEQN_BENCH_DEPLOY_ACT_H_
#define EAUDEQN_BENCH_DEPLOY_ACT_H_

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WARM_UP = 20 };

static double now_microseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

/* Any bytes do: no network here takes a shortcut for some of them. */
static void fill(unsigned char* observation, size_t size) {
  uint32_t state = 1;
  size_t i;
  for (i = 0; i < size; ++i) {
    state = state * 1664525U + 1013904223U;
    observation[i] = (unsigned char)(state >> 24);
  }
}

/* Not getrusage: that counts what the process was before it became this program. */
static long peak_bytes(void) {
  char line[256];
  long kilobytes = 0;
  FILE* status = fopen("/proc/self/status", "r");
  if (status == NULL) return 0;
  while (fgets(line, sizeof line, status) != NULL) {
    if (strncmp(line, "VmHWM:", 6) == 0) kilobytes = strtol(line + 6, NULL, 10);
  }
  fclose(status);
  return kilobytes * 1024;
}

static int measure(int (*act)(void), int repeats) {
  int i, action = 0;
  for (i = 0; i < WARM_UP; ++i) action += act();
  printf("{\"microseconds\": [");
  for (i = 0; i < repeats; ++i) {
    const double start = now_microseconds();
    action += act();
    printf("%s%.3f", i == 0 ? "" : ", ", now_microseconds() - start);
  }
  printf("], \"peak_bytes\": %ld, \"actions\": %d}\n", peak_bytes(), action);
  return 0;
}

#endif
