# SPDX-License-Identifier: Apache-2.0
# `prepare`: arrays of what a model sees; folders and shards with list and stats; stopped, killed and gone on; splits, groups, duplicates, bad items.
import signal
from common import *


def lines(name): return [json.loads(l) for l in read(name).decode().splitlines()]


def picture(i, w=20, h=14): return png(w, h, bytes((x * (i % 7 + 3) + y * (i % 11) + 40 * c + i * 31) % 256 for y in range(h) for x in range(w) for c in range(3)))


def make_set(name, count):
    rows = []
    for i in range(count):
        write(f"{name}/p/{i}.png", picture(i))
        rows.append({"key": f"k/{i}", "image": f"p/{i}.png", "text": f"text {i}\nof two lines", "label": "ab"[i % 2], "group": f"g{i // 3}", "boxes": [[1, 2, 11, 12]]})
    write(f"{name}/list.jsonl", "".join(json.dumps(r) + "\n" for r in rows))
    return rows


def arrays():
    import h5py, numpy
    make_set("a", 9)
    write("a/p/4.png", b"no picture")
    spec = '{"mode": "squash", "size_w": 8, "size_h": 6, "filter": "bilinear", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}'
    done = run("prepare", "--input", "a", "--spec", spec, "--out", "a.h5")
    works("prepare to arrays", done)
    with h5py.File(path("a.h5")) as f:
        pixels, x = f["pixels"][:], f["input"][:]
        want = ((pixels / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.3, 0.4]).transpose(0, 3, 1, 2)
        good = numpy.arange(9) != 4
        check("shapes", pixels.shape == (9, 6, 8, 3) and x.dtype == "f4", str(pixels.shape))
        check("input is the normalised picture", abs(x - want)[good].max() < 1e-6, "")
        check("keys, status and message", [k.decode() for k in f["keys"][:]] == [f"k/{i}" for i in range(9)] and f["status"][:].tolist() == [0] * 4 + [6] + [0] * 4 and b"p/4.png" in f["message"][4], str(f["status"][:]))
    fails("sizes differ", run("prepare", "--input", "a", "--spec", spec, "--out", "b.h5", "--split", "0.5,0.5"), "folder or shards", code=2)
    fails("no size", run("prepare", "--input", "a", "--resize", "0x3", "--out", "b"), "--resize wants", code=2)


def folder_and_shards():
    rows = make_set("s", 30)
    write("s/p/7.png", b"")
    for out, reader in (("s-folder", "s-folder"), ("s-tar/x-%04d.tar", "s-tar")):
        works("prepare", run("prepare", "--input", "s", "--resize", "10x7", "--format", "png", "--shard", "8", "--out", out))
        folder = reader
        got, stats = lines(folder + "/list.jsonl"), json.loads(read(folder + "/stats.json"))
        check("all but the bad one", [g["key"] for g in got] == [r["key"] for r in rows if r["key"] != "k/7"], str(len(got)))
        check("fields stay, boxes move", all(g["text"] == f"text {g['key'][2:]}\nof two lines" and g["boxes"] == [[0.5, 1, 5.5, 6]] for g in got), str(got[0]))
        check("stats", (stats["items"], stats["failed"], stats["failed_by_reason"]) == (29, 1, {"format error": 1}) or (stats["items"], stats["failed"]) == (29, 1), str(stats))
        check("the failure has its reason", lines(folder + "/failed.jsonl")[0]["key"] == "k/7" and "empty" in lines(folder + "/failed.jsonl")[0]["error"], "")
        listed = run("list", "--input", folder + "/list.jsonl", "--check")
        check("listed and decoded again", listed.code == 0 and "0 of 29 pictures cannot be read" in listed.err, listed.err)
        again = run("prepare", "--input", "s", "--resize", "10x7", "--format", "png", "--shard", "8", "--out", out)
        check("again: nothing to do", again.code == 0 and "29 items" in again.out, again)
        fails("another size", run("prepare", "--input", "s", "--resize", "10x8", "--format", "png", "--shard", "8", "--out", out), "other items or options")
    shard = run("list", "--input", "s-tar", "--reader", "tar", "--json")
    got = [json.loads(l) for l in shard.out.splitlines()]
    check("shards alone say it all", [g["key"] for g in got] == [r["key"] for r in rows if r["key"] != "k/7"] and got[3]["label"] == "b" and got[3]["group"] == "g1", str(got[:1]))
    import tarfile
    with tarfile.open(path("s-tar/x-0000.tar")) as t: check("another program reads them", len([m for m in t if m.name.endswith(".png")]) == 7 and t.extractfile("000000000.txt").read() == b"text 0\nof two lines", "")


def files(folder): return {n: read(os.path.join(folder, n)) for d, _, names in os.walk(path(folder)) for n in (os.path.relpath(os.path.join(d, x), path(folder)) for x in names) if not n.endswith("stats.json")}


