# SPDX-License-Identifier: Apache-2.0
"""Makes special.json: what PyTorch gives, in float64, for element-wise ops at NaN, infinities, zeros, the largest and smallest numbers, and
at kinks; gradients of sum(result).

    python3 make_special.py > special.json        (needs torch; made with torch 2.15 on CPU)

Where Limbeck's rule is another one on purpose, a gradient is left out below, with the reason.
"""
import json
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
nan, inf = math.nan, math.inf
ONE = [nan, inf, -inf, 0.0, -0.0, 1e300, -1e300, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, 3.0, -3.0, 6.0, 1e-300, -2.0, 710.0, -750.0]
PAIR = [nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 2.5, -2.5]

# op: parameters, function
UNARY = {
    'abs': ([], torch.abs), 'acos': ([], torch.acos), 'asin': ([], torch.asin), 'atan': ([], torch.atan), 'ceil': ([], torch.ceil),
    'clamp': ([-1, 0.5], lambda x: torch.clamp(x, -1, 0.5)), 'cos': ([], torch.cos), 'cosh': ([], torch.cosh), 'elu': ([0.7], lambda x: F.elu(x, 0.7)),
    'erf': ([], torch.erf), 'exp': ([], torch.exp), 'expm1': ([], torch.expm1), 'floor': ([], torch.floor), 'gelu': ([], F.gelu),
    'gelu_tanh': ([], lambda x: F.gelu(x, approximate='tanh')), 'hardswish': ([], F.hardswish), 'hardtanh': ([-1, 0.5], lambda x: F.hardtanh(x, -1, 0.5)),
    'isinf': ([], torch.isinf), 'isnan': ([], torch.isnan), 'leaky_relu': ([0.2], lambda x: F.leaky_relu(x, 0.2)), 'log': ([], torch.log),
    'log1p': ([], torch.log1p), 'log2': ([], torch.log2), 'log_sigmoid': ([], F.logsigmoid), 'logical_not': ([], torch.logical_not), 'mish': ([], F.mish),
    'nan_to_num': ([3, 7, -8], lambda x: torch.nan_to_num(x, 3, 7, -8)), 'neg': ([], torch.neg), 'reciprocal': ([], torch.reciprocal),
    'relu': ([], F.relu), 'relu6': ([], F.relu6), 'round': ([], torch.round), 'rsqrt': ([], torch.rsqrt), 'selu': ([], F.selu),
    'sigmoid': ([], torch.sigmoid), 'sign': ([], torch.sign), 'silu': ([], F.silu), 'sin': ([], torch.sin), 'sinh': ([], torch.sinh),
    'softplus': ([], F.softplus), 'softsign': ([], F.softsign), 'sqrt': ([], torch.sqrt), 'square': ([], torch.square), 'tan': ([], torch.tan),
    'tanh': ([], torch.tanh)}
BINARY = {
    'add': ([], torch.add), 'atan2': ([], torch.atan2), 'div': ([], torch.div), 'eq': ([], torch.eq), 'fmod': ([], torch.fmod), 'ge': ([], torch.ge),
    'gt': ([], torch.gt), 'le': ([], torch.le), 'lerp': ([0.3], lambda a, b: torch.lerp(a, b, 0.3)), 'logaddexp': ([], torch.logaddexp),
    'logical_and': ([], torch.logical_and), 'logical_or': ([], torch.logical_or), 'logical_xor': ([], torch.logical_xor), 'lt': ([], torch.lt),
    'maximum': ([], torch.maximum), 'minimum': ([], torch.minimum), 'mul': ([], torch.mul), 'ne': ([], torch.ne), 'pow': ([], torch.pow),
    'remainder': ([], torch.remainder), 'sub': ([], torch.sub)}
# op: where its gradient is not compared, and why
OTHER = {
    'relu': lambda a, b: a != a,                 # 0, PyTorch 1: the value is NaN either way
    'softsign': lambda a, b: math.isinf(a),      # 0, the limit; PyTorch NaN
    'logaddexp': lambda a, b: a == b,            # a half each; PyTorch NaN for infinite ones
    'maximum': lambda a, b: a != a or b != b,    # a half each; PyTorch 1 each
    'minimum': lambda a, b: a != a or b != b,
    'remainder': lambda a, b: math.isinf(a),     # the floor of an infinite quotient; PyTorch NaN
}


def listed(v):
    return [x if math.isfinite(x) else str(x) for x in v.detach().double().tolist()]


def one(op, params, function, a, b):
    x = [torch.tensor(v, requires_grad=True) for v in (a, b) if v is not None]
    y = function(*x)
    if y.requires_grad:
        y.sum().backward()
    skip = OTHER.get(op, lambda a, b: False)
    left_out = [skip(p, q) for p, q in zip(a, b or a)]
    entry = {'op': op, 'params': params, 'in': [listed(v) for v in x], 'out': listed(y), 'grad': []}
    for v in x:
        g = listed(v.grad if v.grad is not None else torch.zeros_like(v))
        entry['grad'].append([None if out else value for value, out in zip(g, left_out)])
    return entry


entries = [one(op, p, f, ONE, None) for op, (p, f) in UNARY.items()]
entries += [one(op, p, f, [a for a in PAIR for _ in PAIR], PAIR * len(PAIR)) for op, (p, f) in BINARY.items()]
print('[' + ',\n'.join(json.dumps(e, separators=(',', ':')) for e in entries) + ']')
