# SPDX-License-Identifier: Apache-2.0
# What `meson install` gives a programmer: command, library, headers, pkg-config file, manual page; the example is compiled with the
# installed files alone and run; the shared library exports what the installed headers declare, and nothing else.
import os, re, shutil, subprocess, sys, tempfile

source, build = os.environ["LB_SOURCE"], os.environ["LB_BUILD"]
passed = failed = 0

def check(name, ok, text=""):
    global passed, failed
    if ok: passed += 1
    else:
        failed += 1
        print("FAIL", name, text)

def run(*words, **more): return subprocess.run(words, capture_output=True, text=True, **more)

root = tempfile.mkdtemp(prefix="limbeck-install-")
try:
    done = run("meson", "install", "-C", build, "--no-rebuild", "--destdir", root)
    check("meson install", done.returncode == 0, done.stdout + done.stderr)
    prefix = os.path.join(root, "usr/local")
    config = [os.path.join(d, "limbeck.pc") for d, _, files in os.walk(prefix) if "limbeck.pc" in files]
    check("pkg-config file", len(config) == 1)
    text = open(config[0]).read()
    text = re.sub(r"^prefix=.*$", "prefix=" + prefix, text, flags=re.M)  # staged, not at its real place
    open(config[0], "w").write(text)
    env = dict(os.environ, PKG_CONFIG_PATH=os.path.dirname(config[0]))
    flags = run("pkg-config", "--cflags", "--libs", "limbeck", env=env).stdout.split()
    lib = os.path.join(os.path.dirname(config[0]), "..")
    program = os.path.join(root, "distill")
    done = run("gcc", "-std=c17", "-Wall", "-Wextra", "-Werror", "-O1", os.path.join(source, "examples/distill.c"), *flags, "-lm", "-Wl,-rpath," + lib, "-o", program)
    check("example compiles", done.returncode == 0, done.stderr[-2000:])
    weights = os.path.join(root, "student.safetensors")
    done = run(program, weights)
    right = re.search(r"teacher ([\d.]+) %, student ([\d.]+) % right", done.stdout)
    check("example runs", done.returncode == 0 and right is not None, done.stdout + done.stderr)
    # Five classes: chance is 20 %; both networks separate the spirals, which a linear map cannot (about 40 %).
    check("example learns", right and float(right[1]) > 90 and float(right[2]) > 85, done.stdout)
    head = open(weights, "rb").read(9)
    check("example saves", int.from_bytes(head[:8], "little") > 0 and head[8:9] == b"{")

    # The student of a run, from a program of one's own: the numbers that the command gives.
    limbeck, shapes, made = os.environ["LB_LIMBECK"], os.path.join(root, "shapes"), os.path.join(root, "run")
    program = os.path.join(root, "run-student")
    done = run("gcc", "-std=c17", "-Wall", "-Wextra", "-Werror", "-O1", os.path.join(source, "examples/student.c"), *flags, "-Wl,-rpath," + lib, "-o", program)
    check("student program compiles", done.returncode == 0, done.stderr[-2000:])
    run(limbeck, "synth", "classes", "--out", shapes, "--option", "each=4", "size=32")
    done = run(limbeck, "train", os.path.join(source, "recipes/methods/teacher.yaml"), "--out", made, "--quiet", "--set", "train.steps=3", "data.input=" + shapes, cwd=root)
    check("a student", done.returncode == 0, done.stderr)
    pictures = sorted(os.path.join(d, f) for d, _, files in os.walk(shapes) for f in files if f.endswith(".png"))[:3]
    done = run(program, made + "/model", "logits", *pictures)
    lines = [l.split() for l in done.stdout.splitlines()]
    check("student program runs", done.returncode == 0 and [l[0] for l in lines] == pictures and all(len(l) == 7 for l in lines), done.stdout + done.stderr)
    coded = run(limbeck, "encode", "--model", made + "/model", "--input", *pictures, "--taps", "logits", "--out", root + "/logits.h5", "--quiet")
    import h5py
    with h5py.File(root + "/logits.h5") as f: want = {k: row for k, row in zip(f["keys"].asstr()[:], f["features/logits"][:])}
    # Batches of one and of three add up in another order.
    same = all(abs(float(x) - w) < 1e-4 for l in lines for x, w in zip(l[1:], want[l[0]]))
    check("student program gives what the command gives", coded.returncode == 0 and len(want) == 3 and same, done.stdout)

    headers = [os.path.join(d, f) for d, _, files in os.walk(os.path.join(prefix, "include/limbeck")) for f in files]
    words = set()
    for h in headers: words |= set(re.findall(r"\blb_\w+", open(h).read()))
    ops = re.findall(r"^(?:OP|ALSO)\((\w+)", open(os.path.join(prefix, "include/limbeck/tensor/ops.def")).read(), re.M)
    words |= {"lb_" + op for op in ops}
    declared = {"lb_" + op for op in ops}
    for h in headers: declared |= set(re.findall(r"^\s*(?:extern )?LB_API[^;{]*?\b(lb_\w+)(?=\(|\[\]|;|\s*;)", open(h).read(), re.M))
    shared = [os.path.join(d, f) for d, _, files in os.walk(prefix) for f in files if re.fullmatch(r"liblimbeck\.so(\.\d+)*", f)]
    table = run("nm", "-D", "--defined-only", shared[0]).stdout
    exported = {line.split()[-1] for line in table.splitlines()}
    stray = sorted(n for n in exported if n not in words)
    check("exports are declared", not stray, " ".join(stray[:20]))
    absent = sorted(declared - exported)
    check("declared is exported", len(declared) > 200 and not absent, " ".join(absent[:20]))
    page = open(os.path.join(prefix, "share/man/man1/limbeck.1")).read()
    verbs = re.findall(r"^VERB\((\w+)\)", open(os.path.join(source, "cli/verbs.def")).read(), re.M)
    check("manual names every verb", all('.SH "%s"' % v.replace("_", "-") in page for v in verbs))
finally:
    shutil.rmtree(root, ignore_errors=True)
print("%d passed, %d failed, 0 skipped" % (passed, failed))
sys.exit(failed > 0)
