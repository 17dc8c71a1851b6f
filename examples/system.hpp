// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// What the examples exclusive and invoices need of the system beside the lock.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <memory>
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

/// Whoever waits for us wants to read "held by pid 4242 (backup)", not "(exclusive)".
void take_the_name_of(const std::vector<std::string>& command);

/// Runs the command as a child and returns the exit status that stands for its end.
int run(const std::vector<std::string>& command);

#ifndef _WIN32
void set_environment(const std::string& name, const std::string& value);

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
