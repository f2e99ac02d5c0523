# SPDX-License-Identifier: Apache-2.0
# Recipes of methods on made pictures: each trains end to end, a stopped run goes on to the same bytes.
import glob, shutil, signal, time
from common import *

RECIPES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../recipes/methods")
SMALL = ["train.log_every=2", "streams.labelled.batch=16"]


def train(name, out, *more):
    return run("train", os.path.join(RECIPES, name + ".yaml"), "--out", out, "--quiet", "--set", *SMALL, *more)


def lines(out): return [json.loads(l) for l in read(out + "/log.jsonl").decode().splitlines()]


def recipes():
    works("synth", run("synth", "classes", "--out", "shapes", "--option", "each=12", "size=32"))
    works("teacher", train("teacher", "runs/teacher", "train.steps=4"))
    for file in sorted(glob.glob(RECIPES + "/*.yaml")):
        name = os.path.basename(file)[:-5]
        if name == "teacher": continue
        works(name, train(name, "runs/" + name, "train.steps=3"))
        check(name + " is scored", 0 <= json.loads(read(f"runs/{name}/summary.json"))["scores"]["top1"] <= 100)


def stopped_and_gone_on():
    """Methods with a schedule and learned weights of their own: what they keep is in the checkpoint."""
    works("synth", run("synth", "classes", "--out", "shapes", "--option", "each=12", "size=32"))
    works("teacher", train("teacher", "runs/teacher", "train.steps=4"))
    for name in ("taid", "trg", "mutual"):
        words = ["train.steps=40", "train.save_every=1"]
        works(name, train(name, "whole", *words))
        p = start("train", os.path.join(RECIPES, name + ".yaml"), "--out", "stopped", "--quiet", "--set", *SMALL, *words)
        while p.poll() is None and not os.path.exists(path("stopped/last.safetensors")): time.sleep(0.002)
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=60)
        works(name + " goes on", train(name, "stopped", *words))
        check(name + ": to the same bytes", read("stopped/last.safetensors") == read("whole/last.safetensors"))
        for out in ("whole", "stopped"): shutil.rmtree(path(out))
    works("accumulated", train("taid", "parts", "train.steps=2", "train.accumulate=2"))
    works("ends early", train("kd-divergences", "early", "train.steps=40", "train.eval_every=1", "train.patience=2", "optimiser.lr=1e-9"))
    check("after two evaluations that are no better", json.loads(read("early/summary.json"))["steps"] == 3, read("early/summary.json"))


def several_students():
    """Two students in one run: each its own folder, scores and rate; a run of one alone is what it is beside another that it does not hear."""
    works("synth", run("synth", "classes", "--out", "shapes", "--option", "each=12", "size=32"))
    works("mutual", train("mutual", "both", "train.steps=4", "train.ema=0.9"))
    summary = json.loads(read("both/summary.json"))
    check("the peer is scored", 0 <= summary["scores"]["students"]["peer"]["top1"] <= 100, summary)
    works("the peer is a model", run("encode", "--model", "both/models/peer", "--input", "shapes", "--taps", "list"), "block.0")
    for parts in (["students.peer.arch=resnett"], ["students.peer.width=4"], ["students.student.arch=vit"]):
        fails("no student: " + parts[0], train("mutual", "none", *parts), "students")
    fails("no average", train("mutual", "none", "objectives.0.inputs.teacher_logits=ema.logits"), "train.ema")


CASES = [recipes, several_students, stopped_and_gone_on]
