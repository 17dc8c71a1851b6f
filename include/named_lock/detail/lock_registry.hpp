// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What a process keeps for all its locks: the lock_state of each path in use, the few of them whose files stay open while
// they are not locked, and the idle release watches.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <named_lock/detail/deadline.hpp>
#include <named_lock/detail/lock_state.hpp>
#include <named_lock/detail/name_rules.hpp>
#include <named_lock/errors.hpp>

namespace nlock::NAMED_LOCK_ABI::detail {

class lock_registry {
  public:
    lock_registry(const lock_registry&) = delete;
    lock_registry& operator=(const lock_registry&) = delete;

    /// Never destroyed: guards with static storage may outlive any other static object.
    NAMED_LOCK_ONE_PER_PROCESS NAMED_LOCK_OUT_OF_LINE static lock_registry& instance() {
        static lock_registry& registry = *new lock_registry;
        return registry;
    }

    /// The one state of <locks_dir>/<name>.lock in this process. Lives as long as somebody has it, or until
    /// another one is asked for.
    std::shared_ptr<lock_state> state_of(std::string_view name, const std::filesystem::path& locks_dir) {
        if (auto state = latest_if(name, locks_dir.native(), directory_is::unknown)) return state;
        native_string directory = resolve(locks_dir);
        if (auto state = latest_if(name, directory, directory_is::resolved)) return state;
        native_string file_name;
        file_name.reserve(name.size() + lock_file_suffix.size());
        append_utf8(file_name, name);
        append_utf8(file_name, lock_file_suffix);
        return state_in(std::move(directory), file_name);
    }

    /// The one state of that file.
    std::shared_ptr<lock_state> state_of(const std::filesystem::path& file) {
        const std::filesystem::path name = file.filename();
        const bool has_nul = file.native().find(native_string::value_type{}) != native_string::npos;
        std::filesystem::path absolute;
        std::error_code error;
        if (!has_nul && !name.empty() && name != "." && name != "..") absolute = absolute_path(file, error);
        if (error) throw lock_error{error, "resolve", file};
        if (!absolute.has_filename()) {
            throw lock_error{std::errc::invalid_argument, "use as lock file", file, "it names no file"};
        }
        return state_in(resolve(absolute.parent_path()), absolute.filename().native());
    }

    /// A watch for one waiter, null if the system has none left.
    kept_watch take_watch() {
        for (;;) {
            kept_watch watch;  // goes with the mutex unlocked, if it is not usable
            const std::scoped_lock lock{mutex_};
            if (idle_watches_ == nullptr) break;
            watch.reset(std::exchange(idle_watches_, idle_watches_->next_idle));
            --idle_watch_count_;
            if (watch->is_usable()) return watch;
        }
        return release_watch::open();
    }

    /// False: there are enough of them.
    bool give_back(release_watch& watch) noexcept {
        const std::scoped_lock lock{mutex_};
        if (idle_watch_count_ == most_idle) return false;
        ++idle_watch_count_;
        watch.next_idle = std::exchange(idle_watches_, &watch);
        return true;
    }

    /// Counts a state among those that keep a file open; the one that has been for longest closes its own.
    void add_keeper(lock_state& state) noexcept {
        std::shared_ptr<lock_state> closes;  // may end with the mutex unlocked
        {
            const std::scoped_lock lock{mutex_};
            if (lock_state* const oldest = std::exchange(keepers_[next_keeper_], &state)) {
                closes = oldest->weak_from_this().lock();
            }
            next_keeper_ = (next_keeper_ + 1) % keepers_.size();
        }
        if (closes != nullptr) closes->close_idle_file();
    }

    /// How many acquisitions of this process no thread sleeps for.
    [[nodiscard]] std::atomic<int>& pending() noexcept { return pending_; }

    /// Of the registry; a state starts afresh under it, too.
    [[nodiscard]] std::mutex& mutex() noexcept { return mutex_; }

  private:
    using native_string = std::filesystem::path::string_type;
    using native_view = std::basic_string_view<std::filesystem::path::value_type>;

    /// A state that leaves the registry when it ends.
    struct registered_state : lock_state {
        registered_state(std::filesystem::path path, std::size_t hash_of_path)
            : lock_state{std::move(path)}, hash{hash_of_path} {}
        registered_state(const registered_state&) = delete;
        registered_state& operator=(const registered_state&) = delete;
        ~registered_state() {
            forget_parent();  // whose thread may have left the table half done
            instance().forget(*this);
        }

        const std::size_t hash;
        registered_state* next = nullptr;
    };

    lock_registry() {
        install_fork_handlers([] { instance().start_afresh_in_child(); });
    }

    /// Nothing of ours is locked while others fork, so a thread that the child does not have may have been at work here.
    /// Each change of the table of states is the change of one pointer: the child finds it whole, and drops the rest.
    void start_afresh_in_child() noexcept {
        keepers_ = {};
        pending_.store(0);
        release_watch::start_afresh_in_child();
        if (mutex_.try_lock()) return mutex_.unlock();
        new (&mutex_) std::mutex;
        new (&latest_directory_) native_string;
        new (&resolved_directory_) native_string;
        new (&latest_) std::shared_ptr<lock_state>;
        idle_watches_ = nullptr;
        idle_watch_count_ = 0;
    }

