# SPDX-License-Identifier: Apache-2.0
# `limbeck report`: the page's structure by html.parser, its numbers and the summary's by Python's statistics module from the run files of tests/data/report
# (and of a run made here).
import re, statistics
from html.parser import HTMLParser
from common import *

RUNS = os.path.join(os.environ["LB_TEST_DATA"], "report")
KINDS = [("teacher", "teacher", 1), ("alone", "student-alone", 3), ("distilled", "student-distilled", 3)]
VOID = {"meta", "link", "img", "input", "br"}


class Page(HTMLParser):
    """What a browser would see: tags that close, attributes, tables, texts by tag."""
    def __init__(self, text):
        super().__init__()
        self.open, self.wrong, self.links, self.tables, self.texts, self.attrs, self.title = [], [], [], [], [], [], None
        self.feed(text)
        self.close()
        self.wrong += [f"<{t}> is never closed" for t in self.open]

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.attrs.append((tag, attrs))
        self.links += [v for k, v in attrs.items() if k in ("src", "href", "action", "srcset", "data")]
        self.wrong += [f"<{tag} {k}>: script in an attribute" for k in attrs if k.startswith("on")]
        if tag not in VOID: self.open.append(tag)
        if tag == "table": self.tables.append([])
        if tag == "tr": self.tables[-1].append([])
        if tag in ("td", "th"): self.tables[-1][-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.attrs.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag: self.wrong.append(f"</{tag}> closes something else")

    def handle_data(self, data):
        self.texts.append((self.open[-1] if self.open else "", data))
        if self.tables and ("td" in self.open or "th" in self.open): self.tables[-1][-1][-1] += data


def load(folder, name):
    with open(os.path.join(RUNS, folder, name)) as f: return json.load(f)


def spread(values):
    """As the page writes it: one digit, the standard deviation of n - 1 where there are several."""
    mean = statistics.fmean(values)
    return f"{mean:.1f} ± {statistics.stdev(values):.1f}" if len(values) > 1 else f"{mean:.1f}"


def near(text, value):
    """Equal as written, or off by one in the last digit where the value lies between two."""
    got = [float(x) for x in text.split(" ± ")]
    want = [float(x) for x in value.split(" ± ")]
    return len(got) == len(want) and all(abs(a - b) < 0.1001 for a, b in zip(got, want)) and abs(got[0] - want[0]) < 0.1001


def page_of_runs():
    folders = [f"{folder}-{seed}" for folder, _, seeds in KINDS for seed in range(seeds)]
    done = run("report", *(os.path.join(RUNS, f) for f in folders), "--out", "r.html", "--summary", "r.json", "--fact", "teacher_source=a & <b>", "--title", 'Title "<x>"')
    works("report", done, "7 runs")
    text = read("r.html").decode()
    page = Page(text)
    check("tags close", not page.wrong, page.wrong)
    check("nothing is loaded", all(l.startswith("data:") for l in page.links) and "url(" not in text and "@import" not in text and "import(" not in text and "fetch(" not in text, page.links)
    check("a policy forbids loading", any(t == "meta" and "default-src 'none'" in a.get("content", "") for t, a in page.attrs))
    check("readable on a phone, dark, printable", 'name="viewport"' in text and "prefers-color-scheme: dark" in text and "@media print" in text)
    check("title", ("title", 'Title "<x>"') in page.texts and ("h1", 'Title "<x>"') in page.texts)
    facts = [d for t, d in page.texts if t in ("dt", "dd") and d.strip()]
    facts = dict(zip(facts[::2], facts[1::2]))
    check("facts", facts.get("teacher_source") == "a & <b>" and facts.get("test items") == "400" and facts.get("trained on") == "A <processor> & more, 2 threads" and re.fullmatch(r"\d{4}-\d\d-\d\d", facts.get("date", "")), facts)
    averaged, ways, cost, runs = page.tables
    check("a row a kind", [r[0] for r in averaged[1:]] == [k[1] for k in KINDS] and [r[1] for r in averaged[1:]] == ["1", "3", "3"], averaged)
    for row, both, size, (folder, _, seeds) in zip(averaged[1:], ways[1:], cost[1:], KINDS):
        all_of = [load(f"{folder}-{s}", "summary.json") for s in range(seeds)]
        for k, r in enumerate(("r1", "r5", "r10")):
            want = spread([s["scores"][r] for s in all_of])
            check(f"{folder} {r}", near(row[2 + k], want), f"{row[2 + k]} {want}")
            for w, which in enumerate(("image_to_text", "text_to_image")):
                want = spread([s["scores"][which][r] for s in all_of])
                check(f"{folder} {which} {r}", near(both[1 + 3 * w + k], want), f"{both} {want}")
        zero = spread([load(f"{folder}-{s}", "zeroshot.json")["top1"] for s in range(seeds)]) if folder != "teacher" else "-"
        check(f"{folder} zero-shot", row[5] == zero or zero != "-" and near(row[5], zero), f"{row[5]} {zero}")
        check(f"{folder} parameters", size[1:3] == [f"{all_of[0][k]:,}" for k in ("parameters", "parameters_without_tokens")], size)
        for column, key, by in (3, "items_per_second", 1), (4, "seconds", 1), (5, "peak_bytes", 1e6):
            want = statistics.fmean(s[key] for s in all_of) / by
            check(f"{folder} {key}", abs(int(size[column].replace(",", "")) - want) <= 0.5, f"{size[column]} {want}")
    check("a row a run", [(r[0], r[1]) for r in runs[1:]] == [(name, str(s)) for _, name, seeds in KINDS for s in range(seeds)], runs)
    alone, distilled = [[load(f"{k}-{s}", "summary.json")["scores"]["r5"] for s in range(3)] for k in ("alone", "distilled")]
    verdict = next(d for t, d in page.texts if "points of mean R@5" in d)
    gain, noise = statistics.fmean(distilled) - statistics.fmean(alone), max(statistics.stdev(alone), statistics.stdev(distilled))
    numbers = [float(x) for x in re.findall(r"[+-]?\d+\.\d", verdict)]
    check("verdict", gain > noise and abs(numbers[0] - gain) < 0.051 and abs(numbers[1] - noise) < 0.051 and "That is more than" in verdict, verdict)
    curves_of_logs(page, folders)
    summary_of_runs(json.loads(read("r.json")))


def curves_of_logs(page, folders):
    """The curves' data are the log's lines; the score at the end closes the curve of scores."""
    plots = [json.loads(a["data-curves"]) for t, a in page.attrs if t == "svg" and "data-curves" in a]
    check("two figures with curves", len(plots) == 2, len(plots))
    scores, losses = plots
    lines = {f: [json.loads(l) for l in open(os.path.join(RUNS, f, "log.jsonl"))] for f in folders}
    check("curves of loss", [c["x"] for c in losses] == [[l["step"] for l in lines[f] if "loss" in l] for f in folders] and [c["y"] for c in losses] == [[l["loss"] for l in lines[f] if "loss" in l] for f in folders])
    ends = {f: load(f, "summary.json") for f in folders}
    want = [[(l["step"], l["scores"]["r5"]) for l in lines[f] if "scores" in l] + [(ends[f]["steps"], ends[f]["scores"]["r5"])] for f in folders if f != "teacher-0"]
    check("curves of scores", [list(zip(c["x"], c["y"])) for c in scores] == want, scores)


def summary_of_runs(summary):
    check("summary's keys", list(summary) == ["teacher", "student_alone", "distilled", "teacher_source"] and summary["teacher_source"] == "a & <b>", list(summary))
    for key, (folder, _, seeds) in zip(summary, KINDS):
        all_of = [load(f"{folder}-{s}", "summary.json")["scores"] for s in range(seeds)]
        for r in "r1", "r5", "r10":
            ways = [[(s["image_to_text"][r] + s["text_to_image"][r]) / 2] for s in all_of]
            values = [v for [v] in ways]
            std = statistics.stdev(values) if seeds > 1 else 0
            check(f"summary {key} {r}", abs(summary[key][r]["mean"] - statistics.fmean(values)) < 1e-9 and abs(summary[key][r]["std"] - std) < 1e-9, summary[key])
        check(f"summary {key} runs", summary[key]["runs"] == seeds)


def no_gain():
    """The verdict does not flatter: a gain inside the spread, and a single run, are named as such."""
    for seed, (alone, distilled) in enumerate([(10, 12), (14, 10), (12, 16)]):
        for name, r5 in ("alone", alone), ("distilled", distilled):
            scores = {"r1": 1.0, "r5": float(r5), "r10": 20.0}
            write(f"flat/{name}-{seed}/summary.json", json.dumps({"name": "student-" + name, "seed": seed, "steps": 5, "eval_items": 9, "scores": {**scores, "image_to_text": scores, "text_to_image": scores}}))
    runs = [f"flat/{name}-{seed}" for name in ("alone", "distilled") for seed in range(3)]
    works("report of runs without gain", run("report", *runs, "--out", "flat.html"))
    check("no gain is shown", "no gain is shown" in read("flat.html").decode() and "+0.7 points" in read("flat.html").decode())
    works("report of single runs", run("report", "flat/alone-0", "flat/distilled-0", "--out", "flat.html"))
    check("no spread is known", "A single run tells no spread." in read("flat.html").decode())
    done = run("report", *runs, "--json")
    check("--json: a line a run", [json.loads(l)["scores"]["r5"] for l in done.out.splitlines()] == [10, 14, 12, 12, 10, 16], done)
    for run_folder in runs:
        summary = json.loads(read(run_folder + "/summary.json"))
        write(run_folder.replace("flat", "unscored") + "/summary.json", json.dumps({k: v for k, v in summary.items() if k != "scores"}))
    works("report of runs that were not evaluated", run("report", *(r.replace("flat", "unscored") for r in runs), "--out", "unscored.html", "--summary", "unscored.json"))
    page = read("unscored.html").decode()
    check("no table of scores", "None of them was evaluated." in page and "R@5" not in page and page.count("<tr><td>student-alone</td>") == 4, page)
    check("no scores", json.loads(read("unscored.json"))["student_alone"] == {"runs": 3})
    os.makedirs(path("flat/empty"))
    fails("an unfinished run", run("report", "flat/alone-0", "flat/empty", "--out", "flat2.html"), "flat/empty", "summary.json")
    check("no page of it", not os.path.exists(path("flat2.html")))


RECIPE_OF_PAIRS = """name: pairs
data: {input: [set/list.jsonl]}
tokenizer: words.txt
student:
  arch: dual-encoder
  params: {image_size: 16, image_width: 8, image_expand: 1, image_head: 16, vocab: 40, text_width: 16, text_layers: 1, text_heads: 2, text_mlp: 16, embed: 16}
  preprocess: {mode: squash, size_w: 16, size_h: 16, filter: bilinear, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
streams:
  pairs: {split: pairs, fields: [image, text], batch: 16}
objectives:
  - method: infonce
    on: pairs
    inputs: {image_embed: student.image_embed, text_embed: student.text_embed, logit_scale: student.logit_scale}
train: {steps: 12, log_every: 4, eval_every: 4, save_every: 100}
optimiser: {name: adamw, lr: 0.01}
eval: {split: test}
"""


def grid_of_a_model():
    """Frames in the grid of all queries against R@5 of `eval retrieval`, and the run's own curve of scores."""
    works("synth pairs", run("synth", "pairs", "--out", "set", "--option", "pairs=32", "test=20", "unpaired=0", "size=16", "--seed", 4))
    words = sorted({w.strip(",") for line in read("set/list.jsonl").decode().splitlines() for w in json.loads(line)["text"].split()} | {","})
    write("words.txt", "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + words) + "\n")
    write("pairs.yaml", RECIPE_OF_PAIRS)
    works("train on made pairs", run("train", "pairs.yaml", "--out", "made"))
    zero = run("eval", "zeroshot", "--model", "made/model", "--input", "set/list.jsonl", "--split", "test", "--json")
    works("eval zeroshot", zero)
    write("made/zeroshot.json", zero.out)
    works("report with a grid", run("report", "made", "--out", "made.html", "--grid", "made/model", "--input", "set/list.jsonl", "--split", "test", "--queries", 20))
    page = Page(read("made.html").decode())
    check("tags close, with pictures", not page.wrong, page.wrong)
    pictures = [a["src"] for t, a in page.attrs if t == "img"]
    check("pictures are inside", len(pictures) == 20 * 5 + 20 and all(p.startswith("data:image/png;base64,") for p in pictures), len(pictures))
    classes = [a.get("class", "") for t, a in page.attrs if t == "div"]
    check("hits", sum(c.startswith("hit") for c in classes) == 2 * 20 * 5, classes.count("hit"))
    scores = json.loads(run("eval", "retrieval", "--model", "made/model", "--input", "set/list.jsonl", "--split", "test", "--json").out)
    frames = [sum(c == "hit right" for c in part) for part in (classes[:len(classes) // 2], classes[len(classes) // 2:])]
    want = [round(scores[w]["r5"] * 20 / 100) for w in ("text_to_image", "image_to_text")]
    check("frames agree with R@5", sum(frames) == sum(want), f"{frames} {want}")
    summary = json.loads(read("made/summary.json"))
    check("the summary's scores are those of eval", abs(summary["scores"]["r5"] - scores["r5"]) < 1e-9, summary)
    check("the summary names machine and program", summary["machine"] and summary["threads"] >= 1 and summary["program"].startswith("limbeck "), summary)
    check("zero-shot of the run", f"{json.loads(zero.out)['top1']:.1f}" in page.tables[0][1], page.tables[0])


CASES = [page_of_runs, no_gain, grid_of_a_model]
