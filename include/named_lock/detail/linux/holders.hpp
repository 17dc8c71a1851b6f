// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Who holds a lock file on Linux: /proc/locks, and /proc/PID/fdinfo where that does not tell. All of it is a hint, but
// a process that can be seen not to hold the lock is never named.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <named_lock/detail/line_place.hpp>
#include <named_lock/detail/linux/line.hpp>
#include <named_lock/detail/linux/lock_lines.hpp>
#include <named_lock/detail/linux/proc.hpp>
#include <named_lock/detail/linux/volume.hpp>
#include <named_lock/detail/lock_party.hpp>
#include <named_lock/detail/name_rules.hpp>
#include <named_lock/detail/posix/descriptor.hpp>
#include <named_lock/options.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

inline std::string proc_path(std::int64_t pid, const char* entry) { return "/proc/" + std::to_string(pid) + entry; }

/// A file as /proc names it: "08:02:131". The device is the one of its mount, and not of stat(2), and the inode the one
/// of fdinfo (Linux 5.14): btrfs and overlayfs have others for stat(2).
class proc_file {
  public:
    /// Nothing if there is no such file, or no descriptor.
    static std::optional<proc_file> at(const std::filesystem::path& path, const look_time& time) {
        // O_PATH opens nothing of the file, and so wakes nobody who waits for it to be closed.
        const descriptor file = descriptor::from([&] { return ::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC); });
        proc_file result;
        if (!file || ::fstat(file.get(), &result.status_) != 0) return std::nullopt;
        // The thread's, in case that it has a table of its own.
        const std::string fdinfo =
            read_proc("/proc/thread-self/fdinfo/" + std::to_string(file.get()), time).value_or("");
        const std::string mounts = read_proc("/proc/self/mountinfo", time).value_or("");
        const std::uint64_t counted = result.status_.st_ino;
        const std::uint64_t inode = number_in<std::uint64_t>(field_in(fdinfo, "ino:")).value_or(counted);
        const device_numbers own = device_of(result.status_.st_dev);
        const device_numbers mounted = device_in(mounts, mount_id_in(fdinfo)).value_or(own);
        result.is_unique_ = mounted == own && inode == counted;
        result.name_ = name_of(mounted, inode);
        return result;
    }

    [[nodiscard]] const std::string& name() const noexcept { return name_; }

    /// Whether only this file has that name. The subvolumes of a btrfs, and the layers of an overlayfs, count their
    /// inodes each by itself, on what is one device in /proc/locks.
    [[nodiscard]] bool has_name_of_its_own() const noexcept { return is_unique_; }

    /// Whether descriptor `number` of a process is open on it.
    [[nodiscard]] bool is_open_at(std::int64_t pid, std::int64_t number) const {
        struct stat status {};
        return ::stat(proc_path(pid, "/fd/").append(std::to_string(number)).c_str(), &status) == 0 &&
               status.st_dev == status_.st_dev && status.st_ino == status_.st_ino;
    }

    static std::string name_of(const device_numbers& on, std::uint64_t inode) {
        std::array<char, 64> text;
        std::snprintf(text.data(), text.size(), "%02" PRIx64 ":%02" PRIx64 ":%" PRIu64, on.first, on.second, inode);
        return text.data();
    }

  private:
    std::string name_{};
    struct stat status_ {};
    bool is_unique_ = true;
};

inline std::string process_name(std::int64_t pid, const look_time& time) {
    std::string name = read_proc(proc_path(pid, "/comm"), time).value_or("");
    if (!name.empty() && name.back() == '\n') name.pop_back();
    return printable(name);  // any process may call itself what it likes
}

/// `own`, then the latest first. The system counts pids up, and begins anew at the limit.
inline void order_by_age(std::vector<std::int64_t>& ascending, std::int64_t latest, std::int64_t own) {
    std::rotate(ascending.begin(), std::upper_bound(ascending.begin(), ascending.end(), latest), ascending.end());
    ascending.push_back(own);
    std::reverse(ascending.begin(), ascending.end());
}

class holder_search {
  public:
    holder_search(const proc_file& file, lock_method method, const look_time& time)
        : file_{file}, method_{method}, time_{time} {}

    /// `table` is /proc/locks, or nothing where there is none.
    lock_party run(const std::optional<std::string>& table) {
        const bool tells_all = ask_table(table);
        if (!tells_all) ask_processes();
        return {std::move(holders_), {}, !tells_all};
    }

  private:
    enum class sight { seen, unseen, unknown };
    static constexpr int all = (std::numeric_limits<int>::max)();

