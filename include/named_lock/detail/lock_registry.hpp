// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What a process keeps for all its locks: the lock_state of each path in use, and the idle release watches.
#pragma once

#include <filesystem>
#include <map>
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
#include <named_lock/errors.hpp>
#include <named_lock/lock_name.hpp>

namespace nlock::detail {

class lock_registry {
  public:
    /// Never destroyed: guards with static storage may outlive any other static object.
    NAMED_LOCK_ONE_PER_PROCESS NAMED_LOCK_OUT_OF_LINE static lock_registry& instance() {
        static lock_registry& registry = *new lock_registry;
        return registry;
    }

    /// The one state of <locks_dir>/<name>.lock in this process. Lives as long as somebody has it, or until
    /// another one is asked for.
    std::shared_ptr<lock_state> state_of(std::string_view name, const std::filesystem::path& locks_dir) {
        native_string directory = resolve(locks_dir);
        if (auto state = latest_if(name, directory)) return state;
        native_string path = directory;
        path.reserve(path.size() + 1 + name.size() + lock_file_suffix.size());
        if (path.back() != std::filesystem::path::preferred_separator) {
            path += std::filesystem::path::preferred_separator;
        }
        append_utf8(path, name);
        append_utf8(path, lock_file_suffix);
        std::shared_ptr<lock_state> state;  // outside the mutex, as is the one before it: their end locks it
        std::shared_ptr<lock_state> before;
        const std::scoped_lock lock{mutex_};
        const auto known = states_.find(path);
        if (known != states_.end()) state = known->second->weak_from_this().lock();
        if (state == nullptr) {
            if (known != states_.end()) states_.erase(known);
            const auto made = std::make_shared<registered_state>(std::string{name}, std::move(path));
            state = made;
            states_.emplace(made->path().native(), made.get());
        }
        latest_directory_.swap(directory);
        before = std::exchange(latest_, state);
        return state;
    }

    /// A watch for one waiter, null if the system has none left. They are kept: closing an inotify instance takes 5 to
    /// 15 ms, in which the kernel waits for all its readers.
    kept_watch take_watch() {
        {
            const std::scoped_lock lock{mutex_};
            while (idle_watches_ != nullptr) {
                kept_watch watch{std::exchange(idle_watches_, idle_watches_->next_idle)};
                if (watch->is_usable()) return watch;
            }
            if (deadline::clock::now() < no_watch_before_) return nullptr;
        }
        kept_watch watch = release_watch::open();
        if (watch == nullptr) {  // to refuse one takes the kernel as long as to close one: not at every wait
            const std::scoped_lock lock{mutex_};
            no_watch_before_ = deadline::clock::now() + std::chrono::seconds{1};
        }
        return watch;
    }

    void give_back(release_watch& watch) noexcept {
        const std::scoped_lock lock{mutex_};
        watch.next_idle = std::exchange(idle_watches_, &watch);
    }

    /// Locked around fork(), so that the child finds the registry whole.
    [[nodiscard]] std::mutex& mutex() noexcept { return mutex_; }

  private:
    using native_string = std::filesystem::path::string_type;
    using native_view = std::basic_string_view<std::filesystem::path::value_type>;

    /// A state that leaves the registry when it ends.
    struct registered_state : lock_state {
        using lock_state::lock_state;
        ~registered_state() {
            forget_parent();  // whose thread may have left the table half done
            instance().forget(*this);
        }
    };

    lock_registry() {
        install_fork_handlers([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); });
    }

    void forget(const registered_state& state) noexcept {
        const std::scoped_lock lock{mutex_};
        const auto found = states_.find(state.path().native());
        // A new state of that path may have taken the place meanwhile.
        if (found != states_.end() && found->second == &state) states_.erase(found);
    }

    /// The one name of a directory: absolute, with its symlinks resolved as far as it exists. The last one that proved
    /// to be its own is remembered, because asking the system costs a call for each component.
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
        if (error) return absolute.lexically_normal().native();  // acquiring will say why it cannot be searched
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
    std::shared_ptr<lock_state> latest_if(std::string_view name, const native_string& directory) {
        const std::scoped_lock lock{mutex_};
        return latest_ != nullptr && latest_->name() == name && latest_directory_ == directory ? latest_ : nullptr;
    }

    std::mutex mutex_;
    std::map<native_view, registered_state*> states_;  // by their paths. No hash table: it would keep its size
    release_watch* idle_watches_ = nullptr;            // a list
    native_string resolved_directory_;
    native_string latest_directory_;  // of latest_
    std::shared_ptr<lock_state> latest_;
    deadline::clock::time_point no_watch_before_{};
};

/// Makes the registry before main(): a child that is forked while another thread makes it would wait for that for ever.
inline const lock_registry& early_registry = lock_registry::instance();

NAMED_LOCK_OUT_OF_LINE inline void give_back_watch::operator()(release_watch* watch) const noexcept {
    if (!watch->is_usable()) {  // the parent's, in a forked child
        delete watch;
        return;
    }
    watch->unwatch();
    lock_registry::instance().give_back(*watch);
}

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
    first_ = nullptr;     // the waiters are threads of the parent
    generation_.store(fork_generation(), std::memory_order_release);
}

}  // namespace nlock::detail
