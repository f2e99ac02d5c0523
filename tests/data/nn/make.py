#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make.py: what torch.optim and torch.optim.lr_scheduler compute in float64 -> optim.json (made with torch 2.15 and transformers 5).

runs: config, start values of a matrix "w.weight" [3,2] and a vector "w.bias" [3], the gradients of each step, the values after each step and
the gradient's norm before clipping. Optimisers with decoupled decay leave the vector without it. lamb, lion and look-ahead, which torch lacks, are
their papers' algorithms written out; adafactor is that of transformers. schedules: config, steps, learning rates after the warm-up."""
import json
import os

import numpy as np
import torch

torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(5)
STEPS = 6
shapes = {"w.weight": (3, 2), "w.bias": (3,)}


class Lamb(torch.optim.Optimizer):
    """You et al., arXiv:1904.00962, algorithm 2; as in their code, what has no length moves by lr alone."""

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (b1, b2), eps = group["betas"], group["eps"]
            for p in group["params"]:
                s = self.state[p]
                s["t"] = s.get("t", 0) + 1
                s["m"] = b1 * s.get("m", 0) + (1 - b1) * p.grad
                s["v"] = b2 * s.get("v", 0) + (1 - b2) * p.grad ** 2
                r = s["m"] / (1 - b1 ** s["t"]) / ((s["v"] / (1 - b2 ** s["t"])).sqrt() + eps) + group["weight_decay"] * p
                p -= group["lr"] * p.norm() / r.norm() * r if p.norm() > 0 and r.norm() > 0 else group["lr"] * r


class Lion(torch.optim.Optimizer):
    """Chen et al., arXiv:2302.06675, algorithm 2."""

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                m = self.state[p].get("m", torch.zeros_like(p))
                p -= group["lr"] * (torch.sign(b1 * m + (1 - b1) * p.grad) + group["weight_decay"] * p)
                self.state[p]["m"] = b2 * m + (1 - b2) * p.grad


def optimiser(c, groups):
    betas = (c["beta1"], c["beta2"])
    if c["name"] == "sgd":
        return torch.optim.SGD(groups, lr=c["lr"], momentum=c["momentum"], nesterov=c["nesterov"])
    if c["name"] == "rmsprop":
        return torch.optim.RMSprop(groups, lr=c["lr"], alpha=c["beta2"], eps=c["eps"], momentum=c["momentum"])
    if c["name"] == "adagrad":
        return torch.optim.Adagrad(groups, lr=c["lr"], eps=c["eps"])
    if c["name"] == "adafactor":
        from transformers import Adafactor
        return Adafactor(groups, lr=c["lr"], beta1=c["beta1"] or None, scale_parameter=c["scale_parameter"], relative_step=False)
    if c["name"] in ("lamb", "lion"):
        return {"lamb": Lamb, "lion": Lion}[c["name"]](groups, dict(lr=c["lr"], betas=betas, eps=c["eps"]))
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[c["name"]](groups, lr=c["lr"], betas=betas, eps=c["eps"])


def run(clip=0.0, clip_value=0.0, bias=None, scale=1.0, lookahead=0, zero=None, still=None, **config):
    """bias: what the group of the vector has instead: (text for Limbeck, settings for torch). zero: what starts at 0; still: what has gradients of 0."""
    start = {n: rng.standard_normal(s) * (n != zero) for n, s in shapes.items()}
    p = {n: torch.nn.Parameter(torch.tensor(x)) for n, x in start.items()}
    c = dict(lr=0.05, weight_decay=0.0, beta1=0.9, beta2=0.999, eps=1e-8, momentum=0.0, nesterov=False, scale_parameter=False)
    c.update(config)
    decoupled = c["name"] in ("adamw", "lamb", "lion", "adafactor")
    groups = [{"params": [p["w.weight"]], "weight_decay": c["weight_decay"]}, {"params": [p["w.bias"]], "weight_decay": 0.0 if decoupled else c["weight_decay"]}]
    if bias:
        groups[1].update(bias[1])
    o = optimiser(c, groups)
    slow = {n: x.detach().clone() for n, x in p.items()}
    grads, values, norms = [], [], []
    for step in range(STEPS):
        g = {n: rng.standard_normal(s) * (n != still) for n, s in shapes.items()}
        for n in p:
            p[n].grad = torch.tensor(g[n]) * scale
        if clip_value:
            torch.nn.utils.clip_grad_value_(p.values(), clip_value)
        norms.append(float(torch.nn.utils.clip_grad_norm_(p.values(), clip or float("inf"))))
        o.step()
        if lookahead and step % lookahead == lookahead - 1:
            for n in p:
                slow[n] += 0.5 * (p[n].detach() - slow[n])
                p[n].data.copy_(slow[n])
        grads.append({n: x.ravel().tolist() for n, x in g.items()})
        values.append({n: x.detach().numpy().ravel().tolist() for n, x in p.items()})
    c.update(clip_norm=clip, clip_value=clip_value, lookahead=lookahead, groups=bias[0] if bias else "")
    return dict(config=c, scale=scale, start={n: x.ravel().tolist() for n, x in start.items()}, grads=grads, values=values, norms=norms)


