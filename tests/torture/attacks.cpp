// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// One user attacks another one. The locks directory is world-writable and sticky, as /tmp is; the attacker plants
// things at the lock path, and swaps them while the victim acquires. What must hold: nothing outside the locks
// directory is created, opened for writing, truncated or changed; the victim gets the lock, a time-out, or an error
// that says what is wrong; nothing hangs. Needs root to be two users, otherwise it is skipped by name.
//
// Not defended, because it cannot be: whoever may open the lock file may hold the lock; and a symlink among the
// directories of locks_dir is followed, so these must belong to people one trusts.
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <functional>
#include <optional>
#include <sstream>
#include <thread>

#include <named_lock/named_lock.hpp>

#include "common.hpp"
#include "rest.hpp"
#include "users.hpp"

namespace {

using namespace std::chrono_literals;
using namespace torture;

// ---- the scene ----

void write_text(const fs::path& path, const std::string& text) { std::ofstream{path} << text; }

std::string read_text(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream{path}.rdbuf();
    return text.str();
}

struct scene {
    scratch_dir scratch;
    fs::path top = scratch.path();
    fs::path locks = top / "locks";  // world-writable, sticky
    fs::path file = locks / "x.lock";
    fs::path home = top / "home";         // the victim's
    fs::path secret = home / "secret";    // what the attacker would like to have changed
    fs::path trap = top / "trap";         // the attacker's
    fs::path nothing = home / "nothing";  // what he would like to have created

    scene() {
        for (const auto& directory : {locks, home, trap}) fs::create_directory(directory);
        ::chmod(locks.c_str(), 01777);
        write_text(secret, "the victim's data");
        ::chmod(secret.c_str(), 0644);
        give(home, victim);
        give(secret, victim);
        give(trap, attacker);
    }
    static void give(const fs::path& path, const user& to) {
        if (::lchown(path.c_str(), to.uid, to.gid) != 0) give_up("chown " + path.string());
    }
};

/// Sees whether a file is opened for writing or changed.
class observer {
  public:
    explicit observer(const scene& s) : scene_{s}, events_{::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)} {
        constexpr auto harm = IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF;
        ::inotify_add_watch(events_, s.secret.c_str(), harm);
        before_ = status();
    }
    observer(const observer&) = delete;
    observer& operator=(const observer&) = delete;
    ~observer() { ::close(events_); }

    /// `may_be_opened`: it is the lock file, by a hard link.
    void judge(report& results, const std::string& what, bool may_be_opened = false) {
        std::array<char, 4096> buffer;
        const bool has_events = ::read(events_, buffer.data(), buffer.size()) > 0;
        results.expect(!has_events || may_be_opened, what + ": the victim's file was opened for writing or changed");
        results.expect(read_text(scene_.secret) == "the victim's data", what + ": the victim's data are changed");
        const auto now = status();
        results.expect(now.st_mtim.tv_sec == before_.st_mtim.tv_sec && now.st_mtim.tv_nsec == before_.st_mtim.tv_nsec &&
                           now.st_size == before_.st_size && now.st_mode == before_.st_mode &&
                           now.st_uid == before_.st_uid,
                       what + ": the victim's file is changed");
        results.expect(!fs::exists(scene_.nothing), what + ": a file was created outside the locks directory");
    }

  private:
    struct stat status() const {
        struct stat s {};
        ::stat(scene_.secret.c_str(), &s);
        return s;
    }
    const scene& scene_;
    const int events_;
    struct stat before_ {};
};

nlock::lock_options options_of(const scene& s, std::chrono::milliseconds timeout = 100ms) {
    nlock::lock_options options;
    options.locks_dir = s.locks;
    options.timeout = timeout;
    return options;
}

struct result {
    int code = 0;  // 0: granted
    std::string text = "granted";
};

result acquire(const nlock::lock_options& options) {
    try {
        const auto guard = nlock::named_lock{"x", options}.acquire();
        return {};
    } catch (const nlock::lock_error& e) {
        return {e.code().value(), e.what()};
    }
}

/// Runs `job` as that user, in a child; what it reports is taken over.
template <class Job>
void as(const user& who, report& results, const std::string& what, Job job) {
    in_child(results, what, [&](report& mine) {
        become(who);
        job(mine);
    });
}

// ---- something is planted at the lock path ----

struct trap {
    const char* what;
    std::vector<int> expected;              // errors; 0: granted
    std::function<void(const scene&)> set;  // as root, who then gives it to the attacker
    bool is_the_secret = false;
};