    /// `directory` is resolved.
    std::shared_ptr<lock_state> state_in(native_string directory, const native_string& file_name) {
        native_string path = directory;
        path.reserve(path.size() + 1 + file_name.size());
        if (path.back() != std::filesystem::path::preferred_separator) {
            path += std::filesystem::path::preferred_separator;
        }
        path += file_name;
        const std::size_t hash = std::hash<native_view>{}(path);
        std::shared_ptr<lock_state> state;  // outside the mutex, as is the one before it: their end locks it
        std::shared_ptr<lock_state> before;
        const std::scoped_lock lock{mutex_};
        state = known(path, hash);
        if (state == nullptr) {
            const auto made = std::make_shared<registered_state>(std::move(path), hash);
            made->next = first_with(hash);
            std::atomic_signal_fence(std::memory_order_seq_cst);  // a fork now must find the list whole
            first_with(hash) = made.get();
            state = made;
        }
        latest_directory_.swap(directory);
        before = std::exchange(latest_, state);
        return state;
    }

    registered_state*& first_with(std::size_t hash) noexcept { return states_[hash % states_.size()]; }

    /// The state of that path that is alive, or null.
    std::shared_ptr<lock_state> known(const native_string& path, std::size_t hash) noexcept {
        for (registered_state* s = first_with(hash); s != nullptr; s = s->next) {
            if (s->hash != hash || s->path().native() != path) continue;
            if (auto alive = s->weak_from_this().lock()) return alive;
            s->meet_last_user();
        }
        return nullptr;
    }

    void forget(const registered_state& state) noexcept {
        const std::scoped_lock lock{mutex_};
        registered_state** at = &first_with(state.hash);
        while (*at != nullptr && *at != &state) at = &(*at)->next;
        if (*at != nullptr) *at = state.next;
        std::replace(keepers_.begin(), keepers_.end(), static_cast<lock_state*>(const_cast<registered_state*>(&state)),
                     static_cast<lock_state*>(nullptr));
    }

    /// The one name of a directory: absolute, with its symlinks resolved as far as it exists. What cannot be resolved
    /// stays as it is: a part that is not known may lead anywhere. The last one that proved to be its own is
    /// remembered, because asking the system costs a call for each component.
    native_string resolve(const std::filesystem::path& locks_dir) {
        namespace fs = std::filesystem;
        if (is_known_resolved(locks_dir)) return locks_dir.native();
        if (locks_dir.native().find(fs::path::value_type{}) != native_string::npos) {
            throw lock_error{std::errc::invalid_argument, "use as locks directory", locks_dir, "it contains a NUL"};
        }
        std::error_code error;
        const fs::path absolute = absolute_path(locks_dir.empty() ? fs::path{"."} : locks_dir, error);
        if (error) throw lock_error{error, "resolve", locks_dir};
        if (is_known_resolved(absolute)) return absolute.native();
        const fs::path resolved = canonical_directory(absolute, error);
        if (error) return absolute.native();  // acquiring will say why it cannot be found, or make it
        if (resolved.native() == absolute.native() && fs::exists(resolved, error)) {
            const std::scoped_lock lock{mutex_};
            resolved_directory_ = resolved.native();
        }
        return resolved.native();
    }

    [[nodiscard]] bool is_known_resolved(const std::filesystem::path& directory) {
        const std::scoped_lock lock{mutex_};
        return directory.native() == resolved_directory_ && !directory.empty();
    }

    /// The state asked for last, if it is asked for again. To make a new object for each acquisition, as Jam.py does,
    /// then needs no new state.
    enum class directory_is { resolved, unknown };
    std::shared_ptr<lock_state> latest_if(std::string_view name, const native_string& directory, directory_is what) {
        const std::scoped_lock lock{mutex_};
        const bool fits = latest_ != nullptr && latest_directory_ == directory && latest_->name() == name &&
                          (what == directory_is::resolved || directory == resolved_directory_);
        return fits ? latest_ : nullptr;
    }

    static constexpr std::size_t most_idle = 16;

    std::mutex mutex_{};
    std::array<registered_state*, 1024> states_{};  // lists, by the hashes of the paths
    std::array<lock_state*, most_idle> keepers_{};  // of idle files; the next one takes the place of the oldest
    std::size_t next_keeper_ = 0;
    std::atomic<int> pending_{0};
    release_watch* idle_watches_ = nullptr;  // a list
    std::size_t idle_watch_count_ = 0;
    native_string resolved_directory_{};
    native_string latest_directory_{};  // of latest_
    std::shared_ptr<lock_state> latest_{};
};

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wglobal-constructors"  // on purpose
#endif
/// Makes the registry before main(): a child that is forked while another thread makes it would wait for that for ever.
inline const lock_registry& early_registry = lock_registry::instance();
#if defined(__clang__)
#pragma clang diagnostic pop
#endif

NAMED_LOCK_OUT_OF_LINE inline void give_back_watch::operator()(release_watch* watch) const noexcept {
    watch->unwatch();
    if (!watch->is_usable() || !lock_registry::instance().give_back(*watch)) delete watch;
}

inline void lock_state::register_keeper() noexcept { lock_registry::instance().add_keeper(*this); }

inline void lock_state::start_afresh() noexcept {
    const std::scoped_lock one_thread_of_the_child{lock_registry::instance().mutex()};
    if (generation_.load() == fork_generation()) return;
    if (mutex_.try_lock()) {
        holds_.clear();
        mutex_.unlock();
    } else {  // locked in the moment of the fork by a thread that the child does not have, which left the table half done
        new (&mutex_) std::mutex;
        new (&holds_) std::vector<hold>;
    }
    self_ = nullptr;
    file_ = lock_file{};  // closed by the fork handler already
    idle_file_ = lock_file{};
    keeps_file_ = false;
    line_memory_ = nullptr;
    gives_way_until_ = {};
    first_ = nullptr;  // the waiters are threads of the parent
    generation_.store(fork_generation(), std::memory_order_release);
}

}  // namespace nlock::NAMED_LOCK_ABI::detail
