// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// The events by which processes on Windows tell each other of releases and waiting writers, and the numbers of files
// after which they are named.
#include "support/catch.hpp"

#if defined(_WIN32)
#include "support/windows.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include <named_lock/detail/lock_file.hpp>
#include <named_lock/detail/lock_registry.hpp>
#include <named_lock/detail/platform.hpp>
#include <named_lock/named_lock.hpp>

#include "support/temp_dir.hpp"
#include "support/worker.hpp"

namespace windows_event_test {
namespace {

using namespace nlock_test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;
namespace detail = nlock::detail;
using detail::event_name;
using detail::windows::handle;
using nlock::lock_method;

/// A lock file that is there.
class made_file {
  public:
    [[nodiscard]] fs::path path() const { return dir_.path() / "x.lock"; }
    [[nodiscard]] detail::file_identity identity() const { return file_.identity(); }
    [[nodiscard]] const detail::file_handle& handle() const { return file_; }

  private:
    temp_dir dir_;
    detail::file_handle file_ = detail::open_lock_file(path());
};

detail::lock_file held(const fs::path& path) {
    detail::lock_file file;
    file.open(path, {}, lock_method::flock);
    REQUIRE(file.try_lock(detail::lock_kind::exclusive, path));
    return file;
}

detail::kept_watch watch_on(const fs::path& path) {
    auto watch = detail::release_watch::open();
    REQUIRE(watch != nullptr);
    REQUIRE(watch->watch(detail::file_handle{}, path));
    return watch;
}

/// How many this process has, counted: Wine's GetProcessHandleCount() says 0.
int handles() {
    constexpr std::uintptr_t end = 0x2000;
    int count = 0;
    for (std::uintptr_t value = 4; value < end; value += 4) {
        DWORD flags = 0;
        count += GetHandleInformation(reinterpret_cast<HANDLE>(value), &flags) != 0 ? 1 : 0;
    }
    return count;
}

handle opened_alone(const fs::path& path) {
    return handle{CreateFileW(path.c_str(), GENERIC_READ, 0, nullptr, OPEN_EXISTING, 0, nullptr)};
}

}  // namespace

TEST_CASE("a waiter that took a turn, and leaves, passes it on") {
    const made_file file;
    detail::lock_file holder = held(file.path());
    auto leaves = watch_on(file.path());
    auto other = watch_on(file.path());
    holder.close();
    CHECK(leaves->wait(10s) == detail::watch_event::hint);
    leaves->unwatch();
    CHECK(other->wait(10s) == detail::watch_event::hint);
}

TEST_CASE("a turn that was used is not passed on a second time") {
    const made_file file;
    auto taker = watch_on(file.path());
    auto other = watch_on(file.path());
    detail::announce_release(file.handle());
    CHECK(taker->wait(10s) == detail::watch_event::hint);
    taker->use_turn();
    taker->unwatch();
    CHECK(other->wait(1ms) == detail::watch_event::none);
}

TEST_CASE("everybody may wait for an event and set it, and nobody do more") {
    const made_file file;
    const auto first = watch_on(file.path());
    const auto second = watch_on(file.path());  // on an event that exists
    detail::file_handle writer = detail::open_lock_file(file.path());
    writer.mark_waiting_writer();
    for (const auto& name : {event_name::of_release(file.identity()), event_name::of_waiting_writer(file.identity())}) {
        CHECK(handle{OpenEventW(SYNCHRONIZE | EVENT_MODIFY_STATE, FALSE, name.get())});
        constexpr DWORD query_state = 1;
        for (const DWORD too_much : {query_state, DWORD{EVENT_ALL_ACCESS}}) {  // Wine grants its owner the rest
            CHECK_FALSE(handle{OpenEventW(too_much, FALSE, name.get())});
            CHECK(GetLastError() == ERROR_ACCESS_DENIED);
        }
    }
}

TEST_CASE("the mark of a writer counts also where it may not be opened") {
    const made_file file;
    CHECK_FALSE(detail::has_waiting_writer(file.handle()));
    ACL nobody{};
    SECURITY_DESCRIPTOR descriptor{};
    REQUIRE(InitializeAcl(&nobody, sizeof nobody, ACL_REVISION) != 0);
    REQUIRE(InitializeSecurityDescriptor(&descriptor, SECURITY_DESCRIPTOR_REVISION) != 0);
    REQUIRE(SetSecurityDescriptorDacl(&descriptor, TRUE, &nobody, FALSE) != 0);
    SECURITY_ATTRIBUTES security{sizeof security, &descriptor, FALSE};
    const auto name = event_name::of_waiting_writer(file.identity());
    const handle of_another_user{CreateEventW(&security, FALSE, FALSE, name.get())};
    REQUIRE(of_another_user);
    REQUIRE_FALSE(handle{OpenEventW(EVENT_MODIFY_STATE, FALSE, name.get())});
    CHECK(detail::has_waiting_writer(file.handle()));
}

TEST_CASE("a watch that nobody uses has no handle") {
    const made_file file;
    // Wine opens the directory of all named events with the first one, and keeps it.
    (void)detail::create_event(event_name::of_release(file.identity()));
    const int before = handles();
    auto watch = watch_on(file.path());
    CHECK(handles() > before);
    watch = nullptr;  // gives it back
    CHECK(handles() == before);
}

TEST_CASE("a file out of reach cannot be watched, and is watched within it") {
    const made_file file;
    auto watch = detail::release_watch::open();
    {
        temp_dir dir;
        const fs::path path = dir.path() / "y.lock";
        { const auto made = detail::open_lock_file(path); }
        const handle alone = opened_alone(path);
        REQUIRE(alone);
        CHECK_FALSE(watch->watch(detail::file_handle{}, path));
    }
    CHECK(watch->watch(detail::file_handle{}, file.path()));
}

TEST_CASE("a waiter notices soon that the file comes within reach, however rarely it polls") {
    temp_dir dir;
    const fs::path path = dir.path() / "x.lock";
    { const auto made = detail::open_lock_file(path); }
    handle alone = opened_alone(path);
    REQUIRE(alone);
    worker waiter{dir};
    waiter.tell("poll 60000");
    waiter.let_wait("acquire -1 x");
    CHECK(waiter.is_silent(5s));  // its pauses were 13 s then
    const auto closed = std::chrono::steady_clock::now();
    alone.close();
    CHECK(waiter.read_line() == "ok");
    CHECK(std::chrono::steady_clock::now() - closed < 4s);
}

TEST_CASE("files are told apart by numbers of 128 bits where the file system has them") {
    const made_file one;
    const made_file other;
    CHECK(one.identity().is_told());
    CHECK(one.identity() == detail::identity_of(one.handle().get()));
    CHECK_FALSE(one.identity() == other.identity());
    const detail::windows::handle again{
        CreateFileW(one.path().c_str(), 0, FILE_SHARE_READ | FILE_SHARE_WRITE, nullptr, OPEN_EXISTING, 0, nullptr)};
    CHECK(one.identity() == detail::identity_of(again.get()));
    BY_HANDLE_FILE_INFORMATION info{};
    REQUIRE(GetFileInformationByHandle(again.get(), &info) != 0);
    CHECK((one.identity().low & 0xFFFFFFFF) == info.nFileIndexLow);
}

TEST_CASE("no number, and all ones, is no identity of a file") {
    using detail::file_identity;
    constexpr auto ones = ~std::uint64_t{0};
    CHECK_FALSE(file_identity{1, 0, 0}.is_told());
    CHECK_FALSE(file_identity{1, ones, 0}.is_told());
    CHECK_FALSE(file_identity{1, ones, ones}.is_told());
    CHECK(file_identity{0, 1, 0}.is_told());
    CHECK(file_identity{0, 0, 1}.is_told());
}

}  // namespace windows_event_test
#endif
