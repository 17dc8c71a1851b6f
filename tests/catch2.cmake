# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# Provides Catch2::Catch2 and catch_discover_tests from Catch2 3 or 2, whichever is installed, or else from the network.

find_package(Catch2 3 QUIET CONFIG)
if(NOT Catch2_FOUND)
    find_package(Catch2 2.13 QUIET CONFIG)
endif()
if(NOT Catch2_FOUND)
    message(STATUS "named_lock: Catch2 is not installed, fetching it")
    include(FetchContent)
    FetchContent_Declare(Catch2
        GIT_REPOSITORY https://github.com/catchorg/Catch2.git
        GIT_TAG v3.7.1
        GIT_SHALLOW ON)
    FetchContent_MakeAvailable(Catch2)
    list(APPEND CMAKE_MODULE_PATH ${catch2_SOURCE_DIR}/extras)
endif()
include(Catch)
