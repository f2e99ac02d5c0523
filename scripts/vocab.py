# SPDX-License-Identifier: Apache-2.0
"""A WordPiece vocabulary of the texts of a JSONL list, its split "test" left out: special tokens, characters, words. For a demo without pretrained tokenizer."""
import json, re, sys
from collections import Counter

words = Counter()
for line in sys.stdin:
    item = json.loads(line)
    if item.get("split") != "test": words.update(re.findall(r"[^\W_]+|[^\w\s]", item.get("text", "").lower()))
letters = sorted({c for w in words for c in w})
tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + letters + ["##" + c for c in letters]
known = set(tokens)
print("\n".join(tokens + [w for w, _ in words.most_common() if w not in known]))
