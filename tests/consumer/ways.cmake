# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# A ctest test for each way in which a project gets at named_lock: it is configured, built and run, all inside our
# build directory. C++17 in every preset, since that is what most users have.

set(consumers "${CMAKE_CURRENT_BINARY_DIR}/consumer")
set(consumer_prefix "${consumers}/prefix")
set(library_prefix "${consumers}/library_prefix")

# What a build directory was once installed to is removed first: a header that is no longer installed would stay.
add_test(NAME consumer.clean COMMAND "${CMAKE_COMMAND}" -E rm -rf "${consumer_prefix}" "${library_prefix}")
add_test(NAME consumer.install COMMAND "${CMAKE_COMMAND}" --install "${PROJECT_BINARY_DIR}" --prefix "${consumer_prefix}"
    --config $<CONFIG>)
set_tests_properties(consumer.clean PROPERTIES FIXTURES_SETUP named_lock_clean_prefix)
set_tests_properties(consumer.install PROPERTIES
    FIXTURES_REQUIRED named_lock_clean_prefix
    FIXTURES_SETUP named_lock_installed)

if(TARGET named_lock::etcd)
    set(has_etcd TRUE)
else()
    set(has_etcd FALSE)
endif()

# add_consumer_test(NAME SOURCE PREFIX CTEST-ARGUMENTS...)
function(add_consumer_test name source prefix)
    add_test(NAME consumer.${name} COMMAND "${CMAKE_CTEST_COMMAND}"
        --build-and-test "${source}" "${consumers}/${name}"
        --build-generator "${CMAKE_GENERATOR}"
        --build-makeprogram "${CMAKE_MAKE_PROGRAM}"
        --build-config $<CONFIG>
        ${build_target}
        --build-options
            "-DWAY=${name}"
            "-DHAS_ETCD=${has_etcd}"
            "-DSOURCE_OF_NAMED_LOCK=${PROJECT_SOURCE_DIR}"
            "-DVERSION_OF_NAMED_LOCK=${PROJECT_VERSION}"
            "-DCMAKE_PREFIX_PATH=${prefix}"
            "-DCMAKE_INSTALL_PREFIX=${prefix}"
            "-DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}"
            "-DCMAKE_BUILD_TYPE=$<CONFIG>"
            "-DCMAKE_CXX_STANDARD=17"
        ${ARGN})
    set_tests_properties(consumer.${name} PROPERTIES TIMEOUT ${NAMED_LOCK_TEST_TIMEOUT})
endfunction()

foreach(way IN ITEMS add_subdirectory fetch_content find_package)
    add_consumer_test(${way} "${CMAKE_CURRENT_SOURCE_DIR}/consumer" "${consumer_prefix}" --test-command consumer)
endforeach()
set_tests_properties(consumer.find_package PROPERTIES FIXTURES_REQUIRED named_lock_installed)

# A library that has named_lock in its source tree installs it with itself. One that is found finds both, and the files that
# everybody has a right to are where they belong.
set(build_target --build-target install)
add_consumer_test(library "${CMAKE_CURRENT_SOURCE_DIR}/consumer/library" "${library_prefix}")
unset(build_target)
add_consumer_test(package_of_a_library "${CMAKE_CURRENT_SOURCE_DIR}/consumer" "${library_prefix}" --test-command consumer)
add_test(NAME consumer.licence COMMAND "${CMAKE_COMMAND}" -E cat
    "${library_prefix}/share/doc/named_lock/LICENSE" "${library_prefix}/share/doc/named_lock/docs/guide.md")
set_tests_properties(consumer.library PROPERTIES
    FIXTURES_REQUIRED named_lock_clean_prefix
    FIXTURES_SETUP named_lock_library)
set_tests_properties(consumer.package_of_a_library consumer.licence PROPERTIES FIXTURES_REQUIRED named_lock_library)
