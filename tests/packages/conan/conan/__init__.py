# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
"""What the recipe calls of Conan's, played as far as it needs: Conan itself is not in Debian."""


class ConanFile:
    pass
