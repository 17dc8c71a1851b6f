// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The process of process.hpp, which includes this, on Windows.
#pragma once

#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "support/platform.hpp"
#include "support/threads.hpp"
#include "support/windows.hpp"

#if !defined(SIGKILL)
#define SIGKILL 9
#endif

namespace nlock_test {

/// A program that runs, with pipes to its standard input and from its standard output. What goes wrong is thrown, which
/// fails the test. The destructor kills it, so that a failed test leaves no process behind.
class process {
  public:
    explicit process(const std::vector<std::string>& command) : name_{command.at(0)} {
        handle child_input;
        handle child_output;
        make_pipe(child_input, to_);
        make_pipe(from_, child_output);
        for (const handle* end : {&child_input, &child_output}) {
            SetHandleInformation(end->get(), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT);
        }
        STARTUPINFOW start{};
        start.cb = sizeof start;
        start.dwFlags = STARTF_USESTDHANDLES;
        start.hStdInput = child_input.get();
        start.hStdOutput = child_output.get();
        start.hStdError = GetStdHandle(STD_ERROR_HANDLE);
        std::wstring line = command_line(command);
        PROCESS_INFORMATION started{};
        // Wine 8 now and then answers with an internal error when programs are started and killed beside each other:
        // no program was started then. Windows does not.
        constexpr int attempts = 5;
        for (int attempt = 1;
             CreateProcessW(nullptr, line.data(), nullptr, nullptr, TRUE, 0, nullptr, nullptr, &start, &started) == 0;
             ++attempt) {
            if (GetLastError() != ERROR_INTERNAL_ERROR || attempt == attempts) fail_with_code("start " + name_);
            Sleep(100);
        }
        CloseHandle(started.hThread);
        process_ = handle{started.hProcess};
        pid_ = static_cast<int>(started.dwProcessId);
    }
    process(process&&) noexcept = default;
    process& operator=(process&&) = delete;
    ~process() {
        if (process_.get() != nullptr && !has_ended(0)) {
            TerminateProcess(process_.get(), killed);
            has_ended(INFINITE);
        }
    }

    [[nodiscard]] int pid() const noexcept { return pid_; }

    void write_line(std::string line) {
        line += '\n';
        for (std::size_t done = 0; done < line.size();) {
            DWORD size = 0;
            if (WriteFile(to_.get(), line.data() + done, static_cast<DWORD>(line.size() - done), &size, nullptr) == 0) {
                fail("does not read its input any more");
            }
            done += size;
        }
    }

    /// The end of its input, at which workers and peers end.
    void close_input() noexcept { to_ = handle{}; }

    /// Its next line, waited for.
    std::string read_line(std::chrono::milliseconds longest = patience) {
        auto line = next_line(longest);
        if (!line) fail("has written no line for too long");
        return *std::move(line);
    }

    /// Whether it writes nothing for a while: it is still blocked.
    [[nodiscard]] bool is_silent(std::chrono::milliseconds longest = a_while) {
        const auto line = next_line(longest);
        if (line) unread_.insert(0, *line + '\n');
        return !line;
    }

    /// There are no signals: whatever it is, it kills.
    void kill(int signal) {
        if (TerminateProcess(process_.get(), killed) == 0) fail_with_code("kill");
        signal_ = signal;
    }

    /// Waits for its end. Its exit code, or the negative number of the signal that killed it.
    int wait(std::chrono::milliseconds longest = patience) {
        constexpr std::chrono::milliseconds pause{2};
        const auto end = std::chrono::steady_clock::now() + longest;
        while (!has_ended(static_cast<DWORD>(pause.count()))) {  // what it writes is read, or it might block
            if (std::chrono::steady_clock::now() > end) fail("has not ended for too long");
            read_more(std::chrono::steady_clock::now());
        }
        while (read_more(std::chrono::steady_clock::now()) == source::open) {
        }
        DWORD code = 0;
        if (GetExitCodeProcess(process_.get(), &code) == 0) fail_with_code("ask for the exit code");
        return signal_ != 0 && code == killed ? -signal_ : static_cast<int>(code);
    }