def stopped():
    make_set("k", 80)
    words = ["prepare", "--input", "k", "--resize", "64", "--shard", "20"]
    works("the whole run", run(*words, "--out", "k-whole"))
    for how in (signal.SIGTERM, signal.SIGKILL):
        out = f"k-{int(how)}"
        for k in range(2):
            p = start(*words, "--out", out)
            wait_for(p, lambda: os.path.exists(path(out + f"/.prepare/00000{1 + k}.jsonl")), 5)
            p.send_signal(how)
            p.wait()
            if p.returncode == 0: break
            check("stopped with its code", p.returncode in (3, -9, -15), str(p.returncode))
        works("gone on", run(*words, "--out", out))
        check("the same files", files(out) == files("k-whole"), "")


def splits_and_duplicates():
    rows = make_set("d", 60)
    for a, b in ((3, 40), (10, 50)): write(f"d/p/{b}.png", picture(a))
    works("splits", run("prepare", "--input", "d", "--resize", "16", "--split", "0.6,0.2,0.2", "--group", "group", "--dedupe", "report", "--distance", "0", "--out", "d-split"))
    got = {g["key"]: g["split"] for g in lines("d-split/list.jsonl")}
    groups = {}
    for r in rows: groups.setdefault(r["group"], set()).add(got[r["key"]])
    check("groups stay together", all(len(s) == 1 for s in groups.values()), str(groups))
    counts = [sum(s == n for s in got.values()) for n in ("train", "val", "test")]
    check("shares", abs(counts[0] - 36) <= 3 and abs(counts[1] - 12) <= 3 and abs(counts[2] - 12) <= 3, str(counts))
    pairs = lines("d-split/duplicates.jsonl")
    exact = {(p["of"], p["key"]) for p in pairs if p["kind"] == "exact"}
    check("equal pictures are found", {("k/3", "k/40"), ("k/10", "k/50")} <= exact, str(pairs))
    check("duplicates stay in one split", all(got[p["of"]] == got[p["key"]] for p in pairs), "")
    works("drop", run("prepare", "--input", "d", "--resize", "16", "--dedupe", "drop", "--distance", "0", "--out", "d-drop"))
    kept = [g["key"] for g in lines("d-drop/list.jsonl")]
    check("the first stays", "k/3" in kept and "k/40" not in kept and "k/10" in kept and "k/50" not in kept, str(len(kept)))
    one = run("prepare", "--input", "d", "--resize", "16", "--split", "0.6,0.2,0.2", "--group", "group", "--dedupe", "report", "--distance", "0", "--threads", "1", "--out", "d-one")
    works("one thread", one)
    check("the same files with one thread", files("d-one") == files("d-split"), "")


def kept():
    rows = make_set("f", 6)
    for i in range(6): write(f"f/m/{i}.png", png(20, 14, bytes([i % 3] * 3 * 20 * 14)))
    for i, r in enumerate(rows): r["mask"] = f"m/{i}.png"
    write("f/list.jsonl", "".join(json.dumps(r) + "\n" for r in rows))
    write("f/p/2.png", b"no picture")
    for out, tar in (("f-folder", False), ("f-tar/x-%03d.tar", True)):
        works("files are taken over", run("prepare", "--input", "f", "--format", "keep", "--shard", "4", "--out", out))
        folder = out.split("/")[0]
        got = lines(folder + "/list.jsonl")
        check("all but the bad one", [g["key"] for g in got] == [f"k/{i}" for i in (0, 1, 3, 4, 5)] and lines(folder + "/failed.jsonl")[0]["key"] == "k/2", str(got))

        def stored(uri):
            if not tar: return read(f"{folder}/{uri}")
            archive, rest = uri.split("#")
            at, size = (int(n) for n in rest.split("/")[0].split("+"))
            return read(f"{folder}/{archive}")[at:at + size]

        check("bytes and boxes are the same", all(stored(g["image"]) == read("f/p/" + g["key"][2:] + ".png") and stored(g["mask"]) == read("f/m/" + g["key"][2:] + ".png") and g["boxes"] == [[1, 2, 11, 12]] for g in got), "")
    works("members are taken over too", run("prepare", "--input", "f-tar/list.jsonl", "--format", "keep", "--out", "f-again"))
    check("the same pictures again", [read("f-again/" + g["image"]) for g in lines("f-again/list.jsonl")] == [read(f"f/p/{i}.png") for i in (0, 1, 3, 4, 5)], "")
    fails("keep and a size", run("prepare", "--input", "f", "--format", "keep", "--resize", "8", "--out", "f-no"), "--format keep", code=2)


CASES = [arrays, folder_and_shards, stopped, kept, splits_and_duplicates]