    /// By /proc/locks. False if there may be holders that it does not name: there may be no such file (ProcSubset=pid),
    /// and in a pid namespace other than the first it leaves out who has no pid there (any more).
    bool ask_table(const std::optional<std::string>& table) {
        bool tells_all = table && is_in_first_pid_namespace();
        bool somebody_unnamed = false;
        for_each_lock_line(table ? std::string_view{*table} : "", file_.name(), [&](const lock_line& lock) {
            if (!is_hold(lock, method_)) return;
            const bool is_named = add_locker(lock.pid);
            if (!is_named) somebody_unnamed = true;
            if (is_named && !lock.shared) tells_all = true;
        });
        return tells_all && !somebody_unnamed;
    }

    /// A locker that has ended may have left its lock to a child that shares the descriptor, and its pid to anybody.
    bool add_locker(std::int64_t pid) {
        if (is_known(pid)) return true;
        if (pid <= 0 || (!holders_.empty() && time_.is_over())) return false;
        const sight what = look_into(pid, all);
        // Who hides (hidepid, another user) may still be named by the table, if it is there.
        const bool is_holder =
            what == sight::seen || (what == sight::unknown && file_.has_name_of_its_own() && is_alive(pid));
        if (is_holder) add(pid);
        return is_holder;
    }

    /// By the descriptors of all processes that this user may look into: of this one first, then of the latest, and of
    /// those with many descriptors last.
    void ask_processes() {
        constexpr int few = 64;
        std::vector<std::int64_t> left = processes();
        for (const int most : {few, all}) {
            std::vector<std::int64_t> unknown;
            for (const std::int64_t pid : left) {
                if (time_.is_over()) return;
                if (is_known(pid)) continue;
                const sight what = look_into(pid, most);
                if (what == sight::seen) add(pid);
                if (what == sight::unknown) unknown.push_back(pid);
            }
            left.swap(unknown);
        }
    }

    /// 0: unknown. "0.21 0.35 0.30 2/131 29692\n"
    [[nodiscard]] std::int64_t latest_pid() const {
        const std::string load = read_proc("/proc/loadavg", time_).value_or("");
        const std::size_t at = load.rfind(' ') + 1;
        return number_in<std::int64_t>(std::string_view{load}.substr(at, load.find('\n', at) - at)).value_or(0);
    }

    [[nodiscard]] std::vector<std::int64_t> processes() const {
        std::vector<std::int64_t> pids;
        proc_directory directory{"/proc"};
        for (auto pid = directory.next(); pid && !time_.is_over(); pid = directory.next()) pids.push_back(*pid);
        order_by_age(pids, latest_pid(), ::getpid());
        return pids;
    }

    /// Whether one of the first `most` descriptors of a process has the lock.
    [[nodiscard]] sight look_into(std::int64_t pid, int most) const {
        const std::string fdinfo = proc_path(pid, "/fdinfo/");
        proc_directory numbers{fdinfo};
        if (!numbers) return sight::unknown;
        sight result = sight::unseen;
        for (auto number = numbers.next(); number; number = numbers.next()) {
            if (most-- == 0 || time_.is_over()) return sight::unknown;
            const auto text = read_proc(fdinfo + std::to_string(*number), time_);
            if (!text && errno != ENOENT) result = sight::unknown;  // ENOENT: it was closed meanwhile
            if (text && has_hold(*text) && file_.is_open_at(pid, *number)) return sight::seen;
        }
        return result;
    }

    [[nodiscard]] bool has_hold(std::string_view fdinfo) const {
        bool result = false;
        for_each_lock_line(fdinfo, file_.name(), [&](const lock_line& lock) { result |= is_hold(lock, method_); });
        return result;
    }

    static bool is_alive(std::int64_t pid) noexcept {
        return ::kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH;
    }

    [[nodiscard]] bool is_known(std::int64_t pid) const noexcept {
        return std::any_of(holders_.begin(), holders_.end(), [pid](const lock_holder& h) { return h.pid == pid; });
    }

    void add(std::int64_t pid) { holders_.push_back({pid, process_name(pid, time_)}); }

    const proc_file& file_;
    lock_method method_;
    const look_time& time_;
    std::vector<lock_holder> holders_{};
};

/// Who stands in line for the file, first in line first: their marks tell all but the names of their programs.
inline std::vector<lock_waiter> waiters_in(std::string_view table, const proc_file& file) {
    std::vector<line_place> places;
    for_each_lock_line(table, file.name(), [&](const lock_line& lock) {
        const auto begin = static_cast<std::int64_t>(lock.start);
        if (is_mark(lock) && lock.shared && lock.length != 0) {
            places.push_back(place_in({begin, begin + static_cast<std::int64_t>(lock.length)}));
        }
    });
    std::sort(places.begin(), places.end(), [](const line_place& a, const line_place& b) { return a.came_before(b); });
    const auto now = in_microseconds(std::chrono::steady_clock::now());
    std::vector<lock_waiter> waiters;
    for (const line_place& place : places) {
        const auto waited = (std::max)(now - place.since, std::chrono::microseconds::zero());
        waiters.push_back({pid_of(place), {}, waited, place.kind == lock_kind::shared});
    }
    return waiters;
}

