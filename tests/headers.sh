#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Each header but *_private.h compiles alone as C17: by the build, where a file of its name includes it first, else here. As C++ those of a folder are
# compiled together: what one lacks of others was told in C already.
cd "${LB_SOURCE:-.}" || exit 1
passed=0; failed=0
for folder in base tensor nn io onnx vision text fusion distill datasets eval; do
  together=""; count=0
  for h in "$folder"/*.h; do
    case $h in *_private.h) continue ;; onnx/*) [ "$h" = onnx/onnx.h ] || continue ;; esac # not installed, may need third-party headers
    [ -e "$h" ] || continue
    own=${h%.h}.c
    if [ -e "$own" ] && [ "$(grep -m1 '^#include' "$own")" = "#include \"$h\"" ]; then passed=$((passed + 1));
    elif echo "#include \"$h\"" | gcc -std=c17 -D_GNU_SOURCE -Wall -Wextra -Werror -I. -x c -fsyntax-only -; then passed=$((passed + 1)); else echo "FAIL $h"; failed=$((failed + 1)); fi
    grep -q 'C only' "$h" || { together="$together#include \"$h\"
"; count=$((count + 1)); }
  done
  if printf '%s' "$together" | g++ -std=c++17 -Wall -Werror -I. -x c++ -fsyntax-only -; then passed=$((passed + count)); else echo "FAIL $folder/*.h as C++"; failed=$((failed + 1)); fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
