# SPDX-License-Identifier: Apache-2.0
# What `train` tells and keeps: plans, progress, several students, clients of a federation, experiments, labels that do not fit.
import re, struct
from common import *
from methods import RECIPES, SMALL, lines, shapes, tensors, train


def before_and_beside():
    """The plan with time and memory; a student that is larger than memory is said so at once; event files of TensorBoard."""
    shapes()
    done = train("mutual", "planned", "--dry-run", "--json")
    works("a plan", done)
    plan = json.loads(done.out)
    check("its time", 0 < plan["measured"]["seconds_of_the_run"] < 600 and plan["measured"]["seconds_a_step"] > 0, plan)
    check("its memory", 0 < plan["measured"]["tensor_bytes"] and 0 < plan["activation_bytes"] and plan["memory_available"] > 0, plan)
    # What was told from shapes beside what a step took: the same order.
    check("told in advance", 0.3 < plan["activation_bytes"] / plan["measured"]["tensor_bytes"] < 3, plan)
    check("nothing is written", not os.path.exists(path("planned")))
    for more in ([], ["--dry-run"]):
        fails("larger than memory", train("mutual", "huge", "student.params.width=65536", "student.params.depth=1000", "student.params.mlp=262144", *more), "larger than memory", "GiB are left")
    fails("batch larger than memory", train("mutual", "huge", "student.params.depth=1000", "student.params.mlp=512", "streams.labelled.batch=20000"), "larger than memory", "a step's activations", "a smaller batch holds less")
    for pattern in ("only=nosuch*", "groups=nosuch.*: lr 3"): fails("no such weights: " + pattern, train("mutual", "huge", "optimiser." + pattern), "no weight is called 'nosuch")
    done = run("train", os.path.join(RECIPES, "teacher.yaml"), "--out", "told", "--json", "--set", *SMALL, "train.steps=4", "train.eval_every=2")
    told = [json.loads(l) for l in done.out.splitlines()]
    check("as JSON lines: losses, scores, and the summary last", [("loss" in l, "scores" in l) for l in told] == [(True, False), (False, True), (True, False), (True, False), (False, True)] and told[-1]["name"] == "teacher", done.out)
    check("the progress tells loss and memory", re.search(r"4 of 4 steps, [\d.]+/s, .* left; loss [\d.]+, [1-9]\d* MB", done.err) is not None, done.err)
    works("with events", run("train", os.path.join(RECIPES, "mutual.yaml"), "--out", "board", "--quiet", "--tensorboard", "--set", *SMALL, "train.steps=3"))
    files = os.listdir(path("board/tensorboard"))
    check("one event file", len(files) == 1 and files[0].startswith("events.out.tfevents."), files)
    text = read("board/tensorboard/" + files[0])
    check("what they hold", all(t in text for t in (b"brain.Event:2", b"terms/peer", b"loss", b"lr")), text)


def classes_on_a_page():
    """A run of classes is judged by top-1 with an interval, and shows what was taken for what."""
    shapes()
    works("teacher", train("teacher", "seen", "train.steps=2"))
    scores = json.loads(read("seen/summary.json"))["scores"]
    counts, names = scores["confusion"], scores["names"]
    total, right = sum(map(sum, counts)), sum(row[i] for i, row in enumerate(counts))
    check("the confusion adds up", total == scores["labelled"] > 0 and abs(scores["top1"] - 100 * right / total) < 1e-9 and scores["top1_95"][0] <= scores["top1"] <= scores["top1_95"][1], scores)
    works("page", run("report", "seen", "--out", "classes.html"))
    page = read("classes.html").decode()
    check("its matrix", page.count('class="matrix"') == 1 and page.count('scope="row"') == len(names) == len(counts) and all(n in page for n in names) and "Top-1" in page and "peak memory" in page, names)
    cells = [int(c or 0) for c in re.findall(r'<td class="(?:right)?" style="--share:[\d.]+%">(\d*)</td>', page)]
    check("its counts", cells == [x for row in counts for x in row], cells)


CHOICE = """name: choice
claim: none
seeds: 1
runs: {rank: {recipe: recipes/methods/rank.yaml}}
expect:
  - {chosen_by: [2, 1, 3], of: [5, 7, 9], cost: [1, 1, 2]}
  - {chosen_by: [2, 1, 3], of: [6.9, 7, 9], cost: [2, 2, 3]}
  - {chosen_by: [2, 1, 3], of: [5, 7, 9.1], cost: [1, 1, 1]}
"""