/// Whether `text` has the mark of one whom that hold of its file keeps waiting.
inline bool has_mark_of_waiter(std::string_view text, const lock_line& hold) {
    bool result = false;
    for_each_lock_line(text, hold.file, [&](const lock_line& lock) {
        result |= is_mark(lock) && (!hold.shared || lock.start < static_cast<std::uint64_t>(readers_begin));
    });
    return result;
}

/// The path of the file of that hold if a process waits for it; else an empty one. A mark names its process by the pid in a
/// namespace that may be another, but the descriptor that has it tells whose it is.
inline std::filesystem::path path_waited_for(std::int64_t pid, const lock_line& hold, const look_time& time) {
    const std::string fdinfo = proc_path(pid, "/fdinfo/");
    proc_directory numbers{fdinfo};
    for (auto number = numbers.next(); number && !time.is_over(); number = numbers.next()) {
        const std::string fd = std::to_string(*number);
        if (!has_mark_of_waiter(read_proc(fdinfo + fd, time).value_or(""), hold)) continue;
        std::error_code gone;
        std::filesystem::path path = std::filesystem::read_symlink(proc_path(pid, "/fd/") + fd, gone);
        const auto file = proc_file::at(path, time);
        if (file && file->has_name_of_its_own() && file->name() == hold.file) return path;
    }
    return {};
}

/// A look at locks, of which the first read of /proc/locks is a part.
class party_look {
  public:
    lock_look at(const std::filesystem::path& path, lock_method method, party_detail wanted) const {
        if (!is_own_) return {{{}, {}, true}};
        const look_time time{longest};
        const auto file = proc_file::at(path, time);
        if (!file) return {};
        lock_look found{holder_search{*file, method, time}.run(table_)};
        found.is_held = !found.party.holders.empty();
        const bool is_told = table_ && file->has_name_of_its_own();
        for_each_lock_line(table_ ? std::string_view{*table_} : "", file->name(), [&](const lock_line& lock) {
            if (!is_hold(lock, method)) return;
            found.is_held = found.is_held || is_told;
            found.is_shared = lock.shared;
        });
        if (is_told && method == lock_method::flock) found.party.waiters = waiters_in(*table_, *file);
        if (wanted == party_detail::circle) found.party.circle = circle_with(found.party.holders, time);
        if (wanted != party_detail::waiter_names) return found;
        for (lock_waiter& waiter : found.party.waiters) waiter.process = process_name(waiter.pid, time);
        return found;
    }

    /// By whichever method.
    [[nodiscard]] lock_look at(const std::filesystem::path& path) const {
        lock_look found = at(path, lock_method::flock, party_detail::waiter_names);
        if (found.is_held) return found;
        lock_look other = at(path, lock_method::fcntl, party_detail::waiter_names);
        other.party.waiters = std::move(found.party.waiters);
        return other;
    }

  private:
    /// Only what is so for processes: which of their threads do it is not told.
    [[nodiscard]] std::string circle_with(const std::vector<lock_holder>& holders, const look_time& time) const {
        const std::string_view table = table_ ? std::string_view{*table_} : "";
        std::string circle;
        for_each_lock_line(table, [&](const lock_line& hold) {
            const bool is_own = is_hold(hold, lock_method::flock) && hold.pid == ::getpid();
            if (!is_own || !circle.empty() || time.is_over() || !has_mark_of_waiter(table, hold)) return;
            for (const lock_holder& holder : holders) {
                if (!circle.empty() || holder.pid == hold.pid) continue;
                const std::filesystem::path path = path_waited_for(holder.pid, hold, time);
                if (!path.empty()) circle = to_string(holder) + " waits for " + text_of(path) + ", which this process holds";
            }
        });
        return circle;
    }

    static constexpr std::chrono::milliseconds longest{5};

    bool is_own_ = is_own_proc();
    // By itself, because the first read in a while sleeps until the kernel has stopped all file locks: some 10 ms.
    std::optional<std::string> table_ = is_own_ ? read_proc("/proc/locks", look_time{longest}) : std::nullopt;
};

inline lock_party party_at(const std::filesystem::path& path, lock_method method, party_detail wanted) {
    return party_look{}.at(path, method, wanted).party;
}

/// For a file that this process has locked by flock(2): a hold by fcntl(2) as well, of the places in line, too, where the
/// one does not exclude the other. Nothing: somebody waits for it, or has locked it so.
inline std::optional<file_handle> hold_otherwise(const std::filesystem::path& path) {
    file_handle file{open_file(path, O_RDWR), {}};
    const bool is_held = file && (!has_line(file, lock_method::flock) || set_ofd_lock(file.get(), F_WRLCK) == 0);
    return is_held ? std::optional<file_handle>{std::move(file)} : std::nullopt;
}

}  // namespace nlock::NAMED_LOCK_ABI::detail