    /// Kills it, as a crash would, and waits for its end.
    void crash() {
        kill(SIGKILL);
        if (wait() != -SIGKILL) fail("had ended before it was killed");
    }

  private:
    static constexpr UINT killed = 0xDEAD;

    class handle {
      public:
        handle() = default;
        explicit handle(HANDLE value) noexcept : value_{value} {}
        handle(handle&& other) noexcept : value_{std::exchange(other.value_, nullptr)} {}
        handle& operator=(handle&& other) noexcept {
            std::swap(value_, other.value_);
            handle{std::move(other)};
            return *this;
        }
        ~handle() {
            if (value_ != nullptr) CloseHandle(value_);
        }
        [[nodiscard]] HANDLE get() const noexcept { return value_; }

      private:
        HANDLE value_ = nullptr;
    };

    enum class source { open, at_end, silent };

    static void make_pipe(handle& read_end, handle& write_end) {
        HANDLE ends[2]{};
        if (CreatePipe(&ends[0], &ends[1], nullptr, 0) == 0) fail_with_code("pipe");
        read_end = handle{ends[0]};
        write_end = handle{ends[1]};
    }

    /// One text of all arguments, quoted as the C runtime reads them (learn.microsoft.com, "Parsing C command-line
    /// arguments").
    static std::wstring command_line(const std::vector<std::string>& command) {
        std::wstring line;
        for (const std::string& argument : command) {
            std::filesystem::path word = from_utf8(argument);
            if (line.empty() && word.has_parent_path()) word = std::filesystem::absolute(word);  // with backslashes
            line += line.empty() ? L"\"" : L" \"";
            std::size_t backslashes = 0;
            for (const wchar_t c : word.native()) {
                if (c == L'"') line.append(backslashes + 1, L'\\');
                backslashes = c == L'\\' ? backslashes + 1 : 0;
                line += c;
            }
            line.append(backslashes, L'\\').append(1, L'"');
        }
        return line;
    }

    [[noreturn]] static void fail_with_code(const std::string& what) {
        throw std::system_error{static_cast<int>(GetLastError()), std::system_category(), what};
    }

    [[noreturn]] void fail(const std::string& what) const {
        throw std::runtime_error{name_ + " (pid " + std::to_string(pid_) + ") " + what};
    }

    /// Nothing: none has come within `longest`. Throws at the end of the output.
    std::optional<std::string> next_line(std::chrono::milliseconds longest) {
        const auto end = std::chrono::steady_clock::now() + longest;
        for (;;) {
            if (const auto size = unread_.find('\n'); size != std::string::npos) {
                std::string line = unread_.substr(0, size);
                unread_.erase(0, size + 1);
                if (!line.empty() && line.back() == '\r') line.pop_back();
                return line;
            }
            const source now = read_more(end);
            if (now == source::silent) return std::nullopt;
            if (now == source::at_end) fail("has ended its output");
        }
    }

    /// Looks again and again, because a pipe of this kind cannot be waited for with a limit.
    source read_more(std::chrono::steady_clock::time_point end) {
        for (;;) {
            DWORD available = 0;
            if (PeekNamedPipe(from_.get(), nullptr, 0, nullptr, &available, nullptr) == 0) return source::at_end;
            if (available > 0) {
                std::array<char, 4096> part{};
                DWORD size = 0;
                if (ReadFile(from_.get(), part.data(), static_cast<DWORD>(part.size()), &size, nullptr) == 0) {
                    return source::at_end;
                }
                unread_.append(part.data(), size);
                return source::open;
            }
            if (std::chrono::steady_clock::now() >= end) return source::silent;
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
        }
    }

    bool has_ended(DWORD longest) const noexcept {
        return WaitForSingleObject(process_.get(), longest) == WAIT_OBJECT_0;
    }

    std::string name_;
    handle process_;
    int pid_ = -1;
    int signal_ = 0;
    handle to_;
    handle from_;
    std::string unread_;
};

}  // namespace nlock_test
