# SPDX-License-Identifier: Apache-2.0
# `eval classify`, `probe`, `knn` over feature files and labels, `eval segmentation` over folders of masks: scores by hand, and refusals.
from common import *


def png(name, rows, bits=8, palette=None):
    """A grey or palette PNG written by hand."""
    import struct, zlib
    chunk = lambda kind, body: struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    lines = b"".join(b"\0" + (bytes(r) if bits == 8 else bytes(int("".join(map(str, r[i:i + 8])).ljust(8, "0"), 2) for i in range(0, len(r), 8))) for r in rows)
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), bits, 3 if palette else 0, 0, 0, 0)
    write(name, b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + (chunk(b"PLTE", bytes(palette)) if palette else b"") + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b""))


def masks():
    import numpy
    rng = numpy.random.default_rng(1)
    scores = []
    for i in range(4):
        truth, guess = rng.integers(0, 3, (2, 9, 11))
        png(f"truth/a/{i}.png", truth.tolist(), palette=[9, 8, 7, 6, 5, 4, 3, 2, 1])  # the index counts, not the colour
        png(f"guess/a/{i}.png", guess.tolist())
        scores.append([2 * ((truth == k) & (guess == k)).sum() / ((truth == k).sum() + (guess == k).sum()) for k in (1, 2)])
    ask = lambda *words: run("eval", "segmentation", "--truth", "truth", "--guess", "guess", *words)
    done = ask("--set", "classes=3", "--csv", "each.csv", "--json")
    works("eval segmentation", done)
    check("mean Dice by hand", abs(json.loads(done.out)["dice"] - 100 * numpy.mean(scores)) < 1e-9, done)
    line = [l.split(",") for l in read("each.csv").decode().splitlines()]
    check("a case's Dice in the CSV", abs(float(line[6][5]) - scores[1][1]) < 1e-8 and line[6][:2] == ["a/1", "2"], line[6])
    write("names.txt", "none\nleft\nright\n")
    check("classes by name", "right" in json.loads(ask("--labels", "names.txt", "--json").out)["per_class"], "")
    fails("a label beyond the classes", ask(), "a/0", "label 2", "0..1")
    png("guess/a/3.png", [[0] * 5] * 5)
    fails("another size", ask("--set", "classes=3"), "3.png", "resize")
    works("fitted to size", ask("--set", "classes=3", "resize=true"))
    png("guess/a/4.png", [[0] * 5] * 5)
    fails("one too many", ask("--set", "classes=3"), "guess/a/4.png", "no mask of that name")
    fails("unknown parameter", ask("--set", "clases=3"), "clases", "classes")
    png("bits.png", [[0, 1, 1, 0, 1, 0, 1, 0, 1, 1]], bits=1)
    png("bytes.png", [[0, 1, 1, 0, 1, 0, 1, 0, 1, 1]])
    check("one bit a pixel is 0 and 1", json.loads(run("eval", "segmentation", "--truth", "bits.png", "--guess", "bytes.png", "--json").out)["dice"] == 100, "")


