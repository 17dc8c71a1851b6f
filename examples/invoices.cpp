// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A music shop saves invoices, from several programs at once. Saving one means: read how often its tracks were sold,
// add its quantities, write the sums back. If two programs do that for the same track at the same time, both read the
// same number, and the one that writes last wipes out what the other has added. The database cannot help: each of its
// transactions was right. A named lock around reading, adding and writing does.
//
//     invoices [--db FILE] [--workers N]
//
// What to look at: the table. All invoices are saved twice, without the lock and with it. Without it, fewer tracks are
// counted than were sold; with it, none may be missing, or the exit status is 1.
//
// --db takes a database with the tables of Jam.py's demo and works on a copy; without it a small shop is made up.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <getopt.h>
#include <iomanip>
#include <iostream>
#include <list>
#include <memory>
#include <optional>
#include <poll.h>
#include <random>
#include <spawn.h>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <vector>

#include <sqlite3.h>

#include <named_lock/named_lock.hpp>

extern char** environ;

namespace {

namespace fs = std::filesystem;
using clock = std::chrono::steady_clock;
using invoice_id = std::int64_t;

// ---- SQLite, as much of it as is needed here ----

class database {
  public:
    explicit database(const fs::path& file, int mode = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) {
        sqlite3* opened = nullptr;
        const int result = sqlite3_open_v2(file.c_str(), &opened, mode, nullptr);
        handle_.reset(opened);
        if (result != SQLITE_OK) throw std::runtime_error{file.string() + ": " + sqlite3_errmsg(opened)};
        sqlite3_busy_timeout(opened, 60'000);  // whoever finds it locked by another writer waits
    }

    void run(const char* sql) { check(sqlite3_exec(handle(), sql, nullptr, nullptr, nullptr)); }

    void check(int result) const {
        if (result == SQLITE_OK || result == SQLITE_ROW || result == SQLITE_DONE) return;
        throw std::runtime_error{std::string{"SQLite: "} + sqlite3_errmsg(handle())};
    }

    [[nodiscard]] sqlite3* handle() const { return handle_.get(); }

  private:
    struct close {
        void operator()(sqlite3* opened) const { sqlite3_close(opened); }
    };
    std::unique_ptr<sqlite3, close> handle_;
};

class statement {
  public:
    statement(const database& db, const char* sql) : db_{db} {
        sqlite3_stmt* prepared = nullptr;
        db.check(sqlite3_prepare_v2(db.handle(), sql, -1, &prepared, nullptr));
        handle_.reset(prepared);
    }

    /// Starts again, with these values of ?1, ?2 ...
    template <class... Values>
    statement& with(Values... values) {
        sqlite3_reset(handle_.get());
        int index = 0;
        (db_.check(sqlite3_bind_int64(handle_.get(), ++index, static_cast<sqlite3_int64>(values))), ...);
        return *this;
    }

    /// To the next row, if there is one. After the last one the statement, and its transaction, are over.
    bool next() {
        const int result = sqlite3_step(handle_.get());
        if (result != SQLITE_ROW) sqlite3_reset(handle_.get());
        db_.check(result);
        return result == SQLITE_ROW;
    }

    [[nodiscard]] std::int64_t column(int index) const { return sqlite3_column_int64(handle_.get(), index); }

  private:
    struct finalize {
        void operator()(sqlite3_stmt* prepared) const { sqlite3_finalize(prepared); }
    };
    const database& db_;
    std::unique_ptr<sqlite3_stmt, finalize> handle_;
};

// ---- the point of it all: saving an invoice, in a worker program ----

class invoice_saver {
  public:
    /// Without a locks_dir it does without the lock.
    invoice_saver(const fs::path& db_file, std::optional<fs::path> locks_dir)
        : db_{db_file}, locks_dir_{std::move(locks_dir)} {
        db_.run("PRAGMA synchronous = OFF");  // a copy need not survive a power failure
    }

    void save(invoice_id invoice) {
        const auto guard = locks_dir_ ? nlock::named_lock{"invoice_saved", *locks_dir_}.acquire() : nlock::guard{};
        add_to_tracks_sold(invoice);
    }

  private:
    struct track {
        std::int64_t id;
        std::int64_t sold;
    };

