// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// A text is not by accident a lock.
// expect: conversion|cannot convert|explicit
#include <string_view>

#include <named_lock/named_lock.hpp>

int main() {
    constexpr std::string_view name = "implicit_from_string";
#ifdef BAD
    nlock::named_lock lock = name;
#else
    nlock::named_lock lock{name};
#endif
    return lock.is_locked() ? 1 : 0;
}
