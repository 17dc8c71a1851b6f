// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/process.hpp"
#include "support/temp_dir.hpp"
#include "support/worker_protocol.hpp"

namespace nlock_test {

/// The fields of an answer.
inline std::vector<std::string> split(const std::string& answer) {
    std::vector<std::string> fields{""};
    for (const char c : answer) {
        if (c == '\t') {
            fields.emplace_back();
        } else {
            fields.back() += c;
        }
    }
    return fields;
}

/// A program that speaks as worker_protocol.hpp says.
class peer : public process {
  public:
    using process::process;

    std::string ask(const std::string& command) {
        write_line(command);
        return read_line();
    }

    /// For commands that have to work. The second field of the answer, if there is one.
    std::string tell(const std::string& command) {
        auto fields = split(ask(command));
        if (fields[0] != "ok") throw std::runtime_error{"the answer to '" + command + "' was " + fields[0]};
        return fields.size() > 1 ? fields[1] : std::string{};
    }

    /// Gives it a command that has to wait, and returns when it is about to.
    void let_wait(const std::string& command) {
        if (const auto answer = ask(command); answer != "waiting") {
            throw std::runtime_error{"'" + command + "' did not wait but said " + answer};
        }
    }
};

/// named_lock_worker, with the locks directory `dir`.
class worker : public peer {
  public:
    explicit worker(const std::filesystem::path& dir, const std::vector<std::string>& launcher = {})
        : peer{command(launcher)} {
        tell("dir " + dir.string());
    }
    explicit worker(const temp_dir& dir) : worker{dir.path()} {}

    /// Another build of it.
    static worker built_as(const std::string& program, const temp_dir& dir) { return worker{program, dir}; }

    /// One that only a report of the release wakes, but for a few quick attempts; see safety_net.hpp.
    static worker without_polling(const temp_dir& dir) {
        worker result{dir};
        result.tell("poll 60000");
        result.tell("cut_net 100000");
        return result;
    }

  private:
    worker(const std::string& program, const temp_dir& dir) : peer{{program}} { tell("dir " + dir.path().string()); }

    static std::vector<std::string> command(std::vector<std::string> launcher) {
        launcher.emplace_back(NAMED_LOCK_WORKER);
        return launcher;
    }
};

}  // namespace nlock_test
