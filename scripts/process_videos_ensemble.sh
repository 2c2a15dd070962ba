#!/usr/bin/env bash
# Predict every video of a folder with several models, and smooth what they say together (EKS), as
# `litpose predict` and `litpose smooth` do.
#
#   bash scripts/process_videos_ensemble.sh M1:M2:... VIDEO_DIR METRICS FULL SNIPPET EKS EKS_DIR
#
# M1:M2:... are the model directories, with colons between them. METRICS, FULL, SNIPPET and EKS are
# true or false: write metric csv files, draw the predictions into the whole video, and into its 30
# seconds with the most motion; smooth, with the same files, into EKS_DIR. What each model
# predicts goes to MODEL/video_preds. A video that fails does not stop the others; the exit code is
# then not 0.
set -euo pipefail

usage() {
    echo "usage: bash scripts/process_videos_ensemble.sh M1:M2:... VIDEO_DIR METRICS FULL SNIPPET EKS EKS_DIR" >&2
    echo "$1" >&2
    exit 2
}

[ "$#" -eq 7 ] || usage "It takes seven words, not $#; the third to sixth are true or false."

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
if wanted EKS "$6"; then smooth=yes; else smooth=no; fi
IFS=: read -r -d '' -a models < <(printf '%s:\0' "$1")

litpose=("${PYTHON:-python}" -m lightning_pose.cli.main)
code=0
for model in "${models[@]}"; do
    "${litpose[@]}" predict "${options[@]}" -- "$model" "$2" || code=$?
done
if [ "$smooth" = yes ]; then
    "${litpose[@]}" smooth "${options[@]}" --videos="$2" --out="$7" -- "${models[@]}" || code=$?
fi
exit "$code"
