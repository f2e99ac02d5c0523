# SPDX-License-Identifier: Apache-2.0
# Several augmented views of each picture: what is cached is what was drawn, and training sees the views that the teacher saw.
from common import *

RECIPE = """name: views
data: {input: [seen.jsonl]}
teachers:
  now: {model: teacher-0}
features:
  cached: {cache: %s, tap: image_embed, of: image}
student:
  arch: dual-encoder
  params: {image_size: 16, image_width: 8, image_expand: 1, image_head: 16, vocab: 15, text_width: 16, text_layers: 1, text_heads: 2, text_mlp: 16, embed: 16}
  preprocess: {mode: squash, size_w: 16, size_h: 16, filter: bilinear, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
streams:
  pictures: {fields: [image], batch: 8, augment: %s}
objectives:
  - {name: pull, method: embed, component: mse, on: pictures, inputs: {student: student.image_embed, teacher: cached}}
  - {name: replay, method: embed, component: mse, on: pictures, inputs: {student: now.image_embed, teacher: cached}}
train: {steps: 12, log_every: 4, save_every: 6}
eval: {retrieval: false}
"""


def seen_again(what, recipe, out):
    """The teacher, run on what the student now sees, gives what is cached to the last bit: the trainer refuses a term that is always exactly 0.
    OpenBLAS's own products depend on the number of rows in their last bits: at level blas the term is next to 0."""
    done = run("train", recipe, "--out", out)
    if json.loads(run("doctor", "--json").out)["kernels"] != "blas": return fails(what, done, "term replay was exactly 0")
    terms = [json.loads(l)["terms"]["replay"] for l in read(out + "/log.jsonl").decode().splitlines() if "terms" in json.loads(l)]
    check(what, terms and max(terms) < 1e-9, terms)


def views():
    import h5py, numpy
    make_models()
    rng = numpy.random.default_rng(3)
    lines = []
    for i in range(12):
        pixels = numpy.kron(rng.integers(0, 256, (4, 5, 3)), numpy.ones((5, 5, 1), int)).astype("u1")
        write(f"seen/{i}.png", png(25, 20, pixels.tobytes()))
        write(f"mirrored/{i}.png", png(25, 20, pixels[:, ::-1].tobytes()))
        lines.append(json.dumps({"key": f"k{i}", "image": f"seen/{i}.png"}))
    write("seen.jsonl", "\n".join(lines[:6] + [json.dumps({"key": "gone", "image": "seen/gone.png"})] + lines[6:]) + "\n")
    write("mirrored.jsonl", "\n".join(lines).replace("seen/", "mirrored/") + "\n")
    encode = lambda source, out, *words: run("encode", "--model", "teacher-0", "--taps", "image_embed", "--input", source, "--out", out, *words)
    rows = lambda file, tap: h5py.File(path(file), "r")["features/" + tap][:]
    works("plain", encode("seen.jsonl", "plain.h5"))
    works("mirrored", encode("mirrored.jsonl", "mirrored.h5"))
    works("views that change nothing", encode("seen.jsonl", "same.h5", "--views", "3"))
    plain, same, drawn = rows("plain.h5", "image_embed"), rows("same.h5", "image_embed"), rows("same.h5", "augment")
    whole = [i for i in range(13) if i != 6]
    check("each view is the picture", same.shape == (13, 3, 16) and numpy.abs(same[whole] - plain[whole][:, None]).max() < 1e-5, "")
    check("what was drawn", (drawn[whole] == numpy.float32([0, 0, 25, 20, 0, 1, 1, 1])).all() and numpy.isnan(drawn[6]).all(), drawn[0])
    works("always flipped", encode("seen.jsonl", "flipped.h5", "--views", "2", "--augment", "flip=1"))
    check("a flipped view is the mirrored picture", numpy.abs(rows("flipped.h5", "image_embed")[whole][:, 1] - rows("mirrored.h5", "image_embed")).max() < 1e-5, "")
    words = ["--views", "4", "--augment", "crop_min=0.3", "flip=0.5", "brightness=0.4", "contrast=0.3", "saturation=0.3"]
    works("cache run", run("cache", "run", "--model", "teacher-0", "--taps", "image_embed", "--input", "seen.jsonl", "--out", "drawn", "--shard-size", "5", *words))
    shards = sorted(os.listdir(path("drawn")))
    drawn = numpy.concatenate([rows("drawn/" + f, "augment") for f in shards if f.endswith(".h5")])
    check("views differ", len({tuple(v) for i in whole for v in drawn[i]}) == 4 * len(whole), "")
    fails("another draw into the same folder", run("cache", "run", "--model", "teacher-0", "--taps", "image_embed", "--input", "seen.jsonl", "--out", "drawn", "--shard-size", "5", "--views", "4"), "preprocessing")
    write("views.yaml", RECIPE % ("drawn", "true"))
    seen_again("what the teacher saw is seen again", "views.yaml", "never")
    write("views.yaml", (RECIPE % ("drawn", "true")).replace("  - {name: replay", "#"))
    works("train", run("train", "views.yaml", "--out", "run"))
    terms = [json.loads(l)["terms"] for l in read("run/log.jsonl").decode().splitlines() if "terms" in json.loads(l)]
    check("and learned from", terms and all(t["pull"] > 1e-6 for t in terms), terms)
    listed = "[{op: random_resized_crop, scale_min: 0.3}, {op: color_jitter, brightness: 0.4}, {op: flip}]"
    works("views of a list", encode("seen.jsonl", "listed.h5", "--views", "3", "--augment", listed))
    numbers = rows("listed.h5", "augment")[whole].reshape(-1, rows("listed.h5", "augment").shape[2])
    check("marked, and each drawn anew", len(set(map(tuple, numbers[:, :2]))) == 1 and len(set(map(tuple, numbers))) == 3 * len(whole), numbers[:2])
    write("listed.yaml", f"augment: {listed}\n" + RECIPE % ("listed.h5", "true"))
    seen_again("what the teacher saw of a list is seen again", "listed.yaml", "never2")
    fails("another list is refused", run("train", "listed.yaml", "--out", "never3", "--set", "augment=" + listed.replace("0.4", "0.5")), "another list of augmentations")
    fails("and the older form", run("train", "listed.yaml", "--out", "never4", "--set", "augment={flip: 0.5}"), "another list of augmentations")
    done = encode("seen.jsonl", "no.h5", "--views", "2", "--augment", "[{op: cutmix}]")
    check("views of two pictures", done.code == 2 and "of one picture each" in done.err, done)
    write("plain.yaml", RECIPE % ("drawn", "false"))
    fails("views want augmentation", run("train", "plain.yaml", "--out", "not"), "augment: true", "cached")
    done = run("encode", "--model", "teacher-0", "--taps", "text_embed", "--input", "few.jsonl", "--out", "no.h5", "--views", "2")
    check("views are of pictures", done.code == 1 and "--views" in done.err, done)


CASES = [views]
