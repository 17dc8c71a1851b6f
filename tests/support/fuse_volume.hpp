// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A file system whose server stops answering when it is told to: a FUSE program of one directory with one empty file.
#pragma once

#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <new>
#include <string>

namespace nlock_test {

/// Mounted at a directory, where only this thread and those that begin later see it. To be made while the process has one
/// thread.
class fuse_volume {
  public:
    static constexpr const char* file_name = "slow.lock";

    explicit fuse_volume(const std::filesystem::path& at) : path_{at} {
        const int device = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
        if (device < 0) return;
        const std::string options =
            "fd=" + std::to_string(device) + ",rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other";
        is_mounted_ = ::unshare(CLONE_NEWNS) == 0 && ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                      ::mount("test", at.c_str(), "fuse", MS_NOSUID | MS_NODEV, options.c_str()) == 0;
        if (is_mounted_) start_server(device);
        ::close(device);  // so that all who wait for an answer of the server are told when it has ended
    }
    fuse_volume(const fuse_volume&) = delete;
    fuse_volume& operator=(const fuse_volume&) = delete;
    ~fuse_volume() {
        if (!is_mounted_) return;
        ::umount2(path_.c_str(), MNT_DETACH);
        ::kill(server_, SIGKILL);
        ::waitpid(server_, nullptr, 0);
        for (const int end : {reports_[0], reports_[1], answers_[0], answers_[1]}) ::close(end);
        ::munmap(left_, sizeof *left_);
    }

    [[nodiscard]] bool is_mounted() const noexcept { return is_mounted_; }
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

    /// The server will not answer the `count`-th request from now on, nor any later one.
    void hang_at(int count) noexcept { left_->store(count); }

    /// Waits for that, or for end(): true, it hangs.
    [[nodiscard]] bool hangs() const noexcept {
        char what = is_over;
        return ::read(reports_[0], &what, 1) == 1 && what == is_hung;
    }
    /// By those who make the requests: they have none left.
    void end() noexcept { send(reports_[1], is_over); }

    void go_on() noexcept { send(answers_[1], is_hung); }

  private:
    static constexpr char is_over = 'o';
    static constexpr char is_hung = 'h';
    static constexpr std::uint64_t root = FUSE_ROOT_ID;
    static constexpr std::uint64_t file = root + 1;

    static void send(int pipe, char what) noexcept {
        if (::write(pipe, &what, 1) != 1) ::_exit(1);
    }

    void start_server(int device) {
        void* const shared = ::mmap(nullptr, sizeof *left_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED) throw std::bad_alloc{};
        left_ = new (shared) std::atomic<int>{0};
        if (::pipe2(reports_.data(), O_CLOEXEC) != 0 || ::pipe2(answers_.data(), O_CLOEXEC) != 0)
            throw std::bad_alloc{};
        server_ = ::fork();
        if (server_ != 0) return;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) serve(device);
    }

    // ---- the server ----

    void serve(int device) {
        alignas(fuse_in_header) std::array<char, 65536 + 4096> buffer;
        if (::read(device, buffer.data(), buffer.size()) < static_cast<ssize_t>(sizeof(fuse_in_header))) return;
        fuse_in_header asked;
        std::memcpy(&asked, buffer.data(), sizeof asked);
        if (asked.opcode == FUSE_FORGET || asked.opcode == FUSE_BATCH_FORGET || asked.opcode == FUSE_INTERRUPT) return;
        if (left_->load() > 0 && left_->fetch_sub(1) == 1) {
            char go = 0;
            send(reports_[1], is_hung);
            if (::read(answers_[0], &go, 1) != 1) ::_exit(1);
        }
        answer(device, asked, buffer.data() + sizeof asked);
    }

    static void answer(int device, const fuse_in_header& asked, const char* name) {
        switch (asked.opcode) {
        case FUSE_INIT: {
            fuse_init_out init{};
            init.major = FUSE_KERNEL_VERSION;
            init.minor = FUSE_KERNEL_MINOR_VERSION;
            init.max_write = 4096;
            return reply(device, asked, init);
        }
        case FUSE_LOOKUP: {
            if (std::strcmp(name, file_name) != 0) return refuse(device, asked, ENOENT);
            fuse_entry_out entry{};
            entry.nodeid = file;
            entry.attr = attributes_of(file);
            return reply(device, asked, entry);
        }
        case FUSE_GETATTR:
        case FUSE_SETATTR: {
            fuse_attr_out out{};
            out.attr = attributes_of(asked.nodeid);
            return reply(device, asked, out);
        }
        case FUSE_OPEN:
        case FUSE_OPENDIR:
            return reply(device, asked, fuse_open_out{});
        case FUSE_STATFS:
            return reply(device, asked, fuse_statfs_out{});
        case FUSE_FLUSH:
        case FUSE_RELEASE:
        case FUSE_RELEASEDIR:
            return refuse(device, asked, 0);
        default:
            return refuse(device, asked, ENOSYS);
        }
    }

    static fuse_attr attributes_of(std::uint64_t node) {
        fuse_attr result{};
        result.ino = node;
        result.mode = node == root ? S_IFDIR | 0777 : S_IFREG | 0666;
        result.nlink = 1;
        return result;
    }

    template <class Out>
    static void reply(int device, const fuse_in_header& asked, const Out& out) {
        std::array<char, sizeof(fuse_out_header) + sizeof(Out)> buffer;
        const fuse_out_header head{static_cast<std::uint32_t>(buffer.size()), 0, asked.unique};
        std::memcpy(buffer.data(), &head, sizeof head);
        std::memcpy(buffer.data() + sizeof head, &out, sizeof out);
        [[maybe_unused]] const auto size = ::write(device, buffer.data(), buffer.size());
    }

    static void refuse(int device, const fuse_in_header& asked, int error) {
        const fuse_out_header head{sizeof head, -error, asked.unique};
        [[maybe_unused]] const auto size = ::write(device, &head, sizeof head);
    }

    std::filesystem::path path_;
    bool is_mounted_ = false;
    pid_t server_ = -1;
    std::atomic<int>* left_ = nullptr;  // requests until it hangs
    std::array<int, 2> reports_{-1, -1};
    std::array<int, 2> answers_{-1, -1};
};

}  // namespace nlock_test
