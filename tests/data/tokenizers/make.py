#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains small tokenizers and records what Hugging Face tokenizers 0.23.3 (sentencepiece 0.2 for the .model) gives for 20,000 made texts.
Run with those packages and Debian's unicode-cldr-core:  python3 make.py

KIND/...: the tokenizer's files. KIND/expected.bin: how many blocks of 100 texts (u32); for each block three 64-bit FNV-1a sums, of the ids (i32), of the
offsets in characters (i32, begin and end), and of the decoded texts with and without special tokens (their bytes and a zero byte each); then the ids of the
first 50 texts: count (u16), ids (u16). The texts are a function of their number: text() here and in tests/token_texts.c. bits.txt holds names of emoji in the
languages of CLDR and hard cases. Malformed UTF-8 is decoded with U+FFFD."""
import base64, collections, gzip, io, json, os, random, re, struct, sys, unicodedata
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers import decoders as D, models, normalizers as N, pre_tokenizers as P, processors as PP, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
TEXTS, BLOCK, FULL = 20000, 100, 50
MASK = (1 << 64) - 1
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CLIP = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
UPPER, LOWER, TAILS = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
REST = r" ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K = r"[^\r\n\p{L}\p{N}]?" + UPPER + "*" + LOWER + "+" + TAILS + r"|[^\r\n\p{L}\p{N}]?" + UPPER + "+" + LOWER + "*" + TAILS + r"|\p{N}{1,3}|" + REST
TEKKEN = O200K.replace(TAILS, "").replace("{1,3}", "")
QWEN35 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
KIMI = "[\\p{Han}]+|" + O200K.replace("\\p{M}]", "\\p{M}&&[^\\p{Han}]]")
DEEPSEEK = [r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+",
            r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""]
DEEPSEEK_CODER = ["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", r"\s+$"]
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
SIGLIP = r'[!"\#\$%\&\'\(\)\*\+,\-\.:;=\?@\[\\\]\^_`\{\|\}\~]'
BYTES = ["<0x%02X>" % i for i in range(256)]
BITS = open(os.path.join(HERE, "bits.txt"), encoding="utf8").read().split("\n")
SEPARATORS = [" ", " ", " ", " ", "", "", "  ", "   ", "\n", "\n\n", " \n", "\t", "\r\n", "'", "-", ".", " - ", ", ", "    \n  "]
POOLS = [(0x20, 0x7E), (0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x5FF), (0x600, 0x8FF), (0x900, 0xDFF), (0xE00, 0x17FF), (0x1800, 0x1FFF), (0x2000, 0x2BFF),
         (0x2C00, 0x2FFF), (0x3000, 0x33FF), (0x3400, 0x9FFF), (0xA000, 0xABFF), (0xAC00, 0xD7A3), (0xF900, 0xFFFF), (0x10000, 0x1FFFF), (0x1F000, 0x1FAFF), (0xE0000, 0xE01EF),
         (0x20000, 0x2FFFF), (0, 0x1F), (0x7F, 0x9F), (0, 0x10FFFF), (0x1100, 0x11FF)]


# ---- texts ----

class Dice:
    """splitmix64"""
    def __init__(self, seed):
        self.x = (seed * 0x9E3779B97F4A7C15 + 0x1234567) & MASK

    def __call__(self, n):
        self.x = (self.x + 0x9E3779B97F4A7C15) & MASK
        z = self.x
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return ((z ^ (z >> 31)) >> 11) % n


def text(i):
    r = Dice(i)
    style = r(8)
    n = 1 + r(12) if r(10) else 1 + r(120)
    out = []
    for _ in range(n):
        if style < 4 or (style == 7 and r(2)):
            out.append(BITS[r(len(BITS))].encode())
        else:
            lo, hi = POOLS[r(len(POOLS))]
            for _ in range(1 + r(4)):
                c = lo + r(hi - lo + 1)
                out.append(chr(0x301 if 0xD800 <= c < 0xE000 else c).encode())
        if style in (1, 2, 3, 6, 7):
            out.append(SEPARATORS[r(len(SEPARATORS))].encode())
        elif style == 0:
            out.append(b" ")
    s = b"".join(out)
    if r(10) == 0:
        for _ in range(1 + r(3)):
            at = r(len(s) + 1)
            s = s[:at] + bytes([128 + r(128)]) + s[at:]
    return s


def corpus():
    lines, folder = [], "/usr/share/unicode/cldr/common/annotations"
    for name in sorted(os.listdir(folder)):
        if "_" not in name:
            lines += re.findall(r'type="tts">([^<]+)<', open(os.path.join(folder, name), encoding="utf8").read())
    random.Random(1).shuffle(lines)
    return lines


LINES = corpus()


def usual(most):
    """Lines of the most frequent characters alone."""
    known = {c for c, _ in collections.Counter(c for s in LINES for c in s).most_common(most)}
    return [s for s in LINES if set(s) <= known]


# ---- tokenizers ----

def template(t, single, tokens):
    t.post_processor = PP.TemplateProcessing(single=single, pair=None, special_tokens=[(x, t.token_to_id(x)) for x in tokens])


def byte_bpe(pre, specials, size=900, norm=None, decoder=None, **model):
    t = Tokenizer(models.BPE(**model))
    if norm:
        t.normalizer = norm
    t.pre_tokenizer = pre
    more = {k: v for k, v in model.items() if k == "end_of_word_suffix"}
    t.train_from_iterator(LINES[:30000], trainers.BpeTrainer(vocab_size=size, special_tokens=specials, show_progress=False, initial_alphabet=P.ByteLevel.alphabet(), **more))
    t.decoder = decoder or D.ByteLevel()
    return t


def modern(pattern):
    return P.Sequence([P.Split(Regex(pattern), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)])


def gpt2():
    t = byte_bpe(P.ByteLevel(add_prefix_space=False), ["<|endoftext|>"])
    t.post_processor = PP.ByteLevel(trim_offsets=True, add_prefix_space=False)
    return t


def roberta():
    t = byte_bpe(P.ByteLevel(add_prefix_space=True), ["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True)], unk_token="<unk>")
    t.post_processor = PP.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=True)
    return t


def llama3():
    t = byte_bpe(modern(LLAMA3), ["<|begin_of_text|>", "<|endoftext|>", "<|x|>"], ignore_merges=True)
    t.post_processor = PP.Sequence([PP.ByteLevel(trim_offsets=False), PP.TemplateProcessing(single="<|begin_of_text|> $A", pair=None, special_tokens=[("<|begin_of_text|>", 0)])])
    return t


def qwen2():
    return byte_bpe(modern(LLAMA3.replace("{1,3}", "")), ["<|endoftext|>"], norm=N.NFC())


def split_by(patterns, last=()):
    """A model in which every byte shows whether it begins a word: what is tested is where a text is split."""
    letters = sorted(P.ByteLevel.alphabet())
    t = Tokenizer(models.BPE(vocab={s: i for i, s in enumerate(letters + ["##" + c for c in letters])}, merges=[], continuing_subword_prefix="##"))
    t.pre_tokenizer = P.Sequence([P.Split(Regex(p), "isolated") for p in patterns] + list(last) + [P.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = D.ByteLevel()
    return t


def o200k():
    return split_by([O200K])


def tekken():
    return split_by([TEKKEN])


def qwen35():
    return split_by([QWEN35])


def kimi():
    return split_by([KIMI])


def deepseek():
    return split_by(DEEPSEEK)


def deepseek_coder():
    return split_by(DEEPSEEK_CODER, [P.Digits(True)])


def bloom():
    return split_by([BLOOM])


def odd():
    """Parts of expressions that the published ones have not."""
    return split_by([r"(?>a|ab)c|(?<=e)(?:s|t)\b|(?<![ao])n\B|\A\w{2,3}(?=\W)|^[^\W\d_]++$|\x{1F3FB}|[\u0e00-\u0e7f&&[^\u0e01]]+|\D?\d(?!\d)|(?i:ka|[x-z])?\P{L}\z|.\n"])


def whisper():
    t = byte_bpe(P.ByteLevel(add_prefix_space=False), ["<|endoftext|>"])
    t.add_special_tokens(["<|startoftranscript|>", "<|notimestamps|>", "<|x|>"])
    t.add_tokens([AddedToken("student", single_word=True), AddedToken("Teacher", lstrip=True, rstrip=True)])
    template(t, "<|startoftranscript|> <|notimestamps|> $A <|endoftext|>", ["<|startoftranscript|>", "<|notimestamps|>", "<|endoftext|>"])
    return t


def clip():
    t = byte_bpe(P.Sequence([P.Split(Regex(CLIP), "removed", invert=True), P.ByteLevel(add_prefix_space=False)]), ["<|startoftext|>", "<|endoftext|>"],
                 norm=N.Sequence([N.NFC(), N.Replace(Regex(r"\s+"), " "), N.Lowercase()]), decoder=D.Sequence([D.ByteLevel(), D.Replace("</w>", " "), D.Strip(" ", 0, 1)]),
                 end_of_word_suffix="</w>", unk_token="<|endoftext|>")
    t.post_processor = PP.RobertaProcessing(("<|endoftext|>", 1), ("<|startoftext|>", 0), trim_offsets=False, add_prefix_space=False)
    return t


def char_bpe(norm, pre, decoder):
    model = dict(unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    t = Tokenizer(models.BPE(**model))
    t.pre_tokenizer = P.Metaspace()
    t.train_from_iterator(LINES[:30000], trainers.BpeTrainer(vocab_size=1100, special_tokens=["<unk>", "<s>", "</s>"] + BYTES, show_progress=False, limit_alphabet=300))
    j = json.loads(t.to_str())
    j["added_tokens"] = [a for a in j["added_tokens"] if a["id"] < 3]
    t = Tokenizer.from_str(json.dumps(j))
    t.normalizer, t.decoder = norm, decoder
    if pre:
        t.pre_tokenizer = pre
    else:
        j = json.loads(t.to_str())
        j["pre_tokenizer"] = None
        t = Tokenizer.from_str(json.dumps(j))
    template(t, "<s> $A", ["<s>"])
    return t


LLAMA_DECODER = D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse(), D.Strip(" ", 1, 0)])


def llama2():
    return char_bpe(N.Sequence([N.Prepend("▁"), N.Replace(" ", "▁")]), None, LLAMA_DECODER)


def first():
    return char_bpe(N.Strip(True, True), P.Metaspace(prepend_scheme="first", split=False), LLAMA_DECODER)


def gemma():
    return char_bpe(N.Replace(" ", "▁"), P.Split(" ", "merged_with_previous"), D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse()]))


def mixture():
    return char_bpe(N.Sequence([N.NFKC(), N.Nmt()]), P.Sequence([P.Split(Regex(r"\s"), "merged_with_next"), P.Digits(False), P.Punctuation("contiguous"), P.CharDelimiterSplit("x")]), D.BPEDecoder())


def subword():
    t = Tokenizer(models.BPE(unk_token="[UNK]", continuing_subword_prefix="##"))
    t.normalizer = N.Sequence([N.NFKD(), N.StripAccents(), N.Strip(True, True)])
    t.pre_tokenizer = P.Sequence([P.Whitespace(), P.Digits(True), P.Punctuation("merged_with_previous")])
    t.train_from_iterator(usual(200), trainers.BpeTrainer(vocab_size=900, special_tokens=["[UNK]"], show_progress=False, continuing_subword_prefix="##"))
    t.decoder = D.WordPiece()
    return t


def rules():
    """A normalisation of some 400 characters in SentencePiece's form."""
    some = [c for c in range(0xA0, 0x30000) if unicodedata.normalize("NFKC", chr(c)) != chr(c)]
    out = {chr(c): unicodedata.normalize("NFKC", chr(c)) for c in random.Random(2).sample(some, 300) + [0xFB01, 0xFF46, 0xBD, 0x2168, 0xFDFA, 0x33A5, 0x3000, 0xA0, 0x212A]}
    out.update({"\r": " ", "\n": " ", "\t": " ", "\u200b": "", "\u00ad": "", "e\u0301": "é", "a\u0323": "ạ", "\u0958": "\u0915\u093c", "``": '"', "\u0001": "", "\u0002": ""})
    return "".join("%s\t%s\n" % (" ".join("%X" % ord(c) for c in a), " ".join("%X" % ord(c) for c in b)) for a, b in sorted(out.items()))


