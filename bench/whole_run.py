#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""whole_run.py LIMBECK [--items N] [--epochs N] [--student mobilenet|resnet]: a whole distillation run from cached teacher features, from JPEG files to the
trained student, by Limbeck and by PyTorch with a DataLoader: decode, random crop and flip, forward, cosine to the teacher's row, backward, AdamW. Prints
a JSON line for each and the ratio (above 1: Limbeck is faster). Needs torch, torchvision, pillow, h5py. Two threads, two loader processes: a DataLoader of
none, one and two is tried and the best counts. Both start from files in the page cache."""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time

THREADS = int(os.environ.setdefault("OMP_NUM_THREADS", "2"))
import h5py
import numpy as np
import torch
import torch.nn.functional as F
import torchvision
from PIL import Image
from torchvision import transforms as T

SIZE, BATCH, WIDTH = 128, 32, 512


def make(folder, n):
    """JPEG pictures of 480 x 360 with structure at all scales, and a teacher's features of random numbers."""
    rng = np.random.default_rng(0)
    os.makedirs(folder + "/pictures")
    with open(folder + "/list.jsonl", "w") as f:
        for i in range(n):
            x = sum(np.asarray(Image.fromarray(rng.integers(0, 256, (6 << k, 8 << k, 3), np.uint8)).resize((480, 360), Image.BICUBIC), np.float32) / (1.6 ** k) for k in range(5))
            x = (255 * (x - x.min()) / (x.max() - x.min())).astype(np.uint8)
            Image.fromarray(x).save(f"{folder}/pictures/{i:05d}.jpg", quality=90)
            f.write(json.dumps({"key": f"{i:05d}", "image": f"pictures/{i:05d}.jpg", "split": "train"}) + "\n")
    with h5py.File(folder + "/teacher.h5", "w") as f:
        f["keys"] = [f"{i:05d}" for i in range(n)]
        f["features/pooled"] = rng.standard_normal((n, WIDTH), np.float32)


STUDENTS = {"mobilenet": ("mobilenet-v3", "variant: small, size: 128", "embedding"), "resnet": ("resnet", "depth: 18, size: 128, classes: 0", "pooled")}


def limbeck(program, folder, student, steps):
    arch, params, tap = STUDENTS[student]
    with open(folder + "/recipe.yaml", "w") as f:
        f.write(f"""name: whole
data: {{input: [{folder}/list.jsonl]}}
features: {{teacher: {{cache: {folder}/teacher.h5, tap: pooled}}}}
student:
  arch: {arch}
  params: {{{params}}}
  preprocess: {{mode: squash, size_w: {SIZE}, size_h: {SIZE}, filter: bilinear, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}
streams: {{all: {{split: train, fields: [image], batch: {BATCH}, augment: true}}}}
augment: {{crop_min: 0.35, flip: 0.5}}
objectives: [{{method: embed, component: cosine, on: all, inputs: {{student: student.{tap}, teacher: teacher}}}}]
train: {{steps: {steps}, log_every: 100, save_every: 1000000}}
optimiser: {{name: adamw, lr: 0.001}}
eval: {{retrieval: false, split: train}}
""")
    start = time.perf_counter()
    subprocess.run([program, "train", folder + "/recipe.yaml", "--out", folder + "/run", "--quiet", "--threads", str(THREADS)], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


class Pictures(torch.utils.data.Dataset):
    def __init__(self, folder):
        self.folder, self.file = folder, None
        with open(folder + "/list.jsonl") as f: self.items = [json.loads(l) for l in f]
        self.change = T.Compose([T.RandomResizedCrop(SIZE, (0.35, 1)), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize([0.5] * 3, [0.5] * 3)])

    def __len__(self): return len(self.items)

    def __getitem__(self, i):
        if self.file is None: self.file = h5py.File(self.folder + "/teacher.h5", "r")
        with Image.open(os.path.join(self.folder, self.items[i]["image"])) as picture: x = self.change(picture.convert("RGB"))
        return x, torch.from_numpy(self.file["features/pooled"][i])


class Student(torch.nn.Module):
    def __init__(self, kind):
        super().__init__()
        if kind == "resnet":
            self.net, width = torchvision.models.resnet18(), 512
            self.net.fc = torch.nn.Identity()
        else:
            self.net, width = torchvision.models.mobilenet_v3_small(), 1024
            self.net.classifier = self.net.classifier[:2]
        self.map = torch.nn.Linear(width, WIDTH) if width != WIDTH else torch.nn.Identity()

    def forward(self, x): return self.map(self.net(x))


def peer(folder, student, steps, workers):
    torch.set_num_threads(THREADS)
    start = time.perf_counter()
    model = Student(student)
    optim = torch.optim.AdamW(model.parameters(), 0.001)
    loader = torch.utils.data.DataLoader(Pictures(folder), BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0, drop_last=True)
    done = 0
    while done < steps:
        for x, teacher in loader:
            optim.zero_grad(set_to_none=True)
            (1 - F.cosine_similarity(model(x), teacher, dim=1)).mean().backward()
            optim.step()
            done += 1
            if done == steps: break
    torch.save(model.state_dict(), folder + "/peer.pt")
    return time.perf_counter() - start


def main():
    a = argparse.ArgumentParser()
    a.add_argument("program")
    a.add_argument("--items", type=int, default=512)
    a.add_argument("--epochs", type=int, default=3)
    a.add_argument("--student", choices=STUDENTS, default="mobilenet")
    a.add_argument("--workers", default="0,2")
    o = a.parse_args()
    steps = o.items * o.epochs // BATCH
    with tempfile.TemporaryDirectory() as folder:
        make(folder, o.items)
        name = f"whole-run-{o.student}-{SIZE}"
        ours = steps * BATCH / limbeck(o.program, folder, o.student, steps)
        print(json.dumps({"name": name, "peer": "limbeck", "value": round(ours, 2), "unit": "img/s"}), flush=True)
        theirs = 0
        for workers in map(int, o.workers.split(",")):
            rate = steps * BATCH / peer(folder, o.student, steps, workers)
            theirs = max(theirs, rate)
            print(json.dumps({"name": name, "peer": f"torch, {workers} workers", "value": round(rate, 2), "unit": "img/s"}), flush=True)
        print(f"# {name}: {ours / theirs:.2f} of the best", file=sys.stderr)


main()
