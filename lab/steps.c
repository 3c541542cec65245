/* Steps: every action of a command upon the machine, noted as it happens, one of them made to fail.
 *
 * A library for LD_PRELOAD. A step is a call that changes a file or a folder, or the start of a program; also those of
 * the programs and shell scripts that the command starts. STEPS_LOG names a file that gets one line for each; two steps
 * are the same when their lines are the same (numbers of four digits and more, and tokens, do not count) and so many
 * equal ones came before. STEPS_FAULT says what becomes of the step STEPS_AT, `N LINE`:
 *
 *   kill     the process group of the command is killed before it; of what was to be written, half is there
 *   orphan   only the command is killed, and the program that it was about to start runs on
 *   fails, dies, missing, hangs   the program: ends with exit code 1, by SIGKILL, is not there, never ends
 *   after    the program does its work and then dies by SIGKILL
 *   run      the shell line STEPS_RUN is run first
 *   ENOSPC, EROFS, EIO   the call fails so; of what was to be written, half is there
 *
 * STEPS_CLOCK seconds are added to the time of day; STEPS_HASTE makes the monotonic clock run so many times as fast.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LINE 400
#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) { return dlsym(RTLD_NEXT, name); }

/* Read once: a program that is about to be started has its own environment already. */
static char log_file[PATH_MAX], root[PATH_MAX], fault[16], at[LINE + 16], run_line[PATH_MAX];
static long clock_shift, haste = 1;
/* The group that the command leads; what it starts may have left it. */
static pid_t group;
static struct timespec begun;

static void setting(char *into, size_t size, const char *name) {
  const char *value = getenv(name);
  snprintf(into, size, "%s", value == NULL ? "" : value);
}

__attribute__((constructor)) static void begin(void) {
  group = getpgrp();
  setting(log_file, sizeof log_file, "STEPS_LOG");
  setting(root, sizeof root, "STEPS_ROOT");
  setting(fault, sizeof fault, "STEPS_FAULT");
  setting(at, sizeof at, "STEPS_AT");
  setting(run_line, sizeof run_line, "STEPS_RUN");
  if (getenv("STEPS_CLOCK") != NULL) clock_shift = atol(getenv("STEPS_CLOCK"));
  if (getenv("STEPS_HASTE") != NULL) haste = atol(getenv("STEPS_HASTE"));
  syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &begun);
}

static bool is(const char *what) { return strcmp(fault, what) == 0; }

/* Without the root, tokens and long numbers: what differs from one run to the next. */
static void plain(char *into, const char *from) {
  size_t n = 0, root_length = strlen(root);
  while (*from != '\0' && n < LINE - 2) {
    if (root_length > 0 && strncmp(from, root, root_length) == 0) {
      from += root_length;
      continue;
    }
    size_t digits = strspn(from, "0123456789"), hex = strspn(from, "0123456789abcdef");
    if (hex >= 16 || digits >= 4) {
      from += hex >= 16 ? hex : digits;
      into[n++] = '#';
      continue;
    }
    into[n++] = *from == '\n' ? ' ' : *from;
    from++;
  }
  into[n] = '\0';
}

/* Notes the step, and tells whether it is the one that is to fail. */
static bool meets(const char *what, const char *object) {
  if (log_file[0] == '\0') return false;
  char line[LINE + 32], text[LINE];
  plain(text, object);
  int length = snprintf(line, sizeof line, "%s %s\n", what, text);
  if (length >= (int)sizeof line) length = sizeof line - 1;
  int saved = errno;
  int fd = syscall(SYS_openat, AT_FDCWD, log_file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fd < 0) abort();
  flock(fd, LOCK_EX);
  struct stat stat;
  fstat(fd, &stat);
  char *all = malloc(stat.st_size + 2);
  all[0] = '\n';
  all[1 + (syscall(SYS_pread64, fd, all + 1, stat.st_size, 0) < 0 ? 0 : stat.st_size)] = '\0';
  int count = 1;
  for (char *next = all; (next = strchr(next, '\n')) != NULL;) {
    next++;
    if (strncmp(next, line, length) == 0) count++;
  }
  free(all);
  syscall(SYS_write, fd, line, length);
  syscall(SYS_close, fd);
  char key[LINE + 64];
  int key_length = snprintf(key, sizeof key, "%d %s", count, line);
  key[key_length - 1] = '\0';
  errno = saved;
  return fault[0] != '\0' && strcmp(key, at) == 0;
}

static void kill_all(void) {
  kill(-group, SIGKILL);
  kill(getpid(), SIGKILL);
}

