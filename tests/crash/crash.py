# SPDX-License-Identifier: Apache-2.0
# Interrupts a real `limbeck cache run` at random points: kill -9, signals, write errors, power cuts, a full disk. The same command must then
# finish the cache with the bytes of a run that nothing disturbed.  crash.py POINTS [SEED]
import os, random, shutil, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "bad"))
from common import *

FAULTS = os.environ["LB_FAULTS"]  # the preloaded library
POINTS, SEED = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
WAYS = ["kill", "kill", "cut", "cut", "INT", "TERM", "USR1", "EIO", "ENOSPC", "EDQUOT"]
CACHE = ("cache", "run", "--model", "teacher-0", "--taps", TAPS, "--input", "some.jsonl", "--shard-size", "60", "--batch", "8", "--quiet")
KINDS = [("--dtype", "f32"), ("--dtype", "f16"), ("--dtype", "i8")]
PAGE = 4096


def shards(folder): return {f: read(os.path.join(folder, f)) for f in sorted(os.listdir(path(folder))) if f.endswith(".h5")}


def disturbed(folder, kind, fault, at, stay=False):
    """One run with a fault at its at-th operation. @return Done"""
    shutil.rmtree(path("shadow"), ignore_errors=True)
    os.makedirs(path("shadow"))
    files = os.listdir(path(folder)) if os.path.isdir(path(folder)) else []
    inodes = {f: os.stat(path(folder, f)).st_ino for f in files} # what is there already is on the disk
    for f, inode in inodes.items(): shutil.copy(path(folder, f), path("shadow", f"{inode}.bytes"))
    if files: write("shadow/names", "".join(f"{inode} {f}\n" for f, inode in inodes.items()))
    env = {"LD_PRELOAD": FAULTS, "LB_FAULT": fault, "LB_FAULT_AT": str(at), "LB_FAULT_FOLDER": path(folder), "LB_FAULT_COUNT": path("count"), "LB_SYNC_SECONDS": "0.004"}
    if fault == "cut": env["LB_FAULT_SHADOW"] = path("shadow")
    if stay: env["LB_FAULT_STAY"] = "1"
    return run(*CACHE, *kind, "--out", folder, env=env)


def cut_power(folder, rng):
    """What a disk may hold after a cut: names as of the folder's last sync or later, bytes as of each file's last sync, of later ones some pages."""
    shadow = path("shadow")
    now = {f: os.stat(path(folder, f)).st_ino for f in os.listdir(path(folder))} if os.path.isdir(path(folder)) else {}
    names = dict(now)
    if os.path.exists(shadow + "/names") and rng.random() < 0.6:
        names = {name: int(inode) for inode, name in (l.split(" ", 1) for l in open(shadow + "/names").read().splitlines())}
    of = {inode: name for name, inode in now.items()}
    files = {}
    for name, inode in names.items():
        kept = open(f"{shadow}/{inode}.bytes", "rb").read() if os.path.exists(f"{shadow}/{inode}.bytes") else b""
        later = read(os.path.join(folder, of[inode])) if inode in of else kept
        size = rng.choice([len(kept), len(later), rng.randint(min(len(kept), len(later)), max(len(kept), len(later)))])
        data = bytearray(kept[:size].ljust(size, b"\0"))
        for p in range(0, size, PAGE):
            if rng.random() < 0.5: data[p:p + PAGE] = later[p:min(p + PAGE, size)].ljust(min(PAGE, size - p), b"\0")
        files[name] = bytes(data)
    shutil.rmtree(path(folder), ignore_errors=True)
    for name, data in files.items(): write(os.path.join(folder, name), data)


def tell(name, fault, at, done, more=""):
    return f"{name}: {fault} at operation {at} (seed {SEED})\n{more}\n{done}"


def point(i, rng, calm, operations):
    """One to three interruptions, then a run that may finish."""
    kind = i % len(KINDS)
    folder = "crashed"
    shutil.rmtree(path(folder), ignore_errors=True)
    for _ in range(rng.choice([1, 1, 2, 3])):
        fault, at = rng.choice(WAYS), rng.randint(1, operations[kind])
        stay = rng.random() < 0.5
        done = disturbed(folder, KINDS[kind], fault, at, stay)
        if fault in ("kill", "cut"): fine = done.code in (DONE, -9)
        elif fault in ("INT", "TERM", "USR1"): fine = done.code in (DONE, STOPPED)
        else: fine = done.code == DONE or (done.code == FAILED and folder in done.err)
        if not fine: return check("interrupted", False, tell("interrupted", fault, at, done))
        if fault == "cut": cut_power(folder, rng)
    done = run(*CACHE, *KINDS[kind], "--out", folder)
    if done.code != DONE: return check("goes on", False, tell("goes on", fault, at, done))
    same = shards(folder) == calm[kind]
    left = [f for f in os.listdir(path(folder)) if not f.endswith(".h5")]
    return check("equal", same and not left, tell("equal", fault, at, done, f"left over: {left}"))


def full_disk(rng, calm):
    """A small disk that fills up somewhere; more room; the same command."""
    size = rng.randint(30, 400)
    with disk(f"{size}k") as mounted:
        if not mounted: return
        done = run(*CACHE, *KINDS[0], "--out", "disk/cache")
        if done.code not in (DONE, FAILED): return check("full disk", False, done)
        resize("4m")
        done = run(*CACHE, *KINDS[0], "--out", "disk/cache")
        check("full disk", done.code == DONE and shards("disk/cache") == calm[0], f"{size} KiB\n{done}")


def main():
    make_models()
    make_items("some", 150)
    calm, operations = [], []
    for k, kind in enumerate(KINDS):
        works("undisturbed", run(*CACHE, *kind, "--out", f"calm-{k}"))
        calm.append(shards(f"calm-{k}"))
        works("counted", disturbed(f"counted-{k}", kind, "count", 0))
        operations.append(int(read("count")))
        check("syncing changes nothing", shards(f"counted-{k}") == calm[k])
    print("operations of an undisturbed run:", *operations)
    check("there is something to interrupt", min(operations) > 20, operations)
    rng = random.Random(SEED)
    for i in range(POINTS):
        if i % 25 == 24: full_disk(rng, calm)
        else: point(i, rng, calm, operations)
        if counts["failed"] > 5: break
        if POINTS > 100 and i % 100 == 99: print(f"{i + 1} of {POINTS} points", flush=True)


try:
    main()
finally:
    finish()
