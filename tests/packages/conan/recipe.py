#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""usage: recipe.py CONANFILE WORK VERSION

Runs the methods of a Conan recipe in Conan's order. The package is in WORK/package then.
"""

import collections
import importlib.util
import pathlib
import sys
import types


class Component(types.SimpleNamespace):
    def __init__(self):
        super().__init__(properties={}, requires=[], system_libs=[])

    def set_property(self, name, value):
        self.properties[name] = value


def main():
    path, work, version = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
    spec = importlib.util.spec_from_file_location("conanfile", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    recipe = module.NamedLock()
    recipe.recipe_folder = str(path.parent)
    recipe.export_sources_folder = recipe.source_folder = str(work / "source")
    recipe.package_folder = str(work / "package")
    recipe.settings = types.SimpleNamespace(os="Linux", get_safe=lambda _name: "17")
    recipe.options = types.SimpleNamespace(etcd=True)
    required = []
    recipe.requires = lambda reference, **_traits: required.append(reference.split("/")[0])
    recipe.info = types.SimpleNamespace(settings={"os": "Linux"})
    recipe.cpp_info = Component()
    recipe.cpp_info.components = collections.defaultdict(Component)

    recipe.set_version()
    for method in ("export_sources", "requirements", "validate", "package_id", "package", "package_info"):
        getattr(recipe, method)()

    assert recipe.version == version, f"the recipe has version {recipe.version}"
    assert not recipe.info.settings, "one package is for all settings"
    assert (work / "package/licenses/LICENSE").is_file()
    components = recipe.cpp_info.components
    targets = {component.properties["cmake_target_name"] for component in components.values()}
    assert targets == {"named_lock::named_lock", "named_lock::etcd"}, targets
    packages = {name.split("::")[0] for name in components["etcd"].requires if "::" in name}
    assert packages == set(required), f"{packages} in place of {required}"


if __name__ == "__main__":
    main()