/* Runs a line in a shell that is not watched. */
static void meanwhile(void) {
  pid_t child = fork();
  if (child == 0) {
    char *argv[] = {"sh", "-c", run_line, NULL};
    char *env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    syscall(SYS_execve, "/bin/sh", argv, env);
    _exit(127);
  }
  waitpid(child, NULL, 0);
}

static int error_number(void) {
  return is("ENOSPC") ? ENOSPC : is("EROFS") ? EROFS : is("EIO") ? EIO : 0;
}

/* A step at a path: whether it is to fail. */
static bool fails(const char *what, const char *object) {
  if (!meets(what, object)) return false;
  if (is("kill")) kill_all();
  if (is("run")) meanwhile();
  errno = error_number();
  return errno != 0;
}

static bool counts(const char *path) {
  return strncmp(path, "/dev/", 5) != 0 && strncmp(path, "/proc/", 6) != 0 && strncmp(path, "/sys/", 5) != 0;
}

static const char *path_of(int fd, char *into) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, into, PATH_MAX - 1);
  into[length < 0 ? 0 : length] = '\0';
  return into;
}

static const char *full(int folder, const char *path, char *into) {
  if (path[0] == '/' || folder == AT_FDCWD) return path;
  char base[PATH_MAX];
  snprintf(into, 2 * PATH_MAX, "%s/%s", path_of(folder, base), path);
  return into;
}

static bool path_fails(const char *what, int folder, const char *path) {
  char into[2 * PATH_MAX];
  const char *object = full(folder, path, into);
  return counts(object) && fails(what, object);
}

static bool fd_fails(const char *what, int fd) {
  struct stat stat;
  if (fstat(fd, &stat) != 0 || !(S_ISREG(stat.st_mode) || S_ISDIR(stat.st_mode))) return false;
  char object[PATH_MAX];
  return counts(path_of(fd, object)) && fails(what, object);
}

/* Files and folders */

static bool opens_to_write(int flags) { return (flags & (O_CREAT | O_TRUNC)) != 0 && (flags & O_TMPFILE) != O_TMPFILE; }

#define OPEN(name, folder, call, ...)                                   \
  int name(__VA_ARGS__, int flags, ...) {                               \
    va_list rest;                                                       \
    va_start(rest, flags);                                              \
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                       \
    if (opens_to_write(flags) && path_fails("open", folder, path)) return -1; \
    return call;                                                        \
  }
OPEN(open, AT_FDCWD, REAL(open)(path, flags, mode), const char *path)
OPEN(open64, AT_FDCWD, REAL(open64)(path, flags, mode), const char *path)
OPEN(openat, folder, REAL(openat)(folder, path, flags, mode), int folder, const char *path)
OPEN(openat64, folder, REAL(openat64)(folder, path, flags, mode), int folder, const char *path)

/* Half of it is written before the end, as a disk that fills up or a crash leaves it. */
static bool write_fails(int fd, const void *data, size_t size) {
  struct stat stat;
  if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) return false;
  char object[PATH_MAX];
  if (!counts(path_of(fd, object)) || !meets("write", object)) return false;
  if (is("run")) meanwhile();
  if (is("kill") || error_number() != 0) syscall(SYS_write, fd, data, size / 2);
  if (is("kill")) kill_all();
  errno = error_number();
  return errno != 0;
}

ssize_t write(int fd, const void *data, size_t size) {
  return write_fails(fd, data, size) ? -1 : syscall(SYS_write, fd, data, size);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
  return write_fails(fd, data, size) ? -1 : REAL(pwrite64)(fd, data, size, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (count > 0 && write_fails(fd, parts[0].iov_base, parts[0].iov_len)) return -1;
  return REAL(writev)(fd, parts, count);
}

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
  return fd_fails("write", out) ? -1 : REAL(copy_file_range)(in, from, out, to, size, flags);
}