def spm(kind, size, **more):
    path, out = os.path.join(HERE, "rules.tsv"), io.BytesIO()
    open(path, "w").write(rules())
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(usual(200)[:8000]), model_writer=out, vocab_size=size, model_type=kind, character_coverage=1.0, minloglevel=2,
                                             hard_vocab_limit=False, normalization_rule_tsv=path, **more)
    os.remove(path)
    return out.getvalue()


def fields(buf, want):
    """Length-delimited fields of a protocol buffer message."""
    out, p = [], 0

    def varint():
        nonlocal p
        x = shift = 0
        while True:
            b = buf[p]
            p, x, shift = p + 1, x | (b & 127) << shift, shift + 7
            if b < 128:
                return x
    while p < len(buf):
        key = varint()
        n = {0: 0, 1: 8, 2: None, 5: 4}[key & 7]
        if n == 0:
            varint()
            continue
        n = varint() if n is None else n
        if key >> 3 == want:
            out.append(buf[p:p + n])
        p += n
    return out


def unigram(norm, pre, specials, decoder=None, size=800, bytes_too=False):
    t = Tokenizer(models.Unigram())
    t.normalizer, t.pre_tokenizer = norm, pre
    t.train_from_iterator(usual(200)[:20000], trainers.UnigramTrainer(vocab_size=size, special_tokens=specials, unk_token="<unk>", show_progress=False, shrinking_factor=0.5))
    j = json.loads(t.to_str())
    if bytes_too:
        j["model"].update(byte_fallback=True, vocab=j["model"]["vocab"][:size // 2] + [[b, -20.0] for b in BYTES])
    for row in j["model"]["vocab"]:
        row[1] = round(row[1], 4)
    t = Tokenizer.from_str(json.dumps(j))
    t.decoder = decoder or D.Metaspace()
    return t


def t5(charsmap):
    t = unigram(N.Sequence([N.Precompiled(charsmap), N.Strip(False, True), N.Replace(Regex(" {2,}"), "▁")]), P.Metaspace(), ["<pad>", "</s>", "<unk>", "<extra_id_0>"])
    template(t, "$A </s>", ["</s>"])
    return t


def xlmr(charsmap):
    t = unigram(N.Sequence([N.Precompiled(charsmap), N.Replace(Regex(" {2,}"), " ")]), P.Sequence([P.WhitespaceSplit(), P.Metaspace()]), ["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True)])
    template(t, "<s> $A </s>", ["<s>", "</s>"])
    return t


def unibytes(charsmap):
    return unigram(N.Precompiled(charsmap), P.Metaspace(prepend_scheme="never"), ["<pad>", "</s>", "<unk>"], LLAMA_DECODER, bytes_too=True)


def siglip(charsmap):
    t = unigram(N.Sequence([N.Lowercase(), N.Replace(Regex(SIGLIP), ""), N.Replace(Regex(r"\s+"), " "), N.Strip(), N.Precompiled(charsmap)]), P.Metaspace(), ["<pad>", "</s>", "<unk>"])
    template(t, "$A </s>", ["</s>"])
    t.enable_padding(length=64, pad_id=1, pad_token="</s>")
    t.enable_truncation(64)
    return t


def albert(charsmap):
    t = unigram(N.Sequence([N.Replace("``", '"'), N.Replace("''", '"'), N.NFKD(), N.StripAccents(), N.Lowercase(), N.Precompiled(charsmap)]), P.Metaspace(), ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"])
    template(t, "[CLS] $A [SEP]", ["[CLS]", "[SEP]"])
    return t


def bert():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer, t.pre_tokenizer = N.BertNormalizer(), P.BertPreTokenizer()
    t.train_from_iterator(usual(300), trainers.WordPieceTrainer(vocab_size=1300, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    t.decoder = D.WordPiece()
    template(t, "[CLS] $A [SEP]", ["[CLS]", "[SEP]"])
    return t


# ---- recording ----

def fnv(data, h=0xCBF29CE484222325):
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & MASK
    return h


def record(folder, raw, encode, decode):
    """encode(texts) -> [(ids, offsets)]; decode(ids, skip) -> text"""
    got = encode([b.decode("utf8", "replace") for b in raw])
    out = [struct.pack("<I", len(raw) // BLOCK)]
    for at in range(0, len(raw), BLOCK):
        ids = offsets = texts = b""
        for i, o in got[at:at + BLOCK]:
            ids += struct.pack("<%di" % len(i), *i)
            offsets += struct.pack("<%di" % (2 * len(o)), *[x for pair in o for x in pair])
            if i:
                texts += decode(i, True).encode() + b"\0" + decode(i, False).encode() + b"\0"
        out.append(struct.pack("<3Q", fnv(ids), fnv(offsets), fnv(texts)))
    for i, _ in got[:FULL]:
        out.append(struct.pack("<H%dH" % len(i), len(i), *i))
    open(os.path.join(HERE, folder, "expected.bin"), "wb").write(b"".join(out))
    print(folder, sum(len(i) for i, _ in got), "tokens")


def by_tokenizers(folder, t, raw):
    t.no_padding()
    t.no_truncation()

    def decode(ids, skip):
        try:
            return t.decode(ids, skip_special_tokens=skip)
        except BaseException:  # decoders panic on empty lists: nothing is expected there
            return ""
    record(folder, raw, lambda texts: [(e.ids, e.offsets) for e in t.encode_batch(texts)], decode)


def write(folder, name, data):
    os.makedirs(os.path.join(HERE, folder), exist_ok=True)
    open(os.path.join(HERE, folder, name), "wb").write(data if isinstance(data, bytes) else data.encode())


def save(folder, t):
    write(folder, "tokenizer.json", json.dumps(json.loads(t.to_str()), ensure_ascii=False, separators=(",", ":")))


def as_files(folder, t, config, raw):
    """vocab.json and merges.txt of a tokenizer, without its tokenizer.json."""
    j = json.loads(t.to_str())
    merges = "#version: 0.2\n" + "".join("%s %s\n" % tuple(m) for m in j["model"]["merges"])
    write(folder, "vocab.json", json.dumps(j["model"]["vocab"], ensure_ascii=False, separators=(",", ":")))
    write(folder, "merges.txt", merges)
    write(folder, "tokenizer_config.json", json.dumps(config))
    by_tokenizers(folder, t, raw)


def simple_vocab(raw):
    """open_clip's file, short: letters, letters with </w>, merges, two marks."""
    t = clip()
    merges = json.loads(t.to_str())["model"]["merges"]
    own = [c for c in range(256) if 33 <= c <= 126 or 161 <= c <= 172 or c >= 174]
    letters = [chr(c) for c in own] + [chr(256 + i) for i in range(256 - len(own))]
    vocab = letters + [c + "</w>" for c in letters]
    kept = []
    for a, b in merges:
        if a in vocab and b in vocab and a + b not in vocab:
            vocab.append(a + b)
            kept.append((a, b))
    vocab += ["<|startoftext|>", "<|endoftext|>"]
    text = '"bpe_simple_vocab_16e6.txt#version: 0.2\n' + "".join("%s %s\n" % m for m in kept)
    write("open_clip", "bpe_simple_vocab_16e6.txt.gz", gzip.compress(text.encode(), mtime=0))
    ids = {v: i for i, v in enumerate(vocab)}
    u = Tokenizer(models.BPE(vocab=ids, merges=kept, end_of_word_suffix="</w>"))
    u.normalizer, u.pre_tokenizer, u.decoder = t.normalizer, t.pre_tokenizer, t.decoder
    u.add_special_tokens(["<|startoftext|>", "<|endoftext|>"])
    u.post_processor = PP.RobertaProcessing(("<|endoftext|>", len(vocab) - 1), ("<|startoftext|>", len(vocab) - 2), trim_offsets=False, add_prefix_space=False)
    by_tokenizers("open_clip", u, raw)


def as_model(folder, data, config, raw):
    write(folder, "spiece.model", data)
    write(folder, "tokenizer_config.json", json.dumps(config))
    p = sentencepiece.SentencePieceProcessor(model_proto=data)

    def encode(texts):
        out = []
        for s in texts:
            ids = p.encode(s, out_type=int)
            out.append((ids, [(0, 0)] * len(ids)))
        return out
    record(folder, raw, encode, lambda ids, skip: "")


def tiny():
    """Small files for the fuzz target tokenizer_files: each kind with all of its parts."""
    folder = "../tokenizer_files"
    names = ["<unk>", "<s>", "</s>"] + list("abcdeſ'ts") + ["▁", "ab", "abc", "▁a"] + BYTES[:3]
    t = Tokenizer(models.BPE(vocab={n: i for i, n in enumerate(names)}, merges=[("a", "b"), ("ab", "c"), ("▁", "a")], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    t.normalizer = N.Sequence([N.NFKC(), N.Nmt(), N.Prepend("▁"), N.Replace(Regex(r"\s+"), "▁"), N.StripAccents(), N.Lowercase(), N.Strip()])
    t.pre_tokenizer = P.Sequence([P.Split("▁", "merged_with_next"), P.Digits(True), P.Punctuation("isolated"), P.Metaspace(prepend_scheme="first")])
    t.decoder = LLAMA_DECODER
    t.add_tokens([AddedToken("teacher", single_word=True, lstrip=True, rstrip=True)])
    template(t, "<s> $A </s>", ["<s>", "</s>"])
    t.enable_padding(length=8, pad_id=1, pad_token="<s>")
    t.enable_truncation(8)
    write(folder, "characters.json", json.dumps(json.loads(t.to_str()), ensure_ascii=False))
    j = json.loads(t.to_str())
    j.update(normalizer={"type": "Precompiled", "precompiled_charsmap": base64.b64encode(small_map()).decode()}, added_tokens=j["added_tokens"][:1], post_processor=None,
             model={"type": "Unigram", "unk_id": 0, "vocab": [[n, -float(i)] for i, n in enumerate(names)], "byte_fallback": True})
    write(folder, "pieces.json", json.dumps(j, ensure_ascii=False))
    letters = {chr(c): i for i, c in enumerate(range(0x21, 0x7F))}
    letters.update({"Ġ": 94, "Ġt": 95, "he": 96, "Ġthe": 97, "Ã": 98, "Ł": 99})
    t = Tokenizer(models.BPE(vocab=letters, merges=[("Ġ", "t"), ("h", "e"), ("Ġt", "he")], ignore_merges=True))
    t.pre_tokenizer, t.decoder, t.post_processor = modern(LLAMA3), D.ByteLevel(), PP.RobertaProcessing(("a", 0), ("b", 1))
    write(folder, "bytes.json", json.dumps(json.loads(t.to_str()), ensure_ascii=False))
    t = Tokenizer(models.WordPiece(vocab={n: i for i, n in enumerate(["[UNK]", "[CLS]", "[SEP]", "die", "##e", "str", "##a", "1", "/", "2"])}, unk_token="[UNK]"))
    t.normalizer, t.pre_tokenizer, t.decoder, t.post_processor = N.BertNormalizer(), P.BertPreTokenizer(), D.WordPiece(), PP.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    write(folder, "words.json", json.dumps(json.loads(t.to_str()), ensure_ascii=False))
    write(folder, "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\ndie\n##e\nstr\n##a\n")
    write(folder, "merges.txt", "#version: 0.2\na b\nab c\n")
    write(folder, "simple.gz", gzip.compress(b'"bpe_simple_vocab_16e6.txt#version: 0.2\ni t</w>\nt h\nth e</w>\n', mtime=0))
    write(folder, "small.model", small_model())


def small_map():
    import importlib.util
    spec = importlib.util.spec_from_file_location("tables", os.path.join(HERE, "../../../text/unicode_tables.py"))
    tables = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tables)
    return tables.charsmap_bytes([("a", "b"), ("\r", " ")])


def small_model():
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(["die strasse", "die a", "a e strasse", "its a test"] * 9), model_writer=out, vocab_size=24, model_type="unigram", minloglevel=2,
                                             hard_vocab_limit=False, normalization_rule_name="identity")
    return out.getvalue()


def main():
    raw = [text(i) for i in range(TEXTS)]
    model = spm("unigram", 700)
    charsmap = fields(fields(model, 3)[0], 2)[0]
    only = sys.argv[1:]
    for make in (gpt2, llama3, qwen2, whisper, clip, llama2, first, gemma, mixture, subword, bert, o200k, tekken, qwen35, kimi, deepseek, deepseek_coder, bloom, odd):
        if not only or make.__name__ in only:
            t = make()
            save(make.__name__, t)
            by_tokenizers(make.__name__, t, raw)
    for make in (t5, xlmr, unibytes, siglip, albert):
        if not only or make.__name__ in only:
            t = make(charsmap)
            save(make.__name__, t)
            by_tokenizers(make.__name__, t, raw)
    if not only or "files" in only:
        as_files("roberta", roberta(), {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": True, "unk_token": "<unk>",
                                        "added_tokens_decoder": {str(i): {"content": s, "lstrip": s == "<mask>", "special": True} for i, s in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])}}, raw)
        simple_vocab(raw)
    if not only or "tiny" in only:
        tiny()
    if not only or "models" in only:
        as_model("spm", model, {}, raw)
        as_model("spm_bytes", spm("bpe", 900, byte_fallback=True), {}, raw)


if __name__ == "__main__":
    main()
