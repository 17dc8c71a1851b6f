# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# musl, macOS and Windows from "zig c++", which brings the headers and libraries of all. portability.sh writes the program
# NAMED_LOCK_ZIG_CXX, which is "zig c++ -target NAMED_LOCK_ZIG_TARGET".
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES NAMED_LOCK_ZIG_TARGET NAMED_LOCK_ZIG_CXX)
string(REGEX MATCH "^[^-]*" CMAKE_SYSTEM_PROCESSOR "${NAMED_LOCK_ZIG_TARGET}")
set(CMAKE_CXX_COMPILER "${NAMED_LOCK_ZIG_CXX}")
set(CMAKE_DISABLE_PRECOMPILE_HEADERS ON)  # its own cache is between the header and CMake

if(NAMED_LOCK_ZIG_TARGET MATCHES "macos")
    set(CMAKE_SYSTEM_NAME Darwin)
    set(CMAKE_CROSSCOMPILING_EMULATOR true)  # nothing can be run here: no test is found
    set(CMAKE_OSX_SYSROOT "" CACHE STRING "" FORCE)
    set(CMAKE_OSX_DEPLOYMENT_TARGET "" CACHE STRING "" FORCE)
elseif(NAMED_LOCK_ZIG_TARGET MATCHES "windows")
    set(CMAKE_SYSTEM_NAME Windows)
    set(CMAKE_RC_COMPILER true)  # there is nothing for it to do
    set(CMAKE_CROSSCOMPILING_EMULATOR true)  # the tests are run with MinGW
else()
    set(CMAKE_SYSTEM_NAME Linux)
    set(CMAKE_EXE_LINKER_FLAGS_INIT "-static")
endif()

set(CMAKE_FIND_ROOT_PATH /nowhere)  # no library of this machine
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH)  # Catch2, from CMAKE_PREFIX_PATH
