// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <utility>

#include <CLI/CLI.hpp>
#include <named_lock/version.hpp>

#include "../options.hpp"
#include "../system.hpp"
#include "command_line.hpp"

namespace {

constexpr std::array<std::pair<const char*, const char*>, 6> usages{{
    {"run", "[-d DIR] [-w SECONDS | -n] [-s] [-E STATUS] [-q | -v]\n"
            "                      NAME... [--] COMMAND..."},
    {"list", "[-d DIR] [--json]"},
    {"who", "[-d DIR] NAME"},
    {"purge", "[-d DIR] --unused-for DAYS [--dry-run]"},
    {"probe", "DIR"},
    {"dir", ""},
}};

constexpr const char* about = R"(
Runs commands one at a time: a lock has a name, and only one command at once is
run under that name. It is free as soon as its holder ends, however it ends.
)";

constexpr const char* about_run = R"(
Runs COMMAND while it holds the lock NAME, so that no two such commands run at
once; of several locks all or none. A NAME with a slash is a file. Without the
-- there is one NAME; a COMMAND that has a -- of its own needs one before it.
)";

constexpr const char* statuses_of_run = R"(
Exit status: that of COMMAND, or 128 + N if signal N ended it; -E's, by default
75, if a lock was not free in time; 76 if it was lost in etcd; 64 after wrong
arguments; 71 if a lock cannot be used; 126 if COMMAND cannot be run, 127 if
there is none.)";

constexpr const char* footer = R"(
`named-lock SUBCOMMAND --help` tells more, and so does `man named-lock`.)";

/// The usage first, and lines that fit into a terminal.
class help_text : public CLI::Formatter {
  public:
    help_text() {
        column_width(29);
    }
    std::string make_help(const CLI::App* app, std::string /*name*/, CLI::AppFormatMode mode) const override {
        const bool is_whole = app->get_parent() == nullptr;
        return usage_of(is_whole ? "" : app->get_name()) + app->get_description() + make_positionals(app) +
               make_groups(app, mode) + make_subcommands(app, mode) + make_footer(app);
    }
    std::string make_option_opts(const CLI::Option* option) const override {
        return option->get_option_text().empty() ? "" : ' ' + option->get_option_text();
    }
    std::string make_subcommand(const CLI::App* sub) const override {
        std::string about_it = sub->get_description();
        about_it = about_it.substr(1, about_it.find_first_of(".,:;", 1) - 1);
        for (char& c : about_it) c = c == '\n' ? ' ' : c;
        std::ostringstream line;
        CLI::detail::format_help(line, sub->get_name(), about_it, 12);
        return line.str();
    }
};

std::chrono::duration<double> to_time(const std::string& text, std::chrono::duration<double> unit) {
    char* end = nullptr;
    const double count = std::strtod(text.c_str(), &end);
    const bool is_number = !text.empty() && *end == '\0' && std::isfinite(count) && count >= 0;
    if (!is_number) throw CLI::ValidationError{"a number is wanted, which may be 0 or a fraction, not '" + text + "'"};
    return count * unit;
}

CLI::Option* add_time(CLI::App& app, const std::string& names, std::chrono::duration<double>& time,
                      const std::string& unit_name, std::chrono::duration<double> unit, const std::string& help) {
    const auto set = [&time, name = names.substr(names.rfind(',') + 1), unit](const std::string& text) {
        try {
            time = to_time(text, unit);
        } catch (const CLI::ValidationError& e) {
            throw CLI::ValidationError{name + ": " + e.what()};
        }
    };
    return app.add_option_function<std::string>(names, set, help)->option_text(unit_name);
}

void add_place(CLI::App& app, std::string& dir) {
    app.add_option("-d,--directory", dir, "the directory of the locks")->option_text("DIR");
}

/// "--json=no"
void refuse_values_of_flags(CLI::App& app) {
    for (CLI::Option* option : app.get_options()) {
        if (option->get_expected_max() == 0) option->disable_flag_override();
    }
}

/// NAME COMMAND... or NAME... -- COMMAND...
void split(const std::vector<std::string>& words, run_options& run) {
    // CLI11 leaves an option that it does not know among the words.
    if (!words.empty() && words[0].size() > 1 && words[0][0] == '-') {
        throw usage_error{"there is no option " + words[0]};
    }
    const auto mark = std::find(words.begin(), words.end(), "--");
    const auto end = mark != words.end() ? mark : words.begin() + (words.empty() ? 0 : 1);
    run.names.assign(words.begin(), end);
    run.command.assign(mark != words.end() ? mark + 1 : end, words.end());
    if (run.names.empty()) throw usage_error{"the NAME of the lock is missing"};
    if (run.command.empty()) throw usage_error{"the COMMAND is missing"};
}

void check_etcd(const run_options& run, const CLI::App& app) {
    if (run.etcd.empty()) {
        for (const char* option : {"--ttl", "--grace"}) {
            if (app.count(option) != 0) throw usage_error{std::string{option} + " goes with --etcd"};
        }
        return;
    }
    if (run.shared || app.count("-d") != 0 || app.count("--create") != 0 || run.names.size() != 1) {
        throw usage_error{"--etcd goes with one NAME, and without -s, -d and --create"};
    }
}

}  // namespace