    void add_to_tracks_sold(invoice_id invoice) {
        std::vector<track> tracks;
        read_.with(invoice);
        while (read_.next()) tracks.push_back({read_.column(0), read_.column(1) + read_.column(2)});

        db_.run("BEGIN IMMEDIATE");
        for (const track& t : tracks) write_.with(t.sold, t.id).next();
        db_.run("COMMIT");
    }

    database db_;
    std::optional<fs::path> locks_dir_;
    statement read_{db_, "SELECT t.ID, t.TRACKS_SOLD, SUM(l.QUANTITY) "
                         "FROM DEMO_INVOICE_TABLE l JOIN DEMO_TRACKS t ON t.ID = l.TRACK "
                         "WHERE l.MASTER_REC_ID = ?1 AND l.DELETED = 0 GROUP BY t.ID"};
    statement write_{db_, "UPDATE DEMO_TRACKS SET TRACKS_SOLD = ?1 WHERE ID = ?2"};
};

// ---- the worker program: invoices come from standard input, reports go to standard output ----

constexpr char is_ready = 'r';
constexpr char has_saved = 's';

void write_all(int fd, const void* data, std::size_t size) {
    if (::write(fd, data, size) == static_cast<ssize_t>(size)) return;
    throw std::system_error{errno, std::generic_category(), "write"};
}

void report(char what) { write_all(STDOUT_FILENO, &what, 1); }

int work(const fs::path& db_file, const std::optional<fs::path>& locks_dir) {
    std::signal(SIGINT, SIG_IGN);  // Ctrl-C is dealt with by the program that started this one
    invoice_saver saver{db_file, locks_dir};
    report(is_ready);
    for (invoice_id invoice = 0; ::read(STDIN_FILENO, &invoice, sizeof invoice) == sizeof invoice;) {
        saver.save(invoice);
        report(has_saved);
    }
    return 0;
}

// ---- Ctrl-C and its like: to be noticed, so that the worker programs and the copy go ----

struct interrupted {
    int signal;
};

class pipe_ends {
  public:
    pipe_ends() {
        if (::pipe(ends_.data()) != 0) throw std::system_error{errno, std::generic_category(), "pipe"};
        for (const int end : ends_) ::fcntl(end, F_SETFD, FD_CLOEXEC);
    }
    pipe_ends(const pipe_ends&) = delete;
    pipe_ends& operator=(const pipe_ends&) = delete;
    ~pipe_ends() {
        close_read();
        close_write();
    }
    [[nodiscard]] int read() const { return ends_[0]; }
    [[nodiscard]] int write() const { return ends_[1]; }
    void close_read() { close(ends_[0]); }
    void close_write() { close(ends_[1]); }

  private:
    static void close(int& end) {
        if (end >= 0) ::close(std::exchange(end, -1));
    }
    std::array<int, 2> ends_{-1, -1};
};

/// Turns the signals into bytes of a pipe, for poll().
class interruption {
  public:
    interruption() {
        write_end = signals_.write();
        for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
            if (std::signal(signal, SIG_IGN) != SIG_IGN) std::signal(signal, note);
        }
        std::signal(SIGPIPE, SIG_IGN);  // a worker that died is noticed by the end of its reports
    }
    [[nodiscard]] pollfd awaited() const { return {signals_.read(), POLLIN, 0}; }

    void check() const {
        pollfd now = awaited();
        char signal = 0;
        if (::poll(&now, 1, 0) == 1 && ::read(now.fd, &signal, 1) == 1) throw interrupted{signal};
    }

  private:
    static void note(int signal) {
        const int saved_errno = errno;
        const char byte = static_cast<char>(signal);
        (void)!::write(write_end, &byte, 1);
        errno = saved_errno;
    }
    static inline int write_end = -1;
    pipe_ends signals_;
};

// ---- the shop ----

/// A directory of its own, gone with its object.
class temp_dir {
  public:
    temp_dir() {
        std::string name = fs::temp_directory_path() / "named_lock_invoices.XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) throw std::system_error{errno, std::generic_category(), name};
        path_ = name;
    }
    temp_dir(const temp_dir&) = delete;
    temp_dir& operator=(const temp_dir&) = delete;
    ~temp_dir() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    [[nodiscard]] const fs::path& path() const { return path_; }

