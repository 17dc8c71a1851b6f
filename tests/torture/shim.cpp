// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The shim itself, see shim.hpp. Each wrapper carries the name of the wrapped function as its assembler name, because
// the C library's headers declare them with attributes that differ from one release to the next.
#include "shim.hpp"

#include <fcntl.h>
#include <sys/types.h>

#include <cstdarg>
#include <cstddef>

// The C library's own allocator, which dlsym() may need before there is anything to ask it for.
extern "C" void* __libc_malloc(std::size_t);
extern "C" void* __libc_calloc(std::size_t, std::size_t);
extern "C" void* __libc_realloc(void*, std::size_t);
extern "C" void* __libc_memalign(std::size_t, std::size_t);

namespace {

using shim::call;

shim::control the_panel;

// Not allocated on first use, which malloc could not bear.
[[gnu::tls_model("initial-exec")]] thread_local bool is_marked = false;
[[gnu::tls_model("initial-exec")]] thread_local bool is_inside = false;

unsigned long next_random() {
    unsigned long state = the_panel.random.load();
    unsigned long next;
    do {
        next = state * 6364136223846793005UL + 1442695040888963407UL;
    } while (!the_panel.random.compare_exchange_weak(state, next));
    return next >> 33;
}

int planned_error(call c, long nth) {
    if (the_panel.fault_at.load() != static_cast<int>(c)) return 0;
    const long first = the_panel.fault_first.load();
    return nth >= first && nth - first < the_panel.fault_times.load() ? the_panel.fault_error.load() : 0;
}

int random_error(call c) {
    const unsigned one_in = the_panel.one_in.load();
    if (one_in == 0 || next_random() % one_in != 0) return 0;
    const auto errors = shim::errors_of(c);
    if (errors.empty()) return 0;
    ++the_panel.random_faults;
    return errors[next_random() % errors.size()];
}

/// Whether what this thread calls is our business.
bool is_watched() {
    const int scope = the_panel.scope.load();
    return !is_inside && scope != shim::control::nobody && (scope != shim::control::marked || is_marked);
}

/// The error that this call must fail with, or 0.
int decide(call c) {
    if (!is_watched()) return 0;
    const int saved_errno = errno;
    is_inside = true;
    const long nth = ++the_panel.calls[static_cast<int>(c)];
    if (const auto hook = the_panel.hook.load()) hook(c, nth);
    int error = planned_error(c, nth);
    if (error == 0) error = random_error(c);
    is_inside = false;
    errno = saved_errno;
    return error;
}

template <class Function>
Function real(const char* name) {
    const bool was_inside = is_inside;
    is_inside = true;
    auto* found = reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
    is_inside = was_inside;
    return found;
}

template <class Result>
Result failed(int error, Result result) {
    errno = error;
    return result;
}

}  // namespace

extern "C" shim::control* nlock_shim_panel() { return &the_panel; }
extern "C" void nlock_shim_mark(bool on) { is_marked = on; }

#define SHIM(kind, result, failure, name, parameters, arguments)                                                       \
    extern "C" result shim_##name parameters __asm__(#name);                                                           \
    extern "C" result shim_##name parameters {                                                                         \
        static const auto next = real<result(*) parameters>(#name);                                                    \
        if (const int error = decide(call::kind)) return failed<result>(error, failure);                               \
        return next arguments;                                                                                         \
    }

SHIM(flock, int, -1, flock, (int fd, int how), (fd, how))
SHIM(fstat, int, -1, fstat, (int fd, void* status), (fd, status))
SHIM(fstat, int, -1, fstat64, (int fd, void* status), (fd, status))
SHIM(lstat, int, -1, lstat, (const char* path, void* status), (path, status))
SHIM(lstat, int, -1, lstat64, (const char* path, void* status), (path, status))
SHIM(stat, int, -1, stat, (const char* path, void* status), (path, status))
SHIM(stat, int, -1, stat64, (const char* path, void* status), (path, status))
SHIM(statfs, int, -1, statfs, (const char* path, void* status), (path, status))
SHIM(statfs, int, -1, statfs64, (const char* path, void* status), (path, status))
SHIM(fstatfs, int, -1, fstatfs, (int fd, void* status), (fd, status))
SHIM(fstatfs, int, -1, fstatfs64, (int fd, void* status), (fd, status))
SHIM(socket, int, -1, socket, (int domain, int type, int protocol), (domain, type, protocol))
SHIM(bind, int, -1, bind, (int fd, const void* name, unsigned size), (fd, name, size))
SHIM(recv, ssize_t, -1, recv, (int fd, void* data, std::size_t size, int flags), (fd, data, size, flags))
SHIM(nanosleep, int, -1, nanosleep, (const void* pause, void* rest), (pause, rest))
SHIM(mkdir, int, -1, mkdir, (const char* path, mode_t mode), (path, mode))
SHIM(unlink, int, -1, unlink, (const char* path), (path))
SHIM(fchmod, int, -1, fchmod, (int fd, mode_t mode), (fd, mode))
SHIM(linkat, int, -1, linkat, (int from_dir, const char* from, int to_dir, const char* to, int how),
     (from_dir, from, to_dir, to, how))
