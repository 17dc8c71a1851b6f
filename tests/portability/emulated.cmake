# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# named_lock_runnable(<variable> <target>): the path of a program that scripts can run on this machine: the target, or a
# script that runs it in the emulator.
function(named_lock_runnable variable target)
    set(program "$<TARGET_FILE:${target}>")
    if(CMAKE_CROSSCOMPILING_EMULATOR)
        list(JOIN CMAKE_CROSSCOMPILING_EMULATOR " " emulator)
        set(script "${CMAKE_CURRENT_BINARY_DIR}/emulated/${target}")
        file(GENERATE OUTPUT "${script}" CONTENT "#!/bin/sh\nexec ${emulator} '${program}' \"$@\"\n"
            FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
        set(program "${script}")
    endif()
    set(${variable} "${program}" PARENT_SCOPE)
endfunction()
