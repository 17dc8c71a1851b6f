# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# named_lock::compiled: the headers compiled once, in the build of the project that links it, by its compiler and with its
# flags. Static, or shared where BUILD_SHARED_LIBS says so.

if(NOT TARGET named_lock::compiled)
    set(named_lock_source "${CMAKE_CURRENT_BINARY_DIR}/named_lock_compiled.cpp")
    file(CONFIGURE OUTPUT "${named_lock_source}" CONTENT "#include <named_lock/compiled.hpp>\n")
    add_library(named_lock_compiled EXCLUDE_FROM_ALL "${named_lock_source}")
    add_library(named_lock::compiled ALIAS named_lock_compiled)
    target_compile_definitions(named_lock_compiled PUBLIC NAMED_LOCK_COMPILED)
    target_link_libraries(named_lock_compiled PUBLIC named_lock::named_lock)
    set_target_properties(named_lock_compiled PROPERTIES
        EXPORT_NAME compiled
        POSITION_INDEPENDENT_CODE ON
        CXX_VISIBILITY_PRESET default  # of a shared one
        VISIBILITY_INLINES_HIDDEN OFF
        WINDOWS_EXPORT_ALL_SYMBOLS ON)
endif()