SHIM(inotify_init1, int, -1, inotify_init1, (int flags), (flags))
SHIM(inotify_rm_watch, int, -1, inotify_rm_watch, (int fd, int watch), (fd, watch))
SHIM(ppoll, int, -1, ppoll, (void* fds, unsigned long count, const void* timeout, const void* mask),
     (fds, count, timeout, mask))
SHIM(eventfd, int, -1, eventfd, (unsigned initial, int flags), (initial, flags))
SHIM(epoll_create1, int, -1, epoll_create1, (int flags), (flags))
SHIM(write, ssize_t, -1, write, (int fd, const void* data, std::size_t size), (fd, data, size))
SHIM(access, int, -1, access, (const char* path, int mode), (path, mode))
SHIM(realpath, char*, nullptr, realpath, (const char* path, char* resolved), (path, resolved))
SHIM(getcwd, char*, nullptr, getcwd, (char* buffer, std::size_t size), (buffer, size))
SHIM(opendir, void*, nullptr, opendir, (const char* path), (path))
SHIM(opendir, void*, nullptr, fdopendir, (int fd), (fd))
SHIM(readdir, void*, nullptr, readdir, (void* directory), (directory))
SHIM(readdir, void*, nullptr, readdir64, (void* directory), (directory))

// The rest have something of their own.

extern "C" int shim_close(int fd) __asm__("close");
extern "C" int shim_close(int fd) {
    static const auto next = real<int (*)(int)>("close");
    const int error = decide(call::close);
    const int result = next(fd);  // whatever it reports, Linux closes the descriptor
    return error != 0 ? failed(error, -1) : result;
}

extern "C" ssize_t shim_read(int fd, void* data, std::size_t size) __asm__("read");
extern "C" ssize_t shim_read(int fd, void* data, std::size_t size) {
    static const auto next = real<ssize_t (*)(int, void*, std::size_t)>("read");
    if (const int error = decide(call::read)) return failed<ssize_t>(error, -1);
    if (the_panel.short_reads.load() && is_watched() && size > 1) {
        const int saved_errno = errno;
        const ssize_t length = next(fd, data, 1);
        if (length != -1 || errno != EINVAL) return length;
        errno = saved_errno;  // an eventfd or inotify instance, which cannot be read byte by byte
    }
    return next(fd, data, size);
}

extern "C" ssize_t shim_sendto(int fd, const void* data, std::size_t size, int flags, const void* name,
                               unsigned name_size) __asm__("sendto");
extern "C" ssize_t shim_sendto(int fd, const void* data, std::size_t size, int flags, const void* name,
                               unsigned name_size) {
    static const auto next = real<ssize_t (*)(int, const void*, std::size_t, int, const void*, unsigned)>("sendto");
    if (const int error = decide(call::sendto)) return failed<ssize_t>(error, -1);
    if (the_panel.mute.load() && is_watched()) return static_cast<ssize_t>(size);
    return next(fd, data, size, flags, name, name_size);
}

extern "C" int shim_add_watch(int fd, const char* path, unsigned mask) __asm__("inotify_add_watch");
extern "C" int shim_add_watch(int fd, const char* path, unsigned mask) {
    static const auto next = real<int (*)(int, const char*, unsigned)>("inotify_add_watch");
    constexpr unsigned only_unmount = 0x2000;
    if (const int error = decide(call::inotify_add_watch)) return failed(error, -1);
    return next(fd, path, the_panel.deaf.load() && is_watched() ? only_unmount : mask);
}

extern "C" int shim_epoll_ctl(int epoll, int operation, int fd, void* event) __asm__("epoll_ctl");
extern "C" int shim_epoll_ctl(int epoll, int operation, int fd, void* event) {
    static const auto next = real<int (*)(int, int, int, void*)>("epoll_ctl");
    constexpr int add = 1;
    const int error = operation == add ? decide(call::epoll_add) : 0;
    return error != 0 ? failed(error, -1) : next(epoll, operation, fd, event);
}

