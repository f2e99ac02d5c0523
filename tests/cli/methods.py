# SPDX-License-Identifier: Apache-2.0
# Recipes of methods on made pictures: each trains end to end, a stopped run goes on to the same bytes.
import glob, re, shutil, signal, struct, time
import h5py, numpy as np
from common import *

RECIPES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../recipes/methods")
EIGHT = ["kd-divergences", "taid", "trg", "dcd", "multimodn", "autodistil", "fedd2s", "boot"]
SLOW = ["autodistil", "boot", "multimodn", "trg"] # a step takes long enough for half of them to be stopped in between
MADE = {}
SPACE = ["objectives.0.params." + p for p in ("validation_batches=1", "space_layers=2,3", "space_heads=2,3", "space_hidden=32,48", "space_ratio=2,3")]
SMALL = ["train.log_every=2", "streams.labelled.batch=16"]


def is_made(name):
    if name not in MADE: MADE[name] = "made:" in open(os.path.join(RECIPES, name + ".yaml"), encoding="utf-8").read()
    return MADE[name]


def train(name, out, *more):
    small = ["train.log_every=2"] + ([] if is_made(name) else ["streams.labelled.batch=16"])
    return run("train", os.path.join(RECIPES, name + ".yaml"), "--out", out, "--quiet", "--set", *small, *more)


def lines(out): return [json.loads(l) for l in read(out + "/log.jsonl").decode().splitlines()]


def shapes():
    """Made once for all cases of a process, as the teachers are."""
    if not os.path.exists(path("shapes")): works("synth", run("synth", "classes", "--out", "shapes", "--option", "each=12", "size=32"))


def teachers():
    shapes()
    for file in sorted(glob.glob(RECIPES + "/teacher*.yaml")):
        name = os.path.basename(file)[:-5]
        if not os.path.exists(path("runs", name)): works(name, train(name, "runs/" + name, "train.steps=2"))


def recipes():
    teachers()
    for file in sorted(glob.glob(RECIPES + "/*.yaml")):
        name = os.path.basename(file)[:-5]
        if name.startswith("teacher") or name in EIGHT: continue # those are stopped and gone on with below
        works(name, train(name, "runs/" + name, "train.steps=3"))
        scores = json.loads(read(f"runs/{name}/summary.json"))["scores"]
        check(name + " is scored", len(scores) > 0 and all(isinstance(v, (int, float)) for v in scores.values() if not isinstance(v, (dict, list, str))), scores)


def stopped_and_gone_on():
    """The eight methods that the protocol is proven on: schedules, learned weights, clients, a search; what they keep is in the checkpoint."""
    teachers()
    for name in EIGHT + ["mutual"]:
        words = ["train.steps=%d" % (6 if name in SLOW else 12), "train.save_every=1", *(["train.eval_every=1"] if name in ("mutual", "multimodn") else [])]
        if name == "fedd2s": words += ["federation.clients=2", "federation.local_steps=2", "federation.server_steps=1"]
        if name == "autodistil": words += SPACE
        works(name, train(name, "whole", *words))
        p = start("train", os.path.join(RECIPES, name + ".yaml"), "--out", "stopped", "--quiet", "--set", "train.log_every=2", *([] if is_made(name) else ["streams.labelled.batch=16"]), *words)
        while p.poll() is None and not os.path.exists(path("stopped/last.safetensors")): time.sleep(0.002)
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=60)
        works(name + " goes on", train(name, "stopped", *words))
        scores = json.loads(read("stopped/summary.json"))["scores"]
        check(name + " is scored", len(scores) > 0 and all(isinstance(v, (int, float)) for v in scores.values() if not isinstance(v, (dict, list, str))), scores)
        check(name + ": to the same bytes", read("stopped/last.safetensors") == read("whole/last.safetensors"))
        said = [[(l["step"], l.get("loss"), l.get("scores")) for l in lines(run)] for run in ("whole", "stopped")]
        check(name + ": to the same log", said[0] == said[1], said)
        for out in ("whole", "stopped"): shutil.rmtree(path(out))
    works("in bf16", train("taid", "taid-bf16", "train.steps=4", "train.log_every=1", "train.precision=bf16"))
    works("in f32", train("taid", "taid-f32", "train.steps=4", "train.log_every=1"))
    halves, whole = ([l["loss"] for l in lines(f) if "loss" in l] for f in ("taid-bf16", "taid-f32"))
    # bf16 keeps eight bits: losses near each other; equal ones only where the processor has no such products.
    check("bf16 near f32", all(abs(a - b) < 0.02 * abs(b) for a, b in zip(halves, whole)), (halves, whole))
    if b"amx_bf16" in open("/proc/cpuinfo", "rb").read() and "LB_CPU" not in os.environ: check("it is another arithmetic", halves != whole, halves)
    fails("no such precision", train("taid", "none", "train.precision=int8"), "int8")
    works("accumulated", train("taid", "parts", "train.steps=2", "train.accumulate=2"))
    works("ends early", train("kd-divergences", "early", "train.steps=40", "train.eval_every=1", "train.patience=2", "optimiser.lr=1e-9"))
    check("after two evaluations that are no better", json.loads(read("early/summary.json"))["steps"] == 3, read("early/summary.json"))


