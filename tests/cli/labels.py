# SPDX-License-Identifier: Apache-2.0
# `list --labels`, and zero-shot of a model over cached features, whose classes' rows come from such a list: the same as the model over the media.
from common import *


def labels_as_items():
    write("l.jsonl", "".join(json.dumps({"key": f"k{i}", "text": "a", "label": l}) + "\n" for i, l in enumerate(["b c", "a", "b c", "z", "a"])))
    done = run("list", "--input", "l.jsonl", "--labels")
    check("each label once, in order", [json.loads(l) for l in done.out.splitlines()] == [{"key": l, "text": l} for l in ("a", "b c", "z")], done)
    write("l2.jsonl", json.dumps({"key": "bare", "text": "a"}) + "\n")
    fails("an item without label", run("list", "--input", "l2.jsonl", "--labels"), "bare", "label")


HEAD = """name: head
data: {input: [zs/list.jsonl]}
features:
  image_features: {cache: zs-pictures.h5, tap: image_embed, of: image}
  text_features: {cache: zs-texts.h5, tap: text_embed, of: text}
student:
  arch: joint-head
  params: {image_width: 16, text_width: 16, hidden: 8, embed: 8, dropout: 0}
streams:
  pairs: {split: test, fields: [image, text], batch: 8}
objectives:
  - method: infonce
    on: pairs
    inputs: {image_embed: student.image_embed, text_embed: student.text_embed, logit_scale: student.logit_scale}
train: {steps: 3}
eval: {split: test}
"""


def zeroshot_of_features():
    make_models()
    works("synth", run("synth", "pairs", "--out", "zs", "--option", "pairs=0", "unpaired=0", "test=24", "size=16"))
    works("labels", run("list", "--input", "zs/list.jsonl", "--labels", "--quiet"))
    write("zs-labels.jsonl", run("list", "--input", "zs/list.jsonl", "--labels").out)
    encode = lambda tap, out, *inputs: works("encode " + out, run("encode", "--model", "teacher-0", "--taps", tap, "--out", out, "--input", *inputs))
    encode("image_embed", "zs-pictures.h5", "zs/list.jsonl")
    encode("text_embed", "zs-texts.h5", "zs/list.jsonl")
    encode("text_embed", "zs-labels.h5", "zs-labels.jsonl")
    write("head.yaml", HEAD)
    works("train a head over features", run("train", "head.yaml", "--out", "zs-head"))
    works("in the order of chunks", run("train", "head.yaml", "--out", "zs-chunks", "--set", "train.order=chunks"))
    fails("no such order", run("train", "head.yaml", "--out", "zs-none", "--set", "train.order=rows"), "order", "items|chunks")
    score = lambda *words: run("eval", "zeroshot", "--input", "zs/list.jsonl", "--split", "test", "--json", *words)
    done = score("--model", "zs-head", "--features", "image_features=zs-pictures.h5:image_embed", "text_features=zs-labels.h5:text_embed")
    works("eval zeroshot over features", done)
    fails("a template without a place for the label", score("--model", "teacher-0", "--template", "a photo"), "'a photo' has no {}", code=USAGE)
    # The same by hand: the head's rows of pictures and of labels, compared by cosine.
    head = lambda feature, file, tap, out: works("encode " + out, run("encode", "--model", "zs-head/model", "--features", f"{feature}={file}", "--taps", tap, "--out", out))
    head("image_features", "zs-pictures.h5:image_embed", "image_embed", "zs-a.h5")
    head("text_features", "zs-labels.h5:text_embed", "text_embed", "zs-b.h5")
    import h5py, numpy
    rows = lambda file, tap: (lambda f: ([k.decode() for k in f["keys"][:]], f["features/" + tap][:].astype("f8")))(h5py.File(path(file), "r"))
    (keys, a), (names, b) = rows("zs-a.h5", "image_embed"), rows("zs-b.h5", "text_embed")
    unit = lambda x: x / numpy.linalg.norm(x, axis=1, keepdims=True)
    first = (unit(a) @ unit(b).T).argmax(1)
    label = {json.loads(l)["key"]: json.loads(l)["label"] for l in read("zs/list.jsonl").decode().splitlines()}
    want = 100 * numpy.mean([names[c] == label[k] for c, k in zip(first, keys)])
    check("top-1 by hand", abs(json.loads(done.out)["top1"] - want) < 1e-6, f"{done.out} {want}")
    fails("classes without rows", score("--model", "zs-head", "--features", "image_features=zs-pictures.h5:image_embed", "text_features=zs-texts.h5:text_embed"), "no good row", "text_features")
    fails("no texts at all", score("--model", "zs-head", "--features", "image_features=zs-pictures.h5:image_embed"), "zs-head", "--features")


CASES = [labels_as_items, zeroshot_of_features]
