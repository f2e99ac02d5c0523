#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make.py: what torch.optim and torch.optim.lr_scheduler compute in float64 -> optim.json (made with torch 2.2.2).

runs: config, start values of a matrix "w.weight" [3,2] and a vector "w.bias" [3], the gradients of each step, the values after each step and
the gradient's norm before clipping. adamw leaves the vector without decay. schedules: config, steps, learning rates after the warm-up."""
import json
import os

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(5)
STEPS = 6
shapes = {"w.weight": (3, 2), "w.bias": (3,)}


def run(clip=0.0, **config):
    start = {n: rng.standard_normal(s) for n, s in shapes.items()}
    p = {n: torch.nn.Parameter(torch.tensor(x)) for n, x in start.items()}
    c = dict(lr=0.05, weight_decay=0.0, beta1=0.9, beta2=0.999, eps=1e-8, momentum=0.0, nesterov=False)
    c.update(config)
    if c["name"] == "sgd":
        o = torch.optim.SGD(p.values(), lr=c["lr"], momentum=c["momentum"], weight_decay=c["weight_decay"], nesterov=c["nesterov"])
    elif c["name"] == "adam":
        o = torch.optim.Adam(p.values(), lr=c["lr"], betas=(c["beta1"], c["beta2"]), eps=c["eps"], weight_decay=c["weight_decay"])
    else:
        groups = [{"params": [p["w.weight"]], "weight_decay": c["weight_decay"]}, {"params": [p["w.bias"]], "weight_decay": 0.0}]
        o = torch.optim.AdamW(groups, lr=c["lr"], betas=(c["beta1"], c["beta2"]), eps=c["eps"])
    grads, values, norms = [], [], []
    for _ in range(STEPS):
        g = {n: rng.standard_normal(s) for n, s in shapes.items()}
        for n in p:
            p[n].grad = torch.tensor(g[n])
        norms.append(float(torch.nn.utils.clip_grad_norm_(p.values(), clip or float("inf"))))
        o.step()
        grads.append({n: x.ravel().tolist() for n, x in g.items()})
        values.append({n: x.detach().numpy().ravel().tolist() for n, x in p.items()})
    c["clip_norm"] = clip
    return dict(config=c, start={n: x.ravel().tolist() for n, x in start.items()}, grads=grads, values=values, norms=norms)


def schedule(total, warmup, **config):
    c = dict(lr=0.2, warmup=warmup, **config)
    o = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=c["lr"])
    s, span = torch.optim.lr_scheduler, total - warmup
    made = {
        "cosine": lambda: s.CosineAnnealingLR(o, span, c["lr"] * c["final_lr"]),
        "linear": lambda: s.LinearLR(o, 1.0, c["final_lr"], span),
        "step": lambda: s.StepLR(o, c["step_size"], c["gamma"]),
        "exponential": lambda: s.ExponentialLR(o, c["gamma"]),
        "constant": lambda: s.ConstantLR(o, 1.0, span),
    }[c["schedule"]]()
    rates = []
    for _ in range(span):
        rates.append(made.get_last_lr()[0])
        o.step()
        made.step()
    return dict(config=c, total=total, rates=rates)


runs = [
    run(name="adamw", weight_decay=0.1),
    run(name="adamw", weight_decay=0.01, beta1=0.8, beta2=0.95, eps=1e-3, clip=1.5),
    run(name="adam", weight_decay=0.1),
    run(name="sgd"),
    run(name="sgd", momentum=0.9, weight_decay=0.05),
    run(name="sgd", momentum=0.9, nesterov=True, weight_decay=0.05, clip=1.0),
]
schedules = [
    schedule(20, 0, schedule="cosine", final_lr=0.0),
    schedule(25, 5, schedule="cosine", final_lr=0.1),
    schedule(25, 5, schedule="linear", final_lr=0.2),
    schedule(25, 3, schedule="step", gamma=0.5, step_size=4),
    schedule(10, 2, schedule="exponential", gamma=0.9),
    schedule(5, 1, schedule="constant"),
    schedule(1, 0, schedule="cosine", final_lr=0.0),
]
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "optim.json"), "w") as f:
    json.dump(dict(runs=runs, schedules=schedules), f, indent=0)
