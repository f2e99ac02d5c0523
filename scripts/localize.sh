#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# localize.sh OUT.o SYMBOL LIB.a: joins the library into one object whose only global definition is SYMBOL.
set -eu
ld -r --whole-archive "$3" -o "$1.part.o"
objcopy --keep-global-symbol="$2" "$1.part.o" "$1"
rm -f "$1.part.o"
