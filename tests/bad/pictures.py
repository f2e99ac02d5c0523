# SPDX-License-Identifier: Apache-2.0
# Pictures of every kind and of none, beside good ones: each bad one is named with its reason, the others get their features.
import json, os
import h5py, numpy as np
from common import *

# What must be told of each (the pixels of the good ones are compared with Pillow's in the suite `image`).
BAD = {"bad-cut.png": "truncated", "cut.jpg": "truncated", "bad-empty.jpg": "is empty", "bad-text.png": "is no png although its name ends so", "bad-header.jpg": "truncated",
       "bad-huge.png": "50000 x 50000", "bad-huge.jpg": "50000 x 50000", "not-there.png": "No such file"}
GOOD = ["rgb.png", "grey-16.png", "rgb-16.png", "grey-8.png", "grey.jpg", "palette-8.png", "palette-4-clear.png", "cmyk.jpg", "cmyk-no-adobe.jpg", "rgba.png", "grey-alpha.png",
        "rgba-16.png", "name-lies.jpg", "name-lies.png"]


def features(name):
    with h5py.File(path(name)) as f: return f["status"][:], [m.decode() for m in f["message"][:]], f["features/image_embed"][:], [k.decode() for k in f["keys"][:]]


def check_file(what, name, names, alone):
    status, message, x, keys = features(name)
    check(what + ": every item has its row", keys == names)
    for i, n in enumerate(names):
        if n in BAD:
            check(f"{what}: {n} tells why", status[i] != 0 and BAD[n] in message[i] and n in message[i] and np.isnan(x[i]).all(), message[i])
        else:
            # Other neighbours in a batch: sums in the same order, so the same values.
            check(f"{what}: {n} has its features", status[i] == 0 and message[i] == "" and np.allclose(x[i], alone[n], rtol=0, atol=1e-6), message[i])


def pictures():
    names = [n for pair in zip(GOOD, list(BAD) + GOOD) for n in pair][:2 * len(BAD)] + GOOD[len(BAD):]
    lines = lambda which: "".join(json.dumps({"key": n, "image": os.path.join(PICTURES, n)}) + "\n" for n in which)
    write("mixed.jsonl", lines(names))
    write("whole.jsonl", lines(GOOD))
    model = ("--model", "teacher-0", "--taps", "image_embed", "--batch", "4")
    works("pictures alone", run("encode", *model, "--input", "whole.jsonl", "--out", "whole.h5"))
    status, _, x, keys = features("whole.h5")
    alone = dict(zip(keys, x))
    check("good pictures are good", not status.any() and np.isfinite(x).all() and len({r.tobytes() for r in x}) > 8)

    done = run("list", "--input", "mixed.jsonl")
    works("list goes on", done, "not-there.png", "mixed.jsonl:")
    check("list keeps what it can know", len(done.out.splitlines()) >= len(names) - 1)

    done = run("encode", *model, "--input", "mixed.jsonl", "--out", "mixed.h5")
    works("encode goes on", done, f"{len(BAD)} failed")
    check_file("encode", "mixed.h5", names, alone)
    check("declared sizes are not allocated", done.peak < 400 << 20, done.peak)  # 50,000 x 50,000 RGB is 7,500 MB
    fails("encode --strict fails", run("encode", *model, "--input", "mixed.jsonl", "--out", "mixed.h5", "--strict"), f"{len(BAD)} of {len(names)} items failed")

    done = run("cache", "run", *model, "--input", "mixed.jsonl", "--out", "mixed", "--shard-size", str(len(names)))
    works("cache run goes on", done, f"{len(BAD)} failed")
    check_file("cache run", os.path.join("mixed", os.listdir(path("mixed"))[0]), names, alone)

    # The same in a folder, whose list is its files.
    for n in names:
        if n != "not-there.png": write("folder/" + n, open(os.path.join(PICTURES, n), "rb").read())
    works("list of a folder", run("list", "--input", "folder"))
    done = run("encode", *model, "--input", "folder", "--out", "folder.h5")
    works("encode of a folder", done, f"{len(BAD) - 1} failed")
    check_file("folder", "folder.h5", sorted(n for n in names if n != "not-there.png"), alone)

    # All of them bad: no success.
    write("none.jsonl", lines(BAD))
    fails("nothing good is a failure", run("encode", *model, "--input", "none.jsonl", "--out", "none.h5"), f"{len(BAD)} of {len(BAD)}")
    fails("an input that is not there", run("list", "--input", "nowhere.jsonl"), "nowhere.jsonl")
    fails("a folder that is not there", run("cache", "run", *model, "--input", "nowhere", "--out", "x"), "nowhere")
    check("and nothing was begun", not os.path.exists(path("x")))


def training_pictures():
    """Training over a list with broken pictures: they are named and left out, also of the scores; the run is as good as its data."""
    lines = [item(i, "few-pictures/%d.png" % i) for i in range(16)] + [item(16 + i, os.path.join(PICTURES, n)) for i, n in enumerate(BAD)]
    write("part.jsonl", "\n".join(lines) + "\n")
    write("part.yaml", RECIPE.format(list="part.jsonl", steps=12).replace("eval: {retrieval: false}", 'eval: {split: ""}'))
    done = run("train", "part.yaml", "--out", "part-run")
    works("training goes on", done, *BAD)
    summary = json.load(open(path("part-run/summary.json")))
    check("scores of the others", summary["eval_items"] == 16, summary)
    write("none.jsonl", "".join(json.dumps({"key": n, "image": os.path.join(PICTURES, n)}) + "\n" for n in BAD))
    write("none.yaml", RECIPE.format(list="none.jsonl", steps=2).replace("[image, text]", "[image]"))
    fails("no good picture", run("train", "none.yaml", "--out", "none-run"), "no picture of its items can be read")
    write("tested.yaml", RECIPE.format(list="few.jsonl", steps=2).replace("eval: {retrieval: false}", ""))
    fails("nothing to score is told before", run("train", "tested.yaml", "--out", "tested"), "tested.yaml", "no item is of split 'test'", "there are ''")
    check("and nothing was begun", not os.path.exists(path("tested")))
