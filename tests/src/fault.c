// Makes system calls fail on chosen files while a control file says so; loaded into a program with LD_PRELOAD.
//
// FAULT_CONTROL names the control file. Each of its lines is `ERRNO CALLS ENDING`, such as `28 write,fsync .db-wal`: calls
// of those kinds fail with that error on files whose name ends so. Kinds: read, write, fsync, truncate, open. An ERRNO below 0 is no error:
// the call takes that many milliseconds longer.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static int matches(const char *kind, const char *path, char *text) {
    size_t length = strlen(path);
    for (char *line = text; line && *line;) {
        char *next = strchr(line, '\n');
        if (next) *next++ = 0;
        int number;
        char kinds[64], ending[128];
        if (sscanf(line, "%d %63s %127s", &number, kinds, ending) == 3 && strstr(kinds, kind)) {
            size_t end = strlen(ending);
            if (end <= length && strcmp(path + length - end, ending) == 0) {
                if (number >= 0) return number;
                struct timespec pause = {-number / 1000, -number % 1000 * 1000000L};
                nanosleep(&pause, NULL);
                return 0;
            }
        }
        line = next;
    }
    return 0;
}

// The error that this call is to fail with; 0 for none. Leaves errno as it is.
static int fault(const char *kind, int fd, const char *path) {
    const char *control = getenv("FAULT_CONTROL");
    if (!control) return 0;
    int saved = errno, found = 0;
    long file = syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC, 0);
    if (file >= 0) {
        char text[1024], link[64], name[4096];
        long size = syscall(SYS_read, (int)file, text, sizeof text - 1);
        syscall(SYS_close, (int)file);
        if (size > 0) {
            text[size] = 0;
            if (!path) {
                snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
                ssize_t end = readlink(link, name, sizeof name - 1);
                name[end < 0 ? 0 : end] = 0;
                path = name;
            }
            found = matches(kind, path, text);
        }
    }
    errno = saved;
    return found;
}

#define FAIL_IF(kind, fd, path) do { int error = fault(kind, fd, path); if (error) { errno = error; return -1; } } while (0)

ssize_t read(int fd, void *to, size_t size) { FAIL_IF("read", fd, NULL); return syscall(SYS_read, fd, to, size); }
ssize_t pread(int fd, void *to, size_t size, off_t at) { FAIL_IF("read", fd, NULL); return syscall(SYS_pread64, fd, to, size, at); }
ssize_t pread64(int fd, void *to, size_t size, off64_t at) { FAIL_IF("read", fd, NULL); return syscall(SYS_pread64, fd, to, size, at); }
ssize_t write(int fd, const void *from, size_t size) { FAIL_IF("write", fd, NULL); return syscall(SYS_write, fd, from, size); }
ssize_t writev(int fd, const struct iovec *from, int count) { FAIL_IF("write", fd, NULL); return syscall(SYS_writev, fd, from, count); }
ssize_t pwrite(int fd, const void *from, size_t size, off_t at) { FAIL_IF("write", fd, NULL); return syscall(SYS_pwrite64, fd, from, size, at); }
ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at) { FAIL_IF("write", fd, NULL); return syscall(SYS_pwrite64, fd, from, size, at); }
int fsync(int fd) { FAIL_IF("fsync", fd, NULL); return syscall(SYS_fsync, fd); }
int fdatasync(int fd) { FAIL_IF("fsync", fd, NULL); return syscall(SYS_fdatasync, fd); }
int ftruncate(int fd, off_t size) { FAIL_IF("truncate", fd, NULL); return syscall(SYS_ftruncate, fd, size); }
int ftruncate64(int fd, off64_t size) { FAIL_IF("truncate", fd, NULL); return syscall(SYS_ftruncate, fd, size); }

static int open_at(int folder, const char *path, int flags, mode_t mode) {
    FAIL_IF("open", -1, path);
    return syscall(SYS_openat, folder, path, flags, mode);
}
#define MODE mode_t mode = 0; if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }
int open(const char *path, int flags, ...) { MODE return open_at(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE return open_at(AT_FDCWD, path, flags, mode); }
int openat(int folder, const char *path, int flags, ...) { MODE return open_at(folder, path, flags, mode); }
int openat64(int folder, const char *path, int flags, ...) { MODE return open_at(folder, path, flags, mode); }