int rename(const char *from, const char *to) {
  return path_fails("rename", AT_FDCWD, to) ? -1 : REAL(rename)(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
  return path_fails("rename", to_folder, to) ? -1 : REAL(renameat)(from_folder, from, to_folder, to);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
  return path_fails("rename", to_folder, to) ? -1 : REAL(renameat2)(from_folder, from, to_folder, to, flags);
}

int link(const char *from, const char *to) {
  return path_fails("link", AT_FDCWD, to) ? -1 : REAL(link)(from, to);
}

int symlink(const char *from, const char *to) {
  return path_fails("symlink", AT_FDCWD, to) ? -1 : REAL(symlink)(from, to);
}

/* What does not exist needs no removal, and a folder that exists is not made. */
static bool exists(int folder, const char *path) {
  struct stat stat;
  return fstatat(folder, path, &stat, AT_SYMLINK_NOFOLLOW) == 0;
}

int unlink(const char *path) {
  return exists(AT_FDCWD, path) && path_fails("unlink", AT_FDCWD, path) ? -1 : REAL(unlink)(path);
}

int unlinkat(int folder, const char *path, int flags) {
  return exists(folder, path) && path_fails("unlink", folder, path) ? -1 : REAL(unlinkat)(folder, path, flags);
}

int rmdir(const char *path) {
  return exists(AT_FDCWD, path) && path_fails("rmdir", AT_FDCWD, path) ? -1 : REAL(rmdir)(path);
}

int mkdir(const char *path, mode_t mode) {
  return !exists(AT_FDCWD, path) && path_fails("mkdir", AT_FDCWD, path) ? -1 : REAL(mkdir)(path, mode);
}

int chmod(const char *path, mode_t mode) {
  return path_fails("chmod", AT_FDCWD, path) ? -1 : REAL(chmod)(path, mode);
}

int fchmod(int fd, mode_t mode) { return fd_fails("chmod", fd) ? -1 : REAL(fchmod)(fd, mode); }

int fchown(int fd, uid_t owner, gid_t group) { return fd_fails("chown", fd) ? -1 : REAL(fchown)(fd, owner, group); }

int fsync(int fd) { return fd_fails("fsync", fd) ? -1 : REAL(fsync)(fd); }

int fdatasync(int fd) { return fd_fails("fsync", fd) ? -1 : REAL(fdatasync)(fd); }

int ftruncate64(int fd, off64_t size) { return fd_fails("truncate", fd) ? -1 : REAL(ftruncate64)(fd, size); }

/* Programs */

/* Whether the program is not to be started; errno says why. Does not return where it must not even fail. */
static bool start_fails(const char *file, char *const argv[], char *const env[]) {
  char text[LINE] = "";
  for (size_t i = 0, n = 0; argv[i] != NULL && n < LINE - 1; i++)
    n += snprintf(text + n, LINE - n, i == 0 ? "%s" : " %s", argv[i]);
  if (!meets("start", text)) return false;
  if (is("kill")) kill_all();
  if (is("orphan")) kill(group, SIGKILL);
  if (is("dies")) kill(getpid(), SIGKILL);
  if (is("run")) meanwhile();
  if (is("fails")) {
    dprintf(2, "Error: Could not process rule: Operation not supported\n");
    _exit(1);
  }
  if (is("after") || is("hangs")) {
    char *words[256] = {"sh", "-c", is("after") ? "\"$@\"; kill -KILL $$" : "exec sleep 1000", "sh"};
    for (int i = 0; argv[i] != NULL && i + 5 < 256; i++) words[4 + i] = i == 0 ? (char *)file : argv[i];
    /* The shell's own program is no step of the command. */
    char *own[1024];
    int n = 0;
    for (int i = 0; env[i] != NULL && n < 1023; i++)
      if (strncmp(env[i], "LD_PRELOAD=", 11) != 0) own[n++] = env[i];
    own[n] = NULL;
    syscall(SYS_execve, "/bin/sh", words, own);
    _exit(127);
  }
  if (is("missing")) errno = ENOENT;
  return is("missing");
}

int execve(const char *path, char *const argv[], char *const env[]) {
  /* A shell tries one folder of its PATH after the other. */
  if (access(path, X_OK) == 0 && start_fails(path, argv, env)) return -1;
  return REAL(execve)(path, argv, env);
}

int execvp(const char *file, char *const argv[]) {
  return start_fails(file, argv, environ) ? -1 : REAL(execvp)(file, argv);
}

int execvpe(const char *file, char *const argv[], char *const env[]) {
  return start_fails(file, argv, env) ? -1 : REAL(execvpe)(file, argv, env);
}

/* Clocks */

int clock_gettime(clockid_t which, struct timespec *time) {
  if (syscall(SYS_clock_gettime, which, time) != 0) return -1;
  if (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE) time->tv_sec += clock_shift;
  if (haste > 1 && (which == CLOCK_MONOTONIC || which == CLOCK_MONOTONIC_COARSE)) {
    long long start = begun.tv_sec * 1000000000LL + begun.tv_nsec;
    long long now = time->tv_sec * 1000000000LL + time->tv_nsec;
    now = start + (now - start) * haste;
    time->tv_sec = now / 1000000000LL;
    time->tv_nsec = now % 1000000000LL;
  }
  return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  struct timespec time;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &time);
  now->tv_sec = time.tv_sec;
  now->tv_usec = time.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *into) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (into != NULL) *into = now.tv_sec;
  return now.tv_sec;
}

int epoll_pwait(int fd, struct epoll_event *events, int most, int timeout, const sigset_t *mask) {
  int wait = timeout > 0 && haste > 1 ? timeout / haste + 1 : timeout;
  return REAL(epoll_pwait)(fd, events, most, wait, mask);
}