std::vector<trap> traps() {
    const auto make_socket = [](const scene& s) {
        const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        std::snprintf(address.sun_path, sizeof address.sun_path, "%s", s.file.c_str());
        if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) give_up("bind");
        ::close(fd);
    };
    return {
        {"symlink to the victim's file", {ELOOP}, [](const scene& s) { fs::create_symlink(s.secret, s.file); }},
        {"symlink to a file that is not there", {ELOOP}, [](const scene& s) { fs::create_symlink(s.nothing, s.file); }},
        {"symlink to itself", {ELOOP}, [](const scene& s) { fs::create_symlink(s.file, s.file); }},
        {"symlink to another lock file",
         {ELOOP},
         [](const scene& s) {
             write_text(s.locks / "y.lock", "");
             fs::create_symlink("y.lock", s.file);
         }},
        {"hard link to the victim's file", {0}, [](const scene& s) { fs::create_hard_link(s.secret, s.file); }, true},
        {"FIFO",
         {EINVAL},
         [](const scene& s) {
             ::mkfifo(s.file.c_str(), 0666);
             ::chmod(s.file.c_str(), 0666);
         }},
        {"directory", {EISDIR}, [](const scene& s) { fs::create_directory(s.file); }},
        {"socket", {ENXIO, EACCES}, make_socket},
        {"device (null)",
         {EINVAL, EACCES},
         [](const scene& s) {
             ::mknod(s.file.c_str(), S_IFCHR | 0666, makedev(1, 3));
             ::chmod(s.file.c_str(), 0666);
         }},
        {"terminal",
         {EINVAL, EACCES, ENXIO},
         [](const scene& s) {
             ::mknod(s.file.c_str(), S_IFCHR | 0666, makedev(5, 0));
             ::chmod(s.file.c_str(), 0666);
         }},
        {"file that may be written",
         {0},
         [](const scene& s) {
             write_text(s.file, "");
             ::chmod(s.file.c_str(), 0666);
         }},
        {"file that may only be read",
         {0},
         [](const scene& s) {
             write_text(s.file, "");
             ::chmod(s.file.c_str(), 0644);
         }},
        {"file that may not be read",
         {EACCES},
         [](const scene& s) {
             write_text(s.file, "");
             ::chmod(s.file.c_str(), 0600);
         }},
        {"file that may only be written",
         {0},
         [](const scene& s) {  // see the expectation below
             write_text(s.file, "");
             ::chmod(s.file.c_str(), 0622);
         }},
    };
}

void plant_and_acquire(report& results, const std::string& setting) {
    for (const trap& t : traps()) {
        for (const bool has_permissions : {false, true}) {
            scene s;
            t.set(s);
            if (!t.is_the_secret) scene::give(s.file, attacker);
            const std::string what = std::string{t.what} + setting + (has_permissions ? ", permissions set" : "");
            observer o{s};
            as(victim, results, what, [&](report& mine) {
                auto options = options_of(s);
                if (has_permissions) options.permissions = fs::perms{0666};
                const auto start = now_ns();
                const result r = acquire(options);
                const bool write_only = std::strstr(t.what, "only be written") != nullptr && r.code == EACCES;
                const bool is_expected =
                    write_only || std::find(t.expected.begin(), t.expected.end(), r.code) != t.expected.end();
                mine.expect(is_expected, what + ": " + r.text);
                mine.expect(now_ns() - start < 50'000'000 || r.code == 0, what + ": the error did not come at once");
                mine.expect(r.code == 0 || r.text.find(s.file.native()) != std::string::npos,
                            what + ": the error does not name the path: " + r.text);
            });
            o.judge(results, what, t.is_the_secret);
            results.tried("attacks: something planted at the lock path");
        }
    }
}

/// A FIFO whose lock the attacker holds: it must not look like a lock that is busy for ever.
void plant_a_locked_fifo(report& results) {
    scene s;
    ::mkfifo(s.file.c_str(), 0666);
    ::chmod(s.file.c_str(), 0666);
    foreign_file held{s.file};
    if (!held.try_lock()) give_up("lock the FIFO");
    as(victim, results, "locked FIFO", [&](report& mine) {
        const result r = acquire(options_of(s));
        mine.expect(r.code == EINVAL, "locked FIFO: " + r.text);
    });
    results.tried("attacks: something planted at the lock path");
}

// ---- swapped while the victim acquires ----

