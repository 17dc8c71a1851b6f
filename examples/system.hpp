// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What the example invoices and the program named-lock need of the system beside the lock.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// Besides those of options.hpp: 76 of sysexits.h, and those of the shell.
inline constexpr int exit_lost = 76;
inline constexpr int exit_cannot_run = 126;
inline constexpr int exit_not_found = 127;
inline constexpr int exit_signal = 128;  // plus the number of the signal

/// The words of the command line in UTF-8; the first is the program.
std::vector<std::string> start(int argc, char** argv);

std::filesystem::path to_path(const std::string& utf8);
std::string to_utf8(const std::filesystem::path& path);

/// Whether somebody reads standard error on a terminal.
bool is_watched();

/// A new directory for temporary files, which nobody else may enter.
std::filesystem::path make_temp_dir(const std::string& prefix);

/// That of an environment variable, if it is set and not empty.
std::optional<std::filesystem::path> path_in_environment(const char* variable);

std::int64_t own_pid();

/// Runs the command as a child and returns the exit status that stands for its end.
int run(const std::vector<std::string>& command);

#ifndef _WIN32
void set_environment(const std::string& name, const std::string& value);

/// While it lives this process is called after the command, where the system lets it.
class borrowed_name {
  public:
    explicit borrowed_name(const std::vector<std::string>& command);
    borrowed_name(const borrowed_name&) = delete;
    borrowed_name& operator=(const borrowed_name&) = delete;
    ~borrowed_name();

  private:
    std::string own_;
};

/// As run(), but another thread may have the command ended meanwhile: by SIGTERM, and by SIGKILL after the grace.
class killable_command {
  public:
    killable_command(const std::vector<std::string>& command, std::chrono::duration<double> grace);
    killable_command(const killable_command&) = delete;
    killable_command& operator=(const killable_command&) = delete;
    ~killable_command();

    /// Its exit status, or what stands for its end.
    int wait();

    /// Returns at once.
    void end_soon();
    [[nodiscard]] bool was_told_to_end() const;

  private:
    struct parts;
    std::unique_ptr<parts> parts_;
};
#endif

/// Makes these bytes the standard input of the children that are started from now on. All read from the same place: what
/// one has read none of the others gets.
void share_input(const void* bytes, std::size_t size);

/// So many of these bytes; false at their end.
bool read_shared(void* bytes, std::size_t size);

/// A program that runs beside this one, and is killed when its object goes.
class child_program {
  public:
    explicit child_program(const std::vector<std::string>& command);
    child_program(const child_program&) = delete;
    child_program& operator=(const child_program&) = delete;
    ~child_program();

    /// Waits for it to print the next character; EOF after its end. In one thread at a time; kill() may come in between.
    int next_printed();

    void kill();

    /// If it has stopped itself; not on Windows.
    void go_on();

  private:
    struct parts;
    std::unique_ptr<parts> parts_;
};
