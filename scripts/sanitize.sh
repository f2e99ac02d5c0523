#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sanitize.sh [TEST...]: the quick suite under AddressSanitizer and UndefinedBehaviorSanitizer, in build-sanitize. Memory that libraries keep until
# the end of the process is no finding (leaks are looked for by the tests of refused memory).
set -eu
cd "$(dirname "$0")/.."
build=build-sanitize
[ -e "$build/build.ninja" ] || meson setup "$build" -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 >/dev/null
ninja -C "$build" >/dev/null
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
exec meson test -C "$build" --no-rebuild --suite quick --print-errorlogs -t 10 "$@"
