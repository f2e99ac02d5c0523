# SPDX-License-Identifier: Apache-2.0
# The verbs of the cache, with h5py and NumPy as witnesses: shards of many processes, merging, repairing, exports and imports.  main.py [NAME...]
import glob, json, os, random, shutil, signal, struct, sys, time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bad"))
import h5py, numpy as np
from common import *

ITEMS, SIZE = 90, 13
RUN = ("cache", "run", "--model", "teacher-0", "--taps", TAPS, "--input", "items.jsonl", "--shard-size", str(SIZE), "--batch", "4", "--quiet")


def shards(folder): return {f: read(os.path.join(folder, f)) for f in sorted(os.listdir(path(folder))) if f.endswith(".h5")}


def joined(folder, name):
    out = []
    for f in sorted(glob.glob(path(folder, "*.h5"))):
        with h5py.File(f) as h: out.append(h[name][:])
    return np.concatenate(out)


def tokens(folder):
    """Item by item."""
    out = []
    for f in sorted(glob.glob(path(folder, "*.h5"))):
        with h5py.File(f) as h:
            o, x = h["offsets/text.tokens"][:], h["features/text.tokens"][:]
            out += [x[o[i]:o[i + 1]] for i in range(len(o) - 1)]
    return out


def prepare():
    make_models()
    make_items("items", ITEMS)
    lines = read("items.jsonl").decode().splitlines()
    lines[40] = item(40, "items-pictures/gone.png")
    lines[41] = json.dumps({"key": 'a "quoted", key', "image": "items-pictures/1.png", "text": "a cat"})
    lines[42] = json.dumps({"key": "schlüssel/猫", "image": "items-pictures/2.png", "text": "the dog"})
    write("items.jsonl", "\n".join(lines) + "\n")
    works("the whole by one process", run(*RUN, "--out", "whole"))


