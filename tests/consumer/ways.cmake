# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# A ctest test for each way in which a project gets at named_lock: it is configured, built and run, all inside our
# build directory. C++17 in every preset, since that is what most users have.

set(consumers "${CMAKE_CURRENT_BINARY_DIR}/consumer")
set(consumer_prefix "${consumers}/prefix")

# What a build directory was once installed to is removed first: a header that is no longer installed would stay.
add_test(NAME consumer.clean COMMAND "${CMAKE_COMMAND}" -E rm -rf "${consumer_prefix}")
add_test(NAME consumer.install COMMAND "${CMAKE_COMMAND}" --install "${PROJECT_BINARY_DIR}" --prefix "${consumer_prefix}"
    --config $<CONFIG>)
set_tests_properties(consumer.clean PROPERTIES FIXTURES_SETUP named_lock_clean_prefix)
set_tests_properties(consumer.install PROPERTIES
    FIXTURES_REQUIRED named_lock_clean_prefix
    FIXTURES_SETUP named_lock_installed)

foreach(way IN ITEMS add_subdirectory fetch_content find_package)
    add_test(NAME consumer.${way} COMMAND "${CMAKE_CTEST_COMMAND}"
        --build-and-test "${CMAKE_CURRENT_SOURCE_DIR}/consumer" "${consumers}/${way}"
        --build-generator "${CMAKE_GENERATOR}"
        --build-makeprogram "${CMAKE_MAKE_PROGRAM}"
        --build-config $<CONFIG>
        --build-options
            "-DWAY=${way}"
            "-DSOURCE_OF_NAMED_LOCK=${PROJECT_SOURCE_DIR}"
            "-DVERSION_OF_NAMED_LOCK=${PROJECT_VERSION}"
            "-DCMAKE_PREFIX_PATH=${consumer_prefix}"
            "-DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}"
            "-DCMAKE_BUILD_TYPE=$<CONFIG>"
            "-DCMAKE_CXX_STANDARD=17"
        --test-command consumer)
    set_tests_properties(consumer.${way} PROPERTIES TIMEOUT ${NAMED_LOCK_TEST_TIMEOUT})
endforeach()
set_tests_properties(consumer.find_package PROPERTIES FIXTURES_REQUIRED named_lock_installed)
