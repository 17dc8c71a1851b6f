// SPDX-License-Identifier: MIT
// Copyright (c) 2026 The named_lock authors
//
// Lower-case and other likely names that widespread headers take away as macros. Included by nothing but the test.
#pragma once

// <windows.h>
#define min(a, b) (((a) < (b)) ? (a) : (b))
#define max(a, b) (((a) > (b)) ? (a) : (b))
#define small char
#define hyper long
#define near
#define far
#define interface struct
#define ERROR 0
#define DELETE 0
#define IN
#define OUT
#define OPTIONAL
#define TRUE 1
#define FALSE 0
#define IGNORE 0
#define INFINITE 0xFFFFFFFF
#define STRICT 1
#define CreateFile CreateFileA
#define GetMessage GetMessageA
#define Yield()

// <termios.h>, <complex.h>
#define B0 0
#define ECHO 8
#define I 1

// Some compilers' names of the system.
#undef linux
#undef unix
#define linux 1
#define unix 1

// X11
#define Always 2
#define Bool int
#define None 0L
#define Status int
#define Success 0

// Qt
#define emit
#define foreach(variable, container) for (variable : container)
#define signals public
#define forever for (;;)
#define slots

// <curses.h>
#define timeout(delay) wtimeout(stdscr, delay)

// <sys/sysmacros.h>, <sys/param.h>
#undef major
#undef minor
#undef makedev
#undef MIN
#undef MAX
#define major(device) gnu_dev_major(device)
#define minor(device) gnu_dev_minor(device)
#define makedev(first, second) gnu_dev_makedev(first, second)
#define MIN(a, b) (((a) < (b)) ? (a) : (b))
#define MAX(a, b) (((a) > (b)) ? (a) : (b))

// <check.h>, <cmocka.h>
#define fail(...) test_failed(__FILE__, __LINE__)

// macOS' <AssertMacros.h>
#define check(assertion)
#define require(assertion, label)
#define verify(assertion)