std::string usage_of(const std::string& subcommand) {
    std::string text;
    for (const auto& [name, arguments] : usages) {
        if (subcommand == name) return std::string{"usage: named-lock "} + name + (*arguments != '\0' ? " " : "") + arguments + '\n';
        text.append(text.empty() ? "usage: " : "       ").append("named-lock ").append(name);
        text.append(*arguments != '\0' ? " " : "").append(arguments).append("\n");
    }
    return text + "       named-lock --version | --help\n";
}

command_line parse(const std::vector<std::string>& words) {
    command_line parsed;
    run_options& run = parsed.run;
    std::string dir;
    std::string probed_dir;
    bool at_once = false;

    CLI::App app{about, "named-lock"};
    app.formatter(std::make_shared<help_text>());
    app.set_help_flag("-h,--help", "print this");
    app.set_version_flag("--version", "named-lock " NAMED_LOCK_VERSION, "print the version");
    app.allow_windows_style_options(false);
    app.require_subcommand(1);
    app.footer(footer);

    CLI::App* const run_it = app.add_subcommand("run", about_run)->prefix_command()->footer(statuses_of_run);
    add_place(*run_it, dir);
    run_it->add_flag("--create", parsed.where.shall_create, "make DIR if it does not exist");
    CLI::Option* const wait = add_time(*run_it, "-w,--timeout", run.timeout, "SECONDS", std::chrono::seconds{1},
                                       "wait so long at most");
    run_it->add_flag("-n,--nonblock", at_once, "do not wait")->excludes(wait);
    run_it->add_flag("-s,--shared", run.shared, "hold it together with others that use -s");
    run_it->add_option("-E,--conflict-exit-code", run.conflict_status, "the exit status if it is not free in time")
        ->option_text("STATUS")
        ->check(CLI::Range(0, 255));
    CLI::Option* const quiet = run_it->add_flag("-q,--quiet", run.quiet, "do not tell of waiting, nor of its end");
    run_it->add_flag("-v,--verbose", run.verbose, "tell how long it has waited and held")->excludes(quiet);
    run_it->add_option("--etcd", run.etcd, "hold the lock in this etcd cluster")->option_text("URL,...")->delimiter(',')
        ->expected(1)->allow_extra_args(false)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    add_time(*run_it, "--ttl", run.ttl, "SECONDS", std::chrono::seconds{1},
             "so long etcd waits for a holder that is silent");
    add_time(*run_it, "--grace", run.grace, "SECONDS", std::chrono::seconds{1},
             "from SIGTERM to SIGKILL after a loss in etcd");

    CLI::App* const list = app.add_subcommand("list", "\nLists the locks of a directory: whether they are free, "
                                                      "held or shared, by\nwhom, who waits and how long, and "
                                                      "who waits for each other in a circle.\n");
    add_place(*list, dir);
    list->add_flag("--json", parsed.as_json, "as JSON");

    CLI::App* const who = app.add_subcommand("who", "\nTells who holds a lock, and who waits for it. The exit status "
                                                    "is 0 if somebody\nholds it, and 1 if nobody does.\n");
    add_place(*who, dir);
    who->add_option("NAME", parsed.name, "the lock; with a slash, its file")->option_text(" ")->required();

    CLI::App* const purge = app.add_subcommand("purge", "\nRemoves the files of locks that nobody holds or waits for, "
                                                        "if they are so old.\nNot where flock(1) uses them as well: "
                                                        "see the manual page.\n");
    add_place(*purge, dir);
    add_time(*purge, "--unused-for", parsed.unused_for, "DAYS", std::chrono::hours{24}, "only files that are as old")
        ->required();
    purge->add_flag("--dry-run", parsed.dry_run, "remove nothing, print their names");

    CLI::App* const probe = app.add_subcommand("probe", "\nTries whether locks in a directory keep anybody out. The "
                                                        "exit status is 0 if\nthey do, and 1 if they do not, or not "
                                                        "those on other machines.\n");
    probe->add_option("DIR", probed_dir, "the directory, which must exist")->option_text(" ")->required();

    CLI::App* const print_dir = app.add_subcommand("dir", "\nPrints the directory that is used without -d: "
                                                          "$NAMED_LOCK_DIR, or else one of\nthe user.\n");
    for (CLI::App* part : {&app, run_it, list, who, purge, probe, print_dir}) refuse_values_of_flags(*part);
    try {
        app.parse(std::vector<std::string>{words.rbegin(), words.rend() - 1});
    } catch (const CLI::ParseError& e) {
        if (e.get_exit_code() != 0) throw usage_error{e.what()};
        std::ostringstream text;
        app.exit(e, text, text);
        parsed.text = text.str();
        return parsed;
    }

    using task = command_line::task;
    for (const auto& [subcommand, what] : {std::pair{run_it, task::run}, {list, task::list}, {who, task::who},
                                           {purge, task::purge}, {probe, task::probe}, {print_dir, task::dir}}) {
        if (subcommand->parsed()) parsed.what = what;
    }
    if (!dir.empty()) parsed.where.dir = to_path(dir);
    parsed.probed_dir = to_path(probed_dir);
    if (at_once) run.timeout = std::chrono::seconds{0};
    if (parsed.what == task::run) {
        split(run_it->remaining(), run);
        check_etcd(run, *run_it);
    }
    return parsed;
}
