// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include <optional>
#include <system_error>
#include <utility>

#include <named_lock/directories.hpp>
#include <named_lock/errors.hpp>

#include "../system.hpp"
#include "places.hpp"

namespace {

bool is_file(const std::string& name) {
    return name.find('/') != std::string::npos || to_path(name).has_parent_path();  // Windows has another slash
}

/// A directory that somebody named: a typing error must not make a lock of its own.
std::optional<std::filesystem::path> named_dir(const place& where) {
    return where.dir ? where.dir : path_in_environment("NAMED_LOCK_DIR");
}

}  // namespace

std::filesystem::path locks_dir_of(const place& where) {
    const auto named = named_dir(where);
    if (!named) return nlock::user_locks_dir("named-lock");
    if (where.shall_create || std::filesystem::exists(*named)) return *named;
    throw nlock::lock_error{std::errc::no_such_file_or_directory, "use", *named,
                            "there is no such directory (run --create makes it)"};
}

nlock::named_lock lock_of(const std::string& name, const place& where, nlock::lock_options options) {
    options.create_directories = where.shall_create;
    if (is_file(name)) return nlock::named_lock::at(to_path(name), std::move(options));
    options.locks_dir = locks_dir_of(where);
    if (!named_dir(where)) options.create_directories = true;
    return nlock::named_lock{name, std::move(options)};
}

std::string in_words(std::chrono::duration<double> time) {
    const auto tenths = static_cast<long long>(time.count() * 10);
    const long long seconds = tenths / 10;
    const auto text = [](long long count, const char* unit) { return std::to_string(count) + unit; };
    constexpr long long minute = 60;
    constexpr long long hour = 60 * minute;
    constexpr long long day = 24 * hour;
    if (seconds < 10) return text(seconds, ".") + text(tenths % 10, " s");
    if (seconds < minute) return text(seconds, " s");
    if (seconds < hour) return text(seconds / minute, " min ") + text(seconds % minute, " s");
    if (seconds < day) return text(seconds / hour, " h ") + text(seconds / minute % minute, " min");
    return text(seconds / day, " d ") + text(seconds / hour % 24, " h");
}
