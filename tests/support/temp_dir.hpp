// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <system_error>

namespace nlock_test {

/// A new directory, removed with all that is in it, also what may not be written to.
class temp_dir {
  public:
    temp_dir() : path_{make_in(std::filesystem::canonical(std::filesystem::temp_directory_path()))} {}
    temp_dir(const temp_dir&) = delete;
    temp_dir& operator=(const temp_dir&) = delete;
    ~temp_dir() {
        make_removable(path_);
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

  private:
    /// `dir` is canonical, because path() of a lock is.
    static std::filesystem::path make_in(const std::filesystem::path& dir) {
#if defined(_WIN32)
        std::random_device random;
        for (;;) {
            auto path = dir / ("named_lock-" + std::to_string(random()));
            if (std::filesystem::create_directory(path)) return path;
        }
#else
        std::string name = dir / "named_lock-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) throw std::system_error{errno, std::generic_category(), name};
        return name;
#endif
    }

    static void make_removable(const std::filesystem::path& dir) noexcept {
        namespace fs = std::filesystem;
        std::error_code ignored;
        fs::permissions(dir, fs::perms::owner_all, fs::perm_options::add, ignored);
        for (fs::directory_iterator entry{dir, ignored}, end; entry != end; entry.increment(ignored)) {
            if (fs::is_directory(entry->symlink_status(ignored))) make_removable(entry->path());
        }
    }

    std::filesystem::path path_;
};

}  // namespace nlock_test
