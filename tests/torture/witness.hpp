// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The witness: what a process takes in its critical section, and what cannot be shared. A symbolic link, because making
// one is exclusive, as open(O_EXCL) is, and names its maker in the same step: who finds one can tell whether its maker
// was killed. And a counter in a file, which is read and written in two steps.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <string>

#include "common.hpp"
#include "history.hpp"

namespace torture {

class witness {
  public:
    witness(stage& s, const fs::path& directory, int name)
        : stage_{s},
          link_{(directory / ("inside_" + std::to_string(name))).native()},
          counter_{
              ::open((directory / ("counter_" + std::to_string(name))).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)} {
        if (counter_ < 0) give_up("open a counter");
    }
    witness(const witness&) = delete;
    witness& operator=(const witness&) = delete;
    ~witness() { ::close(counter_); }

    /// False: somebody else is inside.
    bool enter(int slot, int incarnation) {
        const std::string me = std::to_string(slot) + ":" + std::to_string(incarnation);
        ++stage_.witnessed;
        while (::symlink(me.c_str(), link_.c_str()) != 0) {
            if (errno != EEXIST) give_up("symlink");
            if (!is_left_by_a_killed_process()) return false;
            ++stage_.takeovers;
            ::unlink(link_.c_str());
        }
        return true;
    }

    void leave() { ::unlink(link_.c_str()); }

    /// Whether no exclusive holder is there: what a shared one wants to see.
    bool is_alone() const { return maker().empty() || is_left_by_a_killed_process(); }

    void count(record& r) {
        const std::int64_t value = read_counter() + 1;
        r.intended = value;
        if (::pwrite(counter_, &value, sizeof value, 0) != sizeof value) give_up("write the counter");
        r.written = true;
    }

    std::int64_t read_counter() const {
        std::int64_t value = 0;
        if (::pread(counter_, &value, sizeof value, 0) < 0) give_up("read the counter");
        return value;
    }

  private:
    std::string maker() const {
        std::string text(32, '\0');
        const auto length = ::readlink(link_.c_str(), text.data(), text.size());
        text.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
        return text;
    }
    bool is_left_by_a_killed_process() const {
        int slot = -1;
        int incarnation = -1;
        const std::string text = maker();
        if (std::sscanf(text.c_str(), "%d:%d", &slot, &incarnation) != 2) return false;
        return slot >= 0 && slot < most_processes && stage_.doomed[slot] >= incarnation;
    }

    stage& stage_;
    const std::string link_;
    const int counter_;
};

}  // namespace torture
