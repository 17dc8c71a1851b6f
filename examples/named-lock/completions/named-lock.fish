# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# Completion of named-lock in fish.

function __named_lock_names
    set -l words (commandline -opc)
    set -l dir
    for i in (seq 2 (count $words))
        switch $words[$i]
            case -d --directory
                set dir $words[(math $i + 1)]
        end
    end
    test -n "$dir"; or set dir ($words[1] dir 2>/dev/null)
    for file in $dir/*.lock
        string replace -r '\.lock$' '' -- (basename $file)
    end
end

# The words after the subcommand that are no options.
function __named_lock_words
    set -l words (commandline -opc)[3..-1]
    while set -q words[1]
        switch $words[1]
            case -d --directory -w --timeout -E --conflict-exit-code --etcd --ttl --grace --unused-for
                set -e words[1]
            case '-*'
            case '*'
                break
        end
        set -e words[1]
    end
    set -q words[1]; and printf '%s\n' $words
    return 0
end

function __named_lock_wants_name
    __named_lock_in run who; and test (count (__named_lock_words)) -eq 0
end

function __named_lock_wants_command
    set -l words (__named_lock_words)
    __named_lock_in run; and test (count $words) -gt 0; and test (count $words) -eq 1 -o "$words[-1]" = --
end

function __named_lock_wants_more
    __named_lock_in run; and test (count (__named_lock_words)) -gt 1
end

function __named_lock_in
    set -l words (commandline -opc)
    test (count $words) -gt 1; and contains -- $words[2] $argv
end

function __named_lock_in_options
    __named_lock_in $argv; and test (count (__named_lock_words)) -eq 0
end

complete -c named-lock -f
complete -c named-lock -n __fish_use_subcommand -a run -d 'Run a command while it holds locks'
complete -c named-lock -n __fish_use_subcommand -a list -d 'Tell of all locks in a directory'
complete -c named-lock -n __fish_use_subcommand -a who -d 'Tell who holds a lock'
complete -c named-lock -n __fish_use_subcommand -a purge -d 'Remove the files of locks that nobody uses'
complete -c named-lock -n __fish_use_subcommand -a probe -d 'Try whether locks in a directory keep anybody out'
complete -c named-lock -n __fish_use_subcommand -a dir -d 'Print the directory without -d'
complete -c named-lock -n __fish_use_subcommand -l version -d 'Print the version'
complete -c named-lock -n '__named_lock_in_options run list who purge probe dir' -s h -l help -d 'Print help'
complete -c named-lock -n '__named_lock_in_options run list who purge' -s d -l directory -xa '(__fish_complete_directories)' -d 'The directory of the locks'
complete -c named-lock -n '__named_lock_in_options run' -l create -d 'Make the directory'
complete -c named-lock -n '__named_lock_in_options run' -s w -l timeout -x -d 'Wait so many seconds at most'
complete -c named-lock -n '__named_lock_in_options run' -s n -l nonblock -d 'Do not wait'
complete -c named-lock -n '__named_lock_in_options run' -s s -l shared -d 'Hold it together with others'
complete -c named-lock -n '__named_lock_in_options run' -s E -l conflict-exit-code -x -d 'The status of a time-out'
complete -c named-lock -n '__named_lock_in_options run' -s q -l quiet -d 'Do not tell of waiting'
complete -c named-lock -n '__named_lock_in_options run' -s v -l verbose -d 'Tell how long it has waited and held'
complete -c named-lock -n '__named_lock_in_options run' -l etcd -x -d 'Hold the lock in this etcd cluster'
complete -c named-lock -n '__named_lock_in_options run' -l ttl -x -d 'So long etcd waits for a silent holder'
complete -c named-lock -n '__named_lock_in_options run' -l grace -x -d 'From SIGTERM to SIGKILL'
complete -c named-lock -n '__named_lock_in_options list' -l json -d 'As JSON'
complete -c named-lock -n '__named_lock_in_options purge' -l unused-for -x -d 'Only files that are so many days old'
complete -c named-lock -n '__named_lock_in_options purge' -l dry-run -d 'Remove nothing'
complete -c named-lock -n __named_lock_wants_name -a '(__named_lock_names)' -d lock
complete -c named-lock -n __named_lock_wants_command -a '(__fish_complete_command)'
complete -c named-lock -n __named_lock_wants_more -F
complete -c named-lock -n '__named_lock_in_options probe' -a '(__fish_complete_directories)'