void swap_while_acquiring(report& results, double seconds) {
    scene s;
    write_text(s.file, "");
    scene::give(s.file, attacker);
    observer o{s};
    std::fflush(stdout);
    const pid_t parent = ::getpid();
    const pid_t enemy = ::fork();
    if (enemy == 0) {
        die_with_parent(parent);
        become(attacker);
        die_with_parent(parent);  // a change of user takes it back
        // In a sticky directory he must never leave the path empty: what the victim creates there he cannot take away.
        const fs::path next = s.trap / "next";
        for (unsigned long i = 0;; ++i) {
            switch (i * 2654435761UL / 7 % 6) {
            case 0:
                ::symlink(s.secret.c_str(), next.c_str());
                break;
            case 1:
                ::symlink(s.nothing.c_str(), next.c_str());
                break;
            case 2:
                ::mkfifo(next.c_str(), 0666);
                ::chmod(next.c_str(), 0666);
                break;
            case 3:
                ::mkdir(next.c_str(), 0777);
                break;
            default:
                foreign_file{next, false, O_RDWR | O_CREAT};
                ::chmod(next.c_str(), 0666);
                break;
            }
            ::renameat2(AT_FDCWD, next.c_str(), AT_FDCWD, s.file.c_str(), RENAME_EXCHANGE);
            std::error_code ignored;
            fs::remove(next, ignored);
        }
    }
    as(victim, results, "swapped while acquiring", [&](report& mine) {
        const auto end = now_ns() + static_cast<std::int64_t>(seconds * 1e9);
        long granted = 0;
        long refused = 0;
        const auto before = count_descriptors();
        while (now_ns() < end) {
            const auto start = now_ns();
            const result r = acquire(options_of(s, 20ms));
            ++(r.code == 0 ? granted : refused);
            mine.expect(now_ns() - start < 500'000'000, "swapped while acquiring: it took long");
            const bool is_documented = r.code == 0 || r.code == ETIMEDOUT || r.code == ELOOP || r.code == EINVAL ||
                                       r.code == EISDIR || r.code == EACCES || r.code == ENXIO || r.code == ENOENT ||
                                       r.code == EEXIST;
            mine.expect(is_documented, "swapped while acquiring: " + r.text);
        }
        if (const auto excess = excess_at_rest(before, 1); !excess.empty()) {
            mine.leak("swapped while acquiring: " + excess);
        }
        mine.note("swapped while acquiring: granted " + std::to_string(granted) + " times, refused " +
                  std::to_string(refused) + " times");
        mine.expect(refused > 100, "swapped while acquiring: the attack did not take place");
        mine.tried("attacks: swapped while acquiring", granted + refused);
        mine.print_tried();
    });
    ::kill(enemy, SIGKILL);
    ::waitpid(enemy, nullptr, 0);
    o.judge(results, "swapped while acquiring");
}

// ---- names, sharing, words ----

