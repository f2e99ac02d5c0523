#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes text/unicode_tables.h: what Hugging Face tokenizers 0.23.3 does with each code point, as ranges, and where utf8proc 2.8 would do
something else. Run with that package:  python3 text/unicode_tables.py > text/unicode_tables.h"""
import base64, ctypes, json, struct
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
utf8proc = ctypes.CDLL("libutf8proc.so.2")
CANONICAL, COMPAT = 1 << 4, 1 << 4 | 1 << 2


class Property(ctypes.Structure):
    _fields_ = [("category", ctypes.c_int16), ("combining_class", ctypes.c_int16)]


utf8proc.utf8proc_get_property.restype = ctypes.POINTER(Property)


def decomposed(c, how):
    out, last = (ctypes.c_int32 * 32)(), ctypes.c_int(0)
    return "".join(chr(out[i]) for i in range(utf8proc.utf8proc_decompose_char(c, out, 32, how, ctypes.byref(last))))


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


def steps(name, comment, other):
    """Runs of code points whose change is one number."""
    print("\n/* %s */\nstatic const lbi_step %s[] = {" % (comment, name))
    runs = []
    for c, to in other:
        add = to - c
        if runs and runs[-1][3] == add and c - runs[-1][1] <= 2 and (runs[-1][0] == runs[-1][1] or c - runs[-1][1] == runs[-1][2]):
            runs[-1][2] = c - runs[-1][1]
            runs[-1][1] = c
        else:
            runs.append([c, c, 1, add])
    for r in runs:
        print("    {0x%x, 0x%x, %d, %d}," % tuple(r))
    print("};")


def matched(pattern):
    """The code points that a pattern of one character takes."""
    split = pre_tokenizers.Split(Regex(pattern), "removed").pre_tokenize_str
    return [c for c in POINTS if not split(chr(c))]


def charsmap_bytes(pairs):
    """A charsmap of the SentencePiece kind that maps texts to texts: a Darts double array in which every node has 256 units of its own."""
    keys = {key.encode(): to for key, to in pairs}
    nodes = {b"": 1}
    for key in sorted(keys):
        for n in range(1, len(key) + 1):
            nodes.setdefault(key[:n], len(nodes) + 1)
    units, text = [0] * (256 * (len(nodes) + 1)), b""
    units[0] = 256 << 10
    for node, block in nodes.items():
        if node:
            at = 256 * nodes[node[:-1]] ^ node[-1]
            units[at] = (at ^ 256 * block) << 10 | (node in keys) << 8 | node[-1]
        if node in keys:
            units[256 * block] = 1 << 31 | len(text)
            text += keys[node].encode() + b"\0"
    return struct.pack("<I", 4 * len(units)) + struct.pack("<%dI" % len(units), *units) + text


def charsmap(pairs):
    """Its normaliser."""
    j = json.loads(Tokenizer(models.WordLevel({"a": 0}, "a")).to_str())
    j["normalizer"] = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap_bytes(pairs)).decode()}
    return Tokenizer.from_str(json.dumps(j)).normalizer.normalize_str


def clusters():
    """What joins what, seen from outside: in a cluster shorter than six bytes only the first character is mapped and the rest is lost, in a longer
    one each is. M is a mark of two bytes."""
    M, HEART, KA, VIRAMA = "\u0301", "\u2764", "\u0915", "\u094d"
    a, m, heart, ka = charsmap([("a", "z")]), charsmap([(M, "z")]), charsmap([(HEART, "z")]), charsmap([(KA, "z")])
    joining = [c for c in POINTS if a("a" + chr(c)) == "z"]
    table("joining", "continue a grapheme cluster: Extend, SpacingMark, ZWJ", joining)
    table("apart", "end a grapheme cluster before and after them: Control", [c for c in POINTS if m(chr(c) + M + M).endswith("zz") is False and c != 0x301])
    table("leading", "join a grapheme cluster after them: Prepend", [c for c in POINTS if c not in (0x61, 0x7A) and a(chr(c) + "a" + M) == chr(c) + "z" + M])
    table("pictures", "Extended_Pictographic", [c for c in POINTS if heart(chr(c) + "\u200d" + HEART + M).endswith("z" + M)])
    table("consonants", "InCB=Consonant", [c for c in POINTS if ka(chr(c) + VIRAMA + KA + M).endswith("z" + M)])
    table("linkers", "InCB=Linker", [c for c in joining if ka(KA + chr(c) + KA + M).endswith("z" + M)])
    table("between", "InCB=Extend and Linker", [c for c in joining if ka(KA + VIRAMA + chr(c) + KA + M).endswith("z" + M)])


SCRIPTS = ["Han", "Hiragana", "Katakana", "Hangul", "Latin", "Greek", "Cyrillic", "Arabic", "Hebrew", "Devanagari", "Thai"]
CATEGORIES = "Cn Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co".split()


def categories():
    of = {c: i for i, name in enumerate(CATEGORIES) if name != "Cs" for c in matched(r"\p{%s}" % name)}
    assert len(of) == len(POINTS)
    other = [c for c in POINTS if utf8proc.utf8proc_get_property(c).contents.category != of[c]]
    print("\n/* General categories that utf8proc has not. */\nstatic const lbi_run categories[] = {")
    runs = []
    for c in other:
        if runs and runs[-1][1] == c - 1 and runs[-1][2] == of[c]:
            runs[-1][1] = c
        else:
            runs.append([c, c, of[c]])
    for at in range(0, len(runs), 5):
        print("   " + "".join(" {0x%x, 0x%x, %d}," % tuple(r) for r in runs[at:at + 5]))
    print("};")


def main():
    clean = normalizers.BertNormalizer(True, False, False, False).normalize_str
    strip = normalizers.BertNormalizer(False, False, True, False).normalize_str
    accents = normalizers.StripAccents().normalize_str
    lower = normalizers.Lowercase().normalize_str
    nfd, nfkd, nfc = normalizers.NFD().normalize_str, normalizers.NFKD().normalize_str, normalizers.NFC().normalize_str
    pre = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    word = pre_tokenizers.Whitespace().pre_tokenize_str
    digit = pre_tokenizers.Digits(False).pre_tokenize_str
    pieces = {c: len(pre("a" + chr(c) + "b")) for c in POINTS}
    print("/* SPDX-License-Identifier: Apache-2.0 */\n/* Written by text/unicode_tables.py from the behaviour of Hugging Face tokenizers 0.23.3. */\n"
          "#ifndef LB_TEXT_UNICODE_TABLES_H\n#define LB_TEXT_UNICODE_TABLES_H\n#include <stdint.h>\n\ntypedef struct lbi_range {\n    uint32_t first, last;\n} lbi_range;\n\n"
          "/* first, last, step, what is added */\ntypedef struct lbi_step {\n    uint32_t first, last, step;\n    int32_t add;\n} lbi_step;\n\n/* first, last, a number */\ntypedef struct lbi_run {\n    uint32_t first, last;\n    int32_t number;\n} lbi_run;")
    table("removed", "clean_text drops these", [c for c in POINTS if clean(chr(c)) == ""])
    table("blank", "clean_text makes these a space", [c for c in POINTS if clean(chr(c)) == " "])
    table("nonspacing", "marks that the BERT normaliser's strip_accents drops", [c for c in POINTS if strip(chr(c)) == ""])
    table("combining", "marks that StripAccents drops", [c for c in POINTS if accents(chr(c)) == ""])
    table("punctuation", "tokens of their own", [c for c in POINTS if pieces[c] == 3])
    spaces = [c for c in POINTS if pieces[c] == 2]
    assert spaces == matched(r"\s")
    table("spaces", "between words; \\s of patterns", spaces)
    table("letters", "\\p{L} of patterns", matched(r"\p{L}"))
    table("numbers", "\\p{N} of patterns", matched(r"\p{N}"))
    table("pattern_words", "\\w of patterns", matched(r"\w"))
    for script in SCRIPTS:
        table("script_" + script.lower(), "\\p{%s} of patterns" % script, matched(r"\p{%s}" % script))
    print("\n#define LBI_SCRIPTS(X)%s" % "".join(" X(%s, script_%s)" % (s, s.lower()) for s in SCRIPTS))
    categories()
    table("numerals", "what Digits splits off", [c for c in POINTS if len(digit("a" + chr(c))) == 2])
    table("words", "\\w", [c for c in POINTS if len(word("a" + chr(c) + "b")) == 1])
    table("whole", "utf8proc decomposes these, tokenizers does not", [c for c in POINTS if nfd(chr(c)) == chr(c) != decomposed(c, CANONICAL)])
    assert all(nfd(chr(c)) in (chr(c), decomposed(c, CANONICAL)) for c in POINTS)
    table("compat_whole", "the same of compatibility decompositions", [c for c in POINTS if nfkd(chr(c)) == chr(c) != decomposed(c, COMPAT)])
    for c in POINTS:
        if nfkd(chr(c)) not in (chr(c), decomposed(c, COMPAT)):
            raise SystemExit("U+%04X: NFKD %r, utf8proc %r" % (c, nfkd(chr(c)), decomposed(c, COMPAT)))
    # U+0345 has the highest class, 240: a mark of another class moves before it.
    table("classless", "combining marks to utf8proc, of class 0 to tokenizers",
          [c for c in POINTS if utf8proc.utf8proc_get_property(c).contents.combining_class not in (0, 240)
           and nfd(chr(c)) == chr(c) and nfd("x\u0345" + chr(c)) != "x" + chr(c) + "\u0345"])
    steps("lowered", "where utf8proc has another lower case. U+0130 makes two letters (see unicode.c)",
          [(c, ord(lower(chr(c)))) for c in POINTS if len(lower(chr(c))) == 1 and ord(lower(chr(c))) != utf8proc.utf8proc_tolower(c)])
    assert [c for c in POINTS if len(lower(chr(c))) != 1] == [0x130]
    clusters()
    print("\n#endif")


if __name__ == "__main__":
    main()