def launchers():
    """Places that Slurm and MPI give: every shard is made once, and as by one process."""
    whole = shards("whole")
    array = lambda i: {"SLURM_ARRAY_TASK_ID": str(3 + 2 * i), "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_STEP": "2", "SLURM_ARRAY_TASK_COUNT": "3", "SLURM_PROCID": "0", "SLURM_NTASKS": "4"}
    step = lambda i: {"SLURM_PROCID": str(i), "SLURM_STEP_NUM_TASKS": "3"}
    both = lambda i: {"SLURM_ARRAY_TASK_ID": str(i // 2), "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_PROCID": str(i % 2), "SLURM_STEP_NUM_TASKS": "2"}
    mpi = lambda i: {"OMPI_COMM_WORLD_RANK": str(i), "OMPI_COMM_WORLD_SIZE": "2"}
    for name, env, count in [("array", array, 3), ("step", step, 3), ("both", both, 4), ("mpi", mpi, 2)]:
        made = []
        for i in range(count):
            works(f"{name} {i}", run(*RUN, "--out", name, env=env(i)))
            made.append(len(shards(name)))
        check(f"{name}: each a part", made == sorted(made) and 0 < made[0] < len(whole) == made[-1], made)
        check(f"{name}: the same bytes", shards(name) == whole)
    fails("a place outside", run(*RUN, "--out", "bad", "--shard", "3/3"), "--shard wants I/N", code=USAGE)


def claims():
    """Several processes on one folder, two of which die; the others finish their shards."""
    whole, rng = shards("whole"), random.Random(3)
    workers = [start(*RUN, "--out", "claimed", "--claim", "--stale", "2") for _ in range(4)]
    for p in workers[:2]:
        time.sleep(rng.random() * 0.03)
        p.kill()
    for p in workers:
        out, err = p.communicate(timeout=60)
        if p in workers[2:]: check("a survivor finishes", p.returncode == DONE, err)
    check("claims: the same bytes", shards("claimed") == whole)
    works("claims: again: nothing to do", run(*RUN, "--out", "claimed", "--claim"))
    check("claims: nothing is left over", shards("claimed").keys() == set(os.listdir(path("claimed"))), os.listdir(path("claimed")))
    # A claim of another machine: respected while it is renewed, taken over when it is stale.
    os.makedirs(path("far"))
    name = sorted(whole)[2]
    # Its process has a number that no process here has, and even this machine's name.
    claim = write(f"far/{name}.claim-0007", f"{os.uname().nodename} {1 << 22} 00000000-0000-0000-0000-000000000000/pid:[1]\n")
    p = start(*[w for w in RUN if w != "--quiet"], "--out", "far", "--claim", "--stale", "1.5")
    for _ in range(20):
        os.utime(claim)
        time.sleep(0.03)
    check("a live claim is respected", p.poll() is None and name not in shards("far") and len(shards("far")) == len(whole) - 1, sorted(os.listdir(path("far"))))
    os.utime(claim, (time.time() - 60, time.time() - 60))
    out, err = p.communicate(timeout=60)
    check("said so", "of a process that is gone is taken over" in err, err)
    check("a stale claim is taken over", p.returncode == DONE and shards("far") == whole and len(os.listdir(path("far"))) == len(whole), err + str(os.listdir(path("far"))))


def own_claims():
    """A process of this machine that died: its claim is taken over at once."""
    whole, name = shards("whole"), sorted(shards("whole"))[2]
    p = start(*RUN, "--out", "near", "--claim", env={"LD_PRELOAD": os.environ["LB_FAULTS"], "LB_FAULT": "kill", "LB_FAULT_AT": "40", "LB_FAULT_FOLDER": path("near")})
    p.communicate(timeout=60)
    left = [f for f in os.listdir(path("near")) if ".claim-" in f]
    check("it died with a claim", p.returncode == -signal.SIGKILL and len(left) == 1, (p.returncode, left))
    begun = time.time()
    works("taken over at once", run(*RUN, "--out", "near", "--claim", "--stale", "600"))
    check("at once", time.time() - begun < 30, time.time() - begun)  # --stale is 600 s
    check("the same bytes", shards("near") == whole and len(os.listdir(path("near"))) == len(whole), os.listdir(path("near")))


def merging():
    works("merge", run("cache", "merge", "whole", "--out", "merged.h5"))
    works("merge, deflated", run("cache", "merge", "whole", "--out", "merged-deflated.h5", "--deflate"))
    works("merge, virtual", run("cache", "merge", "whole", "--out", "linked.h5", "--virtual"))
    here = os.getcwd()
    os.chdir("/")
    for name in ("merged.h5", "merged-deflated.h5", "linked.h5"):
        with h5py.File(path(name)) as h:
            check(f"{name}: keys", (h["keys"][:] == joined("whole", "keys").astype(object)).all() and h["keys"].asstr()[42] == "schlüssel/猫")
            check(f"{name}: status and messages", (h["status"][:] == joined("whole", "status")).all() and h["status"][40] != 0 and b"gone.png" in h["message"][40])
            for tap in ("image_embed", "text_embed"): check(f"{name}: {tap}", np.array_equal(h["features/" + tap][:], joined("whole", "features/" + tap), equal_nan=True))
            o, x = h["offsets/text.tokens"][:], h["features/text.tokens"][:]
            check(f"{name}: tokens", all(np.array_equal(x[o[i]:o[i + 1]], t) for i, t in enumerate(tokens("whole"))))
    os.chdir(here)
    for name in ("merged.h5", "merged-deflated.h5"): works(f"{name} is whole", run("cache", "verify", name))
    a, b = (json.loads(run("cache", "stats", n, "--json").out) for n in ("merged.h5", "linked.h5"))
    check("a linked file is read as any other", a["taps"] == b["taps"] and a["fingerprint"] == b["fingerprint"] and a["items"] == b["items"], (a, b))
    works("i8 too", run(*RUN, "--dtype", "i8", "--out", "small"))
    works("i8 merged", run("cache", "merge", "small", "--out", "small.h5"))
    with h5py.File(path("small.h5")) as h:
        check("i8: as it was stored", (h["features/image_embed"][:] == joined("small", "features/image_embed")).all() and (h["scale/image_embed"][:] == joined("small", "scale/image_embed")).all())


def exports():
    ok = joined("whole", "status") == 0
    keys = [k.decode() for k, o in zip(joined("whole", "keys"), ok) if o]
    image = joined("whole", "features/image_embed")[ok]
    text = [t for t, o in zip(tokens("whole"), ok) if o]
    for form in ("npy", "npz", "safetensors", "clip-retrieval"): works(f"export {form}", run("cache", "export", "whole", "--format", form, "--out", form))
    check("npy", np.array_equal(np.load(path("npy/image_embed.npy")), image) and [json.loads(l)["key"] for l in open(path("npy/keys.jsonl"))] == keys)
    o, x = np.load(path("npy/text.tokens.offsets.npy")), np.load(path("npy/text.tokens.npy"))
    check("npy, ragged", o.dtype == np.int64 and len(o) == len(text) + 1 and all(np.array_equal(x[o[i]:o[i + 1]], t) for i, t in enumerate(text)))
    with np.load(path("npz/features.npz")) as z:
        check("npz", z["keys"].tolist() == keys and np.array_equal(z["image_embed"], image) and np.array_equal(z["text.tokens"], x) and np.array_equal(z["text.tokens.offsets"], o))
    data = read("safetensors/features.safetensors")
    head = json.loads(data[8:8 + struct.unpack("<Q", data[:8])[0]])
    at = 8 + struct.unpack("<Q", data[:8])[0]
    got = {n: np.frombuffer(data[at + v["data_offsets"][0]:at + v["data_offsets"][1]], {"F32": "<f4", "I64": "<i8"}[v["dtype"]]).reshape(v["shape"]) for n, v in head.items() if n != "__metadata__"}
    check("safetensors", np.array_equal(got["image_embed"], image) and np.array_equal(got["text.tokens.offsets"], o))
    check("clip-retrieval", np.array_equal(np.load(path("clip-retrieval/img_emb/img_emb_0.npy")), image) and np.load(path("clip-retrieval/text_emb/text_emb_0.npy")).shape == image.shape)
    import csv
    rows = list(csv.DictReader(open(path("clip-retrieval/metadata/metadata_0.csv"))))
    check("clip-retrieval, keys", [r["key"] for r in rows] == keys)
    works("export tinyvit", run("cache", "export", "whole", "--format", "tinyvit", "--taps", "image_embed", "--topk", "5", "--epoch", "2", "--out", "tinyvit"))
    check("tinyvit, keys", open(path("tinyvit/logits_top5_epoch2/rank0-keys.txt")).read().splitlines() == keys)
    records = np.frombuffer(read("tinyvit/logits_top5_epoch2/rank0-values.bin"), np.dtype([("seed", "<i4"), ("index", "<i2", 5), ("value", "<f2", 5)]))
    p = np.exp(image.astype(np.float64) - image.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    order = np.argsort(-p, axis=1, kind="stable")[:, :5]
    # Half precision of probabilities: half a step of f16, which has 11 bits.
    check("tinyvit, values", (records["index"] == order).all() and np.allclose(records["value"], np.take_along_axis(p, order, 1), rtol=2 ** -11, atol=1e-7) and (records["seed"] == 0).all())


def outside():
    """What the file asks of other programs: filters that every HDF5 has, and the values as h5dump prints them."""
    works("as bf16", run("cache", "run", "--model", "teacher-0", "--taps", TAPS, "--input", "items.jsonl", "--dtype", "bf16", "--deflate", "--quiet", "--out", "as-bf16"))
    with h5py.File(path("as-bf16/shard-00000-of-00001.h5")) as h:
        d = h["features/image_embed"]
        filters = d.id.get_create_plist()
        check("shuffle and deflate alone", [filters.get_filter(i)[0] for i in range(filters.get_nfilters())] == [2, 1])
        check("bf16 as u16 that says so", d.dtype == np.uint16 and d.attrs["dtype"] in ("bf16", b"bf16"), (d.dtype, dict(d.attrs)))
        f32 = (d[:].astype(np.uint32) << 16).view(np.float32)
    want, ok = joined("whole", "features/image_embed"), joined("whole", "status") == 0
    check("bf16: values", np.allclose(f32[ok], want[ok], rtol=2 ** -8, atol=0))  # half a step of 8 bits
    if not shutil.which("h5dump"): return skip("h5dump", "hdf5-tools is not installed")
    done = subprocess.run(["h5dump", "-y", "-w", "1", "-m", "%.9g", "-d", "/features/image_embed", path("whole", sorted(shards("whole"))[0])], capture_output=True, text=True, env=dict(os.environ, HDF5_PLUGIN_PRELOAD="::"))
    values = [float(w) for l in done.stdout.split("DATA {")[1].split("}")[0].splitlines() for w in l.replace(",", " ").split()]
    with h5py.File(path("whole", sorted(shards("whole"))[0])) as h: check("h5dump prints the values", done.returncode == 0 and np.array_equal(np.array(values, np.float32), h["features/image_embed"][:].ravel()), done.stderr)


def imports():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((37, 3, 4)).astype(np.float32)
    np.save(path("made.npy"), x)
    write("made.txt", "".join(f"key {i}\n" for i in range(37)))
    works("import", run("cache", "import", "made.npy", "--keys", "made.txt", "--taps", "map", "--out", "made.h5"))
    with h5py.File(path("made.h5")) as h: check("import: values", np.array_equal(h["features/map"][:], x) and h["keys"].asstr()[36] == "key 36" and h.attrs["weights"].startswith("imported:"))
    works("import: as f16", run("cache", "import", "made.npy", "--dtype", "f16", "--deflate", "--out", "made16.h5"))
    with h5py.File(path("made16.h5")) as h: check("import: f16", np.array_equal(h["features/embedding"][:], x.astype(np.float16)))
    np.save(path("double.npy"), x.astype(np.float64)[:, 0, 0])
    works("import: f64", run("cache", "import", "double.npy", "--out", "double.h5"))
    with h5py.File(path("double.h5")) as h: check("import: f64 values", np.array_equal(h["features/embedding"][:], x[:, 0, 0]))
    x[5, 1, 1] = np.nan
    np.save(path("nan.npy"), x)
    works("import: not a number", run("cache", "import", "nan.npy", "--out", "nan.h5"), "1 failed")
    np.save(path("fortran.npy"), np.asfortranarray(x))
    np.save(path("whole.npy"), np.arange(6))
    write("cut.npy", read("made.npy")[:-5])
    for name, part in [("fortran.npy", "Fortran"), ("whole.npy", "i64"), ("cut.npy", "ends early"), ("made.txt", "not a NumPy array"), ("absent.npy", "absent.npy")]:
        fails(f"import of {name}", run("cache", "import", name, "--out", "x.h5"), name, part)
    fails("import with other keys", run("cache", "import", "made.npy", "--keys", "items.jsonl", "--out", "x.h5"), f"{ITEMS} keys", "37 rows")


def repairing():
    """Chunks that are whole are taken over: the pictures of their items are not there any more."""
    count = 1300
    make_items("large", count)
    lines = [json.dumps({"key": f"{i:04d}", "image": f"each/{i:04d}.png"}) for i in range(count)]
    for i in range(count): write(f"each/{i:04d}.png", read(f"large-pictures/{i % 16}.png"))
    write("large.jsonl", "\n".join(lines) + "\n")
    go = ("cache", "run", "--model", "teacher-0", "--taps", "image.block.1", "--input", "large.jsonl", "--out", "large", "--shard-size", "2000", "--batch", "8", "--quiet")
    works("a shard of several chunks", run(*go))
    name = "large/shard-00000-of-00001.h5"
    good = read(name)
    with h5py.File(path(name)) as h:
        d = h["features/image.block.1"]
        rows = d.chunks[0]
        at = d.id.get_chunk_info(1).byte_offset
    check("it has", d is not None and count > rows + 50, rows)
    write(name, good[:at + 5000] + bytes([good[at + 5000] ^ 16]) + good[at + 5001:])
    fails("the damage is named", run("cache", "verify", "large"), f"rows {rows} to {min(count, 2 * rows) - 1}")
    works("repair", run("cache", "repair", "large"))
    for i in range(count):
        if i < rows // 8 * 8 or i >= (2 * rows + 7) // 8 * 8: os.remove(path(f"each/{i:04d}.png"))
    works("only the damaged chunk is made again", run(*go), "0 failed")
    check("repaired: the same bytes", read(name) == good and os.listdir(path("large")) == [os.path.basename(name)], os.listdir(path("large")))
    write(name + ".damaged", good[:5000])
    os.remove(path(name))
    done = run(*go)
    check("a file of which nothing can be taken over", "nothing can be taken over" in done.err, done)


def numbers():
    s = json.loads(run("cache", "stats", "whole", "--json").out)
    x = joined("whole", "features/image_embed")[joined("whole", "status") == 0].astype(np.float64)
    norm = np.linalg.norm(x, axis=1)
    t = s["taps"]["image_embed"]
    close = lambda a, b: abs(a - b) <= 1e-6 * max(abs(a), abs(b))
    check("ranges and norms", close(t["min"], x.min()) and close(t["max"], x.max()) and close(t["norm"], norm.mean()) and close(t["norm_min"], norm.min()) and close(t["norm_max"], norm.max()), t)
    check("sizes", s["bytes"] == sum(map(len, shards("whole").values())) and s["files"] == len(shards("whole")) and s["failed"] == 1 and s["reasons"] == {"not found": 1}, s)
    done = run(*RUN, "--out", "planned", "--dry-run", "--json")
    plan = json.loads(done.out)
    check("the plan", plan["items"] == plan["left"] == ITEMS and plan["shards"] == 7 and plan["hours"] > 0 and plan["items_per_second"] > 0 and plan["memory"] > 1 << 20, plan)
    check("bytes of the plan", 1 <= plan["bytes"] / (sum(joined("whole", "features/" + n).nbytes for n in ("image_embed", "text_embed", "text.tokens"))) < 1.3, plan)
    check("a plan writes nothing", not os.path.exists(path("planned")))
    plan = json.loads(run(*RUN, "--out", "whole", "--dry-run", "--json").out)
    check("nothing is left to do", plan["left"] == plan["bytes"] == 0 and plan["finished"] == 7, plan)


def flips():
    rng, name = random.Random(11), "flipped.h5"
    works("a deflated file", run("encode", "--model", "teacher-0", "--taps", TAPS, "--input", "items.jsonl", "--deflate", "--dtype", "f16", "--out", "deflated.h5", "--quiet"))
    data = read("deflated.h5")
    for _ in range(40):
        bit = rng.randrange(8 * len(data))
        write(name, data[:bit // 8] + bytes([data[bit // 8] ^ 1 << bit % 8]) + data[bit // 8 + 1:])
        if not check("verify finds the bit", run("cache", "verify", name).code == FAILED, f"bit {bit % 8} of byte {bit // 8} of {len(data)}"): break


cases = [launchers, claims, own_claims, merging, exports, outside, imports, repairing, numbers, flips]
try:
    prepare()
    for case in cases:
        if not sys.argv[1:] or case.__name__ in sys.argv[1:]: case()
finally:
    finish()
