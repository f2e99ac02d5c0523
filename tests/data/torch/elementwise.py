# SPDX-License-Identifier: Apache-2.0
"""Functions of one and of two numbers."""
import math

import torch
import torch.nn.functional as F

SHAPES = [(), (1,), (7,), (3, 5), (2, 3, 4), (0, 3), (2, 1, 3, 2), (37,)]
PAIRS = [((), ()), ((5,), (5,)), ((3, 4), (3, 4)), ((3, 4), (4,)), ((4,), (3, 4)), ((2, 1, 3), (4, 1)), ((1,), (2, 3)), ((2, 3), ()), ((0, 3), (3,)), ((3, 1), (1, 5)), ((2, 3, 2, 2), (3, 1, 1))]
FAR = [math.inf, -math.inf, math.nan, 0.0, -0.0, 1.0, -1.0, 30.0, -30.0, 0.5, -0.5, 2.5, 1e-30, -1e-30]

# op: function, range of inputs. hardsigmoid: the slope of torch's own is 1 / 6 in float, also for doubles
UNARY = {
    'abs': (torch.abs, -2, 2), 'acos': (torch.acos, -0.95, 0.95), 'asin': (torch.asin, -0.95, 0.95), 'atan': (torch.atan, -5, 5), 'ceil': (torch.ceil, -9, 9),
    'cos': (torch.cos, -9, 9), 'cosh': (torch.cosh, -4, 4), 'erf': (torch.erf, -3, 3), 'exp': (torch.exp, -5, 5), 'expm1': (torch.expm1, -2, 2), 'floor': (torch.floor, -9, 9),
    'gelu': (F.gelu, -5, 5), 'gelu_tanh': (lambda x: F.gelu(x, approximate='tanh'), -5, 5), 'hardsigmoid': (lambda x: F.relu6(x + 3) / 6, -4, 4), 'hardswish': (F.hardswish, -4, 4),
    'isinf': (torch.isinf, -2, 2), 'isnan': (torch.isnan, -2, 2), 'log': (torch.log, 0.1, 9), 'log1p': (torch.log1p, -0.9, 5), 'log2': (torch.log2, 0.1, 9),
    'log_sigmoid': (F.logsigmoid, -9, 9), 'log_expm1': (lambda x: x + torch.log(-torch.expm1(-x)), 0.1, 9), 'logical_not': (torch.logical_not, -2, 2), 'mish': (F.mish, -5, 5),
    'neg': (torch.neg, -2, 2), 'reciprocal': (torch.reciprocal, 0.2, 3), 'relu': (F.relu, -2, 2), 'relu6': (F.relu6, -3, 9), 'round': (torch.round, -9, 9),
    'rsqrt': (torch.rsqrt, 0.1, 9), 'selu': (F.selu, -3, 3), 'sigmoid': (torch.sigmoid, -9, 9), 'sign': (torch.sign, -2, 2), 'silu': (F.silu, -5, 5), 'sin': (torch.sin, -9, 9),
    'sinh': (torch.sinh, -4, 4), 'softplus': (lambda x: torch.logaddexp(x, torch.zeros(())), -9, 9), 'softsign': (F.softsign, -3, 3), 'sqrt': (torch.sqrt, 0.1, 9), 'square': (torch.square, -3, 3),
    'tan': (torch.tan, -1.3, 1.3), 'tanh': (torch.tanh, -4, 4), 'contiguous': (lambda x: x * 1, -2, 2),
}
STEPS = {'ceil', 'floor', 'isinf', 'isnan', 'logical_not', 'round', 'sign'}

# op: function of x and parameters, sets of parameters
WITH = {
    'add_scalar': (lambda x, s: x + s, [{'s': 0.75}, {'s': -3.0}]), 'scale': (lambda x, s: x * s, [{'s': -1.75}, {'s': 0.0}]),
    'clamp': (torch.clamp, [{'min': -0.5, 'max': 1.25}, {'min': 0.0, 'max': 0.5}]), 'hardtanh': (F.hardtanh, [{'min_val': -1.0, 'max_val': 1.0}, {'min_val': -0.5, 'max_val': 1.5}]),
    'elu': (F.elu, [{'alpha': 1.0}, {'alpha': 0.5}]), 'celu': (F.celu, [{'alpha': 1.0}, {'alpha': 0.5}]), 'leaky_relu': (F.leaky_relu, [{'negative_slope': 0.01}, {'negative_slope': 0.25}]),
    'pow_scalar': (lambda x, power: x ** power, [{'power': 2.0}, {'power': 3.0}, {'power': 0.0}, {'power': 1.0}]),
}
BINARY = {
    'add': (torch.add, -2, 2), 'sub': (torch.sub, -2, 2), 'mul': (torch.mul, -2, 2), 'div': (torch.div, 0.3, 2), 'pow': (torch.pow, 0.3, 2), 'atan2': (torch.atan2, -2, 2), 'fmod': (torch.fmod, 0.3, 4),
    'remainder': (torch.remainder, 0.3, 4), 'maximum': (torch.maximum, -2, 2), 'minimum': (torch.minimum, -2, 2), 'logaddexp': (torch.logaddexp, -5, 5),
}
COMPARED = {'eq': torch.eq, 'ne': torch.ne, 'ge': torch.ge, 'gt': torch.gt, 'le': torch.le, 'lt': torch.lt, 'logical_and': torch.logical_and, 'logical_or': torch.logical_or,
            'logical_xor': torch.logical_xor}


