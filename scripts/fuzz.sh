#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh TARGET MINUTES: one fuzz target (the table in tests/meson.build) under AddressSanitizer and UndefinedBehaviorSanitizer, in build-sanitize: its
# corpus with other random damage each round, until the time is over or something is found. The number shown with a finding repeats it:
# LB_FUZZ_SEED=N. Without arguments: the targets.
set -eu
cd "$(dirname "$0")/.."
build=build-sanitize
targets=$(sed -n "/^fuzz_targets = /,/^}/s/^  '\([a-z_]*\)': \['\([a-z_]*\)', '\([^']*\)', '\([^']*\)'.*/\1 \2 \3 \4/p" tests/meson.build)
[ $# != 0 ] || { echo "$targets" | cut -d' ' -f1; exit 0; }
[ $# = 2 ] || { echo "usage: fuzz.sh TARGET MINUTES" >&2; exit 2; }
line=$(echo "$targets" | grep "^$1 ") || { echo "fuzz: no target $1" >&2; exit 2; }
set -- $line "$2"
[ $# = 5 ] || set -- "$1" "$2" "$3" "" "$4"
[ -e "$build/build.ninja" ] || meson setup "$build" -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 >/dev/null
ninja -C "$build" "tests/fuzz-$2" >/dev/null
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 LB_TEST_DATA=tests/data LB_FUZZ_ONLY="$4"
end=$(($(date +%s) + $5 * 60)) seed=${LB_FUZZ_SEED:-1}
while [ "$(date +%s)" -lt "$end" ]; do
  LB_FUZZ_SEED=$seed LB_FUZZ_ROUNDS=40 "$build/tests/fuzz-$2" "tests/data/$3" >"$build/fuzz-$1.log" 2>&1 || {
    tail -n 40 "$build/fuzz-$1.log"
    echo "fuzz: found with LB_FUZZ_SEED=$seed"
    exit 1
  }
  seed=$((seed + 1))
done
echo "fuzz: $1, $((seed - ${LB_FUZZ_SEED:-1})) rounds over the corpus, nothing found"
