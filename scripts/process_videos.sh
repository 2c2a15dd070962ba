#!/usr/bin/env bash
# Predict every video of a folder with one model, as `litpose predict` does.
#
#   bash scripts/process_videos.sh MODEL_DIR VIDEO_DIR METRICS FULL SNIPPET
#
# METRICS, FULL and SNIPPET are true or false: write metric csv files, draw the predictions into
# the whole video, and into its 30 seconds with the most motion. Results: MODEL_DIR/video_preds.
set -euo pipefail

usage() {
    echo "usage: bash scripts/process_videos.sh MODEL_DIR VIDEO_DIR METRICS FULL SNIPPET" >&2
    echo "$1" >&2
    exit 2
}

[ "$#" -eq 5 ] || usage "It takes five words, not $#; the last three are true or false."

options=()
wanted() { # NAME VALUE: succeeds for true, fails for false, stops at anything else
    case "${2,,}" in
        true) return 0 ;;
        false) return 1 ;;
        *) usage "$1 must be true or false, got $2." ;;
    esac
}
wanted METRICS "$3" || options+=(--no-metrics)
if wanted FULL "$4"; then options+=(--labeled-video); fi
if wanted SNIPPET "$5"; then options+=(--snippet); fi

exec "${PYTHON:-python}" -m lightning_pose.cli.main predict "${options[@]}" -- "$1" "$2"
