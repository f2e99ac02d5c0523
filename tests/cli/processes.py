# SPDX-License-Identifier: Apache-2.0
# Training by several processes over MPI: the same result as one process with the same batches, a stopped run goes on to the same bytes.
import shutil, signal, time
import numpy as np
from common import *
from methods import train

# The method trg: learned maps, drawn tokens, all rows of a batch in one graph.
RECIPE = """
name: trg
data: {input: [shapes]}
teachers:
  teacher: {model: runs/tokens/model}
student:
  arch: vit
  params: {size: 32, patch: 8, width: 32, depth: 2, heads: 2, mlp: 64, embed: 0, classes: 6}
  preprocess: {mode: squash, size_w: 32, size_h: 32, filter: bilinear, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
streams:
  labelled: {split: train, fields: [image], batch: 32}
objectives:
  - method: trg
    on: labelled
    inputs: {student_tokens: student.tokens, teacher_tokens: teacher.tokens, student_logits: student.logits, teacher_logits: teacher.logits, labels: label}
train: {steps: 100, log_every: 10, save_every: 50}
optimiser: {name: adamw, lr: 0.002, weight_decay: 0.02, warmup: 10, schedule: cosine, clip_norm: 1.0}
eval: {split: test, retrieval: false, classification: true, score: top1}
"""
TOKENS = ["student.arch=vit", "student.params={size: 32, patch: 8, width: 96, depth: 3, heads: 3, mlp: 192, embed: 0, classes: 6}"]
WORDS = ["streams.labelled.batch=16", "train.steps=4", "train.log_every=1"]


def together(n, *words, **more):
    """As root and beside other processes too, which Open MPI wants to be told; without a network."""
    env = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_btl="self,vader", OMPI_MCA_mpi_yield_when_idle="1")
    return subprocess.Popen(["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(n), LIMBECK, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, cwd=ROOT, env=env)


def ended(p):
    out, err = p.communicate(timeout=60)
    return Done(p.args, p.returncode, out, err, 0)


def tensors(file):
    data = read(file)
    size = struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8:8 + size])
    return {k: np.frombuffer(data[8 + size + v["data_offsets"][0]:8 + size + v["data_offsets"][1]], np.float32) for k, v in head.items() if k != "__metadata__" and v["dtype"] == "F32"}


def like_one():
    doctor = json.loads(run("doctor", "--json").out)
    if not doctor["mpi"] or not shutil.which("mpirun"): return skip("training by several processes", "this build has no MPI" if not doctor["mpi"] else "mpirun is not installed")
    works("synth", run("synth", "classes", "--out", "shapes", "--option", "each=12", "size=32"))
    works("teacher", train("teacher", "runs/tokens", "train.steps=4", *TOKENS))
    with open(path("trg.yaml"), "w") as f: f.write(RECIPE)
    trg = ["train", path("trg.yaml"), "--quiet"]
    works("alone", run(*trg, "--out", "one", "--set", *WORDS))
    one = tensors("one/last.safetensors")
    for n in (2, 4):
        works(f"{n} processes", ended(together(n, *trg, "--out", f"of{n}", "--set", *WORDS)))
        many = tensors(f"of{n}/last.safetensors")
        check(f"{n} processes: the same tensors", many.keys() == one.keys())
        # The project's bound for other orders of sums: 1e-5 of a tensor's size, by norms, since AdamW divides a single gradient near 0 by its own size.
        worst = max((float(np.sqrt(((many[k] - one[k]) ** 2).mean()) / max(np.sqrt((one[k] ** 2).mean()), 1e-3)), k) for k in one)
        check(f"{n} processes: the result of one", worst[0] < 1e-5, worst)
    lines = [json.loads(l)["loss"] for l in read("of4/log.jsonl").decode().splitlines()]
    check("one log of all", len(lines) == 4, lines)
    check("says how many", json.loads(read("of4/summary.json"))["processes"] == 4)
    for _ in range(3): # Open MPI 4.1's launcher now and then dies itself (signal 11) while it ends processes that failed
        uneven = ended(together(3, *trg, "--out", "of3", "--set", *WORDS))
        if uneven.code != -signal.SIGSEGV: break
    fails("a batch that cannot be shared", uneven, "cannot be shared evenly by 3 processes")
    longer = [*trg, "--set", *WORDS, "train.steps=24", "train.save_every=1", "--out"]
    works("to the end", ended(together(2, *longer, "whole")))
    p = together(2, *longer, "stopped")
    while p.poll() is None and not os.path.exists(path("stopped/last.safetensors")): time.sleep(0.002)
    p.send_signal(signal.SIGUSR1)  # what mpirun hands on to all
    check("stopped", ended(p).code == STOPPED)
    works("goes on", ended(together(2, *longer, "stopped")))
    check("to the same bytes", read("stopped/last.safetensors") == read("whole/last.safetensors"))


CASES = [like_one]