void traverse_by_name(report& results) {
    scratch_dir scratch;
    const fs::path locks = scratch.path() / "a" / "locks";
    fs::create_directories(locks);
    using namespace std::string_literals;
    for (const std::string& name :
         {"../x"s, ".."s, "."s, ""s, "/etc/passwd"s, "a/b"s, "..\\x"s, "x\0y"s, "x\n"s, "\x1b[2J"s, "C:x"s, "x\xff"s,
          "\xc0\xae\xc0\xae/x"s, "\xe2\x80\xa6/.."s, std::string(251, 'x'), "con"s, "~/x"s, "x/../../y"s}) {
        try {
            const auto guard = nlock::named_lock{name, locks}.try_acquire();
            results.violation("a name that leaves the directory is taken: " + name);
        } catch (const nlock::invalid_lock_name& e) {
            const std::string text = e.what();
            const bool is_clean = std::none_of(
                text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
            results.expect(is_clean, "the message of a bad name has control characters");
        }
        results.tried("attacks: names with traversal");
    }
    for (const std::string name : {"...", "..x", "~", "-rf", "$(id)", "%s%n", " "}) {
        const auto guard = nlock::named_lock{name, locks}.try_acquire();
        results.expect(static_cast<bool>(guard) && fs::exists(locks / (name + ".lock")),
                       "a good name is not used verbatim");
        results.tried("attacks: odd names, used verbatim");
    }
    std::size_t found = 0;
    for (const auto& entry : fs::recursive_directory_iterator{scratch.path()})
        found += entry.is_regular_file() ? 1u : 0u;
    results.expect(found == 7, "something was created outside the locks directory");
}

/// Two users share a lock as far as the permissions of its file go.
void share_between_users(report& results) {
    struct sharing {
        const char* what;
        std::optional<fs::perms> permissions;
        mode_t mask;
        gid_t common;
        int expected;
    };
    for (const sharing& how : {sharing{"permissions 0666, umask 077", fs::perms{0666}, 077, 0, 0},
                               sharing{"permissions 0660 and a common group", fs::perms{0660}, 022, 61010, 0},
                               sharing{"umask 022: the other may only read", std::nullopt, 022, 0, 0},
                               sharing{"umask 077: nobody else", std::nullopt, 077, 0, EACCES},
                               sharing{"permissions 0600: nobody else", fs::perms{0600}, 0, 0, EACCES}}) {
        scene s;
        if (how.common != 0) {
            if (::chown(s.locks.c_str(), 0, how.common) != 0) give_up("chgrp");
            ::chmod(s.locks.c_str(), 03777);  // files get the group of the directory
        }
        const std::string what = std::string{"shared by "} + how.what;
        as(victim, results, what, [&](report& mine) {
            ::umask(how.mask);
            auto options = options_of(s);
            options.permissions = how.permissions;
            const auto guard = nlock::named_lock{"x", options}.acquire();
            // This process holds it; root, who may, lets a child be the other user.
            mine.expect(static_cast<bool>(guard), what + ": its creator cannot acquire it");
        });
        int ready[2];
        int done[2];
        if (::pipe2(ready, 0) != 0 || ::pipe2(done, 0) != 0) give_up("pipe2");
        std::fflush(stdout);
        const pid_t holder = ::fork();
        if (holder == 0) {
            ::close(done[1]);
            become(victim, how.common);
            auto options = options_of(s);
            const auto guard = nlock::named_lock{"x", options}.acquire();
            char byte = '!';
            if (::write(ready[1], &byte, 1) == 1) (void)!::read(done[0], &byte, 1);
            end_process(0);
        }
        char byte;
        ::close(ready[1]);
        if (::read(ready[0], &byte, 1) != 1) results.violation(what + ": its creator cannot acquire it again");
        const auto other = [&](int expected, const char* when) {
            in_child(results, what, [&](report& mine) {
                become(attacker, how.common);
                const result r = acquire(options_of(s, 30ms));
                mine.expect(r.code == expected, what + ": another user, " + when + ": " + r.text);
            });
        };
        other(how.expected == 0 ? ETIMEDOUT : how.expected, "while it is held");
        for (const int end : {ready[0], done[0], done[1]}) ::close(end);
        ::waitpid(holder, nullptr, 0);
        other(how.expected, "when it is free");
        results.tried("attacks: a lock shared by two users, or not");
    }
}

/// A holder calls itself something that a terminal or a log should not get.
void holder_with_a_bad_name(report& results) {
    scene s;
    int ready[2];
    if (::pipe2(ready, O_CLOEXEC) != 0) give_up("pipe2");
    std::fflush(stdout);
    const pid_t parent = ::getpid();
    const pid_t holder = ::fork();
    if (holder == 0) {
        die_with_parent(parent);
        ::prctl(PR_SET_NAME, "\x1b[2J\nroot: ok\x9b");
        ::umask(0);
        const auto guard = nlock::named_lock{"x", options_of(s)}.acquire();
        if (::write(ready[1], "!", 1) == 1) ::pause();
        end_process(0);
    }
    char byte;
    if (::read(ready[0], &byte, 1) != 1) give_up("read");
    const result r = acquire(options_of(s, 10ms));
    const bool is_clean = std::none_of(r.text.begin(), r.text.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x9b;
    });
    results.expect(r.code == ETIMEDOUT, "a holder with a bad name: " + r.text);
    results.expect(is_clean,
                   "the name that the holder gave its process puts control characters into lock_timeout::what()");
    results.tried("attacks: the holder's process has a bad name");
    ::kill(holder, SIGKILL);
    ::waitpid(holder, nullptr, 0);
    ::close(ready[0]);
    ::close(ready[1]);
}

/// fs.protected_regular, set for a while; as it was in the end.
class protected_regular {
  public:
    protected_regular() { std::ifstream{path_} >> before_; }
    protected_regular(const protected_regular&) = delete;
    protected_regular& operator=(const protected_regular&) = delete;
    ~protected_regular() { (void)set(before_); }
    bool set(int value) const {
        std::ofstream{path_} << value << std::flush;
        int now = -1;
        std::ifstream{path_} >> now;
        return now == value;
    }

  private:
    const char* path_ = "/proc/sys/fs/protected_regular";
    int before_ = 0;
};

}  // namespace

/// attacks [--seconds S]
int main(int argc, char** argv) {
    double seconds = 3;
    if (argc == 3 && std::strcmp(argv[1], "--seconds") == 0) seconds = std::atof(argv[2]);
    report results;
    traverse_by_name(results);
    holder_with_a_bad_name(results);
    if (!is_root()) {
        for (const char* what : {"something planted at the lock path", "swapped while acquiring",
                                 "a lock shared by two users", "fs.protected_regular on and off"}) {
            results.skipped(what, "needs root, to be two users");
        }
        return results.finish();
    }
    {
        const protected_regular setting;
        for (const int value : {0, 2}) {
            if (!setting.set(value)) {
                results.skipped("fs.protected_regular=" + std::to_string(value), "the setting cannot be written");
                continue;
            }
            plant_and_acquire(results, ", fs.protected_regular=" + std::to_string(value));
            share_between_users(results);
        }
        plant_a_locked_fifo(results);
    }
    swap_while_acquiring(results, seconds);
    return results.finish();
}
