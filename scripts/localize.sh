#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# localize.sh OUT.o SYMBOL LIB.a: joins the library into one object whose only global definition is SYMBOL.
# Section groups are dissolved, so that the linker does not take a function of the same name elsewhere for it (resolvers of
# target_clones).
set -eu
ld -r --force-group-allocation --whole-archive "$3" -o "$1.part.o"
objcopy --keep-global-symbol="$2" "$1.part.o" "$1"
rm -f "$1.part.o"
