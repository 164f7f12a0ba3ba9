/*
 * Preloaded into a process (LD_PRELOAD), it stands between the process and the system: calls on what lies below
 * FAULT_ROOT are counted while a plan is armed, and the n-th of them fails, is cut short, is late, or is the last.
 *
 * The process arms it by realpath("/fault-control/arm/<kinds, hex>/<n>/<action>/<errno>/<1 if from then on>/<flags>"), the one
 * call that takes and returns text, and learns by realpath("/fault-control/disarm") what happened:
 * "/<calls>/<hits>/<name of the call>/<file>".
 *
 * LevelDB writes through stdio, whose own calls of write() cannot be replaced. So watched streams are made by
 * fopencookie: the buffering is that of the C library, what is below it is ours.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

/* The numbers are those of KINDS in control.ts. */
enum kind { OPEN, CREATE, READ, WRITE, SYNC, RENAME, UNLINK, RMDIR, MKDIR, LINK, TRUNCATE, CLOSE, MMAP };

/* The numbers are those of ACTIONS in control.ts. */
enum action {
  ERROR, /* fails, and does nothing */
  LATE_ERROR, /* does it, then says that it failed */
  SHORT, /* writes one half; the next write fails if there is an errno */
  DELAY, /* does it later */
  KILL, /* ends the process before */
  SHORT_KILL, /* ends the process after one half was written; before any other call */
  CUT /* cuts the power of the file system at FAULT_ROOT, and ends the process, before */
};

#define CONTROL "/fault-control/"
#define DELAY_MICROSECONDS 20000
#define EXT4_SHUTDOWN _IOR('X', 125, uint32_t)
#define MOST_DESCRIPTORS 65536
#define MOST_STREAMS 1024

static const char *root;
static size_t root_length;

static struct {
  unsigned kinds;
  long nth;
  enum action action;
  int error;
  int persists;
  uint32_t flags;
} plan;
static int armed;
static long calls;
static long hits;
static int owes_error;
static char first_hit[512];

/*
 * While the power is cut nothing is being synced. A sync that is under way then may be said to have succeeded although it
 * was cut off: the kernel has no error for it, and of a real cut nobody would live to hear that.
 */
static pthread_rwlock_t power = PTHREAD_RWLOCK_INITIALIZER;

static unsigned char watched[MOST_DESCRIPTORS];
static pthread_mutex_t streams_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
  FILE *stream;
  int descriptor;
} streams[MOST_STREAMS];

