# SPDX-License-Identifier: Apache-2.0
# What the files of this suite share: running the built command as a user does, a closing line, small pictures, a tiny model.
import contextlib, json, os, resource, shutil, signal, struct, subprocess, sys, tempfile, time, traceback, zlib

LIMBECK = os.environ["LB_LIMBECK"]
PICTURES = os.path.join(os.environ["LB_TEST_DATA"], "image")
WEIGHTS = os.path.join(os.environ["LB_TEST_DATA"], "weights")
os.environ.update(OMP_NUM_THREADS="1")
# In memory where possible: thousands of syncs to a disk would be most of the time, and change nothing in what a kill leaves behind.
memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").free > 200 << 20 else None
ROOT = tempfile.mkdtemp(prefix="limbeck-bad-", dir=memory)
os.environ["LIMBECK_HOME"] = os.path.join(ROOT, "home")
counts = {"passed": 0, "failed": 0, "skipped": 0}
DONE, FAILED, USAGE, STOPPED = 0, 1, 2, 3


def check(name, ok, text=""):
    counts["passed" if ok else "failed"] += 1
    if not ok: print(f"FAIL {name}\n  " + str(text).strip().replace("\n", "\n  "), flush=True)
    return ok


def skip(name, why):
    counts["skipped"] += 1
    print(f"SKIP {name}: {why}")


class Done:
    """What a run of the command left behind."""
    def __init__(self, words, code, out, err, peak):
        self.words, self.code, self.out, self.err, self.peak = words, code, out, err, peak

    def __str__(self):
        return f"limbeck {' '.join(self.words)}\nexit {self.code}\n{self.err[-1500:]}"


def start(*words, limit=None, **more):
    """limit: bytes that a file may have at the most (a full disk for those who are not root)."""
    def before():
        if limit is not None: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    return subprocess.Popen([LIMBECK, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                            preexec_fn=before, cwd=more.get("cwd", ROOT), env=dict(os.environ, **more.get("env", {})))


def run(*words, **more):
    p = start(*words, **more)
    out, err = p.communicate(timeout=60)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10  # of the largest child so far
    return Done(list(map(str, words)), p.returncode, out, err, peak)


def fails(name, done, *parts, code=FAILED):
    """The run failed with this code and its message names every part; nothing crashed."""
    text = done.err + done.out
    missing = [p for p in parts if p not in text]
    return check(name, done.code == code and not missing, f"missing in the message: {missing}\n{done}")


def works(name, done, *parts):
    return fails(name, done, *parts, code=DONE)


def path(*parts): return os.path.join(ROOT, *parts)


def write(name, data):
    os.makedirs(os.path.dirname(path(name)), exist_ok=True)
    with open(path(name), "wb") as f: f.write(data if isinstance(data, bytes) else data.encode())
    return path(name)


def read(name):
    with open(path(name), "rb") as f: return f.read()


def png(width, height, pixels):
    """An RGB picture; pixels: bytes."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + pixels[y * width * 3:(y + 1) * width * 3] for y in range(height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


WORDS = ["a", "red", "big", "cat", "dog", "sits", "runs", "on", "the", "mat"]


def item(i, image):
    return json.dumps({"key": f"item-{i:05d}", "image": image, "text": " ".join(WORDS[(i * 7 + k * (1 + i % 3)) % 10] for k in range(1 + i % 6))})


def make_items(name, count):
    """A list of `count` items over 16 small pictures."""
    for k in range(16): write(f"{name}-pictures/{k}.png", png(9, 7, bytes((k * 37 + j * 11) % 256 for j in range(9 * 7 * 3))))
    return write(name + ".jsonl", "\n".join(item(i, f"{name}-pictures/{i % 16}.png") for i in range(count)) + "\n")


RECIPE = """name: tiny
data: {{input: [{list}]}}
tokenizer: vocab.txt
student:
  arch: dual-encoder
  params: {{image_size: 16, image_width: 8, image_expand: 1, image_head: 16, vocab: 15, text_width: 16, text_layers: 1, text_heads: 2, text_mlp: 16, embed: 16}}
  preprocess: {{mode: squash, size_w: 16, size_h: 16, filter: bilinear, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}
streams:
  pairs: {{fields: [image, text], batch: 8}}
objectives:
  - method: infonce
    on: pairs
    inputs: {{image_embed: student.image_embed, text_embed: student.text_embed, logit_scale: student.logit_scale}}
train: {{steps: {steps}, save_every: 20}}
eval: {{retrieval: false}}
"""


def make_models():
    """Two models of one make and other weights: teacher-0/model, teacher-1/model."""
    write("vocab.txt", "\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS) + "\n")
    make_items("few", 16)
    write("tiny.yaml", RECIPE.format(list="few.jsonl", steps=2))
    for seed in range(2): works("a tiny teacher is trained", run("train", "tiny.yaml", "--out", f"teacher-{seed}", "--set", f"seed={seed}"))


TAPS = "image_embed,text_embed,text.tokens"


def wait_for(p, ready, seconds=20):
    """Until ready() or the process ends; True when it still runs."""
    end = time.time() + seconds
    while time.time() < end and p.poll() is None:
        if ready(): return True
        time.sleep(0.001)
    return p.poll() is None


def stop(p, number):
    p.send_signal(number)
    out, err = p.communicate(timeout=60)
    return Done(p.args[1:], p.returncode, out, err, 0)


@contextlib.contextmanager
def disk(size):
    """A disk of that size as ROOT/disk; yields False where none can be mounted."""
    os.makedirs(path("disk"), exist_ok=True)
    mounted = os.geteuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", path("disk")], capture_output=True).returncode == 0
    try: yield mounted
    finally:
        if mounted: subprocess.run(["umount", "-l", path("disk")], check=True)


def resize(size): subprocess.run(["mount", "-o", "remount,size=" + size, path("disk")], check=True)


def finish():
    if sys.exc_info()[0]:
        traceback.print_exc()
        counts["failed"] += 1
    shutil.rmtree(ROOT, ignore_errors=True)
    print("%d passed, %d failed, %d skipped" % (counts["passed"], counts["failed"], counts["skipped"]))
    sys.exit(counts["failed"] > 0)
