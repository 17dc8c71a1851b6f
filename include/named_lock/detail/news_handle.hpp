// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A part of the seam (platform.hpp) that only pending_acquire uses:
//
//   news_handle                      what an event loop watches, as long as an acquisition lasts; throws std::system_error
//   get()                            native_type: to be watched for reading
//   set(), clear()                   makes it readable by itself, or no longer; set() by any thread
//   listen(watch)                    it is readable, too, while that release_watch has news
//   unlisten()                       before the watch hears, or goes
#pragma once

#if defined(_WIN32)
#include <named_lock/detail/windows/news_handle.hpp>
#elif defined(__linux__)
#include <named_lock/detail/linux/news_handle.hpp>
#elif defined(__APPLE__) || defined(__FreeBSD__)
#include <named_lock/detail/bsd/news_handle.hpp>
#else
#include <named_lock/detail/posix/news_handle.hpp>
#endif
