// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// One sentence, and before anything else.
// expect: named_lock needs exceptions
// bad: -fno-exceptions
#include <named_lock/named_lock.hpp>

int main() {}
