# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
# Completion of named-lock in bash.

_named_lock() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} subcommand=${COMP_WORDS[1]}
    local IFS=$'\n'
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W $'run\nlist\nwho\npurge\nprobe\ndir\n--help\n--version' -- "$cur"))
        return
    fi
    local options valued dir i first=0 has_mark=
    case $subcommand in
        run)
            options=$'--directory\n--create\n--timeout\n--nonblock\n--shared\n--conflict-exit-code\n--quiet\n--verbose'
            options+=$'\n--etcd\n--ttl\n--grace\n--help'
            ;;
        list) options=$'--directory\n--json\n--help' ;;
        who) options=$'--directory\n--help' ;;
        purge) options=$'--directory\n--unused-for\n--dry-run\n--help' ;;
        *) options=--help ;;
    esac
    valued='^(-[nsqv]*[dwE]|--directory|--timeout|--conflict-exit-code|--etcd|--ttl|--grace|--unused-for)$'
    for ((i = 2; i < COMP_CWORD; ++i)); do
        if [[ ${COMP_WORDS[i]} =~ $valued ]]; then
            [[ ${COMP_WORDS[i]} != -*d && ${COMP_WORDS[i]} != --directory ]] || dir=${COMP_WORDS[i + 1]}
            ((++i))
        elif [[ ${COMP_WORDS[i]} != -* ]]; then
            first=$i # of the words that are no options
            break
        fi
    done
    if ((first == 0)); then
        case $prev in
            -*d | --directory)
                compopt -o filenames
                COMPREPLY=($(compgen -d -- "$cur"))
                return
                ;;
        esac
        [[ ! $prev =~ $valued ]] || return
        if [[ $cur == -* ]]; then
            COMPREPLY=($(compgen -W "$options" -- "$cur"))
            return
        fi
    fi
    if [[ $subcommand == probe ]]; then
        compopt -o filenames
        COMPREPLY=($(compgen -d -- "$cur"))
        return
    fi
    [[ $subcommand == run || ($subcommand == who && $first == 0) ]] || return
    if ((first != 0)); then
        for ((i = first; i < COMP_CWORD; ++i)); do
            [[ ${COMP_WORDS[i]} != -- ]] || { has_mark=$i && break; }
        done
        if [[ $has_mark ]] || ((COMP_CWORD == first + 1)); then # a command, or what it takes
            if ((COMP_CWORD == ${has_mark:-$first} + 1)); then
                COMPREPLY=($(compgen -c -- "$cur"))
                [[ $has_mark ]] || COMPREPLY+=($(compgen -W -- -- "$cur"))
            else
                compopt -o filenames
                COMPREPLY=($(compgen -f -- "$cur"))
            fi
            return
        fi
    fi
    if [[ $cur == */* ]]; then
        compopt -o filenames
        COMPREPLY=($(compgen -f -- "$cur"))
        return
    fi
    # Behind the first word and a second one, there may be more names, or what a command takes.
    ((first == 0)) || COMPREPLY=($(compgen -f -- "$cur"))
    dir=${dir:-$("${COMP_WORDS[0]}" dir 2>/dev/null)}
    local file
    for file in "$dir"/*.lock; do
        [[ -f $file ]] || continue
        file=${file##*/}
        file=${file%.lock}
        [[ $file != "$cur"* ]] || COMPREPLY+=("$(printf %q "$file")")
    done
}
complete -F _named_lock named-lock
