# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# What is installed, and where. CMake's component named_lock_development is all that a project needs to use the
# library, named_lock_tool the program named-lock; each is a package of its own, see packages.cmake.

include(CMakePackageConfigHelpers)

# Headers depend on no architecture, so the package goes to share and its version file ignores the pointer size.
set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/named_lock")
set(pc_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")

# install_targets(COMPONENT EXPORT TARGETS...): what find_package(named_lock) then finds with NAME-targets.cmake.
function(install_targets component export)
    install(TARGETS ${ARGN} EXPORT ${export}-targets
        RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT ${component})
    install(EXPORT ${export}-targets NAMESPACE named_lock:: DESTINATION "${package_dir}" COMPONENT ${component})
endfunction()

install_targets(named_lock_development named_lock named_lock)
install(DIRECTORY include/named_lock DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT named_lock_development)
install_targets(named_lock_development named_lock-asio named_lock_asio)
if(TARGET named_lock_etcd)
    install_targets(named_lock_development named_lock-etcd named_lock_etcd)
endif()
if(TARGET named_lock_tool)
    install_targets(named_lock_tool named_lock-tool named_lock_tool)
    set(tool_dir "${PROJECT_SOURCE_DIR}/examples/named-lock")
    install(FILES "${tool_dir}/completions/named-lock.bash" RENAME named-lock
        DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" COMPONENT named_lock_tool)
    install(FILES "${tool_dir}/completions/_named-lock"
        DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/site-functions" COMPONENT named_lock_tool)
    install(FILES "${tool_dir}/completions/named-lock.fish"
        DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d" COMPONENT named_lock_tool)
    if(NAMED_LOCK_MANUAL_PAGE)
        install(FILES "${NAMED_LOCK_MANUAL_PAGE}"
            DESTINATION "${CMAKE_INSTALL_MANDIR}/man1" COMPONENT named_lock_tool)
    endif()
endif()

write_basic_package_version_file("${PROJECT_BINARY_DIR}/named_lock-config-version.cmake"
    COMPATIBILITY SameMajorVersion ARCH_INDEPENDENT)
install(FILES "${CMAKE_CURRENT_LIST_DIR}/named_lock-config.cmake" "${PROJECT_BINARY_DIR}/named_lock-config-version.cmake"
    "${CMAKE_CURRENT_LIST_DIR}/named_lock-compiled-targets.cmake"
    DESTINATION "${package_dir}" COMPONENT named_lock_development)

# From where they are installed to, so that the whole may be moved.
file(RELATIVE_PATH prefix_of_pc "${CMAKE_INSTALL_FULL_DATADIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" prefix_of_pc "${prefix_of_pc}")
set(includedir "\${prefix}")
cmake_path(APPEND includedir "${CMAKE_INSTALL_INCLUDEDIR}")  # or that alone, if it is absolute
foreach(name IN ITEMS named_lock named_lock-etcd)
    if(name STREQUAL "named_lock" OR TARGET named_lock_etcd)
        configure_file("${CMAKE_CURRENT_LIST_DIR}/${name}.pc.in" "${PROJECT_BINARY_DIR}/${name}.pc" @ONLY)
        install(FILES "${PROJECT_BINARY_DIR}/${name}.pc" DESTINATION "${pc_dir}" COMPONENT named_lock_development)
    endif()
endforeach()

set(doc_dir "${CMAKE_INSTALL_DOCDIR}")
if(NOT named_lock_is_top_level)  # then that is the directory of the project around this one
    set(doc_dir "${CMAKE_INSTALL_DATAROOTDIR}/doc/named_lock")
endif()
install(FILES LICENSE README.md CHANGELOG.md SECURITY.md
    DESTINATION "${doc_dir}" COMPONENT named_lock_development OPTIONAL)
install(DIRECTORY docs DESTINATION "${doc_dir}" COMPONENT named_lock_development
    FILES_MATCHING PATTERN "*.md" PATTERN "*.svg" PATTERN "packaging" EXCLUDE)
