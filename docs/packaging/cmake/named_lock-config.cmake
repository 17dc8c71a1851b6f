# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# find_package(named_lock 1.0 [COMPONENTS asio compiled etcd tool]): named_lock::named_lock, and a target for each component. They are
# optional when named_lock is installed, so that a project that needs one says so.

include(CMakeFindDependencyMacro)
find_dependency(Threads)
include("${CMAKE_CURRENT_LIST_DIR}/named_lock-targets.cmake")

set(named_lock_etcd_dependencies "CURL 7.68" "nlohmann_json 3.7 CONFIG")

foreach(named_lock_component IN LISTS named_lock_FIND_COMPONENTS)
    set(named_lock_missing "")
    set(named_lock_${named_lock_component}_FOUND FALSE)
    set(named_lock_targets "${CMAKE_CURRENT_LIST_DIR}/named_lock-${named_lock_component}-targets.cmake")
    if(EXISTS "${named_lock_targets}")
        foreach(named_lock_dependency IN LISTS named_lock_${named_lock_component}_dependencies)
            separate_arguments(named_lock_arguments UNIX_COMMAND "${named_lock_dependency}")
            find_package(${named_lock_arguments} QUIET)
            list(GET named_lock_arguments 0 named_lock_dependency_name)
            if(NOT ${named_lock_dependency_name}_FOUND)
                set(named_lock_missing "its component ${named_lock_component} needs ${named_lock_dependency}")
            endif()
        endforeach()
    else()
        set(named_lock_missing "it was installed without the component ${named_lock_component}")
    endif()

    if(NOT named_lock_missing)
        include("${named_lock_targets}")
        set(named_lock_${named_lock_component}_FOUND TRUE)
    elseif(named_lock_FIND_REQUIRED_${named_lock_component})
        set(named_lock_FOUND FALSE)
        set(named_lock_NOT_FOUND_MESSAGE "named_lock ${named_lock_VERSION}: ${named_lock_missing}")
    endif()
endforeach()
