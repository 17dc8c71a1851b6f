// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A music shop saves invoices, from several programs at once. Saving one means: read how often its tracks were sold,
// add its quantities, write the sums back. If two programs do that for the same track at the same time, both read the
// same number, and the one that writes last wipes out what the other has added. The database cannot help: each of its
// transactions was right. A named lock around reading, adding and writing does.
//
//     invoices [--db FILE] [--workers N] [--etcd URLS]
//
// What to look at: the table. All invoices are saved twice, without the lock and with it. Without it, fewer tracks are
// counted than were sold; with it, none may be missing, or the exit status is 1.
//
// --etcd: a third time, with the lock in an etcd cluster instead of a file, as programs on several machines would. Such
// a lock can be lost by a holder that stands still, which one of the programs does for longer than the cluster waits.
// It goes on after others have saved, and writes: the database refuses it, because each write carries the token of its
// hold, and DEMO_TRACKS has seen a larger one.
//
// --db takes a database with the tables of Jam.py's demo and works on a copy; without it a small shop is made up.
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <sqlite3.h>

#include <named_lock/named_lock.hpp>

#include "options.hpp"
#include "system.hpp"

#ifdef NAMED_LOCK_HAS_ETCD
#include <named_lock/etcd_lock.hpp>
#endif

namespace {

namespace fs = std::filesystem;
using invoice_id = std::int64_t;

// ---- SQLite, as much of it as is needed here ----

class database {
  public:
    explicit database(const fs::path& file, int mode = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE) {
        sqlite3* opened = nullptr;
        const int result = sqlite3_open_v2(to_utf8(file).c_str(), &opened, mode, nullptr);
        handle_.reset(opened);
        if (result != SQLITE_OK) throw std::runtime_error{to_utf8(file) + ": " + sqlite3_errmsg(opened)};
        sqlite3_busy_timeout(opened, 60'000);  // whoever finds it locked by another writer waits
    }

    void run(const char* sql) const { check(sqlite3_exec(handle(), sql, nullptr, nullptr, nullptr)); }

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

enum report : char {
    is_ready = 'r',
    has_saved = 's',
    is_done = 'd',
    has_failed = 'f',
    is_paused = 'p',
    is_refused = 'o'
};

void say(report what) {
    if (!std::cout.put(what).flush()) throw std::runtime_error{"nobody listens to this worker program any more"};
}

struct job {
    fs::path db_file;
    fs::path locks_dir;
    std::string lock;  // none, file, or the URLs of a cluster
    bool pauses = false;
};

/// What keeps the others out while an invoice is saved: nothing, a lock file, or a lock in a cluster.
class shop_lock {
  public:
    struct hold {
        nlock::guard file;
#ifdef NAMED_LOCK_HAS_ETCD
        nlock::etcd_guard etcd;
#endif
        std::uint64_t token;  // 0: it cannot be lost
    };

    shop_lock(const char* name, const job& given) {
        if (given.lock == "file") file_.emplace(name, given.locks_dir);
#ifdef NAMED_LOCK_HAS_ETCD
        if (given.lock != "file" && given.lock != "none") {
            nlock::etcd_options options;
            options.prefix = "named_lock_invoices/" + to_utf8(given.locks_dir) + "/";
            options.ttl = std::chrono::seconds{5};
            etcd_.emplace(name, nlock::etcd_cluster{split_at_commas(given.lock), options});
        }
#endif
    }

    hold acquire() {
        hold held{};
        if (file_) held.file = file_->acquire();
#ifdef NAMED_LOCK_HAS_ETCD
        if (etcd_) held.etcd = etcd_->acquire();
        held.token = held.etcd.token();
#endif
        return held;
    }

    /// Until nobody holds it exclusively.
    void pass() {
        if (file_) {
            (void)file_->acquire_shared();
        } else {
            acquire();
        }
    }

  private:
    std::optional<nlock::named_lock> file_;
#ifdef NAMED_LOCK_HAS_ETCD
    std::optional<nlock::etcd_lock> etcd_;
#endif
};

class invoice_saver {
  public:
    invoice_saver(const database& db, const job& given)
        : db_{db}, lock_{"invoice_saved", given}, shall_pause_{given.pauses} {}

    void save(invoice_id invoice) {
        for (bool is_saved = false; !is_saved;) {
            const auto held = lock_.acquire();
            is_saved = add_to_tracks_sold(invoice, held.token);
            if (!is_saved) say(is_refused);  // the lock was lost meanwhile: once more, with what others have written
        }
    }

  private:
    struct track {
        std::int64_t id;
        std::int64_t sold;
    };

    /// False: somebody with a larger token has written, so that what was read is no longer true. Nothing is written
    /// then.
    bool add_to_tracks_sold(invoice_id invoice, std::uint64_t token) {
        std::vector<track> tracks;
        read_.with(invoice);
        while (read_.next()) tracks.push_back({read_.column(0), read_.column(1) + read_.column(2)});
        if (std::exchange(shall_pause_, false)) pause();

        db_.run("BEGIN IMMEDIATE");
        for (const track& t : tracks) {
            write_.with(t.sold, t.id, token).next();
            if (sqlite3_changes(db_.handle()) != 0) continue;
            db_.run("ROLLBACK");
            return false;
        }
        db_.run("COMMIT");
        return true;
    }

    /// Until somebody lets it go on; for longer than its lock lasts.
    static void pause() {
        say(is_paused);
#ifndef _WIN32
        std::raise(SIGSTOP);
#endif
    }

    const database& db_;
    shop_lock lock_;
    bool shall_pause_;
    statement read_{db_, "SELECT t.ID, t.TRACKS_SOLD, SUM(l.QUANTITY) "
                         "FROM DEMO_INVOICE_TABLE l JOIN DEMO_TRACKS t ON t.ID = l.TRACK "
                         "WHERE l.MASTER_REC_ID = ?1 AND l.DELETED = 0 GROUP BY t.ID"};
    statement write_{db_, "UPDATE DEMO_TRACKS SET TRACKS_SOLD = ?1, TOKEN = ?3 "
                          "WHERE ID = ?2 AND ?3 >= (SELECT IFNULL(MAX(TOKEN), 0) FROM DEMO_TRACKS)"};
};

// ---- the worker program: all take invoices from the same file, and report what they do on standard output ----

std::vector<std::string> command(const std::string& program, const job& given) {
    return {program,
            "--worker",
            to_utf8(given.db_file),
            to_utf8(given.locks_dir),
            given.lock,
            given.pauses ? "pauses" : ""};
}

bool is_worker(const std::vector<std::string>& words) { return words.size() == 6 && words[1] == "--worker"; }

job job_of(const std::vector<std::string>& words) {
    return {to_path(words[2]), to_path(words[3]), words[4], words[5] == "pauses"};
}

/// Nobody begins before all are ready: the program that started the workers holds this lock until then.
shop_lock gate(job given) {
    if (given.lock == "none") given.lock = "file";
    return {"gate", given};
}

int work(const job& given) {
    std::signal(SIGINT, SIG_IGN);  // Ctrl-C is dealt with by the program that started this one
    const database db{given.db_file};
    db.run("PRAGMA synchronous = OFF");  // a copy need not survive a power failure
    invoice_saver saver{db, given};

    say(is_ready);
    gate(given).pass();
    for (invoice_id invoice = 0; read_shared(&invoice, sizeof invoice);) {
        saver.save(invoice);
        say(has_saved);
    }
    say(is_done);
    return 0;
}

// ---- Ctrl-C and its like: to be noticed, so that the worker programs and the copy go ----

struct interrupted {
    int signal;
};

std::atomic<int> last_signal = 0;

void stop_if_interrupted() {
    if (last_signal != 0) throw interrupted{last_signal};
}

void notice(int signal) {
    const auto note = [](int caught) { last_signal = caught; };
    if (std::signal(signal, SIG_IGN) != SIG_IGN) std::signal(signal, note);
}

void notice_signals() {
    notice(SIGINT);
    notice(SIGTERM);
#ifndef _WIN32
    notice(SIGHUP);
    std::signal(SIGPIPE, SIG_IGN);  // whoever reads the table may go, the copy must too
#endif
}

// ---- the shop ----

/// A directory of its own, gone with its object.
class temp_dir {
  public:
    temp_dir() = default;
    temp_dir(const temp_dir&) = delete;
    temp_dir& operator=(const temp_dir&) = delete;
    ~temp_dir() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    [[nodiscard]] const fs::path& path() const { return path_; }

  private:
    fs::path path_ = make_temp_dir("named_lock_invoices");
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
void copy(const fs::path& original, database& shop) {
    const database source{original, SQLITE_OPEN_READONLY};
    struct finish {
        void operator()(sqlite3_backup* backup) const { sqlite3_backup_finish(backup); }
    };
    const std::unique_ptr<sqlite3_backup, finish> backup{
        sqlite3_backup_init(shop.handle(), "main", source.handle(), "main")};
    if (!backup) shop.check(sqlite3_errcode(shop.handle()));
    int result = SQLITE_OK;
    while (result == SQLITE_OK) {
        stop_if_interrupted();
        result = sqlite3_backup_step(backup.get(), 1000);
    }
    if (result != SQLITE_DONE) throw std::runtime_error{to_utf8(original) + ": " + sqlite3_errstr(result)};
}

void set_up(database& shop, const std::optional<fs::path>& original) {
    if (original) {
        copy(*original, shop);
    } else {
        make_up(shop);
    }
    // With a write-ahead log readers and writers do not wait for each other, and what is timed is mostly the saves.
    shop.run("PRAGMA journal_mode = WAL");
    shop.run("ALTER TABLE DEMO_TRACKS ADD COLUMN TOKEN INTEGER");  // the largest that has written
    shop.run("CREATE INDEX DEMO_TRACKS_TOKEN ON DEMO_TRACKS (TOKEN)");
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

// ---- starting the worker programs and watching them ----

/// Counts what the workers say.
class reports {
  public:
    void add(report what) {
        const std::lock_guard<std::mutex> lock{mutex_};
        ++count_of(what);
        changed_.notify_one();
    }

    [[nodiscard]] std::size_t number_of(report what) {
        const std::lock_guard<std::mutex> lock{mutex_};
        return count_of(what);
    }

    /// Waits for so many of this report, and says with each look how many there are.
    template <class Watch>
    void wait_for(report what, std::size_t wanted, const Watch& watch) {
        for (bool is_over = false; !is_over;) {
            stop_if_interrupted();
            std::unique_lock<std::mutex> lock{mutex_};
            is_over = changed_.wait_for(lock, std::chrono::milliseconds{50},
                                        [&] { return count_of(what) == wanted || count_of(has_failed) != 0; });
            if (count_of(has_failed) != 0) throw std::runtime_error{"a worker program failed"};
            watch(count_of(what));
        }
    }

  private:
    std::size_t& count_of(report what) { return counts_[static_cast<unsigned char>(what)]; }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::array<std::size_t, 256> counts_{};
};

/// A worker program, and a thread that listens to it.
class worker {
  public:
    worker(const std::vector<std::string>& command, reports& said)
        : program_{command}, listener_{[this, &said] {
              int last = EOF;
              for (int what = 0; (what = program_.next_printed()) != EOF; last = what)
                  said.add(static_cast<report>(what));
              if (last != is_done) said.add(has_failed);
          }} {}
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;
    ~worker() {
        program_.kill();
        listener_.join();
    }

    /// After a pause.
    void go_on() { program_.go_on(); }

  private:
    child_program program_;
    std::thread listener_;
};

/// A line that is rewritten, for people only, and gone with its object.
class progress {
  public:
    progress(std::string what, std::size_t of) : what_{std::move(what)}, of_{of} {}
    progress(const progress&) = delete;
    progress& operator=(const progress&) = delete;
    ~progress() {
        if (is_watched_) std::cerr << '\r' << std::string(60, ' ') << '\r' << std::flush;
    }
    void show(std::size_t done) const {
        if (is_watched_) std::cerr << '\r' << what_ << ": " << done << " of " << of_ << " invoices" << std::flush;
    }

  private:
    std::string what_;
    std::size_t of_;
    bool is_watched_ = is_watched();
};

struct saved {
    std::chrono::duration<double> time;
    std::size_t refused;  // writes with an old token
};

/// Has all the invoices saved. With `pauses` one of the programs stands still meanwhile, holding the lock, until all
/// the others are through.
saved save_all(const std::vector<invoice_id>& invoices, std::size_t workers, const std::string& program, job given) {
    const progress line{given.lock == "none" ? "without the lock" : "with the lock", invoices.size()};
    const auto say_nothing = [](std::size_t) {};
    share_input(invoices.data(), invoices.size() * sizeof(invoice_id));

    auto closed = std::optional{gate(given).acquire()};
    reports said;
    std::list<worker> crew;
    const bool one_pauses = std::exchange(given.pauses, false);
    for (std::size_t i = 0; i < workers; ++i) {
        job own = given;
        own.pauses = one_pauses && i == 0;
        crew.emplace_back(command(program, own), said);
    }
    said.wait_for(is_ready, workers, say_nothing);

    const auto start = std::chrono::steady_clock::now();
    closed.reset();
    if (one_pauses) {
        said.wait_for(is_done, workers - 1, say_nothing);
        crew.front().go_on();
    }
    said.wait_for(has_saved, invoices.size(), [&](std::size_t done) { line.show(done); });
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    said.wait_for(is_done, workers, say_nothing);
    return {time, said.number_of(is_refused)};
}

// ---- the runs ----

struct arguments {
    std::optional<fs::path> db;
    std::size_t workers = 8;
    std::string etcd;
    bool help = false;
};

constexpr const char* usage = R"(usage: invoices [--db FILE] [--workers N] [--etcd URLS]

  --db FILE      a database with the tables of Jam.py's demo, of which a copy is used; otherwise one is made up
  --workers N    how many programs save invoices at once, 1 to 64; by default 8
  --etcd URLS    once more with the lock in an etcd cluster: "http://10.0.0.1:2379,http://10.0.0.2:2379"
)";

arguments parse(const std::vector<std::string>& words) {
    arguments parsed;
    options given{words};
    while (given.next()) {
        if (given.name() == "--db") {
            parsed.db = to_path(given.value());
        } else if (given.name() == "--workers") {
            parsed.workers = static_cast<std::size_t>(to_number("--workers", given.value(), 1, 64));
        } else if (given.name() == "--etcd") {
            parsed.etcd = given.value();
        } else if (given.name() == "--help" || given.name() == "-h") {
            given.set(parsed.help);
        } else {
            given.fail();
        }
    }
#ifndef NAMED_LOCK_HAS_ETCD
    if (!parsed.etcd.empty()) throw usage_error{"this program was built without etcd"};
#endif
    if (!parsed.etcd.empty() && parsed.workers < 2) throw usage_error{"with --etcd there must be two workers"};
    (void)given.others(0);  // there must be none
    return parsed;
}

void print_row(const char* what, std::size_t invoices, const tracks_sold& tracks, double seconds) {
    std::cout << std::left << std::setw(16) << what << std::right << std::setw(10) << invoices << std::setw(17)
              << tracks.expected << std::setw(16) << tracks.counted << std::setw(14) << tracks.wrong_tracks
              << std::setw(9) << std::fixed << std::setprecision(3) << seconds << std::endl;
}

int save_each_way(const std::string& program, const arguments& wanted) {
    notice_signals();
    const temp_dir dir;
    job given{dir.path() / "shop.sqlite", dir.path() / "locks", "none"};
    database shop{given.db_file};
    set_up(shop, wanted.db);
    const std::vector<invoice_id> invoices = invoices_of(shop);
    if (invoices.empty()) throw std::runtime_error{"the database has no invoices"};

    std::cout << invoices.size() << " invoices with " << number_of_lines(shop) << " lines, saved by " << wanted.workers
              << " programs at once\n\n"
              << "                  invoices  tracks expected  tracks counted  wrong tracks  seconds" << std::endl;
    std::size_t refused = 0;
    const auto save = [&](const char* what, const std::string& lock, bool pauses) {
        shop.run("UPDATE DEMO_TRACKS SET TRACKS_SOLD = NULL, TOKEN = NULL");
        given.lock = lock;
        given.pauses = pauses;
        const saved result = save_all(invoices, wanted.workers, program, given);
        const tracks_sold tracks = compare(shop);
        print_row(what, invoices.size(), tracks, result.time.count());
        refused = result.refused;
        return tracks;
    };
    const tracks_sold without = save("without the lock", "none", false);
    const tracks_sold with = save("with the lock", "file", false);
    const tracks_sold remote = wanted.etcd.empty() ? tracks_sold{} : save("with etcd's", wanted.etcd, true);

    std::cout << "\nWithout the lock " << without.expected - without.counted << " of " << without.expected
              << " sold tracks were lost, with it " << with.expected - with.counted << ".\n";
    if (!wanted.etcd.empty()) {
        std::cout << "With etcd's " << remote.expected - remote.counted
                  << ": one program stood still until its lock was lost and others had saved; of its writes the token "
                     "kept out "
                  << refused << ".\n";
    }
    const auto fail = [](const char* why) { return std::cerr << "invoices: " << why << '\n', 1; };
    if (with.wrong_tracks + remote.wrong_tracks != 0) return fail("updates were lost although every save held the lock");
    if (!wanted.etcd.empty() && refused == 0) return fail("the write with an old token was not refused");
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    return status_of("invoices", usage, [&] {
        const std::vector<std::string> words = start(argc, argv);
        if (is_worker(words)) return work(job_of(words));
        const arguments wanted = parse(words);
        if (wanted.help) {
            std::cout << usage;
            return 0;
        }
        try {
            return save_each_way(words.at(0), wanted);
        } catch (const interrupted& e) {  // cleaned up; now end as whoever sent the signal expects
            std::signal(e.signal, SIG_DFL);
            std::raise(e.signal);
            return 1;
        }
    });
}
