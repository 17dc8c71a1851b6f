// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The seam of platform.hpp on POSIX: opening, locking and checking a lock file.
#pragma once

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <named_lock/detail/creation.hpp>
#include <named_lock/detail/forward.hpp>
#include <named_lock/detail/message.hpp>
#include <named_lock/detail/posix/descriptor.hpp>
#include <named_lock/errors.hpp>
#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

#if defined(F_OFD_SETLK)
inline constexpr bool has_ofd_locks = true;
inline constexpr int ofd_setlk = F_OFD_SETLK;
inline constexpr int ofd_getlk = F_OFD_GETLK;
#else
inline constexpr bool has_ofd_locks = false;
inline constexpr int ofd_setlk = -1;
inline constexpr int ofd_getlk = -1;
#endif

#if defined(O_TMPFILE)
inline constexpr int nameless = O_TMPFILE;
#else
inline constexpr int nameless = O_DIRECTORY;  // which opens nothing for writing
#endif

/// Which file it is, whatever path leads to it.
struct file_identity {
    dev_t device;
    ino_t inode;

    [[nodiscard]] bool is_told() const noexcept { return device != 0 || inode != 0; }

    friend bool operator==(const file_identity& a, const file_identity& b) noexcept {
        return a.device == b.device && a.inode == b.inode;
    }
    /// By the inode first: machines with the same network file systems have their own numbers for these.
    friend bool operator<(const file_identity& a, const file_identity& b) noexcept {
        return a.inode != b.inode ? a.inode < b.inode : a.device < b.device;
    }
};

inline file_identity identity_of(const struct stat& status) noexcept { return {status.st_dev, status.st_ino}; }

/// An open lock file.
class file_handle {
  public:
    file_handle() = default;
    file_handle(descriptor fd, const file_identity& identity) noexcept : fd_{std::move(fd)}, identity_{identity} {}

    explicit operator bool() const noexcept { return static_cast<bool>(fd_); }
    [[nodiscard]] int get() const noexcept { return fd_.get(); }
    [[nodiscard]] const descriptor& fd() const noexcept { return fd_; }
    [[nodiscard]] const file_identity& identity() const noexcept { return identity_; }
    /// Gives it another number: one from `least` on. Left as it is if the system has none.
    void renumber(int least) noexcept {
        auto copy = fd_.copy(least);
        if (copy) fd_ = std::move(copy);
    }

  private:
    descriptor fd_{};
    file_identity identity_{};
};

inline std::filesystem::path absolute_path(const std::filesystem::path& path, std::error_code& error) {
    return std::filesystem::absolute(path, error);
}

/// Not weakly_canonical(), which takes "x/.." out of a part that does not exist: x may become a symlink.
inline std::filesystem::path canonical_directory(const std::filesystem::path& path, std::error_code& error) {
    std::filesystem::path missing;
    for (std::filesystem::path existing = path;; existing = existing.parent_path()) {
        const std::filesystem::path found = std::filesystem::canonical(existing, error);
        if (!error) return missing.empty() ? found : (found / missing).lexically_normal();
        const std::filesystem::path last = existing.filename();
        const bool may_be_missing = error == std::errc::no_such_file_or_directory && existing.has_relative_path();
        if (!may_be_missing || last == "..") return {};
        missing = missing.empty() ? last : last / missing;
    }
}

inline void append_utf8(std::filesystem::path::string_type& path, std::string_view name) { path.append(name); }

[[noreturn]] inline void throw_error(int error, std::string_view operation, const std::filesystem::path& path) {
    throw lock_error{std::error_code{error, std::generic_category()}, operation, path};
}

/// A system call repeated while a signal handler without SA_RESTART interrupts it.
template <class Call>
int uninterrupted(Call&& call) {
    int result;
    do {
        result = call();
    } while (result == -1 && errno == EINTR);
    return result;
}

/// Whatever was planted at the path: no symlink is followed, a FIFO does not block, a terminal is not taken over.
/// Never O_TRUNC: the content is not ours. No O_CLOFORK on Linux, hence the table of descriptors.
inline constexpr int how_to_open = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;

inline descriptor open_file(const std::filesystem::path& path, int how, mode_t mode = 0) {
    const auto open = [&] { return ::open(path.c_str(), how | how_to_open, mode); };
    return descriptor::from([&] { return uninterrupted(open); }, brand_by_position);
}

