# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# An overlay port of the checkout that it lies in. For a port of a release, vcpkg_from_github takes the place of this line.
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../../.." ABSOLUTE)

set(VCPKG_BUILD_TYPE release)  # headers only
vcpkg_check_features(OUT_FEATURE_OPTIONS FEATURE_OPTIONS FEATURES etcd NAMED_LOCK_ETCD)
vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        -DNAMED_LOCK_BUILD_TESTS=OFF
        -DNAMED_LOCK_BUILD_EXAMPLES=OFF
        -DNAMED_LOCK_BUILD_TOOL=OFF
        ${FEATURE_OPTIONS}
    MAYBE_UNUSED_VARIABLES NAMED_LOCK_BUILD_TOOL)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(PACKAGE_NAME named_lock CONFIG_PATH share/cmake/named_lock)
vcpkg_fixup_pkgconfig()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/doc")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
