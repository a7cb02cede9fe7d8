#!/bin/sh
# Checks and measures allcell on a machine with a CUDA card, without network and without installing it:
#   tools/gpu_check.sh [result.json] [options of tools/gpu_check.py]
# Needs Python 3.11 or newer with torch, ultralytics, OpenCV, pydantic and pydantic-settings. PYTHON names the
# interpreter, WHEELS a folder with wheels of packages that it lacks: pure or not, they are unpacked, not
# installed.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
path=$PWD
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -n "${WHEELS:-}" ]; then
	for wheel in "$WHEELS"/*.whl; do
		"$python" -m zipfile -e "$wheel" "$scratch/packages"
	done
	path=$path:$scratch/packages
fi
export ALLCELL_CACHE_DIR="${ALLCELL_CACHE_DIR:-$scratch/cache}"
export PYTHONPATH="$path${PYTHONPATH:+:$PYTHONPATH}"
result=${1:-gpu_check.json}
[ $# -eq 0 ] || shift
"$python" -u tools/gpu_check.py --out "$result" "$@"
