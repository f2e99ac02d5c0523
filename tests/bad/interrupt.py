# SPDX-License-Identifier: Apache-2.0
# A full disk, Ctrl-C and kill -9: the same command goes on to the same bytes.
import json, os, random, shutil, signal, time
import h5py
from common import *


def shards(folder): return {f: read(os.path.join(folder, f)) for f in os.listdir(path(folder)) if f.endswith(".h5")}


def bytes_in(folder):
    try: return sum(os.path.getsize(path(folder, f)) for f in os.listdir(path(folder)))
    except OSError: return 0


CACHE = ("cache", "run", "--model", "teacher-0", "--taps", TAPS, "--input", "many.jsonl", "--shard-size", "700", "--batch", "8")


def caching():
    make_items("many", 2000)
    works("an undisturbed cache", run(*CACHE, "--out", "calm"))
    calm = shards("calm")
    check("in three shards", len(calm) == 3)
    growing = lambda folder, size: lambda: bytes_in(folder) > size

    p = start(*CACHE, "--out", "stopped")
    wait_for(p, growing("stopped", 20000))
    done = stop(p, signal.SIGINT)
    fails("Ctrl-C: exit 3", done, "same command", code=STOPPED)
    check("Ctrl-C: what was done is kept", any(f.endswith(".part") for f in os.listdir(path("stopped"))))
    works("Ctrl-C: the same command goes on", run(*CACHE, "--out", "stopped"))
    check("Ctrl-C: to the same bytes", shards("stopped") == calm)

    # kill -9 at random points, each run killed a little later than the last until one comes through
    rng, kills = random.Random(5), 0
    while kills < 12:
        size = bytes_in("killed") + rng.randrange(1, 30000)
        p = start(*CACHE, "--out", "killed")
        wait_for(p, growing("killed", size))
        if stop(p, signal.SIGKILL).code != -signal.SIGKILL: break
        kills += 1
    check("kill -9 hits", kills >= 3, kills)
    works("kill -9: the same command goes on", run(*CACHE, "--out", "killed"))
    check("kill -9: to the same bytes", shards("killed") == calm)
    works("kill -9: nothing is wrong", run("cache", "verify", "killed"))
    check("kill -9: nothing is left over", all(f.endswith(".h5") for f in os.listdir(path("killed"))), os.listdir(path("killed")))

    done = run(*CACHE, "--out", "limited", limit=150000)
    fails("file size limit", done, "limited/shard-00000-of-00003.h5", "same command")
    works("with room the same command goes on", run(*CACHE, "--out", "limited"))
    check("file size limit: to the same bytes", shards("limited") == calm)
    full_disk(calm)
    full_quota(calm)


def full_disk(calm):
    with disk("300k") as mounted:
        if not mounted: return skip("cache on a full disk", "no tmpfs can be mounted here")
        done = run(*CACHE, "--out", "disk/cache")
        fails("a disk that is too small is told before", done, "disk/cache", "are needed")
        resize("4m")
        write("disk/ballast", bytes(1 << 20))
        p = start(*CACHE, "--out", "disk/cache")
        wait_for(p, lambda: bytes_in("disk/cache") > 0)
        ballast = open(path("disk/ballast"), "ab", buffering=0)
        try:
            while True: ballast.write(bytes(4096))
        except OSError: pass
        out, err = p.communicate(timeout=60)
        fails("full disk", Done(p.args[1:], p.returncode, out, err, 0), "disk/cache/shard-0", "No space left")
        fails("full disk: again", run(*CACHE, "--out", "disk/cache"), "disk/cache")
        ballast.close()
        os.remove(path("disk/ballast"))
        works("full disk: with room the same command goes on", run(*CACHE, "--out", "disk/cache"))
        check("full disk: to the same bytes", shards("disk/cache") == calm)


def full_quota(calm):
    """A quota of the system's own: btrfs has them without further tools, and they hold for root too."""
    tools = [t for t in ("mkfs.btrfs", "btrfs") if not shutil.which(t)]
    if os.geteuid() != 0 or tools: return skip("cache beyond a quota", f"not installed: {' '.join(tools)}" if tools else "only root can mount a disk")
    with open(path("quota.img"), "wb") as f: f.truncate(120 << 20)
    os.makedirs(path("quota"))
    do = lambda *words: subprocess.run(words, capture_output=True, cwd=ROOT).returncode == 0
    if not (do("mkfs.btrfs", "-q", "quota.img") and do("mount", "-o", "loop", "quota.img", "quota")): return skip("cache beyond a quota", "no btrfs can be mounted here")
    try:
        check("a quota", do("btrfs", "quota", "enable", "quota") and do("btrfs", "subvolume", "create", "quota/mine") and do("btrfs", "qgroup", "limit", "-e", "250k", "quota/mine"))
        for _ in range(2): fails("full quota", run(*CACHE, "--out", "quota/mine/cache"), "quota/mine/cache", "Disk quota exceeded")
        check("full quota: something was kept", bytes_in("quota/mine/cache") > 0)
        check("more of it", do("btrfs", "qgroup", "limit", "-e", "none", "quota/mine"))
        works("full quota: with more of it the same command goes on", run(*CACHE, "--out", "quota/mine/cache"))
        check("full quota: to the same bytes", shards("quota/mine/cache") == calm)
    finally: do("umount", "-l", "quota")