def record(r):
    far = torch.tensor(FAR).float().double()
    for op, (f, lo, hi) in UNARY.items():
        for shape in SHAPES:
            r.case(op, f, r.real(*shape, lo=lo, hi=hi), fixed=True if op in STEPS else ())
        # log(e^x - 1) as written above loses its digits close to 0
        r.case(op, f, far if op != 'log_expm1' else far[far.abs() != far[-2]], fixed=True)
        if op not in STEPS and lo < 0 < hi:
            r.case(op, f, r.real(24, lo=3 * lo if lo <= -2 else lo, hi=3 * hi if hi >= 2 else hi))
    for op, (f, sets) in WITH.items():
        for k, p in enumerate(sets):
            for shape in SHAPES[k % 2::2]:
                r.case(op, lambda x: f(x, **p), r.real(*shape), p=p)
            r.case(op, lambda x: f(x, **p), far, p=p, fixed=True)
    for power in (-1.0, -0.5, 0.5, 2.5, 7.0):
        r.case('pow_scalar', lambda x: x ** power, r.real(3, 4, lo=0.2, hi=3), p={'power': power})
    for nan, up, down in ((0.0, 1.0, -1.0), (7.0, 100.0, -50.0)):
        for x in (far, r.real(3, 4), r.real(0), torch.tensor(math.nan)):
            r.case('nan_to_num', lambda x: torch.nan_to_num(x, nan, up, down), x, p={'nan': nan, 'up': up, 'down': down})
    for op, (f, lo, hi) in BINARY.items():
        for a, b in PAIRS:
            r.case(op, f, r.real(*a, lo=lo, hi=hi), r.real(*b, lo=lo, hi=hi))
        if op not in ('fmod', 'remainder', 'pow'):
            r.case(op, f, r.tied(4, 5), torch.where((b := r.tied(4, 5)) == 0, 1.0, b))
        if op in ('fmod', 'remainder'):
            r.case(op, f, r.real(30, lo=-9, hi=9), torch.where((b := r.real(30, lo=-3, hi=3)).abs() < 0.2, 0.5, b))
        r.case(op, f, far[:, None], far[None], fixed=True, wide=op == 'pow')
    for op, f in COMPARED.items():
        for a, b in PAIRS:
            r.case(op, f, r.tied(*a), r.tied(*b), fixed=True)
        r.case(op, f, far[:, None], far[None], fixed=True)
        if 'logical' not in op:
            r.case(op, f, r.whole(3, 4, below=3), r.whole(4, below=3))
    for weight in (0.0, 0.25, 0.5, 0.75, 1.0):
        for a, b in PAIRS[1::3]:
            r.case('lerp', lambda a, b: torch.lerp(a, b, weight), r.real(*a), r.real(*b), p={'weight': weight})
    for shape, n in (((2, 3), 3), ((2, 3), 1), ((4, 2, 3), 2), ((1, 5, 2, 2), 5), ((0, 3), 3), ((3, 4, 5), 4), ((2, 6), 1)):
        r.case('prelu', F.prelu, r.real(*shape), r.real(n))
    for shape in SHAPES:
        r.case('straight_through', lambda v, x: x + (v - x).detach(), r.real(*shape), r.real(*shape), fixed=(0,))
        r.case('to_real', lambda i: i.to(torch.float64), r.whole(*shape, below=50, start=-50))
    for dims in PAIRS:
        r.case('select', lambda c, a, b: torch.where(c != 0, a, b), r.whole(*dims[0], below=2), r.real(*dims[1]), r.real(*dims[0]))
        r.case('select', lambda c, a, b: torch.where(c != 0, a, b), r.tied(*dims[1]), r.real(*dims[0]), r.real(*dims[1]), fixed=(0,))
    for x in [r.real(*shape, lo=-5, hi=5) for shape in SHAPES] + [r.real(24, lo=-15, hi=15)]:
        r.case('gelu_quick', lambda x: x * torch.sigmoid(1.702 * x), x)
