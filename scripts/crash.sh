#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# crash.sh [POINTS [SEED]]: interrupts a real cache run at random points (1000) by kill -9, signals, write errors, power cuts and full disks,
# and compares what the same command makes of it with an undisturbed run. The tests do 30 points of it.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build}
[ -e "$build/build.ninja" ] || meson setup "$build" >/dev/null
ninja -C "$build" limbeck tests/libfaults.so >/dev/null
LB_LIMBECK=$PWD/$build/limbeck LB_FAULTS=$PWD/$build/tests/libfaults.so LB_TEST_DATA=$PWD/tests/data PYTHONDONTWRITEBYTECODE=1 exec /usr/bin/python3 tests/crash/crash.py "${1:-1000}" "${2:-1}"
