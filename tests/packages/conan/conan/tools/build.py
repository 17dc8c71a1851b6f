# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors


def check_min_cppstd(_recipe, wanted):
    assert wanted == 17