def frozen_blocks():
    """fedd2s: with freeze_shared labels alone move nothing up to the active layer; without it they do. Clients begin alike, so who has moved differs."""
    few = ["federation.clients=2", "federation.local_steps=2", "federation.server_steps=2", "train.steps=8", "objectives.0.params.weight_kd=0"]
    for name, freeze in (("frozen", "true"), ("moving", "false")):
        works(name, train("fedd2s", name, "objectives.0.params.freeze_shared=" + freeze, *few))
        a, b = (tensors(f"{name}/models/client{k}/model.safetensors") for k in (0, 1))
        moved = {n for n in a if a[n] != b[n]}
        check(name + ": the head moves", any(n.startswith("head") for n in moved), moved)
        check(name + ": shared layers", any(n.startswith("layer.0.") for n in moved) == (freeze == "false"), moved)
    fails("no such blocks", train("fedd2s", "none", "objectives.0.params.freeze_shared=true", "student.params.layers=2", *few), "block.3")


def uploads():
    """fedd2s: what clients send is a feature file a round, in which NumPy finds the logits of the layers sent; a run stopped within a round goes on from it."""
    few = ["federation.clients=2", "federation.local_steps=2", "federation.server_steps=1", "objectives.0.params.drop_every=1", "train.save_every=1"] # 6 steps a round
    works("one round", train("fedd2s", "one", "train.steps=6", *few))
    works("two rounds", train("fedd2s", "two", "train.steps=12", *few))
    check("earlier rounds are gone", os.listdir(path("two/uploads")) == ["round-00001.h5"], os.listdir(path("two/uploads")))
    works("it is a cache", run("cache", "verify", "two/uploads/round-00001.h5"))
    with h5py.File(path("two/uploads/round-00001.h5")) as f:
        check("every item of every client", f["keys"].asstr()[:].tolist() == [f"train#{k}/{i}" for k in range(2) for i in range(80)] and not f["status"][:].any())
        sent, said = f["features/block.2"][:], f["features/logits"][:]
    for k in range(2): # what the clients were when the round began is what they are after the first
        w = {n: np.frombuffer(v, np.float32).astype(np.float64) for n, v in tensors(f"one/models/client{k}/model.safetensors").items()}
        z = np.maximum(sent[80 * k:80 * k + 80] @ w["layer.3.fc.weight"].reshape(32, 32).T + w["layer.3.fc.bias"], 0)
        logits = z @ w["head.weight"].reshape(10, 32).T + w["head.bias"]
        # Sums of 32 products of floats, twice.
        check(f"client {k}: its network's logits", np.allclose(said[80 * k:80 * k + 80], logits, rtol=1e-5, atol=1e-5), np.abs(said[80 * k:80 * k + 80] - logits).max())
    longer = [*few, "train.steps=900"]
    works("undisturbed", train("fedd2s", "calm", *longer))
    p = start("train", os.path.join(RECIPES, "fedd2s.yaml"), "--out", "stopped", "--set", "train.log_every=2", *longer)
    sent_later = lambda: os.path.isdir(path("stopped/uploads")) and max(os.listdir(path("stopped/uploads")), default="") >= "round-00003"
    while p.poll() is None and not sent_later(): time.sleep(0.001)
    p.send_signal(signal.SIGINT)
    step = int(re.search(r"stopped after step (\d+)", p.communicate(timeout=60)[1])[1])
    name = path("stopped/uploads/round-%05d.h5" % (step // 6))
    if step % 6 and check("what was sent is there", os.path.exists(name), (step, os.listdir(path("stopped/uploads")))):
        os.rename(name, path("aside.h5"))
        fails("what was sent is gone", train("fedd2s", "stopped", *longer), f"round {step // 6} is gone")
        shutil.copy(path("two/uploads/round-00001.h5"), name)
        fails("what was sent is another run's", train("fedd2s", "stopped", *longer), "differs", "run ")
        os.rename(path("aside.h5"), name)
    works("goes on", train("fedd2s", "stopped", *longer))
    check("to the same bytes", read("stopped/last.safetensors") == read("calm/last.safetensors") and read("stopped/uploads/round-00149.h5") == read("calm/uploads/round-00149.h5"))
    shutil.rmtree(path("stopped"))


def preferences():
    """At first the student is its reference, so the loss is log 2; then it prefers more."""
    works("samples", train("sequence-kd", "runs/sequence-kd", "train.steps=3"))
    works("preferences", train("sequence-preferences", "preferred", "train.steps=12"))
    losses = [l["terms"]["preferences"] for l in lines("preferred") if "terms" in l]
    check("log 2 at first", abs(losses[0] - 0.69314718) < 1e-6, losses)
    check("less later", losses[-1] < losses[0] - 1e-3, losses)
    check("over the reference", json.loads(read("preferred/summary.json"))["scores"]["margin"] > 0)


def parameters(layers, heads, width, ratio):
    """Of a sub-network of autodistil.yaml's."""
    attention, mlp = width ** 2 + 3 * width ** 2 * heads / 4 + 6 * width, 2 * ratio * width ** 2 + ratio * width + 3 * width
    return width * (200 + 16 + 4) + layers * (attention + mlp) + width ** 2 + 2 * width


def search():
    """The sub-network that the search chooses is kept, fits the budget, and changes no more."""
    works("teacher", train("teacher-phrases", "runs/teacher-phrases", "train.steps=2"))
    small = ["train.steps=3", "objectives.0.params.search_at=0.5", *SPACE]
    works("search", train("autodistil", "found", *small))
    state = chosen("found/last.safetensors")
    layers, heads, width, ratio = state
    check("of the space", layers in (2, 3) and heads in (2, 3) and width in (32, 48) and ratio in (2, 3), state)
    check("within the budget", parameters(*state) <= 150000, (state, parameters(*state)))
    fails("no held-out batch", train("autodistil", "none", "objectives.0.params.validation=nowhere", *small), "nowhere")
    works("the step's own batch", train("autodistil", "own", "objectives.0.params.validation=\"\"", *small))
    space = ("space_layers=2,3", 'space_heads="2"', "space_hidden=32,48", 'space_ratio="2"', "budget=50000", 'validation=""')
    few = ["train.steps=1", "train.log_every=1", *("objectives.0.params." + v for v in space)]
    works("at once", train("autodistil", "first", "objectives.0.params.search_at=0", *few))
    losses = {} # each sub-network within the budget by itself, on the same batch
    for one in ((2, 2, 32, 2), (3, 2, 32, 2), (2, 2, 48, 2), (3, 2, 48, 2)):
        works(f"{one} alone", train("autodistil", "alone", "objectives.0.params.fixed=%d,%d,%d,%d" % one, *few))
        if parameters(*one) <= 50000: losses[one] = lines("alone")[0]["loss"]
        shutil.rmtree(path("alone"))
    state = chosen("first/last.safetensors")
    check("the best within the budget", len(losses) == 3 and state == min(losses, key=losses.get), (state, losses))
    works("a task", train("autodistil-task", "task", "train.steps=2", "student.params.subnet=2,2,32,64"))
    check("it is scored", 0 <= json.loads(read("task/summary.json"))["scores"]["top1"] <= 100)
    fails("a task of one larger than the super network", train("autodistil-task", "none", "train.steps=2", "student.params.subnet=5,2,32,64"), "does not fit")
    fails("no such budget", train("autodistil", "none", "objectives.0.params.budget=10", *small), "10")


def tensors(file):
    data = read(file)
    n = int.from_bytes(data[:8], "little")
    return {k: data[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]] for k, v in json.loads(data[8:8 + n]).items() if k != "__metadata__"}


def chosen(file): return struct.unpack("<4f", tensors(file)["state.search.chosen"])


CASES = [frozen_blocks, preferences, recipes, search, stopped_and_gone_on, uploads]
