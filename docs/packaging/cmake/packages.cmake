# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# `cpack -G DEB` in the build directory makes libnamed-lock-dev, and named-lock where the tool is built.

set(NAMED_LOCK_PACKAGE_CONTACT "The named_lock authors <named-lock@users.noreply.github.com>" CACHE STRING
    "Who answers for the packages that cpack makes: Debian wants a name and an address")

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME named-lock)
set(CPACK_PACKAGE_CONTACT "${NAMED_LOCK_PACKAGE_CONTACT}")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PRE_BUILD_SCRIPTS "${CMAKE_CURRENT_LIST_DIR}/debian.cmake")
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(about "A lock has a name, which is the name of a file that the operating system\n\
locks. It excludes other processes and the threads of this one, and is free\n\
as soon as its holder ends, however it ends. Waiting has a time-out and ends\n\
with the release; first come is first served.\n.\n")

set(CPACK_COMPONENTS_ALL named_lock_development)
set(CPACK_DEBIAN_NAMED_LOCK_DEVELOPMENT_PACKAGE_NAME libnamed-lock-dev)
set(CPACK_DEBIAN_NAMED_LOCK_DEVELOPMENT_PACKAGE_ARCHITECTURE all)
set(CPACK_DEBIAN_NAMED_LOCK_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_NAMED_LOCK_DEVELOPMENT_PACKAGE_SUGGESTS "libcurl4-openssl-dev (>= 7.68), nlohmann-json3-dev (>= 3.7)")
set(CPACK_DEBIAN_NAMED_LOCK_DEVELOPMENT_DESCRIPTION "${about}\
This package has the headers for C++17, and what CMake and pkg-config need\nto find them.")

if(TARGET named_lock_tool)
    list(APPEND CPACK_COMPONENTS_ALL named_lock_tool)
    set(CPACK_DEBIAN_NAMED_LOCK_TOOL_PACKAGE_NAME named-lock)
    set(CPACK_DEBIAN_NAMED_LOCK_TOOL_PACKAGE_SECTION utils)
    set(CPACK_DEBIAN_NAMED_LOCK_TOOL_PACKAGE_SHLIBDEPS ON)
    set(CPACK_DEBIAN_NAMED_LOCK_TOOL_DESCRIPTION "${about}\
This package has the program named-lock, which runs commands one at a time and\ntells who holds a lock.")
endif()

include(CPack)