  private:
    fs::path path_;
};

void make_up(database& shop) {
    constexpr unsigned tracks = 100;
    constexpr unsigned invoices = 500;
    constexpr unsigned lines_of_invoice = 5;
    shop.run("BEGIN; "
             "CREATE TABLE DEMO_TRACKS (ID INTEGER PRIMARY KEY, DELETED INTEGER, NAME TEXT, TRACKS_SOLD INTEGER); "
             "CREATE TABLE DEMO_INVOICES (ID INTEGER PRIMARY KEY, DELETED INTEGER, INVOICE_DATE TEXT); "
             "CREATE TABLE DEMO_INVOICE_TABLE (ID INTEGER PRIMARY KEY, DELETED INTEGER, MASTER_REC_ID INTEGER, "
             "TRACK INTEGER, QUANTITY INTEGER)");
    statement track{shop, "INSERT INTO DEMO_TRACKS (ID, DELETED, NAME) VALUES (?1, 0, 'Track ' || ?1)"};
    statement invoice{shop, "INSERT INTO DEMO_INVOICES (ID, DELETED, INVOICE_DATE) VALUES (?1, 0, DATE('now'))"};
    statement line{shop, "INSERT INTO DEMO_INVOICE_TABLE (DELETED, MASTER_REC_ID, TRACK, QUANTITY) "
                         "VALUES (0, ?1, ?2, ?3)"};
    std::mt19937 random{1};
    for (unsigned id = 1; id <= tracks; ++id) track.with(id).next();
    for (unsigned id = 1; id <= invoices; ++id) {
        invoice.with(id).next();
        for (unsigned i = 0; i < lines_of_invoice; ++i) {
            const auto sold_track = 1 + random() % tracks;
            const auto quantity = 1 + random() % 3;
            line.with(id, sold_track, quantity).next();
        }
    }
    shop.run("COMMIT");
}

/// By SQLite's own means, because the original may be in use.
void copy(const fs::path& original, database& shop, const interruption& signals) {
    const database source{original, SQLITE_OPEN_READONLY};
    struct finish {
        void operator()(sqlite3_backup* backup) const { sqlite3_backup_finish(backup); }
    };
    const std::unique_ptr<sqlite3_backup, finish> backup{
        sqlite3_backup_init(shop.handle(), "main", source.handle(), "main")};
    if (!backup) shop.check(sqlite3_errcode(shop.handle()));
    int result = SQLITE_OK;
    while (result == SQLITE_OK) {
        signals.check();
        result = sqlite3_backup_step(backup.get(), 1000);
    }
    if (result != SQLITE_DONE) throw std::runtime_error{original.string() + ": " + sqlite3_errstr(result)};
}

void set_up(database& shop, const std::optional<fs::path>& original, const interruption& signals) {
    if (original) {
        copy(*original, shop, signals);
    } else {
        make_up(shop);
    }
    // With a write-ahead log readers and writers do not wait for each other, and what is timed is mostly the saves.
    shop.run("PRAGMA journal_mode = WAL");
    shop.run("CREATE TEMP VIEW LINES AS SELECT MASTER_REC_ID AS INVOICE, TRACK, QUANTITY FROM DEMO_INVOICE_TABLE "
             "WHERE DELETED = 0 AND MASTER_REC_ID IN (SELECT ID FROM DEMO_INVOICES)");
}

/// The invoices that sell the same track follow each other: what is new is bought by many on the same day.
std::vector<invoice_id> invoices_of(const database& shop) {
    std::vector<invoice_id> invoices;
    statement all{shop, "WITH POPULAR AS (SELECT TRACK FROM LINES GROUP BY TRACK HAVING COUNT(*) > 1) "
                        "SELECT INVOICE FROM LINES LEFT JOIN POPULAR USING (TRACK) "
                        "GROUP BY INVOICE ORDER BY MIN(POPULAR.TRACK), INVOICE"};
    while (all.next()) invoices.push_back(all.column(0));
    return invoices;
}

std::int64_t number_of_lines(const database& shop) {
    statement lines{shop, "SELECT COUNT(*) FROM LINES"};
    lines.next();
    return lines.column(0);
}

struct tracks_sold {
    std::int64_t expected;
    std::int64_t counted;
    std::int64_t wrong_tracks;
};

tracks_sold compare(const database& shop) {
    statement sums{shop, "WITH EXPECTED AS (SELECT TRACK, SUM(QUANTITY) AS SOLD FROM LINES GROUP BY TRACK) "
                         "SELECT SUM(SOLD), SUM(TRACKS_SOLD), SUM(IFNULL(SOLD, 0) <> IFNULL(TRACKS_SOLD, 0)) "
                         "FROM DEMO_TRACKS LEFT JOIN EXPECTED ON TRACK = ID"};
    sums.next();
    return {sums.column(0), sums.column(1), sums.column(2)};
}

// ---- starting the worker programs and giving them the invoices ----

class worker {
  public:
    worker(std::vector<std::string> command, const pipe_ends& queue) {
        std::vector<char*> argv;
        for (std::string& argument : command) argv.push_back(argument.data());
        argv.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, queue.read(), STDIN_FILENO);
        posix_spawn_file_actions_adddup2(&actions, reports_.write(), STDOUT_FILENO);
        const int error = posix_spawnp(&pid_, argv[0], &actions, nullptr, argv.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        if (error != 0) throw std::system_error{error, std::generic_category(), command[0]};
        reports_.close_write();
    }
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;
    ~worker() {
        if (pid_ < 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

    void wait() {
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        if (status != 0) throw std::runtime_error{"a worker program failed"};
    }

    [[nodiscard]] pollfd awaited() const { return {reports_.read(), POLLIN, 0}; }

    [[nodiscard]] std::string new_reports() const {
        std::array<char, 512> buffer;
        const ssize_t size = ::read(reports_.read(), buffer.data(), buffer.size());
        if (size <= 0) throw std::runtime_error{"a worker program ended before its work was done"};
        return {buffer.data(), static_cast<std::size_t>(size)};
    }

  private:
    pipe_ends reports_;
    pid_t pid_ = -1;
};

/// A line that is rewritten, for people only, and gone with its object.
class progress {
  public:
    explicit progress(std::string what) : what_{std::move(what)} {}
    progress(const progress&) = delete;
    progress& operator=(const progress&) = delete;
    ~progress() {
        if (is_shown_) std::cerr << "\r\033[K" << std::flush;
    }
    void show(std::size_t done, std::size_t of) {
        const auto now = clock::now();
        if (!is_shown_ || now < next_) return;
        std::cerr << '\r' << what_ << ": " << done << " of " << of << " invoices" << std::flush;
        next_ = now + std::chrono::milliseconds{50};
    }

  private:
    std::string what_;
    bool is_shown_ = ::isatty(STDERR_FILENO) == 1;
    clock::time_point next_;
};

std::string wait_for_reports(const std::list<worker>& crew, const interruption& signals) {
    std::vector<pollfd> awaited{signals.awaited()};
    for (const worker& w : crew) awaited.push_back(w.awaited());
    ::poll(awaited.data(), static_cast<nfds_t>(awaited.size()), -1);
    signals.check();
    std::string reports;
    auto state = awaited.begin();
    for (const worker& w : crew) {
        if ((++state)->revents != 0) reports += w.new_reports();
    }
    return reports;
}

/// Has all the invoices saved and returns how long that took. Nobody gets an invoice before all workers are ready.
std::chrono::duration<double> save_all(const std::vector<invoice_id>& invoices, std::size_t workers,
                                       const std::vector<std::string>& command, const char* how,
                                       const interruption& signals) {
    constexpr std::size_t most_in_queue = 256;  // fits into the pipe, so that writing to it never waits

    pipe_ends queue;
    std::list<worker> crew;
    for (std::size_t i = 0; i < workers; ++i) crew.emplace_back(command, queue);
    queue.close_read();

    progress line{how};
    clock::time_point start;
    std::size_t ready = 0;
    std::size_t handed_out = 0;
    std::size_t saved = 0;
    while (saved < invoices.size()) {
        for (const char what : wait_for_reports(crew, signals)) ++(what == is_ready ? ready : saved);
        if (ready < workers) continue;
        if (handed_out == 0) start = clock::now();
        const std::size_t part = std::min(invoices.size(), saved + most_in_queue) - handed_out;
        write_all(queue.write(), invoices.data() + handed_out, part * sizeof(invoice_id));
        handed_out += part;
        line.show(saved, invoices.size());
    }
    const std::chrono::duration<double> time = clock::now() - start;
    queue.close_write();
    for (worker& w : crew) w.wait();
    return time;
}

// ---- the two runs ----

struct arguments {
    std::optional<fs::path> db;
    std::size_t workers = 8;
    bool help = false;
};

constexpr const char* usage = R"(usage: invoices [--db FILE] [--workers N]

  --db FILE      a database with the tables of Jam.py's demo, of which a copy is used; otherwise one is made up
  --workers N    how many programs save invoices at once, 1 to 64; by default 8
)";

std::size_t to_number_of_workers(const std::string& text) {
    const bool is_number =
        !text.empty() && text.size() < 4 && text.find_first_not_of("0123456789") == std::string::npos;
    const int number = is_number ? std::stoi(text) : 0;
    if (number < 1 || number > 64)
        throw std::invalid_argument{"--workers takes a number from 1 to 64, not '" + text + "'"};
    return static_cast<std::size_t>(number);
}

arguments parse(int argc, char** argv) {
    constexpr option known[] = {{"db", required_argument, nullptr, 'd'},
                                {"workers", required_argument, nullptr, 'w'},
                                {"help", no_argument, nullptr, 'h'},
                                {nullptr, 0, nullptr, 0}};
    arguments parsed;
    for (int found = 0; (found = getopt_long(argc, argv, "h", known, nullptr)) != -1;) {
        if (found == 'd') parsed.db = optarg;
        if (found == 'w') parsed.workers = to_number_of_workers(optarg);
        if (found == 'h') parsed.help = true;
        if (found == '?') throw std::invalid_argument{""};  // getopt_long has said what is wrong
    }
    if (optind != argc) throw std::invalid_argument{"unexpected argument '" + std::string{argv[optind]} + "'"};
    return parsed;
}

void print_row(const char* what, std::size_t invoices, const tracks_sold& tracks, double seconds) {
    std::cout << std::left << std::setw(16) << what << std::right << std::setw(10) << invoices << std::setw(17)
              << tracks.expected << std::setw(16) << tracks.counted << std::setw(14) << tracks.wrong_tracks
              << std::setw(9) << std::fixed << std::setprecision(3) << seconds << std::endl;
}

int run(const arguments& wanted, const std::string& program) {
    const interruption signals;
    const temp_dir dir;
    const fs::path file = dir.path() / "shop.sqlite";
    database shop{file};
    set_up(shop, wanted.db, signals);
    const std::vector<invoice_id> invoices = invoices_of(shop);
    if (invoices.empty()) throw std::runtime_error{"the database has no invoices"};

    std::cout << invoices.size() << " invoices with " << number_of_lines(shop) << " lines, saved by " << wanted.workers
              << " programs at once\n\n"
              << "                  invoices  tracks expected  tracks counted  wrong tracks  seconds" << std::endl;
    const auto save = [&](const char* how, const std::vector<std::string>& command) {
        shop.run("UPDATE DEMO_TRACKS SET TRACKS_SOLD = NULL");
        const auto time = save_all(invoices, wanted.workers, command, how, signals);
        const tracks_sold tracks = compare(shop);
        print_row(how, invoices.size(), tracks, time.count());
        return tracks;
    };
    const tracks_sold without = save("without the lock", {program, "--worker", file});
    const tracks_sold with = save("with the lock", {program, "--worker", file, dir.path() / "locks"});

    std::cout << "\nWithout the lock " << without.expected - without.counted << " of " << without.expected
              << " sold tracks were lost, with it " << with.expected - with.counted << ".\n";
    if (with.wrong_tracks == 0) return 0;
    std::cerr << "invoices: updates were lost although every save held the lock\n";
    return 1;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        if (argc > 2 && std::string{"--worker"} == argv[1]) {
            return work(argv[2], argc > 3 ? std::optional<fs::path>{argv[3]} : std::nullopt);
        }
        const arguments wanted = parse(argc, argv);
        if (!wanted.help) return run(wanted, argv[0]);
        std::cout << usage;
        return 0;
    } catch (const interrupted& e) {  // cleaned up; now end as whoever sent the signal expects
        std::signal(e.signal, SIG_DFL);
        std::raise(e.signal);
        return 1;
    } catch (const std::invalid_argument& e) {
        if (*e.what() != '\0') std::cerr << "invoices: " << e.what() << '\n';
        std::cerr << usage;
        return 64;
    } catch (const std::exception& e) {
        std::cerr << "invoices: " << e.what() << '\n';
        return 1;
    }
}
