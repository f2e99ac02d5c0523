# SPDX-License-Identifier: Apache-2.0
"""embed.py OUT.c NAME=FILE...: texts as constant C strings (const char NAME[]), a literal a line."""
import sys

def literal(line): return '"' + "".join(chr(c) if 32 <= c < 127 and c not in b'"\\?' else "\\%03o" % c for c in line) + '"'

with open(sys.argv[1], "w") as out:
    for word in sys.argv[2:]:
        name, path = word.split("=", 1)
        lines = open(path, "rb").read().splitlines(keepends=True)
        out.write("extern const char %s[];\nconst char %s[] =\n%s;\n" % (name, name, "\n".join(map(literal, lines))))
