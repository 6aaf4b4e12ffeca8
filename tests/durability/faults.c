/* A library to preload that makes the operating system fail: the durability tests' hostile machine. It is not part of the
 * program, which knows nothing of it.
 *
 *   FAULT_CALL     write, fsync, rename, open, ftruncate, mkdir, unlink, close or malloc: what fails
 *   FAULT_AT       the number of the call that fails, from 1; 0: none, calls are only counted
 *   FAULT_FOR_EVER all later calls of the kind fail as well
 *   FAULT_ERRNO    errno of the failure
 *   FAULT_BELOW    only calls on files below this directory count (not for malloc)
 *   FAULT_COUNT    file in which the process leaves how many calls there were
 *   FAULT_STORM    every call is interrupted (EINTR) once before it works, and writes take 1 to 7 bytes at a time
 *   FAULT_CLOCK    every clock jumps forth and back by hours at every look
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *call_that_fails, *below, *count_file;
static long fail_at;
static int fail_errno, for_ever, storm, clock_jumps;
static atomic_long calls;
static _Thread_local int interrupted;

__attribute__((constructor)) static void read_environment(void) {
  call_that_fails = getenv("FAULT_CALL");
  if (!call_that_fails) call_that_fails = "";
  below = getenv("FAULT_BELOW");
  count_file = getenv("FAULT_COUNT");
  fail_at = getenv("FAULT_AT") ? atol(getenv("FAULT_AT")) : 0;
  fail_errno = getenv("FAULT_ERRNO") ? atoi(getenv("FAULT_ERRNO")) : EIO;
  for_ever = getenv("FAULT_FOR_EVER") != NULL;
  storm = getenv("FAULT_STORM") != NULL;
  clock_jumps = getenv("FAULT_CLOCK") != NULL;
}

static void* next(const char* name) { return dlsym(RTLD_NEXT, name); }

/* Of the real functions, so that leaving the count is not counted. */
__attribute__((destructor)) static void leave_count(void) {
  if (!count_file) return;
  int (*real_open)(const char*, int, ...) = next("open");
  ssize_t (*real_write)(int, const void*, size_t) = next("write");
  char text[32];
  const int length = snprintf(text, sizeof text, "%ld\n", atomic_load(&calls));
  const int descriptor = real_open(count_file, O_WRONLY | O_CREAT | O_TRUNC, 0666);
  if (descriptor >= 0 && real_write(descriptor, text, (size_t)length) != length) abort();
}

/* Whether this call of `name` fails now. */
static int fails(const char* name) {
  if (strcmp(name, call_that_fails) != 0) return 0;
  const long number = atomic_fetch_add(&calls, 1) + 1;
  if (fail_at <= 0 || number < fail_at || (number > fail_at && !for_ever)) return 0;
  errno = fail_errno;
  return 1;
}

static int path_counts(const char* path) { return !below || strncmp(path, below, strlen(below)) == 0; }

static int descriptor_counts(int descriptor) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  return path_counts(path);
}

static int interrupts(void) {
  if (!storm) return 0;
  interrupted = !interrupted;
  if (interrupted) errno = EINTR;
  return interrupted;
}

ssize_t write(int descriptor, const void* bytes, size_t size) {
  static ssize_t (*real)(int, const void*, size_t);
  if (!real) real = next("write");
  if (descriptor > 2 && descriptor_counts(descriptor)) {
    if (interrupts() || fails("write")) return -1;
    if (storm && size > 4096) return real(descriptor, bytes, 4096 + size % 7);
    if (storm && size > 1) return real(descriptor, bytes, 1 + size % 7 % size);
  }
  return real(descriptor, bytes, size);
}

int fsync(int descriptor) {
  static int (*real)(int);
  if (!real) real = next("fsync");
  if (descriptor_counts(descriptor) && (interrupts() || fails("fsync"))) return -1;
  return real(descriptor);
}

int close(int descriptor) {
  static int (*real)(int);
  if (!real) real = next("close");
  /* As Linux does, closed even if it says that it failed. */
  const int failing = descriptor > 2 && descriptor_counts(descriptor) && fails("close");
  const int result = real(descriptor);
  if (failing) errno = fail_errno;
  return failing ? -1 : result;
}

int ftruncate(int descriptor, off_t size) {
  static int (*real)(int, off_t);
  if (!real) real = next("ftruncate");
  if (descriptor_counts(descriptor) && (interrupts() || fails("ftruncate"))) return -1;
  return real(descriptor, size);
}

int open(const char* path, int flags, ...) {
  static int (*real)(const char*, int, ...);
  if (!real) real = next("open");
  va_list more;
  va_start(more, flags);
  const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
  va_end(more);
  if (path_counts(path) && (interrupts() || fails("open"))) return -1;
  return real(path, flags, mode);
}

int rename(const char* from, const char* to) {
  static int (*real)(const char*, const char*);
  if (!real) real = next("rename");
  if (path_counts(to) && fails("rename")) return -1;
  return real(from, to);
}

int mkdir(const char* path, mode_t mode) {
  static int (*real)(const char*, mode_t);
  if (!real) real = next("mkdir");
  if (path_counts(path) && fails("mkdir")) return -1;
  return real(path, mode);
}

int unlink(const char* path) {
  static int (*real)(const char*);
  if (!real) real = next("unlink");
  if (path_counts(path) && fails("unlink")) return -1;
  return real(path);
}

int remove(const char* path) {
  static int (*real)(const char*);
  if (!real) real = next("remove");
  if (path_counts(path) && fails("unlink")) return -1;
  return real(path);
}

extern void* __libc_malloc(size_t size);
extern void* __libc_memalign(size_t alignment, size_t size);

/* What the loader and the libraries' own initialisation ask for before main always works: nobody could report it. */
static int in_main;

void* malloc(size_t size) { return in_main && fails("malloc") ? NULL : __libc_malloc(size); }

void* aligned_alloc(size_t alignment, size_t size) {
  return in_main && fails("malloc") ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void** result, size_t alignment, size_t size) {
  if (in_main && fails("malloc")) return ENOMEM;
  *result = __libc_memalign(alignment, size);
  return *result ? 0 : ENOMEM;
}

static int (*real_main)(int, char**, char**);

static int main_that_counts(int count, char** arguments, char** environment) {
  in_main = 1;
  return real_main(count, arguments, environment);
}

int __libc_start_main(int (*program)(int, char**, char**), int count, char** arguments, int (*initialise)(int, char**, char**),
                      void (*finish)(void), void (*loader_finish)(void), void* stack_end) {
  int (*real)(int (*)(int, char**, char**), int, char**, int (*)(int, char**, char**), void (*)(void), void (*)(void),
              void*) = next("__libc_start_main");
  real_main = program;
  return real(main_that_counts, count, arguments, initialise, finish, loader_finish, stack_end);
}

int clock_gettime(clockid_t clock, struct timespec* now) {
  static int (*real)(clockid_t, struct timespec*);
  static atomic_long looks;
  if (!real) real = next("clock_gettime");
  const int result = real(clock, now);
  if (clock_jumps) now->tv_sec += (atomic_fetch_add(&looks, 1) * 7919 % 13 - 6) * 3600;
  return result;
}