def inverse(k, warmup):
    """transformers' get_inverse_sqrt_schedule, k steps after warm-up."""
    from transformers.optimization import _get_inverse_sqrt_schedule_lr_lambda
    scale = warmup or 10000
    return _get_inverse_sqrt_schedule_lr_lambda(warmup + k, num_warmup_steps=warmup, timescale=scale)


def schedule(total, warmup, **config):
    c = dict(lr=0.2, warmup=warmup, **config)
    o = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=c["lr"])
    s, span = torch.optim.lr_scheduler, total - warmup
    made = {
        "cosine": lambda: s.CosineAnnealingLR(o, span, c["lr"] * c["final_lr"]),
        "linear": lambda: s.LinearLR(o, 1.0, c["final_lr"], span),
        "step": lambda: s.StepLR(o, c["step_size"], c["gamma"]),
        "exponential": lambda: s.ExponentialLR(o, c["gamma"]),
        "cosine-restarts": lambda: s.CosineAnnealingWarmRestarts(o, c["step_size"], int(c["gamma"]), c["lr"] * c["final_lr"]),
        "polynomial": lambda: s.LambdaLR(o, lambda k: c["final_lr"] + (1 - c["final_lr"]) * (1 - k / span) ** c["gamma"]) if "final_lr" in c else s.PolynomialLR(o, span, c["gamma"]),
        "one-cycle": lambda: s.OneCycleLR(o, c["lr"], span, pct_start=c["peak"], cycle_momentum=False, div_factor=1 / c["start_lr"], final_div_factor=c["start_lr"] / c["final_lr"]),
        "inverse-sqrt": lambda: s.LambdaLR(o, lambda k: inverse(k, warmup)),
        "wsd": lambda: s.LambdaLR(o, lambda k: 1 if k <= c["peak"] * span else 1 - (1 - c["final_lr"]) * (k / span - c["peak"]) / (1 - c["peak"])),
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
    run(name="rmsprop", beta2=0.99, weight_decay=0.05),
    run(name="rmsprop", beta2=0.9, momentum=0.8, eps=1e-3),
    run(name="adagrad", weight_decay=0.1, eps=1e-10),
    run(name="lamb", weight_decay=0.1, eps=1e-6),
    run(name="lion", weight_decay=0.1, beta2=0.99, lr=0.01),
    run(name="adafactor", beta1=0.0, weight_decay=0.02),
    run(name="adafactor", beta1=0.9, scale_parameter=True),
    run(name="adamw", weight_decay=0.1, bias=("*.norm|w.bi*: lr 10, decay 0.3; w.*: lr 1", dict(lr=0.5, weight_decay=0.3))),
    run(name="sgd", bias=("*bias: frozen", dict(lr=0.0))),
    run(name="sgd", clip_value=0.5, clip=1.2, scale=0.25),
    run(name="adam", clip_value=0.1, lookahead=2),
    run(name="lamb", weight_decay=0.1, eps=1e-6, zero="w.bias"),
    run(name="lamb", eps=1e-6, still="w.bias"),
    run(name="lion", weight_decay=0.1, beta1=0.5, beta2=0.7, lr=0.02, still="w.weight"),
    run(name="adafactor", beta1=0.5, scale_parameter=True, weight_decay=0.1, zero="w.bias"),
]
schedules = [
    schedule(20, 0, schedule="cosine", final_lr=0.0),
    schedule(25, 5, schedule="cosine", final_lr=0.1),
    schedule(25, 5, schedule="linear", final_lr=0.2),
    schedule(25, 3, schedule="step", gamma=0.5, step_size=4),
    schedule(10, 2, schedule="exponential", gamma=0.9),
    schedule(5, 1, schedule="constant"),
    schedule(30, 2, schedule="cosine-restarts", step_size=4, gamma=2.0, final_lr=0.1),
    schedule(20, 0, schedule="cosine-restarts", step_size=5, gamma=1.0, final_lr=0.0),
    schedule(20, 4, schedule="polynomial", gamma=0.9),
    schedule(20, 0, schedule="one-cycle", peak=0.3, start_lr=0.04, final_lr=4e-6),
    schedule(23, 3, schedule="inverse-sqrt"),
    schedule(20, 5, schedule="wsd", peak=0.6, final_lr=0.1),
    schedule(1, 0, schedule="cosine", final_lr=0.0),
    schedule(18, 2, schedule="polynomial", gamma=2.0, final_lr=0.25),
    schedule(31, 0, schedule="cosine-restarts", step_size=3, gamma=3.0, final_lr=0.5),
    schedule(12, 0, schedule="wsd", peak=0.25, final_lr=0.5),
]
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "optim.json"), "w") as f:
    json.dump(dict(runs=runs, schedules=schedules), f, indent=0)
