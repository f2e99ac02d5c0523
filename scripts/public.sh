#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# public.sh: the public headers, one a line: those that export something (LB_API), with the lists that they read.
cd "$(dirname "$0")/.."
grep -l LB_API [a-z]*/*.h | sort
echo tensor/ops.def
