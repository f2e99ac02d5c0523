#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# test.sh [SUITE...]: installs, builds with warnings as errors, runs every test; the last line is `N passed, N failed, N skipped`.
set -eu
cd "$(dirname "$0")"
sh scripts/setup.sh
build=${BUILD:-build}
if [ ! -e "$build/build.ninja" ]; then meson setup "$build" -Dwerror=true >/dev/null; else meson configure "$build" -Dwerror=true; fi
ninja -C "$build" 2>&1 | grep -Ev '^(ninja: Entering|\[[0-9]+/[0-9]+\] (Compiling|Linking|Generating))' || true
ninja -C "$build" >/dev/null
status=0
# One more at a time than there are processors: some wait for a clock, a disk or each other.
meson test -C "$build" --no-rebuild --print-errorlogs --num-processes $(($(nproc) + 1)) "$@" || status=$?
# Each suite closes with a line of its own; a suite that died without one counts as one failure.
/usr/bin/python3 - "$build/meson-logs/testlog.json" <<'PY'
import json, re, sys
total, lost = [0, 0, 0], []
for line in open(sys.argv[1]):
    suite = json.loads(line)
    found = re.findall(r"^(\d+) passed, (\d+) failed, (\d+) skipped$", suite.get("stdout", "") or "", re.M)
    if found: total = [a + int(b) for a, b in zip(total, found[-1])]
    bad = suite["result"] not in ("OK", "SKIP", "EXPECTEDFAIL")
    if bad and (not found or int(found[-1][1]) == 0):
        total[1] += 1
        lost.append(suite["name"])
for name in lost: print(f"suite {name} ended early: see {sys.argv[1]}")
print("%d passed, %d failed, %d skipped" % tuple(total))
sys.exit(total[1] > 0 or total[0] == 0)
PY
exit $status