#define SHIM_OPEN(kind, name, parameters, ...)                                                                         \
    extern "C" int shim_##name parameters __asm__(#name);                                                              \
    extern "C" int shim_##name parameters {                                                                            \
        static const auto next = real<int(*) parameters>(#name);                                                       \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        const auto mode = static_cast<mode_t>(va_arg(rest, int));                                                      \
        va_end(rest);                                                                                                  \
        if (const int error = decide(call::kind)) return failed(error, -1);                                            \
        return next(__VA_ARGS__, mode);                                                                                \
    }
SHIM_OPEN(open, open, (const char* path, int flags, ...), path, flags)
SHIM_OPEN(open, open64, (const char* path, int flags, ...), path, flags)
SHIM_OPEN(openat, openat, (int at, const char* path, int flags, ...), at, path, flags)
SHIM_OPEN(openat, openat64, (int at, const char* path, int flags, ...), at, path, flags)

/// A call that does many things.
call kind_of(int command, const void* argument) {
    switch (command) {
    case F_OFD_SETLK: {
        constexpr off_t line_begin = off_t{1} << 62;
        return static_cast<const struct flock*>(argument)->l_start >= line_begin ? call::mark : call::fcntl;
    }
    case F_OFD_GETLK:
        return call::look;
    case F_SETSIG:
        return call::brand;
    case F_GETSIG:
        return call::trust;
    case F_DUPFD_CLOEXEC:
        return call::another;
    default:
        return call::fcntl;
    }
}

#define SHIM_FCNTL(name)                                                                                               \
    extern "C" int shim_##name(int fd, int command, ...) __asm__(#name);                                               \
    extern "C" int shim_##name(int fd, int command, ...) {                                                             \
        static const auto next = real<int (*)(int, int, ...)>(#name);                                                  \
        va_list rest;                                                                                                  \
        va_start(rest, command);                                                                                       \
        void* const argument = va_arg(rest, void*);                                                                    \
        va_end(rest);                                                                                                  \
        if (const int error = decide(kind_of(command, argument))) return failed(error, -1);                            \
        return next(fd, command, argument);                                                                            \
    }
SHIM_FCNTL(fcntl)
SHIM_FCNTL(fcntl64)

#define SHIM_LSEEK(name)                                                                                               \
    extern "C" off_t shim_##name(int fd, off_t to, int from) __asm__(#name);                                           \
    extern "C" off_t shim_##name(int fd, off_t to, int from) {                                                         \
        static const auto next = real<off_t (*)(int, off_t, int)>(#name);                                              \
        if (const int error = decide(from == SEEK_SET ? call::brand : call::trust)) return failed(error, -1);          \
        return next(fd, to, from);                                                                                     \
    }
SHIM_LSEEK(lseek)
SHIM_LSEEK(lseek64)

extern "C" int shim_atfork(void (*before)(), void (*parent)(), void (*child)(),
                           void* object) __asm__("__register_atfork");
extern "C" int shim_atfork(void (*before)(), void (*parent)(), void (*child)(), void* object) {
    static const auto next = real<int (*)(void (*)(), void (*)(), void (*)(), void*)>("__register_atfork");
    if (const int error = decide(call::atfork)) return error;
    return next(before, parent, child, object);
}

extern "C" void* shim_malloc(std::size_t size) __asm__("malloc");
extern "C" void* shim_malloc(std::size_t size) {
    if (const int error = decide(call::memory)) return failed<void*>(error, nullptr);
    return __libc_malloc(size);
}
extern "C" void* shim_calloc(std::size_t count, std::size_t size) __asm__("calloc");
extern "C" void* shim_calloc(std::size_t count, std::size_t size) {
    if (const int error = decide(call::memory)) return failed<void*>(error, nullptr);
    return __libc_calloc(count, size);
}
extern "C" void* shim_realloc(void* old, std::size_t size) __asm__("realloc");
extern "C" void* shim_realloc(void* old, std::size_t size) {
    if (const int error = decide(call::memory)) return failed<void*>(error, nullptr);
    return __libc_realloc(old, size);
}
extern "C" void* shim_aligned(std::size_t alignment, std::size_t size) __asm__("aligned_alloc");
extern "C" void* shim_aligned(std::size_t alignment, std::size_t size) {
    if (const int error = decide(call::memory)) return failed<void*>(error, nullptr);
    return __libc_memalign(alignment, size);
}
