/* What the two C contestants share: `repeats` timed actions after some that do not count, and one JSON line about them
 * on standard output, with the most memory that the process ever had. */
#ifndef EAUDEQN_BENCH_DEPLOY_ACT_H_
#define EAUDEQN_BENCH_DEPLOY_ACT_H_

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
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

static int measure(int (*act)(void), int repeats) {
  struct rusage usage;
  int i, action = 0;
  for (i = 0; i < WARM_UP; ++i) action += act();
  printf("{\"microseconds\": [");
  for (i = 0; i < repeats; ++i) {
    const double start = now_microseconds();
    action += act();
    printf("%s%.3f", i == 0 ? "" : ", ", now_microseconds() - start);
  }
  getrusage(RUSAGE_SELF, &usage);
  printf("], \"peak_bytes\": %ld, \"actions\": %d}\n", usage.ru_maxrss * 1024L, action);
  return 0;
}

#endif
