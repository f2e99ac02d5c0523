#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes text/bert_tables.h: what Hugging Face tokenizers 0.23.3 does with each code point, as ranges, and where utf8proc 2.8 would do
something else. Run with that package:  python3 text/bert_tables.py > text/bert_tables.h"""
import ctypes
from tokenizers import normalizers, pre_tokenizers

POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
utf8proc = ctypes.CDLL("libutf8proc.so.2")


class Property(ctypes.Structure):
    _fields_ = [("category", ctypes.c_int16), ("combining_class", ctypes.c_int16)]


utf8proc.utf8proc_get_property.restype = ctypes.POINTER(Property)


def decomposed(c):
    out, last = (ctypes.c_int32 * 32)(), ctypes.c_int(0)
    return "".join(chr(out[i]) for i in range(utf8proc.utf8proc_decompose_char(c, out, 32, 1 << 4, ctypes.byref(last))))


def ranges(points):
    out = []
    for c in points:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def table(name, comment, points):
    print("\n/* %s */\nstatic const lbi_range %s[] = {" % (comment, name))
    row = "   "
    for a, b in ranges(points):
        cell = " {0x%x, 0x%x}," % (a, b)
        if len(row) + len(cell) > 118:
            print(row)
            row = "   "
        row += cell
    print(row + "\n};")


def main():
    clean = normalizers.BertNormalizer(True, False, False, False).normalize_str
    strip = normalizers.BertNormalizer(False, False, True, False).normalize_str
    lower = normalizers.BertNormalizer(False, False, False, True).normalize_str
    nfd = normalizers.NFD().normalize_str
    pre = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    pieces = {c: len(pre("a" + chr(c) + "b")) for c in POINTS}
    print("/* SPDX-License-Identifier: Apache-2.0 */\n/* Written by text/bert_tables.py from the behaviour of Hugging Face tokenizers 0.23.3. */\n"
          "#ifndef LB_TEXT_BERT_TABLES_H\n#define LB_TEXT_BERT_TABLES_H\n#include <stdint.h>\n\ntypedef struct lbi_range {\n    uint32_t first, last;\n} lbi_range;")
    table("removed", "clean_text drops these", [c for c in POINTS if clean(chr(c)) == ""])
    table("blank", "clean_text makes these a space", [c for c in POINTS if clean(chr(c)) == " "])
    table("marks", "strip_accents drops these", [c for c in POINTS if strip(chr(c)) == ""])
    table("punctuation", "tokens of their own", [c for c in POINTS if pieces[c] == 3])
    table("spaces", "between words", [c for c in POINTS if pieces[c] == 2])
    table("whole", "utf8proc decomposes these, tokenizers does not", [c for c in POINTS if nfd(chr(c)) == chr(c) != decomposed(c)])
    assert all(nfd(chr(c)) in (chr(c), decomposed(c)) for c in POINTS)
    # U+0345 has the highest class, 240: a mark of another class moves before it.
    table("classless", "combining marks to utf8proc, of class 0 to tokenizers",
          [c for c in POINTS if utf8proc.utf8proc_get_property(c).contents.combining_class not in (0, 240)
           and nfd(chr(c)) == chr(c) and nfd("x\u0345" + chr(c)) != "x" + chr(c) + "\u0345"])
    print("\n/* first, last, step, what lower case adds: where utf8proc has another lower case. U+0130 makes two (see bert.c). */\n"
          "static const struct {\n    uint32_t first, last, step;\n    int32_t add;\n} lowered[] = {")
    runs = []
    for c in POINTS:
        s = lower(chr(c))
        if len(s) != 1 or ord(s) == utf8proc.utf8proc_tolower(c):
            continue
        add = ord(s) - c
        if runs and runs[-1][3] == add and c - runs[-1][1] <= 2 and (runs[-1][0] == runs[-1][1] or c - runs[-1][1] == runs[-1][2]):
            runs[-1][2] = c - runs[-1][1]
            runs[-1][1] = c
        else:
            runs.append([c, c, 1, add])
    for r in runs:
        print("    {0x%x, 0x%x, %d, %d}," % tuple(r))
    print("};\n\n#endif")


main()
