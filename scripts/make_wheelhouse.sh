#!/usr/bin/env bash
# The wheels that a machine with PyTorch, NumPy and SciPy, and without a network, may lack to run
# scripts/gpu_visit.py. Run it where there is a network, copy the folder, and install there with
#
#     python -m pip install --no-index --no-deps WHEELHOUSE/*.whl
#
# Usage: scripts/make_wheelhouse.sh [FOLDER] [PYTHON_VERSION]
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-wheelhouse} version=${2:-3.12} python=${PYTHON:-python3}
limit=$((20 * 1024 * 1024))

# What the package imports, without what PyTorch brings along; pytest for the device tests.
needed=(
	gymnasium farama-notifications cloudpickle typing-extensions
	tyro typeguard docstring-parser rich markdown-it-py mdurl pygments
	safetensors pyyaml pytest pluggy iniconfig packaging hypothesis sortedcontainers
)
"$python" -m pip download --disable-pip-version-check -q --no-deps --only-binary=:all: \
	--python-version "$version" --platform manylinux2014_x86_64 --platform any \
	-c constraints.txt -d "$folder" "${needed[@]}"
"$python" -m pip wheel --disable-pip-version-check -q --no-deps -w "$folder" .

size=$(du -sb "$folder" | cut -f1)
echo "$folder: $(find "$folder" -name '*.whl' | wc -l) wheels, $((size / 1024 / 1024)) MB"
if ((size > limit)); then
	echo "more than 20 MB" >&2
	exit 1
fi