def experiment():
    """A row of a table, from an experiment cut short; the same command does nothing anew."""
    os.symlink(RECIPES + "/..", path("recipes"))
    with open(path("table.md"), "w") as f: f.write("| a |\n|---|\n| kd-divergences | old |\n| other | 1 |\n<!-- end -->\nrest\n")
    file = os.path.join(RECIPES, "../../experiments/kd-divergences.yaml")
    words = ["experiment", file, "--seeds", "2", "--first", "7", "--results", path("table.md"), "--set", "train.steps=5", "--quiet"]
    works("experiment", run(*words), "kd-divergences")
    # Of three candidates the second is chosen: 7 beside 5 and 9, of which 9 costs more.
    with open(path("choice.yaml"), "w") as f: f.write(CHOICE)
    works("a choice", run("experiment", path("choice.yaml"), "--set", "train.steps=2", "--quiet"), "holds in part: 2 of 3, not 3")
    table = read("table.md").decode().splitlines()
    check("its row and no other", len(table) == 6 and table[2].startswith("| kd-divergences | forward KL") and table[3] == "| other | 1 |" and "| 7 to 8 |" in table[2], table)
    check("five steps do not tell", "not" in table[2] or "holds" in table[2], table[2])
    before = os.stat(path("runs/experiments/kd-divergences/8/js/last.safetensors")).st_mtime_ns
    works("again", run(*words))
    check("nothing is trained anew", os.stat(path("runs/experiments/kd-divergences/8/js/last.safetensors")).st_mtime_ns == before)
    fails("no such experiment", run("experiment", "kd-divergence"), "kd-divergence")


def federation():
    """On items too: each client has its share of the labels."""
    shapes()
    of_items = ["federation.clients=3", "federation.local_steps=2", "federation.dirichlet=0.5", "train.steps=6"]
    works("clients of items", train("teacher", "apart", *of_items))
    scores = json.loads(read("apart/summary.json"))["scores"]
    check("each client is scored, and their spread", len(scores["students"]) == 3 and 0 <= scores["clients_worst"] <= scores["clients_mean"] <= 100, scores)
    weights = lambda f: open(path(f + "/model.safetensors"), "rb").read()
    check("apart they differ", weights("apart/models/client0") != weights("apart/models/client1"))
    works("with shared weights", train("teacher", "shared", "federation.share=weights", *of_items))
    check("together they agree", weights("shared/models/client0") == weights("shared/models/client1") == weights("shared/model"))
    for parts, text in ((["federation.clients=40"], "clients"), (["federation.share=all"], "share"), (["federation.clients=9", "federation.dirichlet=0.001"], "no items")):
        fails("no federation: " + parts[0], train("teacher", "none", "federation.local_steps=2", *parts), text)


def labels_that_do_not_fit():
    """More labels than classes, no labels at all, some items without: said before the first step, with names."""
    shapes()
    fails("more labels than classes", train("teacher", "few", "train.steps=1", "student.params.classes=4"), "the items have 6 labels", "4 classes")
    rows = [json.loads(l) for l in read("shapes/list.jsonl").decode().splitlines()]
    for name, keep in (("none", lambda i: False), ("some", lambda i: i % 2)):
        with open(path(f"shapes/{name}.jsonl"), "w") as f:
            for i, row in enumerate(rows): f.write(json.dumps({k: v for k, v in row.items() if k != "label" or keep(i)}) + "\n")
    fails("no labels", train("teacher", "few", "train.steps=1", "data.input=shapes/none.jsonl"), "no item has one")
    done = run("train", os.path.join(RECIPES, "teacher.yaml"), "--out", "half", "--set", *SMALL, "train.steps=2", "data.input=shapes/some.jsonl")
    works("half of them", done)
    check("the others are left out, and counted", "lack a text, a label" in done.err and "and are left out" in done.err, done)


def several_students():
    """Two students in one run: each its own folder, scores and rate; a run of one alone is what it is beside another that it does not hear."""
    shapes()
    works("mutual", train("mutual", "both", "train.steps=4", "train.ema=0.9"))
    summary = json.loads(read("both/summary.json"))
    check("the peer is scored", 0 <= summary["scores"]["students"]["peer"]["top1"] <= 100, summary)
    works("the peer is a model", run("encode", "--model", "both/models/peer", "--input", "shapes", "--taps", "list"), "block.0")
    for parts in (["students.peer.arch=resnett"], ["students.peer.width=4"], ["students.student.arch=vit"]):
        fails("no student: " + parts[0], train("mutual", "none", *parts), "students")
    wild = ["train.steps=60", "train.save_every=2", "optimiser.name=sgd", "optimiser.lr=1000", "optimiser.clip_norm=0", "students.peer.optimiser.lr=1000"]
    fails("numbers that run away", train("mutual", "wild", *wild), "term ", "step ", "items train/", "the last checkpoint stays")
    head = tensors("wild/last.safetensors")["student.head.weight"]
    check("the last good checkpoint is whole", all(x == x for x in struct.unpack(f"<{len(head) // 4}f", head)))
    fails("no average", train("mutual", "none", "objectives.0.inputs.teacher_logits=ema.logits"), "train.ema")


CASES = [before_and_beside, classes_on_a_page, experiment, federation, labels_that_do_not_fit, several_students]
