#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# methods.sh: writes docs/methods/NAME.md for every method from its tables (limbeck describe). The suite `cli` says when one is out of date.
set -eu
cd "$(dirname "$0")/.."
limbeck=${LIMBECK:-build/limbeck}
for name in $($limbeck describe methods | sed 1d | cut -d' ' -f1); do $limbeck describe methods "$name" > "docs/methods/$name.md"; done