/* Calls `name` of the C library itself. */
#define REAL(name) \
  ({ \
    static __typeof__(&name) real_; \
    if (!real_) real_ = (__typeof__(&name))dlsym(RTLD_NEXT, #name); \
    real_; \
  })

__attribute__((constructor)) static void begin(void) {
  root = getenv("FAULT_ROOT");
  root_length = root ? strlen(root) : 0;
}

static int is_below_root(const char *path) {
  return root_length > 0 && path && strncmp(path, root, root_length) == 0 &&
         (path[root_length] == '/' || path[root_length] == 0);
}

static int is_watched(int descriptor) {
  return descriptor >= 0 && descriptor < MOST_DESCRIPTORS && watched[descriptor];
}

static void watch(int descriptor, int on) {
  if (descriptor >= 0 && descriptor < MOST_DESCRIPTORS) watched[descriptor] = on;
}

static void describe(const char *name, const char *path, int descriptor) {
  char link[64];
  char target[400] = "?";
  if (!path) {
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = REAL(readlink)(link, target, sizeof target - 1);
    if (length >= 0) target[length] = 0;
    path = target;
  }
  snprintf(first_hit, sizeof first_hit, "%s/%s", name, is_below_root(path) ? path + root_length + 1 : path);
}

static void die(void) {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

static void cut_power(void) {
  pthread_rwlock_wrlock(&power);
  int descriptor = REAL(open)(root, O_RDONLY | O_CLOEXEC);
  if (ioctl(descriptor, EXT4_SHUTDOWN, &plan.flags) != 0) perror("fault: the power cannot be cut");
  die();
}

/* Counts a call. Returns whether it is to be treated as the plan says. */
static int is_hit(enum kind kind, const char *name, const char *path, int descriptor) {
  if (!__atomic_load_n(&armed, __ATOMIC_ACQUIRE) || !(plan.kinds & (1u << kind))) return 0;
  long call = __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
  if (call != plan.nth && !(plan.persists && call > plan.nth)) return 0;
  if (__atomic_add_fetch(&hits, 1, __ATOMIC_SEQ_CST) == 1) describe(name, path, descriptor);
  if (plan.action == CUT) cut_power();
  if (plan.action == KILL || (plan.action == SHORT_KILL && kind != WRITE)) die();
  if (plan.action == DELAY) usleep(DELAY_MICROSECONDS);
  return plan.action == ERROR || plan.action == LATE_ERROR || (kind == WRITE && plan.action != DELAY);
}

/* Makes a call; if it is hit it fails, and was made all the same or not, as the plan says. */
#define FAIL_OR(kind, path, descriptor, call) \
  do { \
    if (is_hit(kind, __func__, path, descriptor)) { \
      if (plan.action == LATE_ERROR) (void)(call); \
      errno = plan.error; \
      return -1; \
    } \
    return call; \
  } while (0)

/* ---- the control ---- */

char *realpath(const char *path, char *resolved) {
  if (strncmp(path, CONTROL, strlen(CONTROL)) != 0) return REAL(realpath)(path, resolved);
  char *answer = malloc(1024);
  if (strncmp(path, CONTROL "disarm", strlen(CONTROL "disarm")) == 0) {
    __atomic_store_n(&armed, 0, __ATOMIC_SEQ_CST);
    snprintf(answer, 1024, "/%ld/%ld/%s", calls, hits, first_hit);
    return answer;
  }
  int action = 0;
  unsigned flags = 0;
  __atomic_store_n(&armed, 0, __ATOMIC_SEQ_CST);
  int fields = sscanf(path, CONTROL "arm/%x/%ld/%d/%d/%d/%u", &plan.kinds, &plan.nth, &action, &plan.error,
                      &plan.persists, &flags);
  if (fields != 6) {
    free(answer);
    errno = EINVAL;
    return NULL;
  }
  plan.action = action;
  plan.flags = flags;
  calls = hits = 0;
  owes_error = 0;
  first_hit[0] = 0;
  __atomic_store_n(&armed, 1, __ATOMIC_SEQ_CST);
  strcpy(answer, "/armed");
  return answer;
}

/* ---- files ---- */

static int open_counted(const char *name, int directory, const char *path, int flags, mode_t mode) {
  int below = is_below_root(path);
  int hit = below && is_hit(flags & O_CREAT ? CREATE : OPEN, name, path, -1);
  if (hit && plan.action != LATE_ERROR) {
    errno = plan.error;
    return -1;
  }
  int descriptor = REAL(openat)(directory, path, flags, mode);
  if (hit) {
    if (descriptor >= 0) REAL(close)(descriptor);
    errno = plan.error;
    return -1;
  }
  watch(descriptor, below);
  return descriptor;
}

#define OPEN_FUNCTION(name) \
  int name(const char *path, int flags, ...) { \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    return open_counted(#name, AT_FDCWD, path, flags, mode); \
  }
#define OPENAT_FUNCTION(name) \
  int name(int directory, const char *path, int flags, ...) { \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    return open_counted(#name, directory, path, flags, mode); \
  }
OPEN_FUNCTION(open)
OPEN_FUNCTION(open64)
OPENAT_FUNCTION(openat)
OPENAT_FUNCTION(openat64)

int creat(const char *path, mode_t mode) {
  return open_counted("creat", AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

DIR *opendir(const char *path) {
  if (is_below_root(path) && is_hit(OPEN, "opendir", path, -1)) {
    errno = plan.error;
    return NULL;
  }
  return REAL(opendir)(path);
}

static int close_counted(int descriptor) {
  if (!is_watched(descriptor)) return REAL(close)(descriptor);
  int hit = is_hit(CLOSE, "close", NULL, descriptor);
  watch(descriptor, 0);
  /* Linux has let go of the descriptor even when it reports an error. */
  int result = REAL(close)(descriptor);
  if (!hit) return result;
  errno = plan.error;
  return -1;
}

int close(int descriptor) { return close_counted(descriptor); }

/* Whether a write is hit and has to be treated here; `*half` is then how much of it is written all the same. */
static int write_hit(const char *name, int descriptor, size_t length, size_t *half) {
  if (!is_watched(descriptor)) return 0;
  *half = 0;
  if (__atomic_exchange_n(&owes_error, 0, __ATOMIC_SEQ_CST)) return 1;
  if (!is_hit(WRITE, name, NULL, descriptor)) return 0;
  if (plan.action == SHORT || plan.action == SHORT_KILL) *half = length / 2;
  if (plan.action == LATE_ERROR) *half = length;
  return 1;
}

static ssize_t after_write(ssize_t written) {
  if (plan.action == SHORT_KILL) die();
  if (plan.action == SHORT && written > 0) {
    if (plan.error != 0) __atomic_store_n(&owes_error, 1, __ATOMIC_SEQ_CST);
    return written;
  }
  errno = plan.error;
  return -1;
}

ssize_t write(int descriptor, const void *bytes, size_t length) {
  size_t half;
  if (!write_hit("write", descriptor, length, &half)) return REAL(write)(descriptor, bytes, length);
  /* Of one byte there is no half. */
  if (plan.action == SHORT && plan.error == 0 && half == 0) half = length;
  return after_write(half > 0 ? REAL(write)(descriptor, bytes, half) : 0);
}

#define PWRITE_FUNCTION(name, offset_type) \
  ssize_t name(int descriptor, const void *bytes, size_t length, offset_type offset) { \
    size_t half; \
    if (!write_hit(#name, descriptor, length, &half)) return REAL(name)(descriptor, bytes, length, offset); \
    if (plan.action == SHORT && plan.error == 0 && half == 0) half = length; \
    return after_write(half > 0 ? REAL(name)(descriptor, bytes, half, offset) : 0); \
  }
PWRITE_FUNCTION(pwrite, off_t)
PWRITE_FUNCTION(pwrite64, off64_t)

/* Of several pieces, one half is one half of the first. */
#define VECTOR_FUNCTION(name, plain, parameters, arguments) \
  ssize_t name parameters { \
    size_t half; \
    if (!write_hit(#name, descriptor, count > 0 ? pieces[0].iov_len : 0, &half)) return REAL(name) arguments; \
    if (half == 0) return after_write(0); \
    struct iovec part = {pieces[0].iov_base, half}; \
    if (plan.action != LATE_ERROR) { \
      pieces = &part; \
      count = 1; \
    } \
    return after_write(REAL(name) arguments); \
  }
VECTOR_FUNCTION(writev, write, (int descriptor, const struct iovec *pieces, int count), (descriptor, pieces, count))
VECTOR_FUNCTION(pwritev, pwrite, (int descriptor, const struct iovec *pieces, int count, off_t offset),
                (descriptor, pieces, count, offset))
VECTOR_FUNCTION(pwritev64, pwrite64, (int descriptor, const struct iovec *pieces, int count, off64_t offset),
                (descriptor, pieces, count, offset))

ssize_t read(int descriptor, void *bytes, size_t length) {
  if (!is_watched(descriptor)) return REAL(read)(descriptor, bytes, length);
  FAIL_OR(READ, NULL, descriptor, REAL(read)(descriptor, bytes, length));
}

ssize_t pread(int descriptor, void *bytes, size_t length, off_t offset) {
  if (!is_watched(descriptor)) return REAL(pread)(descriptor, bytes, length, offset);
  FAIL_OR(READ, NULL, descriptor, REAL(pread)(descriptor, bytes, length, offset));
}

ssize_t pread64(int descriptor, void *bytes, size_t length, off64_t offset) {
  if (!is_watched(descriptor)) return REAL(pread64)(descriptor, bytes, length, offset);
  FAIL_OR(READ, NULL, descriptor, REAL(pread64)(descriptor, bytes, length, offset));
}

static int under_power(int (*sync)(int), int descriptor) {
  pthread_rwlock_rdlock(&power);
  int result = sync(descriptor);
  int error = errno;
  pthread_rwlock_unlock(&power);
  errno = error;
  return result;
}

int fsync(int descriptor) {
  if (!is_watched(descriptor)) return REAL(fsync)(descriptor);
  FAIL_OR(SYNC, NULL, descriptor, under_power(REAL(fsync), descriptor));
}

int fdatasync(int descriptor) {
  if (!is_watched(descriptor)) return REAL(fdatasync)(descriptor);
  FAIL_OR(SYNC, NULL, descriptor, under_power(REAL(fdatasync), descriptor));
}

int ftruncate(int descriptor, off_t length) {
  if (!is_watched(descriptor)) return REAL(ftruncate)(descriptor, length);
  FAIL_OR(TRUNCATE, NULL, descriptor, REAL(ftruncate)(descriptor, length));
}

int ftruncate64(int descriptor, off64_t length) {
  if (!is_watched(descriptor)) return REAL(ftruncate64)(descriptor, length);
  FAIL_OR(TRUNCATE, NULL, descriptor, REAL(ftruncate64)(descriptor, length));
}

#define MMAP_FUNCTION(name, offset_type) \
  void *name(void *address, size_t length, int protection, int flags, int descriptor, offset_type offset) { \
    if (is_watched(descriptor) && is_hit(MMAP, #name, NULL, descriptor)) { \
      errno = plan.error; \
      return MAP_FAILED; \
    } \
    return REAL(name)(address, length, protection, flags, descriptor, offset); \
  }
MMAP_FUNCTION(mmap, off_t)
MMAP_FUNCTION(mmap64, off64_t)

/* ---- names ---- */

int rename(const char *from, const char *to) {
  if (!is_below_root(to)) return REAL(rename)(from, to);
  FAIL_OR(RENAME, to, -1, REAL(rename)(from, to));
}

int link(const char *from, const char *to) {
  if (!is_below_root(to)) return REAL(link)(from, to);
  FAIL_OR(LINK, to, -1, REAL(link)(from, to));
}

int unlink(const char *path) {
  if (!is_below_root(path)) return REAL(unlink)(path);
  FAIL_OR(UNLINK, path, -1, REAL(unlink)(path));
}

int rmdir(const char *path) {
  if (!is_below_root(path)) return REAL(rmdir)(path);
  FAIL_OR(RMDIR, path, -1, REAL(rmdir)(path));
}

int mkdir(const char *path, mode_t mode) {
  if (!is_below_root(path)) return REAL(mkdir)(path, mode);
  FAIL_OR(MKDIR, path, -1, REAL(mkdir)(path, mode));
}

/* ---- streams ---- */

static ssize_t cookie_read(void *cookie, char *bytes, size_t length) {
  return read((int)(intptr_t)cookie, bytes, length);
}

/* As the C library does: on and on until all is written, or a write fails. */
static ssize_t cookie_write(void *cookie, const char *bytes, size_t length) {
  size_t written = 0;
  while (written < length) {
    ssize_t result = write((int)(intptr_t)cookie, bytes + written, length - written);
    if (result < 0) break;
    written += (size_t)result;
  }
  return (ssize_t)written;
}

static int cookie_seek(void *cookie, off64_t *offset, int whence) {
  off64_t at = lseek64((int)(intptr_t)cookie, *offset, whence);
  if (at < 0) return -1;
  *offset = at;
  return 0;
}

static int cookie_close(void *cookie) {
  return close_counted((int)(intptr_t)cookie);
}

static void remember(FILE *stream, int descriptor) {
  pthread_mutex_lock(&streams_lock);
  for (int i = 0; i < MOST_STREAMS; i++) {
    if (streams[i].stream) continue;
    streams[i].stream = stream;
    streams[i].descriptor = descriptor;
    break;
  }
  pthread_mutex_unlock(&streams_lock);
}

static void forget(FILE *stream) {
  pthread_mutex_lock(&streams_lock);
  for (int i = 0; i < MOST_STREAMS; i++) {
    if (streams[i].stream == stream) streams[i].stream = NULL;
  }
  pthread_mutex_unlock(&streams_lock);
}

static FILE *open_stream(const char *path, const char *mode) {
  int flags = O_RDONLY;
  if (mode[0] == 'w') flags = O_WRONLY | O_CREAT | O_TRUNC;
  if (mode[0] == 'a') flags = O_WRONLY | O_CREAT | O_APPEND;
  if (strchr(mode, '+')) flags = (flags & ~(O_RDONLY | O_WRONLY)) | O_RDWR;
  if (strchr(mode, 'e')) flags |= O_CLOEXEC;
  int descriptor = open_counted(mode[0] == 'r' ? "fopen to read" : "fopen", AT_FDCWD, path, flags, 0666);
  if (descriptor < 0) return NULL;
  cookie_io_functions_t functions = {cookie_read, cookie_write, cookie_seek, cookie_close};
  FILE *stream = fopencookie((void *)(intptr_t)descriptor, mode, functions);
  if (stream) remember(stream, descriptor);
  return stream;
}

FILE *fopen(const char *path, const char *mode) {
  return is_below_root(path) ? open_stream(path, mode) : REAL(fopen)(path, mode);
}

FILE *fopen64(const char *path, const char *mode) {
  return is_below_root(path) ? open_stream(path, mode) : REAL(fopen64)(path, mode);
}

int fclose(FILE *stream) {
  forget(stream);
  return REAL(fclose)(stream);
}

int fileno(FILE *stream) {
  int descriptor = -1;
  pthread_mutex_lock(&streams_lock);
  for (int i = 0; i < MOST_STREAMS; i++) {
    if (streams[i].stream == stream) descriptor = streams[i].descriptor;
  }
  pthread_mutex_unlock(&streams_lock);
  return descriptor >= 0 ? descriptor : REAL(fileno)(stream);
}
