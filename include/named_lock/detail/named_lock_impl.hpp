// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <named_lock/detail/acquisition.hpp>
#include <named_lock/detail/lock_party.hpp>
#include <named_lock/detail/lock_registry.hpp>
#include <named_lock/detail/name_rules.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/detail/request.hpp>
#include <named_lock/named_lock.hpp>

namespace nlock::NAMED_LOCK_ABI {
namespace detail {

/// The path is known; a copy of its directory in each object would be a quarter of its size.
inline std::shared_ptr<const lock_options> without_directory(lock_options&& options) {
    const auto kept = std::make_shared<lock_options>(std::move(options));
    kept->locks_dir = std::filesystem::path{};  // clear() would keep the memory
    return kept;
}

/// What `work` returns; or an empty result, with the reason why it throws.
template <class Result, class Work>
Result without_throwing(std::error_code& why, Work work) noexcept {
    const cancellation_shield shield;  // glibc would unwind on_wait
    why.clear();
    try {
        return work();
    } catch (const std::system_error& e) {
        why = e.code();
    } catch (const std::bad_alloc&) {
        why = std::make_error_code(std::errc::not_enough_memory);
    } catch (const std::length_error&) {
        why = std::make_error_code(std::errc::not_enough_memory);
    } catch (const std::invalid_argument&) {
        why = std::make_error_code(std::errc::invalid_argument);
    } catch (...) {
    }
    if (!why) why = std::make_error_code(std::errc::operation_canceled);
    return {};
}

}  // namespace detail

NAMED_LOCK_INLINE named_lock::named_lock(std::string_view name, lock_options options)
    : state_{detail::lock_registry::instance().state_of(detail::checked_lock_name(name), options.locks_dir)},
      name_{&state_->name()},
      options_{detail::without_directory(std::move(options))} {}

NAMED_LOCK_INLINE named_lock::named_lock(std::shared_ptr<detail::lock_state> state, lock_options options)
    : state_{std::move(state)},
      name_{&state_->file_name()},
      options_{detail::without_directory(std::move(options))} {}

NAMED_LOCK_INLINE named_lock named_lock::at(std::filesystem::path file, lock_options options) {
    return {detail::lock_registry::instance().state_of(file), std::move(options)};
}

NAMED_LOCK_INLINE std::optional<named_lock> named_lock::make(std::string_view name, lock_options options,
                                                             std::error_code& why) noexcept {
    return detail::without_throwing<std::optional<named_lock>>(
        why, [&]() -> std::optional<named_lock> { return named_lock{name, std::move(options)}; });
}

NAMED_LOCK_INLINE const std::filesystem::path& named_lock::path() const noexcept { return state_->path(); }

NAMED_LOCK_INLINE detail::owner_id named_lock::owner() const noexcept {
    return options_->reentrant ? detail::this_thread_id() : detail::no_thread;
}

NAMED_LOCK_INLINE std::size_t named_lock::lock_count() const { return state_->count(owner()); }

NAMED_LOCK_INLINE std::vector<lock_holder> named_lock::holders() const {
    const auto state = state_;  // as in release()
    return detail::party_at(state->path(), options_->method, detail::party_detail::none).holders;
}

NAMED_LOCK_INLINE std::vector<lock_waiter> named_lock::waiters() const {
    const auto state = state_;  // as in release()
    return detail::party_at(state->path(), options_->method, detail::party_detail::waiter_names).waiters;
}

// What waits does so through a copy of the object: on_wait or another thread may assign to the object meanwhile.

NAMED_LOCK_INLINE named_lock::attempt named_lock::take(detail::lock_kind kind, std::chrono::nanoseconds timeout,
                                                       detail::given_up_by end, const detail::stop_signal* stop,
                                                       bool has_told) {
    const detail::request request{kind, end, timeout, *options_, owner(), stop, has_told};
    detail::acquisition acquisition{*state_, request};
    const detail::outcome outcome = acquisition.run();
    return {outcome, acquisition.hold()};
}

NAMED_LOCK_INLINE detail::ticket named_lock::take_or_throw(detail::lock_kind kind, std::chrono::nanoseconds timeout,
                                                           detail::given_up_by end, const detail::stop_signal* stop) {
    const auto [outcome, hold] = take(kind, timeout, end, stop);
    if (outcome == detail::outcome::cancelled) throw lock_cancelled{name(), path()};
    if (outcome == detail::outcome::timed_out) throw_timeout(timeout);
    return hold;
}

NAMED_LOCK_INLINE void named_lock::throw_timeout(std::chrono::nanoseconds timeout) const {
    using detail::held_by;
    const bool is_here = state_->is_held_here();
    auto [holders, waiters, may_hide_holders, circle] =
        detail::party_at(path(), options_->method, detail::party_detail::circle);
    const held_by known = is_here            ? held_by::this_process
                          : may_hide_holders ? held_by::another_process
                                             : held_by::unknown;
    throw lock_timeout{name(), path(), timeout, std::move(holders), known, waiters.size(), circle};
}

NAMED_LOCK_INLINE guard named_lock::guard_of(detail::ticket hold) && {
    return hold == 0 ? guard{} : guard{std::move(state_), hold, *name_};
}

NAMED_LOCK_INLINE guard named_lock::wait_for(detail::lock_kind kind, std::chrono::nanoseconds timeout,
                                             const detail::stop_signal* stop) {
    named_lock self{*this};
    return std::move(self).guard_of(self.take_or_throw(kind, timeout, detail::given_up_by::guard, stop));
}

NAMED_LOCK_INLINE guard named_lock::try_for(detail::lock_kind kind, std::chrono::nanoseconds timeout,
                                            const detail::stop_signal* stop) {
    named_lock self{*this};
    return std::move(self).guard_of(self.take(kind, timeout, detail::given_up_by::guard, stop).hold);
}

NAMED_LOCK_INLINE guard named_lock::try_for(detail::lock_kind kind, std::chrono::nanoseconds timeout,
                                            std::error_code& why) noexcept {
    return detail::without_throwing<guard>(why, [&] {
        named_lock self{*this};
        const auto [outcome, hold] = self.take(kind, timeout, detail::given_up_by::guard, nullptr);
        if (outcome != detail::outcome::acquired) why = std::make_error_code(std::errc::timed_out);
        return std::move(self).guard_of(hold);
    });
}

NAMED_LOCK_INLINE void named_lock::wake(detail::lock_state& state, const detail::stop_signal& signal) noexcept {
    state.wake(signal);
}

NAMED_LOCK_INLINE void named_lock::lock_as(detail::lock_kind kind) {
    (void)named_lock{*this}.take_or_throw(kind, options_->timeout, detail::given_up_by::unlock, nullptr);
}

NAMED_LOCK_INLINE bool named_lock::take(detail::lock_kind kind, std::chrono::nanoseconds timeout, bool has_told) {
    const auto end = detail::given_up_by::unlock;
    return named_lock{*this}.take(kind, timeout, end, nullptr, has_told).outcome == detail::outcome::acquired;
}

NAMED_LOCK_INLINE void named_lock::give_up(detail::lock_kind kind) {
    const auto state = state_;  // as in release()
    if (state->give_up_kind(owner(), kind)) return;
    throw lock_error{std::errc::operation_not_permitted, kind == shared ? "unlock_shared" : "unlock", state->path(),
                     "the calling thread does not hold it so"};
}

NAMED_LOCK_INLINE void named_lock::release(bool force) {
    const auto state = state_;  // whoever gets the lock next may destroy this object at once
    const detail::owner_id giver = owner();
    while (state->give_up_latest(giver) && force) {
    }
}

}  // namespace nlock::NAMED_LOCK_ABI
