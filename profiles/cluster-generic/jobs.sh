#!/bin/sh
# A scheduler of a few lines: jobs in the background of this machine. Your own scheduler's commands go where its lines are.
#   jobs.sh submit SCRIPT    starts a job and prints its id
#   jobs.sh status ID        prints running, success or failed
#   jobs.sh cancel ID ...    ends jobs
place=.snakemake/background
mkdir -p "$place"
command=$1
shift
case $command in
submit)
    command -v setsid >/dev/null || { echo "jobs.sh: there is no setsid here, with which all of a job can be ended" >&2; exit 1; }
    id=$(basename "$(mktemp -d "$place/XXXXXXXX")")
    # A session of its own, so that all of it can be ended; what it ended with is written last, and as a whole. One that is ended before it
    # has said its number does not begin.
    setsid sh -c 'echo $$ >"$1/pid"; [ ! -e "$1/cancelled" ] || exit; sh "$2"; echo $? >"$1/code.new"; mv "$1/code.new" "$1/code"' - "$place/$id" "$1" \
        >"$place/$id/log" 2>&1 </dev/null &
    echo "$id"
    ;;
status)
    if [ -f "$place/$1/code" ]; then
        [ "$(cat "$place/$1/code")" = 0 ] && echo success || echo failed
    elif [ ! -d "$place/$1" ]; then
        echo failed # nobody knows of it
    elif [ ! -s "$place/$1/pid" ] || kill -0 "$(cat "$place/$1/pid")" 2>/dev/null; then
        echo running
    elif [ -f "$place/$1/code" ]; then # it ended between the two looks
        [ "$(cat "$place/$1/code")" = 0 ] && echo success || echo failed
    else
        echo failed
    fi
    ;;
cancel)
    for id in "$@"; do
        [ -d "$place/$id" ] || continue
        : >"$place/$id/cancelled"
        [ ! -s "$place/$id/pid" ] || kill -- "-$(cat "$place/$id/pid")" 2>/dev/null
        echo 143 >"$place/$id/code"
    done
    ;;
esac
