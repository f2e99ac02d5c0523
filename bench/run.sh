#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh [GROUP...]: peers and Limbeck in turn, twice, on this machine; prints the ratios of each round. PYTHON names an interpreter with
# torch, torchvision, onnx and onnxruntime; LIMBECK the command (default build/limbeck). A busy machine says nothing.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}
limbeck=${LIMBECK:-../build/limbeck}
groups=${*:-matmul vision train text losses store eval}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for round in 1 2; do
  for group in $groups; do
    "$python" peers.py "$group" >>"$out/peers.$round"
    "$limbeck" bench "$group" --threads "${OMP_NUM_THREADS:-2}" --json --quiet >>"$out/ours.$round"
  done
  echo "round $round"
  "$python" compare.py "$out/peers.$round" "$out/ours.$round"
done
