#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each header but *_private.h compiles alone, as C17 and as C++.
cd "${LB_SOURCE:-.}" || exit 1
passed=0; failed=0
for h in base/*.h tensor/*.h nn/*.h io/*.h onnx/onnx.h vision/*.h text/*.h fusion/*.h distill/*.h datasets/*.h eval/*.h; do
  case $h in *_private.h) continue ;; esac # not installed, may need third-party headers
  [ -e "$h" ] || continue
  if echo "#include \"$h\"" | gcc -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -I. -x c -fsyntax-only - &&
     { grep -q 'C only' "$h" || echo "#include \"$h\"" | g++ -std=c++17 -Wall -Werror -I. -x c++ -fsyntax-only -; }; then
    passed=$((passed + 1))
  else
    echo "FAIL $h"; failed=$((failed + 1))
  fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
