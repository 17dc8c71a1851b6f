# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""A Conan 2 recipe of the checkout that it lies in: `conan create docs/packaging/conan`."""

import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load

ROOT = "../../.."


class NamedLock(ConanFile):
    name = "named_lock"
    description = "Named locks between processes and threads"
    license = "MIT"
    topics = ("lock", "mutex", "file-lock", "interprocess", "header-only")
    package_type = "header-library"
    settings = "os", "compiler", "build_type", "arch"
    options = {"etcd": [True, False]}
    default_options = {"etcd": False}
    no_copy_source = True

    def set_version(self):
        text = load(self, os.path.join(self.recipe_folder, ROOT, "include/named_lock/version.hpp"))
        self.version = re.search(r'NAMED_LOCK_VERSION "(.*)"', text)[1]

    def export_sources(self):
        root = os.path.join(self.recipe_folder, ROOT)
        copy(self, "LICENSE", root, self.export_sources_folder)
        copy(self, "*.hpp", os.path.join(root, "include"), os.path.join(self.export_sources_folder, "include"))

    def requirements(self):
        if self.options.etcd:
            self.requires("libcurl/[>=7.68 <9]", transitive_headers=True, transitive_libs=True)
            self.requires("nlohmann_json/[>=3.7 <4]", transitive_headers=True)

    def validate(self):
        if self.settings.get_safe("compiler.cppstd"):
            check_min_cppstd(self, 17)

    def package_id(self):
        self.info.settings.clear()

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        copy(self, "*.hpp", os.path.join(self.source_folder, "include"), os.path.join(self.package_folder, "include"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "named_lock")
        lock = self.cpp_info.components["named_lock"]
        lock.set_property("cmake_target_name", "named_lock::named_lock")
        lock.set_property("pkg_config_name", "named_lock")
        lock.bindirs = lock.libdirs = []
        if self.settings.os in ("Linux", "FreeBSD"):
            lock.system_libs = ["pthread"]
        if self.options.etcd:
            etcd = self.cpp_info.components["etcd"]
            etcd.set_property("cmake_target_name", "named_lock::etcd")
            etcd.set_property("pkg_config_name", "named_lock-etcd")
            etcd.bindirs = etcd.libdirs = []
            etcd.requires = ["named_lock", "libcurl::libcurl", "nlohmann_json::nlohmann_json"]