def classes():
    import h5py, numpy
    rng = numpy.random.default_rng(2)
    centre, keys, rows = rng.normal(size=(3, 4)) * 2, [], []
    with open(path("items.jsonl"), "w") as f:
        for i in range(60):
            k = int(rng.integers(0, 3))
            keys.append(f"k{i}")
            rows.append(centre[k] + rng.normal(size=4))
            f.write(json.dumps({"key": f"k{i}", "text": "x", "label": "abc"[k], "split": "train" if i < 40 else "test"}) + "\n")
    rows, label = numpy.float32(rows), numpy.array(["abc".index(json.loads(l)["label"]) for l in read("items.jsonl").decode().splitlines()])
    numpy.save(path("rows.npy"), rows)
    write("keys.txt", "".join(k + "\n" for k in keys))
    works("import", run("cache", "import", "rows.npy", "--keys", "keys.txt", "--taps", "pooled", "--out", "rows.h5"))
    unit = rows / numpy.linalg.norm(rows, axis=1, keepdims=True)
    near = numpy.argsort(-(unit[40:] @ unit[:40].T), axis=1, kind="stable")[:, :5]
    want = 100 * numpy.mean([numpy.bincount(label[n], minlength=3).argmax() == l for n, l in zip(near, label[40:])])
    score = lambda kind, *words: run("eval", kind, "--input", "items.jsonl", "--json", *words)
    done = score("knn", "--rows", "rows.h5:pooled", "--set", "k=5", "weights=uniform")
    works("eval knn", done)
    check("k nearest by hand", abs(json.loads(done.out)["top1"] - want) < 1e-9, f"{done.out} {want}")
    done = score("probe", "--rows", "rows.h5:pooled")
    works("eval probe", done)
    check("a probe learns", json.loads(done.out)["top1"] > 60 and json.loads(done.out)["converged"], done)
    fails("no such split", score("probe", "--rows", "rows.h5:pooled", "--train-split", "dev"), "dev", "--train-split")
    logits = numpy.float32(rng.normal(size=(60, 3)) + 2 * numpy.eye(3)[label])
    numpy.save(path("logits.npy"), logits)
    works("import logits", run("cache", "import", "logits.npy", "--keys", "keys.txt", "--taps", "logits", "--out", "logits.h5"))
    done = score("classify", "--rows", "logits.h5:logits", "--split", "test")
    works("eval classify", done)
    check("top-1 by hand", abs(json.loads(done.out)["top1"] - 100 * (logits[40:].argmax(1) == label[40:]).mean()) < 1e-9, done)
    write("five.txt", "a\nb\nc\nd\ne\n")
    fails("scores of other classes", score("classify", "--rows", "logits.h5:logits", "--labels", "five.txt"), "3 scores", "5 classes")
    write("two.txt", "a\nb\n")
    fails("a label that is no class", score("classify", "--rows", "logits.h5:logits", "--labels", "two.txt"), "'c'")


def search():
    """Nearest rows by cosine against NumPy, over shards with failed rows between."""
    import h5py, numpy
    make_models()
    works("synth", run("synth", "pairs", "--out", "found", "--option", "pairs=30", "unpaired=0", "test=0", "size=16"))
    lines = read("found/list.jsonl").decode().splitlines()
    lines[7] = json.dumps({"key": "gone", "image": "images/gone.png", "text": "gone"})
    write("found/list.jsonl", "\n".join(lines) + "\n")
    works("index", run("cache", "run", "--model", "teacher-0", "--input", "found/list.jsonl", "--taps", "image_embed,text_embed", "--shard-size", "11", "--out", "index"))
    works("queries", run("encode", "--model", "teacher-0", "--input", "found/list.jsonl", "--taps", "text_embed", "--out", "asked.h5"))
    rows = lambda file, tap: (lambda f: ([k.decode().rstrip(chr(0)) for k in f["keys"][:]], f["features/" + tap][:].astype("f8")))(h5py.File(path(file), "r"))
    parts = [rows("index/" + f, "image_embed") for f in sorted(os.listdir(path("index"))) if f.endswith(".h5")]
    keys, image = sum((p[0] for p in parts), []), numpy.concatenate([p[1] for p in parts])
    unit = lambda x: x / numpy.linalg.norm(x, axis=1, keepdims=True)
    query = unit(rows("asked.h5", "text_embed")[1])[3]
    cosine = numpy.nan_to_num(unit(image) @ query, nan=-9)
    done = run("search", "--index", "index:image_embed", "--model", "teacher-0", "--query", json.loads(lines[3])["text"], "found/" + json.loads(lines[2])["image"], "--top", "5", "--json")
    works("search", done)
    hits = [json.loads(l)["hits"] for l in done.out.splitlines()]
    # Cosines of random weights lie closer than float products tell apart, so the order is checked by the cosines, not the keys.
    found = numpy.array([cosine[keys.index(h["key"])] for h in hits[0]])
    check("the nearest by hand", len(set(h["key"] for h in hits[0])) == 5 and numpy.abs(found - -numpy.sort(-cosine)[:5]).max() < 1e-6, (hits[0], found))
    check("a picture finds itself", abs(hits[1][0]["score"] - 1) < 1e-6, hits[1])
    works("as a page", run("search", "--index", "index:image_embed", "--model", "teacher-0", "--query", "a", "--html", "found.html", "--input", "found/list.jsonl"))
    check("pictures in the page", read("found.html").count(b"data:image/png;base64,") == 10, "")
    done = run("search", "--index", "index", "--model", "teacher-0", "--query", "a")
    check("which tap", done.code == 2 and "image_embed, text_embed" in done.err, done)
    fails("no such tap", run("search", "--index", "index:pooled", "--model", "teacher-0", "--query", "a"), "'pooled'", "text_embed")
    done = run("search", "--index", "index:image_embed", "--query", "a")
    check("no model", done.code == 2 and "--model" in done.err, done)