/// Opens a file that exists. For writing, because an exclusive flock on NFS needs that (man 2 flock, "NFS details");
/// one that may only be read can still be locked elsewhere.
inline descriptor open_existing(const std::filesystem::path& path) {
    descriptor file = open_file(path, O_RDWR);
    if (!file && (errno == EACCES || errno == EROFS || errno == EPERM)) {
        const int reason = errno;
        file = open_file(path, O_RDONLY);
        if (!file && errno == EACCES) errno = reason;
    }
    return file;
}

/// A new file, which nobody else has open. Empty: errno says why not.
inline descriptor create_new(const std::filesystem::path& path, int how, mode_t mode) {
    const auto open = [&] { return ::open(path.c_str(), O_RDWR | how | how_to_open, mode); };
    return descriptor::from_once([&] { return uninterrupted(open); });
}

/// A file in a directory under a name that is no lock's; removed at the end. Empty: errno says why not.
class temporary_file {
  public:
    temporary_file(const std::filesystem::path& directory, const std::string& purpose, mode_t mode = 0600) {
        constexpr int enough = 100;
        const auto seed = std::chrono::system_clock::now().time_since_epoch().count();
        for (int i = 0; i < enough; ++i) {
            path_ = directory / (".named_lock-" + purpose + '-' + std::to_string(seed) + '-' +
                                 std::to_string(::getpid()) + '-' + std::to_string(i));
            file_ = create_new(path_, O_CREAT | O_EXCL, mode);
            if (file_ || errno != EEXIST) return;
        }
    }
    temporary_file(const temporary_file&) = delete;
    temporary_file& operator=(const temporary_file&) = delete;
    ~temporary_file() {
        if (!file_) return;
        const int saved_errno = errno;
        file_.close();  // first: NFS would keep a file that is open, under another name
        ::unlink(path_.c_str());
        errno = saved_errno;
    }

    explicit operator bool() const noexcept { return static_cast<bool>(file_); }
    /// False: its path leads to a file that has other numbers.
    [[nodiscard]] bool is_told_apart() const noexcept {
        struct stat opened {};
        struct stat named {};
        const bool is_known = file_ && ::fstat(file_.get(), &opened) == 0 && ::lstat(path_.c_str(), &named) == 0;
        return !is_known || (opened.st_dev == named.st_dev && opened.st_ino == named.st_ino);
    }
    [[nodiscard]] const descriptor& fd() const noexcept { return file_; }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  private:
    std::filesystem::path path_{};
    descriptor file_{};
};

/// False: there is no file.
inline bool set_mode(const descriptor& file, mode_t mode, const std::filesystem::path& path) {
    if (file && ::fchmod(file.get(), mode) != 0) throw_error(errno, "change the permissions of", path);
    return static_cast<bool>(file);
}

inline bool link_file(const std::string& name, int how, const std::filesystem::path& path) {
    return uninterrupted([&] { return ::linkat(AT_FDCWD, name.c_str(), AT_FDCWD, path.c_str(), how); }) == 0;
}

/// From a file without a name, so that a kill leaves nothing: where the file system has such files, and /proc is there.
inline bool create_nameless(const std::filesystem::path& path, mode_t mode) {
    const descriptor file = create_new(path.parent_path(), nameless, mode);
    return set_mode(file, mode, path) &&
           link_file("/proc/self/fd/" + std::to_string(file.get()), AT_SYMLINK_FOLLOW, path);
}

inline bool create_temporary(const std::filesystem::path& path, mode_t mode) {
    const temporary_file file{path.parent_path(), "new", mode};
    return set_mode(file.fd(), mode, path) && link_file(file.path().native(), 0, path);
}

/// In two steps, where there are no hard links: vfat, some FUSE programs, Android's apps.
inline bool create_in_place(const std::filesystem::path& path, mode_t mode) {
    return set_mode(create_new(path, O_CREAT | O_EXCL, mode), mode, path);
}

/// Creates a file that does not exist. It appears with its mode, in one step: nobody else could open one that has only
/// what the umask and the directory's default ACL leave, and if its creator were killed, nobody ever could. False:
/// errno says why not.
inline bool create_with(const std::filesystem::path& path, mode_t mode) {
    for (const auto create : {create_nameless, create_temporary, create_in_place}) {
        if (create(path, mode)) return true;
        if (errno == EEXIST) return false;
    }
    return false;
}

inline descriptor create_file(const std::filesystem::path& path, const creation& how) {
    constexpr std::filesystem::perms usual{0666};
    const auto mode = static_cast<mode_t>(how.permissions.value_or(usual) & std::filesystem::perms::all);
    if (!how.permissions || how.apply_umask) return open_file(path, O_RDWR | O_CREAT, mode);
    return create_with(path, mode) ? open_existing(path) : descriptor{};
}

