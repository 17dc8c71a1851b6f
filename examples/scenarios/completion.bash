# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The named_lock authors
#
#     bash completion.bash COMPLETIONS PROGRAM
#
# Types beginnings of command lines into a real bash, fish and zsh as far as they are there, and presses the tab key.
set -u
completions=$1
PATH=$(dirname "$2"):$PATH
[ "$(basename "$2")" = named-lock ] || { echo "FAILED: $2 is not called named-lock" >&2; exit 1; }
fail() { echo "FAILED: $*" >&2; exit 1; }
mkdir locks other
touch locks/backup.lock 'locks/two words.lock' other/elsewhere.lock locks/no_lock
export NAMED_LOCK_DIR=$PWD/locks

# in_bash WORDS... : what is offered for the last one
in_bash() {
    bash -c '
        . "$0/named-lock.bash"
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        compopt() { :; } # which works only while somebody types
        _named_lock
        ((${#COMPREPLY[@]} == 0)) || printf "%s\n" "${COMPREPLY[@]}"
    ' "$completions" "$@" | sort -u | tr '\n' '|'
}

# offers EXPECTED WORDS...
offers() {
    expected=$1
    shift
    offered=$(in_bash "$@")
    [ "$offered" = "$expected" ] || fail "bash: for $* it offers $offered, not $expected"
}
echo "== bash"
offers 'dir|' named-lock d
offers 'probe|purge|' named-lock p
offers '--shared|' named-lock run --sh
offers 'backup|two\ words|' named-lock run ''
offers 'backup|' named-lock run -w 5 -n b
offers 'elsewhere|' named-lock who -d other ''
offers 'elsewhere|' named-lock run -nd other e
offers 'locks|' named-lock run -d l
offers 'other|' named-lock probe o
offers 'other/elsewhere.lock|' named-lock run other/e
offers 'truncate|' named-lock run backup truncat
offers 'backup|' named-lock run a more b
offers 'truncate|' named-lock run a more -- truncat
offers 'locks|' named-lock run backup ls loc
offers '' named-lock who backup ''
offers '--dry-run|' named-lock purge --dry

# typed LINE : what an interactive bash makes of it with a tab at its end
typed() {
    printf '. "%s/named-lock.bash"\nPS1=\n%s\t\n exit\n' "$completions" "$1" |
        INPUTRC=/dev/null HISTFILE=/dev/null bash --norc --noprofile -i 2>&1
}
typed 'named-lock who ba' >screen
grep -q 'named-lock who backup' screen || fail "an interactive bash does not complete: $(cat screen)"

if command -v fish >/dev/null; then
    echo "== fish"
    # offered WORDS : the first words of the lines that fish offers
    offered() {
        fish --no-config -c "source '$completions/named-lock.fish'; complete -C '$1'" | cut -f 1 | sort -u | tr '\n' '|'
    }
    while IFS='>' read -r line expected; do
        [ "$(offered "$line")" = "$expected" ] || fail "fish: for $line it offers $(offered "$line"), not $expected"
    done <<'TEXT'
named-lock pu>purge|
named-lock run --sh>--shared|
named-lock run b>backup|
named-lock run -w 5 -n b>backup|
named-lock who -d other e>elsewhere|
named-lock purge --dry>--dry-run|
TEXT
fi

if command -v zsh >/dev/null; then
    echo "== zsh"
    cat >zsh_types <<'TEXT'
zmodload zsh/zpty
zpty -b types zsh -f -i
zpty -w types "PS1=; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -d dump; compdef _named-lock named-lock; bindkey '^I' complete-word; print REA''DY"
types_until() {
    local screen= part
    repeat 600; do
        while zpty -rt types part; do screen+=$part; done
        [[ $screen == *$1* ]] && return
        zselect -t 5
    done
    print -u2 -r -- "FAILED: zsh shows no $1: $screen"
    exit 1
}
zmodload zsh/zselect
types_until READY
zpty -wn types $'named-lock who ba\t'; types_until 'backup'
zpty -wn types $'\Cunamed-lock run --share\t'; types_until '--shared'
zpty -wn types $'\Cunamed-lock pur\t'; types_until 'purge'
zpty -wn types $'\Cunamed-lock who -d other el\t'; types_until 'elsewhere'
zpty -d types
TEXT
    zsh -f zsh_types "$completions" || exit 1
fi
