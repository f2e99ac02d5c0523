#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes small WordPiece tokenizers and records what Hugging Face tokenizers 0.23.3 gives for 500 hard texts.
Run with that package:  python3 make.py
texts.bin: u32 size, bytes; NAME/ids.bin: u16 count, u16 ids, in the order of the texts (malformed UTF-8 is decoded with U+FFFD)."""
import json, os, random, struct, unicodedata
from tokenizers import Tokenizer

here = os.path.dirname(os.path.abspath(__file__))
r = random.Random(11)
WORDS = "the a of segment ##ation distil ##l ##ing student teach ##er un ##believ ##able cardio ##logy na ##ive hyper param ##eter munchen run ##ning quick ##ly " \
        "token ##s see emoji ##d istanbul strasse fi ##ance ##in ab ##c abc Stadt Run Abc É ##é é ß ##ß".split()
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ODD = [0x20, 0xA0, 0x200B, 0x200D, 0xFE0F, 0x3000, 0x85, 0xB, 0xC, 0, 0xFFFD, 0xAD, 0x130, 0x131, 0x1E9E, 0xDF, 0x3A3, 0x3C2, 0x1100, 0x1161, 0x11A8, 0xAC00, 0xAC01, 0x2028,
       0x202E, 0xE0001, 0x1D400, 0x345, 0x11938, 0x1C89, 0x10D50, 0x1E08F, 0x16FF0, 0x2E5D, 0x61D, 0xA7DC, 0x2B820, 0x30000]
MARKS = [c for c in range(0x20000) if unicodedata.combining(chr(c))]


def point():
    k = r.random()
    if k < .3:
        return r.randrange(0x20, 0x7F)
    if k < .4:
        return r.randrange(0x80, 0x600)
    if k < .5:
        return r.choice(MARKS)
    if k < .55:
        return r.randrange(0, 0x20)
    if k < .65:
        return r.randrange(0x3000, 0xA000)
    if k < .7:
        return r.randrange(0x1F000, 0x1FB00)
    if k < .85:
        return r.choice(ODD)
    return r.randrange(0x600, 0x3000) if k < .95 else r.randrange(0x110000)


def text():
    k, n = r.random(), int(2 ** r.uniform(0, 5))
    bits = [w.replace("##", "") for w in WORDS] + SPECIAL + ["-", "'", " ", "  ", "[unk]", "##", "[", "<x>", " <x>  ", "Städt", "STÄDT", "straße", "e\u0301", "İstanbul", "ﬁ"]
    if k < .3:
        s = " ".join(r.choice(bits) for _ in range(n))
    elif k < .5:
        s = "".join(r.choice(bits) for _ in range(n))
    elif k < .55:
        s = r.choice(["a", "\u0301", "ab", "x1", "\u4e00", "é"]) * r.choice([1, 99, 100, 101])
    else:
        s = "".join(chr(c) for c in (point() for _ in range(n)) if not 0xD800 <= c < 0xE000)
    b = bytearray((s.upper() if r.random() < .2 else s).encode("utf8"))
    if r.random() < .1:
        for _ in range(r.randrange(1, 4)):
            b.insert(r.randrange(len(b) + 1), r.randrange(128, 256))
    return bytes(b)


def added(i, content, **flags):
    return dict(dict(id=i, content=content, single_word=False, lstrip=False, rstrip=False, normalized=True, special=False), **flags)


def tokenizer(vocab, normalizer, more=(), post=None):
    post = post or {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
                    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                    "special_tokens": {t: {"id": t, "ids": [vocab[t]], "tokens": [t]} for t in ("[CLS]", "[SEP]")}}
    return {"version": "1.0", "truncation": {"direction": "Right", "max_length": 64, "strategy": "LongestFirst", "stride": 0}, "padding": None,
            "added_tokens": [added(vocab[t], t, normalized=False, special=True) for t in SPECIAL] + list(more),
            "normalizer": dict({"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}, **normalizer),
            "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": post, "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
            "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100, "vocab": vocab}}


def main():
    texts = [b"", b" ", b"a", "naïve Straße ﬁn".encode(), b"\xff\xfe", b"a\0b"] + [text() for _ in range(500)]
    with open(os.path.join(here, "texts.bin"), "wb") as f:
        for t in texts:
            f.write(struct.pack("<I", len(t)) + t)
    letters = sorted({c for t in texts for c in t.decode("utf8", "replace") + unicodedata.normalize("NFD", t.decode("utf8", "replace").lower()) if not c.isspace() and c > " "})
    letters = [c for c in letters if r.random() < .6 or c < "\x7f"]
    names = SPECIAL + [c for c in letters] + ["##" + c for c in letters if r.random() < .7 or c < "\x7f"] + WORDS
    vocab = {t: i for i, t in enumerate(dict.fromkeys(names))}
    n = len(vocab)
    bert = {"type": "BertProcessing", "sep": ["[SEP]", vocab["[SEP]"]], "cls": ["[CLS]", vocab["[CLS]"]]}
    kinds = {
        "lower": tokenizer(vocab, {}),
        "cased": tokenizer(vocab, {"lowercase": False}, post=bert),
        "marks": tokenizer(vocab, {"strip_accents": False, "handle_chinese_chars": False}),
        "added": tokenizer(vocab, {"clean_text": False}, [added(n, "Städt"), added(n + 1, "<x>", lstrip=True, rstrip=True, normalized=False), added(vocab["run"], "run", single_word=True),
                                                          added(n + 2, "the", single_word=True, rstrip=True, normalized=False) if "the" not in vocab else added(vocab["the"], "the", normalized=False, rstrip=True)]),
    }
    for name, t in kinds.items():
        os.makedirs(os.path.join(here, name), exist_ok=True)
        path = os.path.join(here, name, "tokenizer.json")
        with open(path, "w") as f:
            json.dump(t, f, ensure_ascii=False, separators=(",", ":"))
        tk = Tokenizer.from_file(path)
        tk.no_truncation()
        with open(os.path.join(here, name, "ids.bin"), "wb") as f:
            for x in texts:
                ids = tk.encode(x.decode("utf8", "replace")).ids
                f.write(struct.pack("<H%dH" % len(ids), len(ids), *ids))
    os.makedirs(os.path.join(here, "plain"), exist_ok=True)  # the same as "lower", from vocab.txt
    with open(os.path.join(here, "plain", "vocab.txt"), "w") as f:
        f.write("".join(t + "\n" for t in vocab))
    with open(os.path.join(here, "plain", "tokenizer_config.json"), "w") as f:
        json.dump({"do_lower_case": True, "model_max_length": 512, "tokenizer_class": "BertTokenizer"}, f)
    with open(os.path.join(here, "lower", "sentence_bert_config.json"), "w") as f:
        json.dump({"max_seq_length": 48}, f)


main()