/// Refuses what is not a regular file. Empty: deleted meanwhile, on the server.
inline file_handle examined(descriptor file, const std::filesystem::path& path) {
    struct stat status {};
    if (::fstat(file.get(), &status) != 0) {
        if (errno == ESTALE) return {};
        throw_error(errno, "examine", path);
    }
    if (!S_ISREG(status.st_mode)) throw lock_error{std::errc::invalid_argument, "lock", path, "not a regular file"};
    return {std::move(file), identity_of(status)};
}

inline void create_directory_of(const std::filesystem::path& path, const creation& how) {
    std::error_code failed;
    if (!how.create_directories) {  // the file itself may have been deleted meanwhile
        if (std::filesystem::exists(path.parent_path(), failed)) return;
        throw lock_error{std::errc::no_such_file_or_directory, "open", path, "its directory does not exist"};
    }
    std::filesystem::create_directories(path.parent_path(), failed);
    std::error_code unknown;
    if (failed && !std::filesystem::is_directory(path.parent_path(), unknown)) {
        throw lock_error{failed, "create the directory of", path};
    }
}

[[noreturn]] inline void fail_to_open(int error, const std::filesystem::path& path) {
    struct stat named {};
    const bool may_be_symlink = error == ELOOP || error == EMLINK;  // which FreeBSD says
    if (may_be_symlink && ::lstat(path.c_str(), &named) == 0 && S_ISLNK(named.st_mode)) {
        throw lock_error{std::errc::too_many_symbolic_link_levels, "open", path, "it is a symlink"};
    }
    throw_error(error, "open", path);
}

/// Empty: somebody keeps others from opening it for a while.
inline file_handle open_lock_file(const std::filesystem::path& path, const creation& how = {}) {
    // Opened without O_CREAT first: with it, fs.protected_regular refuses somebody else's file in a sticky directory,
    // even to root (man 5 proc). Others may create and delete the file and its directory meanwhile, hence the loop;
    // FUSE file systems are known to report a passing ENOENT as well.
    constexpr int enough = 100;
    int refusals = 0;
    for (int attempt = 1;; ++attempt) {
        descriptor file = open_existing(path);
        if (!file && errno == ENOENT) file = create_file(path, how);
        int error = errno;
        if (file) {
            if (file_handle found = examined(std::move(file), path)) return found;
            error = ESTALE;
        }
        if (error == EWOULDBLOCK) return {};  // who has a lease of it was told to end that (man 2 fcntl, F_SETLEASE)
        const bool appeared = error == EEXIST || error == ESTALE || (error == EACCES && refusals++ == 0);
        const bool has_no_directory = error == ENOENT;
        if (attempt == enough || !(appeared || has_no_directory)) fail_to_open(error, path);
        if (has_no_directory) create_directory_of(path, how);
    }
}

/// For numbers whose types are one on some systems, where g++ -Wuseless-cast minds a cast.
template <class To, class From>
constexpr To converted(From number) noexcept {
    if constexpr (std::is_same_v<To, From>) {
        return number;
    } else {
        return static_cast<To>(number);
    }
}

inline struct flock lock_range(short type, std::int64_t start, std::int64_t length) noexcept {
    struct flock range {};
    range.l_type = type;
    range.l_whence = SEEK_SET;
    range.l_start = converted<off_t>(start);
    range.l_len = converted<off_t>(length);  // 0: to the end, wherever that will be
    return range;
}

/// Locks of open file descriptions, and not F_SETLK where they are missing: closing any other descriptor of the file
/// would drop such a lock (man 2 fcntl).
inline int set_ofd_lock(int fd, short type, std::int64_t start = 0, std::int64_t length = 0) noexcept {
    if (!has_ofd_locks) {
        errno = ENOTSUP;
        return -1;
    }
    struct flock range = lock_range(type, start, length);
    return ::fcntl(fd, ofd_setlk, &range);
}

/// Unlocks although closing would: a process that was forked without the handlers (vfork, clone, between fork and exec
/// in a sandbox) may still have a copy of the descriptor, which would keep the lock alive.
inline bool unlock_descriptor(int fd, lock_method method) noexcept {
    return method == lock_method::flock ? ::flock(fd, LOCK_UN) == 0 : set_ofd_lock(fd, F_UNLCK) == 0;
}

