#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ops.py PROGRAM [NAME...]: every op beside torch, at the sizes of networks: forward, and forward with backward, best of several, two threads. PROGRAM
is <build>/tests/op-speed. Prints a table sorted by the ratio torch's time / ours (above 1: ours is faster). Names choose ops. Needs torch,
torchvision; its definitions of ops are those of tests/data/torch."""
import json
import math
import os
import subprocess
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "2")
here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "tests", "data", "torch"))
import torch
import torch.nn.functional as F
from torchvision.ops import roi_align, roi_pool

import arrange
import elementwise
import layers
import losses
import order
import reduce

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
torch.set_default_dtype(torch.float32)
TOKENS, PICTURE = (16, 197, 768), (16, 64, 56, 56)


class Drawn:
    """An input by its kind, which the program draws in the same way: r numbers of lo..hi, i whole numbers below hi, d numbers that differ, s rising ones, b boxes."""

    def __init__(self, kind, shape, lo=-2.0, hi=2.0):
        self.kind, self.shape, self.lo, self.hi = kind, list(shape), lo, hi

    def line(self, pulls):
        return [self.kind, self.lo, self.hi, pulls, *self.shape]

    def tensor(self):
        n = math.prod(self.shape)
        if self.kind == "i":
            return torch.randint(0, int(self.hi), self.shape)
        if self.kind == "d":
            return ((torch.randperm(n) - n / 2) / 16.0).reshape(self.shape)
        if self.kind == "b":
            at = torch.rand(self.shape[0], 4) * self.hi / 2
            return torch.cat([torch.zeros(self.shape[0], 1), at[:, :2], at[:, :2] + 1 + at[:, 2:]], 1)
        x = torch.rand(self.shape) * (self.hi - self.lo) + self.lo
        return x.sort(-1).values if self.kind == "s" else x


def real(*shape, lo=-2.0, hi=2.0):
    return Drawn("r", shape, lo, hi)


def whole(*shape, below):
    return Drawn("i", shape, 0, below)


def distinct(*shape):
    return Drawn("d", shape)


def best(run):
    run()
    least, spent, count = math.inf, 0.0, 0
    while count < 3 or (spent < 0.12 and count < 50):
        start = time.perf_counter()
        run()
        took = time.perf_counter() - start
        least, spent, count = min(least, took), spent + took, count + 1
    return 1e3 * least


class Table:
    def __init__(self, names):
        self.names, self.lines, self.torch = names, [], []

    def case(self, op, f, *inputs, p=None, fixed=()):
        if self.names and op not in self.names:
            return
        x = [d and d.tensor() for d in inputs]
        pulls = [d is not None and fixed is not True and d.kind in "rd" and i not in fixed for i, d in enumerate(inputs)]
        with torch.no_grad():
            forward = best(lambda: f(*x))
        moving = [v.requires_grad_() for v, pull in zip(x, pulls) if pull]
        both = None
        if moving:
            def step():
                y = f(*x)
                y = [v for v in (y if isinstance(y, (tuple, list)) else (y,)) if v.requires_grad]
                torch.autograd.backward(y, [v.detach() for v in y])
                for v in moving:
                    v.grad = None
            both = best(step)
        self.lines.append({"op": op, "in": [d and d.line(pull) for d, pull in zip(inputs, pulls)], "p": p or {}})
        self.torch.append((forward, both))


def numbers(t):
    for op, (f, lo, hi) in elementwise.UNARY.items():
        t.case(op, f, real(*TOKENS, lo=lo, hi=hi), fixed=True if op in elementwise.STEPS else ())
    t.case("gelu_quick", lambda x: x * torch.sigmoid(1.702 * x), real(*TOKENS))
    for op, (f, sets) in elementwise.WITH.items():
        t.case(op, lambda x: f(x, **sets[0]), real(*TOKENS), p=sets[0])
    for op, (f, lo, hi) in elementwise.BINARY.items():
        t.case(op, f, real(*TOKENS, lo=lo, hi=hi), real(*TOKENS, lo=lo, hi=hi))
    for op in ("add", "mul"):
        f = elementwise.BINARY[op][0]
        t.case(op, f, real(*TOKENS), real(TOKENS[-1]))
        t.case(op, f, real(*PICTURE), real(PICTURE[1], 1, 1))
    for op, f in elementwise.COMPARED.items():
        t.case(op, lambda a, b: f(a, b).float(), real(*TOKENS), real(*TOKENS), fixed=True)
    t.case("lerp", lambda a, b: torch.lerp(a, b, 0.25), real(*TOKENS), real(*TOKENS), p={"weight": 0.25})
    t.case("prelu", F.prelu, real(*PICTURE), real(PICTURE[1]))
    t.case("nan_to_num", lambda x: torch.nan_to_num(x, 0.0, 1.0, -1.0), real(*TOKENS), p={"nan": 0.0, "up": 1.0, "down": -1.0})
    t.case("select", lambda c, a, b: torch.where(c != 0, a, b), whole(*TOKENS, below=2), real(*TOKENS), real(*TOKENS))
    t.case("to_real", lambda i: i.float(), whole(*TOKENS, below=50))


def reductions(t):
    for op, f in reduce.OVER.items():
        fixed = True if op in ("all", "any", "count_nonzero") else ()
        for axes, shape in (([-1], TOKENS), ([0, 2, 3], PICTURE), ([2, 3], PICTURE)):
            t.case(op, lambda x: f(x, axes, False) * 1.0, real(*shape, lo=0.9, hi=1.1) if op == "prod" else real(*shape), p={"axes": axes, "keep": False}, fixed=fixed)
    for op, f in reduce.ALONG.items():
        for axis in (-1, 1):
            t.case(op, lambda x: f(x, axis, False), real(*TOKENS), p={"axis": axis, "keep": False})
    for op, f in (("sum_all", torch.sum), ("mean_all", torch.mean)):
        t.case(op, f, real(*TOKENS))
    for op, f in reduce.RUNNING.items():
        for axis in (-1, 1):
            t.case(op, lambda x: f(x, axis), real(*TOKENS, lo=-1.1, hi=1.1), p={"axis": axis})
    for axes in ([-1], [0, 2, 3]):
        shape = TOKENS if axes == [-1] else PICTURE
        p = {"axes": axes, "keep": False, "correction": 1.0}
        t.case("var_over", lambda x: x.var(axes, correction=1), real(*shape), p=p)
        t.case("std", lambda x: x.std(axes, correction=1), real(*shape), p=p)
        t.case("norm", lambda x: torch.linalg.vector_norm(x, 2.0, axes), real(*shape), p={"axes": axes, "keep": False, "power": 2.0})
    t.case("var", lambda x: x.var(-1, correction=0), real(*TOKENS), p={"axis": -1, "keep": False, "correction": 0.0})
    for op, f in (("argmax", torch.argmax), ("argmin", torch.argmin)):
        t.case(op, lambda x: f(x, -1), real(*TOKENS), p={"axis": -1}, fixed=True)
    t.case("normalize", lambda x: F.normalize(x, dim=-1, eps=1e-12), real(*TOKENS), p={"eps": 1e-12})


def places(t):
    n, d = 50000, 384
    ids = whole(64, 128, below=n)
    t.case("embedding", lambda w, i: F.embedding(i, w), real(n, d), ids)
    t.case("index_select", lambda x, i: x[i], real(n, d), whole(8192, below=n))
    for axis in (0, 1):
        p, size = {"axis": axis}, [2048, 1024]
        grid, line = whole(*size, below=size[axis]), whole(size[axis], below=size[axis])
        t.case("gather", lambda x, i: x.gather(axis, i), real(*size), grid, p=p)
        t.case("scatter", lambda x, i, s: x.scatter(axis, i, s), real(*size), grid, real(*size), p=p)
        t.case("scatter_add", lambda x, i, s: x.scatter_add(axis, i, s), real(*size), grid, real(*size), p=p)
        t.case("index_add", lambda x, i, s: x.index_add(axis, i, s), real(*size), line, real(*size), p=p)
        t.case("take", lambda x, i: x.index_select(axis, i), real(*size), line, p=p)
    mask = whole(*TOKENS[:2], 1, below=2)
    t.case("masked_fill", lambda x, m: x.masked_fill(m != 0, -7.0), real(*TOKENS), mask, p={"value": -7.0})
    t.case("masked_scatter", lambda x, m, s: x.masked_scatter(m != 0, s), real(2048, 1024), whole(2048, 1024, below=2), real(2048 * 1024))
    t.case("nonzero", torch.nonzero, whole(2048, 1024, below=2), fixed=True)
    for k in (1, 10, 100):
        t.case("topk", lambda x: tuple(x.topk(k)), distinct(512, 10000), p={"k": k})
    t.case("smallest", lambda x: tuple(x.topk(10, largest=False)), distinct(512, 10000), p={"k": 10})
    t.case("sort", lambda x: x.sort(stable=True).values, distinct(512, 4096), p={"descending": False})
    t.case("argsort", lambda x: x.argsort(stable=True), distinct(512, 4096), p={"descending": False}, fixed=True)
    t.case("unique", order.unique, whole(1000000, below=5000), fixed=True)
    t.case("mode", lambda x: x.mode(-1).values, whole(2048, 512, below=20), fixed=True)
    t.case("bincount", lambda i: torch.bincount(i, minlength=1000).float(), whole(1000000, below=1000), p={"count": 1000})
    t.case("one_hot", lambda i: F.one_hot(i, 1000).float(), whole(4096, below=1000), p={"count": 1000})
    t.case("histogram", lambda x: torch.histc(x, 100, -2, 2), real(2000000), p={"bins": 100, "lo": -2.0, "hi": 2.0}, fixed=True)
    t.case("searchsorted", torch.searchsorted, Drawn("s", [64, 4096]), real(64, 8192), p={"after": False}, fixed=True)


def arranged(t):
    t.case("concat", lambda *x: torch.cat(x, 1), *[real(*TOKENS)] * 3, p={"axis": 1})
    t.case("concat", lambda *x: torch.cat(x, -1), *[real(*TOKENS)] * 3, p={"axis": -1})
    t.case("flip", lambda x: x.flip(-1), real(*PICTURE), p={"axis": -1})
    t.case("pad", lambda x: F.pad(x, [1, 1, 1, 1]), real(*PICTURE), p={"before": [0, 0, 1, 1], "after": [0, 0, 1, 1], "value": 0.0})
    for mode, name in ((1, "reflect"), (2, "replicate"), (3, "circular")):
        t.case("pad_with", lambda x: F.pad(x, [2, 2, 2, 2], mode=name), real(*PICTURE), p={"before": [0, 0, 2, 2], "after": [0, 0, 2, 2], "mode": mode})
    for axes, shape in (([0, 2, 1, 3], (16, 197, 12, 64)), ([0, 2, 3, 1], PICTURE), ([0, 2, 1], TOKENS)):
        t.case("permute", lambda x: x.permute(axes).contiguous(), real(*shape), p={"order": axes, "contiguous": True})
    for op, f in (("tril", torch.tril), ("triu", torch.triu)):
        t.case(op, f, real(16, 512, 512), p={"diagonal": 0})
    t.case("rotary_table", lambda i: arrange.rotary_table(i, 32, 10000.0), whole(16, 512, below=512), p={"pairs": 32, "base": 10000.0})


def networks(t):
    for n in (64, 256, 512, 1024):
        t.case("matmul", lambda a, b: a @ b, real(n, n), real(n, n), p={"trans_a": False, "trans_b": False})
    t.case("matmul", lambda a, b: a @ b.mT, real(96, 197, 64), real(96, 197, 64), p={"trans_a": False, "trans_b": True})
    for act, f in ((0, lambda x: x), (3, F.gelu)):
        t.case("linear", lambda x, w, b: f(F.linear(x, w, b)), real(8, 197, 768), real(3072, 768), real(3072), p={"act": act})
    for n, c, size, o, k, stride, groups in ((16, 64, (56, 56), 64, 3, 1, 1), (16, 3, (224, 224), 64, 7, 2, 1), (16, 128, (28, 28), 512, 1, 1, 1), (16, 96, (56, 56), 96, 3, 1, 96), (16, 96, (56, 56), 96, 5, 2, 96),
                                             (16, 64, (512,), 64, 3, 1, 1), (2, 32, (16, 32, 32), 32, 3, 1, 1)):
        d = len(size)
        f = [F.conv1d, F.conv2d, F.conv3d][d - 1]
        pad = k // 2
        p = {"stride": [stride] * d, "dilation": [1] * d, "groups": groups, "before": [pad] * d, "after": [pad] * d, "act": 0}
        t.case(f"conv{d}d", lambda x, w, b: f(x, w, b, stride, pad, 1, groups), real(n, c, *size), real(o, c // groups, *[k] * d), real(o), p=p)
    for d, size in ((1, (512,)), (2, (28, 28)), (3, (8, 16, 16))):
        f = [F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d][d - 1]
        p = {"stride": [2] * d, "dilation": [1] * d, "groups": 1, "before": [0] * d, "after": [0] * d, "more": [0] * d}
        t.case(f"conv_transpose{d}d", lambda x, w, b: f(x, w, b, 2), real(8, 64, *size), real(64, 32, *[2] * d), real(32), p=p)
    for size, stride, pad in ((3, 2, 1), (2, 2, 0)):
        p = {"size": [size] * 2, "stride": [stride] * 2, "pad": [pad] * 2, "dilation": [1] * 2, "ceil": False}
        t.case("max_pool", lambda x: F.max_pool2d(x, size, stride, pad), distinct(16, 64, 112, 112), p=p)
        t.case("avg_pool", lambda x: F.avg_pool2d(x, size, stride, pad), real(16, 64, 112, 112), p={**p, "border": 0, "divisor": 0})
    t.case("lp_pool", lambda x: F.lp_pool2d(x, 2.0, 2, 2), real(*PICTURE, lo=0.1), p={"size": [2, 2], "stride": [2, 2], "pad": [0, 0], "ceil": False, "power": 2.0})
    for to in (1, 7):
        t.case("adaptive_avg_pool", lambda x: F.adaptive_avg_pool2d(x, to), real(*PICTURE), p={"size": [to, to]})
        t.case("adaptive_max_pool", lambda x: F.adaptive_max_pool2d(x, to), distinct(*PICTURE), p={"size": [to, to]})
    p = {"size": [3, 3], "stride": [1, 1], "pad": [1, 1], "dilation": [1, 1], "ceil": False}
    t.case("unfold", lambda x: F.unfold(x, 3, 1, 1, 1), real(8, 32, 56, 56), p=p)
    t.case("fold", lambda x: F.fold(x, (56, 56), 3, 1, 1, 1), real(8, 288, 3136), p={**p, "to": [56, 56]})
    t.case("depth_to_space", lambda x: F.pixel_shuffle(x, 2), real(*PICTURE), p={"block": 2, "order": 0})
    t.case("space_to_depth", lambda x: F.pixel_unshuffle(x, 2), real(*PICTURE), p={"block": 2, "order": 0})
    c = PICTURE[1]
    t.case("batch_norm", lambda x, g, b: F.batch_norm(x, None, None, g, b, True, 0, 1e-5), real(*PICTURE), real(c), real(c), p={"eps": 1e-5, "act": 0})
    t.case("channel_affine", lambda x, a, b: x * a.view(-1, 1, 1) + b.view(-1, 1, 1), real(*PICTURE), real(c), real(c), p={"act": 0})
    t.case("layer_norm", lambda x, g, b: F.layer_norm(x, x.shape[-1:], g, b, 1e-5), real(*TOKENS), real(768), real(768), p={"eps": 1e-5})
    t.case("rms_norm", lambda x, g: F.rms_norm(x, x.shape[-1:], g, 1e-5), real(*TOKENS), real(768), p={"eps": 1e-5})
    t.case("group_norm", lambda x, g, b: F.group_norm(x, 8, g, b, 1e-5), real(*PICTURE), real(c), real(c), p={"groups": 8, "eps": 1e-5})
    t.case("instance_norm", lambda x, g, b: F.instance_norm(x, weight=g, bias=b, eps=1e-5), real(*PICTURE), real(c), real(c), p={"eps": 1e-5})
    t.case("channel_norm", lambda x, g, b: F.layer_norm(x.movedim(1, -1), (c,), g, b, 1e-5).movedim(-1, 1), real(*PICTURE), real(c), real(c), p={"eps": 1e-5})
    t.case("local_response_norm", lambda x: F.local_response_norm(x, 5), real(*PICTURE), p={"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1.0})
    plain = {"scale": 0.0, "softcap": 0.0, "window": 0, "prefix": 0, "shift": 0, "causal": False, "merge": False}
    for causal, (n, h, l, d) in ((False, (8, 12, 197, 64)), (True, (4, 8, 512, 64)), (False, (32, 12, 128, 32))):
        qkv = [real(n, h, l, d)] * 3
        t.case("attention", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=causal), *qkv, p={**plain, "causal": causal})
    t.case("attention_map", lambda q, k: torch.softmax(q @ k.mT / 8, -1), real(8, 12, 197, 64), real(8, 12, 197, 64), p=plain)

    def turn(x, c, s):
        a, b = x.chunk(2, -1)
        return torch.cat([a * c - b * s, a * s + b * c], -1)
    t.case("rotary", turn, real(8, 12, 512, 64), real(512, 32), real(512, 32), p={"interleaved": False}, fixed=(1, 2))


def pictures(t):
    for mode, kind in (("nearest", 0), ("bilinear", 1), ("bicubic", 2), ("area", 3)):
        for size in ([112, 112], [28, 28]):
            p = {"size": size, "mode": kind, "coords": 0, "nearest": 0, "antialias": False}
            t.case("resize", lambda x: F.interpolate(x, size, mode=mode), real(*PICTURE), p=p)
    for mode, kind in (("bilinear", 1), ("bicubic", 2)):
        p = {"size": [224, 224], "mode": kind, "coords": 0, "nearest": 0, "antialias": True}
        t.case("resize", lambda x: F.interpolate(x, (224, 224), mode=mode, antialias=True), real(8, 3, 512, 640), p=p)
    for mode, name in enumerate(("bilinear", "nearest", "bicubic")):
        t.case("grid_sample", lambda x, g: F.grid_sample(x, g, name, "zeros", False), real(8, 32, 64, 64), real(8, 64, 64, 2, lo=-1.1, hi=1.1), p={"mode": mode, "border": 0, "corners": False})
    t.case("grid_sample", lambda x, g: F.grid_sample(x, g, "bilinear", "border", False), real(2, 16, 16, 32, 32), real(2, 16, 32, 32, 3, lo=-1.1, hi=1.1), p={"mode": 0, "border": 1, "corners": False})
    t.case("affine_grid", lambda a: F.affine_grid(a, [16, 1, 224, 224], False), real(16, 2, 3), p={"size": [224, 224], "corners": False})
    boxes = Drawn("b", [64, 5], 0, 100)
    t.case("roi_align", lambda x, b: roi_align(x, b, (7, 7), 0.5, 2, True), real(1, 256, 56, 56), boxes, p={"to": [7, 7], "scale": 0.5, "samples": 2, "aligned": True}, fixed=(1,))
    t.case("roi_pool", lambda x, b: roi_pool(x, b, (7, 7), 0.5), real(1, 256, 56, 56), boxes, p={"to": [7, 7], "scale": 0.5}, fixed=(1,))


def objectives(t):
    mean = {"reduction": 0}
    x, chance = real(1024, 1000), real(1024, 1000, lo=0.05, hi=0.95)
    for op, f in (("mse", F.mse_loss), ("l1", F.l1_loss), ("bce_logits", F.binary_cross_entropy_with_logits)):
        t.case(op, f, x, x if op != "bce_logits" else chance, p=mean, fixed=(1,) if op == "bce_logits" else ())
    t.case("bce", F.binary_cross_entropy, chance, chance, p=mean, fixed=(1,))
    t.case("log_cosh", lambda x, y: torch.log(torch.cosh(x - y)).mean(), x, x, p=mean)
    t.case("huber", F.huber_loss, x, x, p={**mean, "delta": 1.0})
    t.case("smooth_l1", F.smooth_l1_loss, x, x, p={**mean, "beta": 1.0})
    t.case("focal", lambda x, y: losses.focal(x, y, 0.25, 2.0).mean(), x, chance, p={**mean, "alpha": 0.25, "gamma": 2.0}, fixed=(1,))
    t.case("kl_div", lambda x, y: F.kl_div(x, y, reduction="mean"), x, chance, p={**mean, "log_target": False}, fixed=(1,))
    t.case("gaussian_kl", lambda m, v: (-0.5 * (1 + v - m ** 2 - v.exp())).mean(), x, x, p=mean)
    t.case("gaussian_nll", F.gaussian_nll_loss, x, x, chance, p={**mean, "eps": 1e-6, "full": False})
    t.case("margin_ranking", lambda a, b, y: F.margin_ranking_loss(a, b, y, margin=0.5), x, x, real(1024, 1000, lo=1, hi=1), p={**mean, "margin": 0.5}, fixed=(2,))
    t.case("hinge_embedding", lambda x, y: F.hinge_embedding_loss(x, y, margin=1.5), x, real(1024, 1000, lo=1, hi=1), p={**mean, "margin": 1.5}, fixed=(1,))
    label = {**mean, "axis": -1, "ignore": -100, "smoothing": 0.1}
    t.case("cross_entropy", lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1), x, whole(1024, below=1000), p=label)
    t.case("cross_entropy", lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1), real(8, 21, 128, 128), whole(8, 128, 128, below=21), p={**label, "axis": 1})
    t.case("soft_cross_entropy", lambda x, y: F.cross_entropy(x, y), x, chance, p={**mean, "axis": -1, "smoothing": 0.0}, fixed=(1,))
    for kind in range(8):
        p = {**mean, "kind": kind, "temperature": 2.0, "share": 0.3, "axis": -1}
        t.case("divergence", lambda s, z: losses.divergence(s, z, None, kind, 2.0, 0.3, -1).mean(), x, x, p=p, fixed=(1,))
    t.case("rkd_distance", losses.rkd_distance, real(256, 512), real(256, 512), fixed=(1,))
    t.case("rkd_angle", losses.rkd_angle, real(96, 256), real(96, 256), fixed=(1,))
    for n in (256, 1024):
        t.case("info_nce", lambda a, b: losses.info_nce(a, b, None, 0.07, True), real(n, 512), real(n, 512), p={"temperature": 0.07, "both": True})
        t.case("siglip", lambda a, b, *_: losses.siglip(a, b, None, None, 0.1), real(n, 512), real(n, 512), None, None, p={"temperature": 0.1})
    t.case("layer_norm_mse", lambda x, y: F.mse_loss(F.layer_norm(x, x.shape[-1:]), y), real(64, 196, 384), real(64, 196, 384), p={"eps": 1e-5}, fixed=(1,))


def main(program, *names):
    t = Table(names)
    for part in (numbers, reductions, places, arranged, networks, pictures, objectives):
        part(t)
    ours = subprocess.run([program], input=json.dumps(t.lines), text=True, stdout=subprocess.PIPE, check=True).stdout.splitlines()
    rows = []
    for line, theirs, own in zip(t.lines, t.torch, map(json.loads, ours)):
        shapes = " ".join("x".join(map(str, d[4:])) for d in line["in"] if d)
        for what, a, b in zip(("forward", "with backward"), theirs, (own["forward"], own["both"])):
            if a is not None and b is not None:
                rows.append((a / b, f"{line['op']} {what}", shapes, a, b))
    print("| ratio | op | inputs | torch ms | ours ms |\n|---|---|---|---|---|")
    for ratio, name, shapes, a, b in sorted(rows):
        print(f"| {ratio:.2f} | {name} | {shapes} | {a:.3f} | {b:.3f} |")
    print(f"\n{sum(r[0] >= 0.9 for r in rows)} of {len(rows)} at 0.9 or above")


main(*sys.argv[1:])
