# SPDX-License-Identifier: Apache-2.0
# Exit codes, help against the tables, --json.
import signal, time
from common import *


def help_tells_the_table():
    """Help (its recorded pages, which main.py compares with what is printed) and `describe verbs` come from one table: each option of one stands in
    the other, and nothing else does."""
    verbs = [json.loads(l) for l in run("describe", "verbs", "--json").out.splitlines()]
    check("verbs are told", len(verbs) > 10, verbs)
    for verb in verbs:
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), f"help-{verb['name']}.txt")) as f: command, *page = f.read().splitlines()
        said = {l.split()[0][2:] for l in page if l.startswith("  --")}
        table = {p["name"].replace("_", "-") for p in verb["params"]} | {"help", "json", "quiet", "threads", "seed"}
        check(f"{verb['name']} --help", command == f"$ limbeck {verb['name']} --help" and page[0].startswith(f"usage: limbeck {verb['name']}") and not any(l.startswith(("! ", "[")) for l in page), page)
        check(f"{verb['name']} --help lists its options", said == table, f"page {sorted(said)}\ntable {sorted(table)}")
    check("-h is --help", run("list", "-h").out == run("list", "--quiet", "--help").out != "")


def usage():
    """What cannot be meant: exit 2, the word and the nearest right one."""
    write("some.jsonl", json.dumps({"key": "a", "text": "b"}) + "\n")
    for words, parts in [(["lst"], ["lst", "list"]), (["trian", "x.yaml"], ["trian", "train"]), (["list", "--inptu", "x"], ["inptu", "input"]), (["list", "--input"], ["input", "value"]),
                         (["describe", "metods"], ["metods", "methods"]), (["describe", "methods", "infonse"], ["infonse", "infonce"]), (["synth", "shape", "--out", "x"], ["shape", "shapes"]), (["synth", "shapes", "--out", "x", "--option", "cuont=3"], ["shapes", "cuont", "count"]),
                         (["fetch", "minilm-l7"], ["minilm-l7", "minilm-l6"]), (["list", "--input", "some.jsonl", "--reader", "jsnl"], ["jsnl", "jsonl"]), (["cache", "verfy", "x"], ["verfy", "verify"]),
                         (["eval", "retreival"], ["retreival", "retrieval"]), (["list"], ["--input"]), (["train"], ["missing", "RECIPE"]), (["train", "a", "b"], ["'b'"]), (["synth", "shapes"], ["--out"]),
                         (["list", "--threads", "many"], ["threads", "many"]), (["list", "--threads=-1"], ["threads", "-1"]), (["report", "x"], ["--out"]), (["probe"], ["missing", "FILE"]),
                         (["synth", "shapes", "--out", "x", "--damage", "2"], ["damage", "2"]), (["encode", "--taps", "a", "--out", "x.h5"], ["--model"]), (["list", "--input", "some.jsonl", "--option", "x"], ["KEY=VALUE", "'x'"])]:
        fails("usage: " + " ".join(words), run(*words), *parts, code=USAGE)
    done = run()
    check("no verb: help, exit 2", done.code == USAGE and "usage: limbeck VERB" in done.out, done)
    for word in "--version", "--help", "help", "-h", "--man": works("limbeck " + word, run(word), "limbeck" if word == "--version" else "")


def failed():
    for words, parts in [(["list", "--input", "gone"], ["gone"]), (["probe", "gone"], ["gone"]), (["train", "gone.yaml"], ["gone.yaml"]), (["report", "gone", "--out", "x.html"], ["gone", "summary.json"]),
                         (["encode", "--model", "gone", "--taps", "list"], ["gone"]), (["golden", "gone.h5"], ["gone.h5"]), (["cache", "stats", "gone"], ["gone"])]:
        fails("failed: " + " ".join(words), run(*words), *parts)
    check("no page of a failed report", not os.path.exists(path("x.html")))


def stopped():
    """Ctrl-C in a long run: exit 3, and the message says so."""
    p = start("synth", "shapes", "--out", "endless", "--option", "count=1000000")
    until = time.time() + 30
    while not os.path.exists(path("endless/images/000003.png")) and time.time() < until: time.sleep(0.01)
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=30)
    check("synth stopped by Ctrl-C", p.returncode == STOPPED and "stop" in err, err)
    check("no list of an unfinished set", not os.path.exists(path("endless/list.jsonl")))
    shutil.rmtree(path("endless"), ignore_errors=True)


def closed_output():
    """Who reads may go away: an error, not a crash."""
    write("many.jsonl", "".join(json.dumps({"key": str(i), "text": "x" * 100}) + "\n" for i in range(5000)))
    p = start("list", "--input", "many.jsonl")
    p.stdout.readline()
    p.stdout.close()
    err = p.stderr.read()
    check("list into a closed pipe", p.wait(timeout=30) == FAILED and "standard output" in err, err)


CASES = [help_tells_the_table, usage, failed, stopped, closed_output]