/// One attempt: 0 if it was granted, EWOULDBLOCK if somebody else holds it, or why it could not be tried.
inline int attempt_lock(int fd, lock_kind kind, lock_method method) noexcept {
    const bool shared = kind == lock_kind::shared;
    const int result = uninterrupted([&] {
        return method == lock_method::flock ? ::flock(fd, (shared ? LOCK_SH : LOCK_EX) | LOCK_NB)
                                            : set_ofd_lock(fd, shared ? F_RDLCK : F_WRLCK);
    });
    if (result == 0) return 0;
    if (errno != EACCES) return errno == EAGAIN ? EWOULDBLOCK : errno;
    // SMB says so of a flock that others hold, as POSIX allows for the other kind. So does a security module of a
    // process that may not lock, which may not unlock either (AppArmor without "k", SELinux without "lock").
    return unlock_descriptor(fd, method) || errno != EACCES ? EWOULDBLOCK : EACCES;
}

/// For those who only want to know whether somebody has locked it: not where the system tells.
inline bool is_granted_at(const std::filesystem::path& path, lock_kind kind) {
    const descriptor file = open_file(path, O_RDONLY);
    return !file || attempt_lock(file.get(), kind, lock_method::flock) != EWOULDBLOCK;
}

inline bool is_read_only(int fd) noexcept {
    struct statvfs status {};
    return ::fstatvfs(fd, &status) == 0 && (status.f_flag & ST_RDONLY) != 0;
}

inline bool try_lock_file(file_handle& file, lock_kind kind, lock_method method, const std::filesystem::path& path) {
    int error = attempt_lock(file.get(), kind, method);
    // The descriptor is open: EBADF says that it was opened without the right to write, which this lock needs.
    if (error == EBADF) error = is_read_only(file.get()) ? EROFS : EACCES;
    if (error != 0 && error != EWOULDBLOCK) throw_error(error, "lock", path);
    return error == 0;
}

inline bool unlock_file(file_handle& file, lock_method method) noexcept {
    return unlock_descriptor(file.get(), method);
}

inline bool is_intact(const file_handle& file) noexcept { return file.fd().is_ours(); }
/// Not where a sandbox refuses the brand.
inline bool can_tell_intact(const file_handle& file) noexcept { return file.fd().is_branded(); }

/// By name, and not only st_nlink: whoever held the lock may have moved the file or its directory away and let go
/// between our open and our lock; the file then still has its link, elsewhere.
inline bool is_file_at(const file_handle& file, const std::filesystem::path& path) {
    struct stat named {};
    if (::lstat(path.c_str(), &named) == 0) return file.identity() == identity_of(named);
    if (errno == ENOENT || errno == ENOTDIR || errno == ESTALE) return false;
    throw_error(errno, "examine", path);
}

inline file_identity identity_at(const std::filesystem::path& path) noexcept {
    struct stat named {};
    return ::lstat(path.c_str(), &named) == 0 ? identity_of(named) : file_identity{};
}

inline void remove_locked_file(const file_handle& file, const std::filesystem::path& path) noexcept {
    const int saved_errno = errno;
    if (identity_at(path) == file.identity()) ::unlink(path.c_str());
    errno = saved_errno;
}
constexpr bool remove_released_file(const std::filesystem::path& /*path*/) noexcept { return false; }

/// Throws if the file system gives a file other numbers each time it is asked, as some FUSE programs do: then no file
/// is ever the one at its path, which looks as if somebody replaced it all the time. But nobody does so between any two
/// looks, nor leaves the path as it was while the file that is opened there is another.
inline void check_identities(const std::filesystem::path& path) {
    constexpr int enough = 100;
    for (int i = 0; i < enough; ++i) {
        const file_identity first = identity_at(path);
        const file_identity before = identity_at(path);
        const descriptor file = open_existing(path);
        struct stat status {};
        const bool is_known = first.is_told() && before.is_told() && file && ::fstat(file.get(), &status) == 0;
        if (!is_known) return;
        const bool is_odd = !(first == before) || (before == identity_at(path) && !(before == identity_of(status)));
        if (!is_odd) return;
    }
    throw lock_error{std::errc::not_supported, "lock", path, not_told_apart};
}

/// Only the line tells (line.hpp).
inline void mark_waiting_writer(file_handle& /*file*/) noexcept {}
inline bool has_waiting_writer(const file_handle& /*file*/) noexcept { return false; }

}  // namespace nlock::NAMED_LOCK_ABI::detail
