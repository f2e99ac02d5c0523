#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# sanitize.sh [TEST...]: the quick suite under AddressSanitizer and UndefinedBehaviorSanitizer, in build-sanitize. Left out: suites that link the shared
# library without the sanitizer (install) or load a library before the sanitizer's to make the command die on purpose (bad, crash, store). Memory that libraries keep until the end of the
# process is no finding; leaks are looked for by the tests of refused memory.
set -eu
cd "$(dirname "$0")/.."
build=build-sanitize
[ -e "$build/build.ninja" ] || meson setup "$build" -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 -Ddebug=false >/dev/null
ninja -C "$build" >/dev/null
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
[ $# -gt 0 ] || set -- $(meson test -C "$build" --list 2>/dev/null | sed 's/.*[ :/]//' | grep -vE '^(install|bad|crash|store)$')
exec meson test -C "$build" --no-rebuild --print-errorlogs -t 10 "$@"
