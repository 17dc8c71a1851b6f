# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     cmake -P in_temp_dir.cmake -- PROGRAM ARGUMENTS...
#
# Runs a program, without input, in a new directory below the current one, which is gone afterwards. Temporary files of
# the program go there as well.

set(command "")
set(is_command FALSE)
foreach(i RANGE ${CMAKE_ARGC})
    if(is_command AND i LESS CMAKE_ARGC)
        list(APPEND command "${CMAKE_ARGV${i}}")
    elseif("${CMAKE_ARGV${i}}" STREQUAL "--")
        set(is_command TRUE)
    endif()
endforeach()

string(RANDOM LENGTH 12 unique)
set(directory "${CMAKE_CURRENT_BINARY_DIR}/run.${unique}")
file(WRITE "${directory}/no_input" "")
set(ENV{TMPDIR} "${directory}")
execute_process(COMMAND ${command}
    WORKING_DIRECTORY "${directory}" INPUT_FILE "${directory}/no_input" RESULT_VARIABLE result)
file(REMOVE_RECURSE "${directory}")
if(NOT result EQUAL 0)
    message(FATAL_ERROR "exit status: ${result}")
endif()
