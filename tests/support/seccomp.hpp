// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Kernels and file systems that lack something, played by a seccomp filter: from then on system calls of this process
// and its children do nothing, and answer with an error code, or with success if that is 0. Linux only.
#pragma once

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <cstddef>

namespace nlock_test {

namespace bpf {
constexpr auto jump_if_equal = static_cast<unsigned short>(BPF_JMP | BPF_JEQ | BPF_K);
constexpr auto load = static_cast<unsigned short>(BPF_LD | BPF_W | BPF_ABS);
constexpr auto answer = static_cast<unsigned short>(BPF_RET | BPF_K);
constexpr sock_filter load_call{load, 0, 0, offsetof(seccomp_data, nr)};
constexpr sock_filter allow{answer, 0, 0, SECCOMP_RET_ALLOW};
}  // namespace bpf

/// False: this system cannot do that.
template <std::size_t N>
bool filter_calls(std::array<sock_filter, N> program) {
    const sock_fprog filter{N, program.data()};
    return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

/// flock(2) and F_OFD_SETLK.
inline bool answer_locks_with(unsigned code) {
    return filter_calls(std::array<sock_filter, 7>{{
        bpf::load_call,
        {bpf::jump_if_equal, 3, 0, SYS_flock},
        {bpf::jump_if_equal, 0, 3, SYS_fcntl},
        {bpf::load, 0, 0, offsetof(seccomp_data, args) + sizeof(__u64)},  // its low half, on a little-endian machine
        {bpf::jump_if_equal, 0, 1, F_OFD_SETLK},
        {bpf::answer, 0, 0, SECCOMP_RET_ERRNO | code},
        bpf::allow,
    }});
}

inline bool answer_call_with(unsigned call, unsigned code) {
    return filter_calls(std::array<sock_filter, 4>{{
        bpf::load_call,
        {bpf::jump_if_equal, 0, 1, call},
        {bpf::answer, 0, 0, SECCOMP_RET_ERRNO | code},
        bpf::allow,
    }});
}

/// inotify_init1(2), without which the other calls of inotify have nothing to work on.
inline bool answer_inotify_with(unsigned code) { return answer_call_with(SYS_inotify_init1, code); }

inline bool answer_sockets_with(unsigned code) { return answer_call_with(SYS_socket, code); }

inline bool answer_bind_with(unsigned code) { return answer_call_with(SYS_bind, code); }

/// lseek(2), by which lock files are told from later ones with their numbers (detail/posix/descriptor.hpp).
inline bool answer_brands_with(unsigned code) { return answer_call_with(SYS_lseek, code); }

/// open(2) with O_RDWR.
inline bool answer_writing_with(unsigned code) {
#if defined(SYS_open)
    constexpr unsigned open = SYS_open;
#else
    constexpr unsigned open = SYS_openat;
#endif
    return filter_calls(std::array<sock_filter, 10>{{
        bpf::load_call,
        {bpf::jump_if_equal, 0, 2, SYS_openat},
        {bpf::load, 0, 0, offsetof(seccomp_data, args) + 2 * sizeof(__u64)},
        {static_cast<unsigned short>(BPF_JMP | BPF_JA), 0, 0, 2},
        {bpf::jump_if_equal, 0, 4, open},
        {bpf::load, 0, 0, offsetof(seccomp_data, args) + sizeof(__u64)},
        {static_cast<unsigned short>(BPF_ALU | BPF_AND | BPF_K), 0, 0, O_ACCMODE},
        {bpf::jump_if_equal, 0, 1, O_RDWR},
        {bpf::answer, 0, 0, SECCOMP_RET_ERRNO | code},
        bpf::allow,
    }});
}

/// F_OFD_SETLK and F_OFD_GETLK.
inline bool answer_ofd_locks_with(unsigned code) {
    return filter_calls(std::array<sock_filter, 7>{{
        bpf::load_call,
        {bpf::jump_if_equal, 0, 4, SYS_fcntl},
        {bpf::load, 0, 0, offsetof(seccomp_data, args) + sizeof(__u64)},
        {bpf::jump_if_equal, 1, 0, F_OFD_SETLK},
        {bpf::jump_if_equal, 0, 1, F_OFD_GETLK},
        {bpf::answer, 0, 0, SECCOMP_RET_ERRNO | code},
        bpf::allow,
    }});
}

}  // namespace nlock_test
