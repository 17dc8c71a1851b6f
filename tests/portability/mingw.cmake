# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# Windows programs from Debian's MinGW, run under Wine. The variant "posix" because the other one has no std::mutex.
# NAMED_LOCK_MINGW is the target: this one, or i686-w64-mingw32.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES NAMED_LOCK_MINGW)
set(NAMED_LOCK_MINGW x86_64-w64-mingw32 CACHE STRING "The target of MinGW")
string(REGEX MATCH "^[^-]*" CMAKE_SYSTEM_PROCESSOR "${NAMED_LOCK_MINGW}")
set(CMAKE_SYSTEM_NAME Windows)
set(CMAKE_CXX_COMPILER ${NAMED_LOCK_MINGW}-g++-posix)
set(CMAKE_RC_COMPILER ${NAMED_LOCK_MINGW}-windres)

# The programs run from anywhere then: the compiler's DLLs are on no search path.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-static")
if(CMAKE_SYSTEM_PROCESSOR STREQUAL i686)  # where a wrong calling convention is a wrong name, which the linker corrects
    string(APPEND CMAKE_EXE_LINKER_FLAGS_INIT " -Wl,--disable-stdcall-fixup")
endif()
# Without optimization, a test is a COFF object of more than 65,535 sections.
set(CMAKE_CXX_FLAGS_INIT "-Wa,-mbig-obj")
# No debug information: the linker takes most of a minute with it, and no debugger runs under Wine. With -Og, the tests
# have a quarter of the sections, which are what compiler and linker spend their time on.
set(CMAKE_CXX_FLAGS_DEBUG "-Og" CACHE STRING "Flags of debug builds")

set(CMAKE_FIND_ROOT_PATH /usr/${NAMED_LOCK_MINGW})
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE BOTH)  # Catch2, from CMAKE_PREFIX_PATH

set(CMAKE_CROSSCOMPILING_EMULATOR sh "${CMAKE_CURRENT_LIST_DIR}/wine.sh")