def crashing():
    """A picture at which the program itself crashes: after two crashes it is passed over, the others are as they would be without it."""
    faults = os.environ["LB_FAULTS"]
    make_items("odd", 40)
    lines = read("odd.jsonl").decode().splitlines()
    shutil.copy(path("odd-pictures/3.png"), path("odd-pictures/crash-me.png"))
    write("odd.jsonl", "\n".join(lines[:20] + [item(20, "odd-pictures/crash-me.png")] + lines[21:]) + "\n")
    encode = ("encode", "--model", "teacher-0", "--taps", "image_embed,text.tokens", "--input", "odd.jsonl", "--batch", "8")
    env = {"LD_PRELOAD": faults, "LB_FAULT_CRASH": "crash-me"}
    for i in range(2):
        done = run(*encode, "--out", "crashed.h5", env=env)
        check(f"crash {i}", done.code == -signal.SIGSEGV, done)
    works("passed over", run(*encode, "--out", "crashed.h5", env=env), "1 failed", "item-00020", "2 crashes")
    works("the whole", run(*encode, "--out", "uncrashed.h5"), "0 failed")
    with h5py.File(path("crashed.h5")) as a, h5py.File(path("uncrashed.h5")) as b:
        others = [i for i in range(40) if i != 20]
        check("the others are untouched", (a["status"][:] != 0).nonzero()[0].tolist() == [20] and (a["features/image_embed"][:][others] == b["features/image_embed"][:][others]).all())
    check("nothing is left over", not os.path.exists(path("crashed.h5.flight")))
    # The last items do not fill a batch of 7, and their picture crashes the program now: of a finished file none is read.
    works("finished: nothing is read", run(*encode[:-1], "7", "--out", "uncrashed.h5", env={"LD_PRELOAD": faults, "LB_FAULT_CRASH": "odd-pictures/7.png"}), "0 failed")
    works("tried again on demand", run(*encode, "--out", "crashed.h5", "--retry-failed"), "0 failed")
    check("then all is well", read("crashed.h5") == read("uncrashed.h5"))


TRAIN = ("train", "long.yaml")
STEPS = 300


def same_run(what, folder):
    for f in ("last.safetensors", "model/model.safetensors", "model/config.json"):
        check(f"{what}: the same {f}", read(os.path.join(folder, f)) == read(os.path.join("calm-run", f)))
    losses = lambda d: [(v["step"], v["loss"]) for v in map(json.loads, read(d + "/log.jsonl").decode().splitlines())]
    check(f"{what}: the same losses", losses(folder) == losses("calm-run"))
    check(f"{what}: nothing is left over", not [f for f in os.listdir(path(folder)) if ".part" in f], os.listdir(path(folder)))


def training_full():
    with disk("400k") as mounted:
        if not mounted: return skip("training on a full disk", "no tmpfs can be mounted here")
        write("disk/ballast", bytes(300 << 10))
        fails("train on a full disk", run(*TRAIN, "--out", "disk/run"), "disk/run", "No space left")
        os.remove(path("disk/ballast"))
        resize("2m")
        works("train: with room the same command goes on", run(*TRAIN, "--out", "disk/run"))
        same_run("train on a full disk", "disk/run")


def training():
    write("long.yaml", RECIPE.format(list="few.jsonl", steps=STEPS))
    works("an undisturbed run", run(*TRAIN, "--out", "calm-run"))
    saved = lambda folder: lambda: os.path.exists(path(folder, "last.safetensors"))
    p = start(*TRAIN, "--out", "stopped-run")
    wait_for(p, saved("stopped-run"))
    fails("train, Ctrl-C: exit 3", stop(p, signal.SIGINT), "stopped after step", "same command", code=STOPPED)
    done = run(*TRAIN, "--out", "stopped-run")
    works("train, Ctrl-C: the same command goes on", done, "going on after step")
    same_run("train, Ctrl-C", "stopped-run")
    works("a finished run is not made again", run(*TRAIN, "--out", "stopped-run"), "finished")

    rng, kills = random.Random(7), 0
    while kills < 4:
        p = start(*TRAIN, "--out", "killed-run")
        begun = os.path.getmtime(path("killed-run/last.safetensors")) if saved("killed-run")() else 0
        wait_for(p, lambda: saved("killed-run")() and os.path.getmtime(path("killed-run/last.safetensors")) > begun)
        time.sleep(rng.random() * 0.03)
        if stop(p, signal.SIGKILL).code != -signal.SIGKILL: break
        kills += 1
    check("train, kill -9 hits", kills >= 2, kills)
    works("train, kill -9: the same command goes on", run(*TRAIN, "--out", "killed-run"))
    same_run("train, kill -9", "killed-run")
    training_full()
    done = run(*TRAIN, "--out", "limited-run", limit=60000)
    fails("train, file size limit", done, "limited-run", "File too large")
    works("train, file size limit: with room the same command goes on", run(*TRAIN, "--out", "limited-run"))
    same_run("train, file size limit", "limited-run")
