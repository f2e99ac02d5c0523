#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The built command as a user sees it. main.py [--write] [NAME...]; `texts` is a name for all transcripts.

A case is one file in this folder:
  NAME.txt  a transcript: `$ COMMAND` (run by sh in an empty folder where `data` is tests/data), then what it must print on stdout, then on stderr with
            `! ` before each line, then `[CODE]` when it does not exit with 0. `{*}` stands for anything within a line. `#` and blank lines before the
            first command are comment. --write (or LB_REWRITE=1) writes what the command prints now; look at the difference before you commit it.
  NAME.py   functions, listed in CASES, that use check() and run() of tests/bad/common.py.
Every line that a command with --json prints must be a JSON object, in each transcript. Every verb must have its help-VERB.txt."""
import importlib, json, os, re, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(1, os.path.join(HERE, "../bad"))
sys.dont_write_bytecode = True
os.environ["LC_ALL"] = "C.UTF-8"
os.environ["GOMP_SPINCOUNT"] = "1000"  # else the program starts itself once more to set it: twice the time of the hundreds of runs here
os.environ.setdefault("LB_LIMBECK", os.path.abspath(os.path.join(HERE, "../../build/limbeck")))
os.environ.setdefault("LB_TEST_DATA", os.path.abspath(os.path.join(HERE, "../data")))
from common import *

write_anew = "--write" in sys.argv or os.environ.get("LB_REWRITE") == "1"
wanted = [a for a in sys.argv[1:] if a != "--write"]
scripts = sorted(f[:-3] for f in os.listdir(HERE) if f.endswith(".py") and f != "main.py")


def read_transcript(name):
    """(comment lines, [(command, expected lines)])"""
    head, blocks = [], []
    with open(os.path.join(HERE, name), encoding="utf-8") as f: lines = f.read().splitlines()
    for line in lines:
        if line.startswith("$ "): blocks.append((line[2:], []))
        elif blocks: blocks[-1][1].append(line)
        else: head.append(line)
    for _, expected in blocks:
        while expected and not expected[-1]: expected.pop()
    return head, blocks


def print_of(command, folder):
    done = subprocess.run(["sh", "-c", command], capture_output=True, cwd=folder, timeout=60, stdin=subprocess.DEVNULL)
    out, err = done.stdout.decode("utf-8", "backslashreplace"), done.stderr.decode("utf-8", "backslashreplace")
    lines = [l.replace(folder, "$PWD") for l in out.splitlines()] + ["! " + l.replace(folder, "$PWD") for l in err.splitlines()]
    while lines and not lines[-1]: lines.pop()
    if "--json" in command and done.returncode == 0 and ">" not in command:
        for line in out.splitlines(): check(f"{command}: a JSON object a line", is_object(line), line)
    return lines + ([f"[{done.returncode}]"] if done.returncode else [])


def is_object(line):
    try: return isinstance(json.loads(line), dict)
    except ValueError: return False


def fits(pattern, line): return re.fullmatch(".*".join(map(re.escape, pattern.split("{*}"))), line) is not None


def first_difference(expected, got):
    for i in range(max(len(expected), len(got))):
        a, b = expected[i] if i < len(expected) else None, got[i] if i < len(got) else None
        if a is None or b is None or not fits(a, b): return f"line {i + 1}\n  expected: {a}\n  printed:  {b}"
    return None


def transcript(name):
    folder = path("cli", name)
    os.makedirs(folder)
    os.symlink(os.environ["LB_TEST_DATA"], os.path.join(folder, "data"))
    head, blocks = read_transcript(name)
    text, again = "\n".join(head + [""]) if head else "", f"tests/cli/main.py --write {name}"
    for command, expected in blocks:
        got = print_of(command, folder)
        wrong = first_difference(expected, got)
        if not write_anew: check(f"{name}: $ {command}", wrong is None, f"{wrong}\n(if the new output is right: {again}, or LB_REWRITE=1 meson test cli)")
        kept = [next((e for e in expected if "{*}" in e and fits(e, line)), line) for line in got]
        text += "\n".join(["$ " + command, *kept, ""])
    if write_anew:
        with open(os.path.join(HERE, name), "w", encoding="utf-8") as f: f.write(text)


def help_pages(chosen):
    """Each verb has a transcript of its help page; --write makes the missing ones."""
    done = run("--help")
    verbs = re.findall(r"^  (\S+)  ", done.out, re.M)
    check("the verbs are told", "train" in verbs and "list" in verbs, done)
    for name in ["help"] + ["help-" + v for v in verbs]:
        file = name + ".txt"
        if not os.path.exists(os.path.join(HERE, file)) and write_anew:
            with open(os.path.join(HERE, file), "w") as f: f.write(f"$ limbeck {name.partition('-')[2]} --help\n".replace("  ", " "))
        check(f"tests/cli/{file} is there", os.path.exists(os.path.join(HERE, file)), f"make it: tests/cli/main.py --write {file}")
    for file in os.listdir(HERE):
        if re.fullmatch(r"help-.*\.txt", file): check(f"{file} is of a verb", file[5:-4] in verbs, "delete it")


def shared_out():
    """tests/meson.build names each script in a test of its own or together with others."""
    with open(os.path.join(HERE, "../meson.build")) as f: parts = re.search(r"cli_parts = \{(.*?)\}", f.read(), re.S)[1]
    named = [n for line in parts.splitlines() if ":" in line for n in re.findall(r"'([a-z-]+)'", line.partition(":")[2])]
    check("every script is run by one test", sorted(named) == scripts, f"cli_parts of tests/meson.build: {sorted(named)}\nscripts of tests/cli: {scripts}")


try:
    os.makedirs(path("bin"))
    os.symlink(LIMBECK, path("bin", "limbeck"))
    os.environ["PATH"] = path("bin") + os.pathsep + os.environ["PATH"]
    every_text = not wanted or "texts" in wanted
    if every_text or write_anew: help_pages(wanted)
    if every_text: shared_out()
    for name in sorted(f for f in os.listdir(HERE) if f.endswith(".txt")):
        if every_text or name in wanted or name[:-4] in wanted: transcript(name)
    for name in scripts:
        if not wanted or name in wanted or name + ".py" in wanted:
            for case in importlib.import_module(name).CASES: case()
finally:
    finish()