def intervals_of_boxes():
    """100 images with a box each, of which 50 are found: the share of found ones among images drawn anew is binomial, its middle 95 % 40.2 to 59.8."""
    box = lambda i, **more: {"image_id": 7 * i, "category_id": 3, "bbox": [0, 0, 9, 9], **more}
    write("truth.json", json.dumps([box(i) for i in range(100)]))
    scores = []
    for found, more in ((50, []), (50, ["--bootstrap", "9"]), (50, ["--bootstrap", "9"]), (50, ["--bootstrap", "9", "--set", "seed=1"]), (100, []), (50, ["--bootstrap", "0"])):
        write("found.json", json.dumps([box(i, score=0.5) for i in range(found)]))
        done = run("eval", "detection", "--truth", "truth.json", "--guess", "found.json", "--json", *more)
        works(f"{found} found", done)
        scores.append(json.loads(done.out))
    first, few, again, other, all_found, none = scores
    check("counted", first["images"] == 100 and first["ar"] == 50, first)
    # 1,000 draws put each end within two hundredths of the binomial's.
    check("recall's", abs(first["ar_95"][0] - 40.2) <= 2 and abs(first["ar_95"][1] - 59.8) <= 2, first)
    # Precision is 1 up to that recall, read at 101 places.
    check("precision's", all(abs(p - (r + 1) / 1.01) < 1e-6 for p, r in zip(first["ap50_95"], first["ar_95"])), first)
    check("a function of the seed", few == again and few["ar_95"] != other["ar_95"], (few, again, other))
    check("of no spread", all(abs(x - 100) < 1e-9 for x in all_found["ap_95"]), all_found)
    check("none", "ap_95" not in none and none["ap"] == first["ap"], none)


def boxes():
    """The recorded cases of pycocotools (tests/data/eval/make.py) by way of COCO's files."""
    with open(os.path.join(os.environ["LB_TEST_DATA"], "eval/cases.json")) as f: recorded = [c for c in json.load(f) if c["metric"] == "detection"]
    check("there are cases", len(recorded) == 2, len(recorded))
    for case in recorded:
        x = {k: v["values"] for k, v in case["inputs"].items()}
        of = lambda box, image, kind, i: {"image_id": x[image][i], "category_id": x[kind][i], "bbox": [x[box][4 * i], x[box][4 * i + 1], x[box][4 * i + 2] - x[box][4 * i], x[box][4 * i + 3] - x[box][4 * i + 1]]}
        write("truth.json", json.dumps({"annotations": [{**of("true_box", "true_image", "true_class", i), "iscrowd": x["crowd"][i]} for i in range(len(x["true_image"]))]}))
        write("found.json", json.dumps([{**of("box", "image", "class", i), "score": x["score"][i]} for i in range(len(x["image"]))]))
        done = run("eval", "detection", "--truth", "truth.json", "--guess", "found.json", "--json")
        works(case["name"], done)
        got = json.loads(done.out)
        for key, want in case["want"].items():
            check(f"{case['name']}: {key}", got[key] is None if want is None or want != want else abs(got[key] - want) < 1e-6 * max(1, abs(want)), (got[key], want))
    intervals_of_boxes()
    write("found.json", json.dumps([{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1]}]))
    fails("no box", run("eval", "detection", "--truth", "truth.json", "--guess", "found.json"), "found.json", "box 0")
    write("listed.json", json.dumps({"images": [{"id": 1}], "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1]}]}))
    write("other.json", json.dumps([{"image_id": 7, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5}]))
    fails("boxes of another set", run("eval", "detection", "--truth", "listed.json", "--guess", "other.json"), "other.json", "image 7", "listed.json")
    fails("no boxes", run("eval", "detection", "--truth", "truth.json", "--guess", "gone.json"), "gone.json")
    done = run("eval", "detection", "--truth", "truth.json")
    check("both are wanted", done.code == 2 and "--guess" in done.err, done)


CASES = [boxes, masks, classes, search]
