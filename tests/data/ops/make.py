# SPDX-License-Identifier: Apache-2.0
"""Makes expected.json: what JAX computes, in float64, for the small cases of the op table.

    LB_OPS_DUMP=/tmp/inputs.json build/tests/test-ops recorded
    python3 make.py /tmp/inputs.json > expected.json        (needs jax; made with jax 0.10.2 on CPU)

Inputs and weights come from the dump; results are JAX's, gradients those of sum(weight * result). Parameters of a case are
repeated here on purpose: they are the other side's reading of what the case means.
"""
import json
import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax import nn

jax.config.update('jax_enable_x64', True)


def channels(x, p):
    return p.reshape((1, -1) + (1,) * (x.ndim - 2))


def batch_norm(eps, act):
    def f(x, gamma, beta):
        axes = (0,) + tuple(range(2, x.ndim))
        h = (x - jnp.mean(x, axes, keepdims=True)) / jnp.sqrt(jnp.var(x, axes, keepdims=True) + eps)
        return act(h * channels(x, gamma) + channels(x, beta)), jnp.mean(x, axes), jnp.var(x, axes)
    return f


def layer_norm(eps):
    def f(x, gamma=1.0, beta=0.0):
        return (x - jnp.mean(x, -1, keepdims=True)) / jnp.sqrt(jnp.var(x, -1, keepdims=True) + eps) * gamma + beta
    return f


def cross_entropy(ignore, smoothing):
    def f(x, label):
        target = nn.one_hot(label, x.shape[1], dtype=x.dtype) * (1 - smoothing) + smoothing / x.shape[1]
        rows = -jnp.sum(target * nn.log_softmax(x), -1)
        counts = (label != ignore) * 1.0
        return jnp.sum(rows * counts) / jnp.sum(counts)
    return f


def linear(act):
    return lambda x, w, b=0.0: act(x @ w.T + b)


def matmul(ta, tb):
    return lambda a, b: (jnp.swapaxes(a, -1, -2) if ta else a) @ (jnp.swapaxes(b, -1, -2) if tb else b)


def same(x):
    return x


def conv2d(stride, pad, dilation, groups, act):
    def f(x, w, b=None):
        y = jax.lax.conv_general_dilated(x, w, stride, pad, rhs_dilation=dilation, feature_group_count=groups)
        return act(y if b is None else y + channels(y, b))
    return f


# op -> case -> function of the inputs; '*' = every case
OPS = {
    'abs': {'*': jnp.abs},
    'add': {'*': jnp.add},
    'add_scalar': {'*': lambda x: x + 0.75},
    'batch_norm': {'relu': batch_norm(1e-3, nn.relu), '*': batch_norm(1e-5, same)},
    'channel_affine': {'rows, relu': lambda x, a, b: nn.relu(x * a + b), '*': lambda x, a, b: x * channels(x, a) + channels(x, b)},
    'conv2d': {'3x3 same': conv2d((1, 1), ((1, 1), (1, 1)), (1, 1), 1, same),
               '3x3 stride 2, uneven padding, relu': conv2d((2, 2), ((0, 1), (0, 1)), (1, 1), 1, nn.relu),
               'dilated, two groups': conv2d((1, 2), ((2, 2), (1, 0)), (2, 1), 2, same),
               'depthwise 3x3': conv2d((1, 1), ((1, 1), (1, 1)), (1, 1), 4, same),
               'depthwise 5x5 stride 2': conv2d((2, 2), ((2, 2), (2, 2)), (1, 1), 3, same),
               '1x1 relu6': conv2d((1, 1), ((0, 0), (0, 0)), (1, 1), 1, nn.relu6),
               '1x1 stride 2': conv2d((2, 2), ((0, 0), (0, 0)), (1, 1), 1, same)},
    'cross_entropy': {'plain': cross_entropy(-100, 0), 'smoothed, class 1 ignored': cross_entropy(1, 0.1)},
    'layer_norm': {'plain': layer_norm(0.1), '*': layer_norm(1e-5)},
    'linear': {'relu': linear(nn.relu), 'sigmoid': linear(nn.sigmoid), '*': linear(same)},
    'log_softmax': {'first axis': lambda x: nn.log_softmax(x, 0), '*': lambda x: nn.log_softmax(x, -1)},
    'matmul': {'transposed a': matmul(True, False), 'transposed b': matmul(False, True), 'both, broadcast': matmul(True, True),
               '*': matmul(False, False)},
    'normalize': {'*': lambda x: x / jnp.maximum(jnp.sqrt(jnp.sum(x * x, -1, keepdims=True)), 1e-12)},
    'softmax': {'middle axis': lambda x: nn.softmax(x, 1), '*': lambda x: nn.softmax(x, -1)},
    'argmax': {'first': lambda x: jnp.argmax(x, 0), '*': lambda x: jnp.argmax(x, -1)},
    'argsort': {'up': lambda x: jnp.argsort(x, stable=True), '*': lambda x: jnp.argsort(-x, stable=True)},
    'clamp': {'*': lambda x: jnp.clip(x, -0.5, 1.25)},
    'concat': {'last': lambda *x: jnp.concatenate(x, -1), '*': lambda *x: jnp.concatenate(x, 0)},
    'contiguous': {'*': lambda x: x * 1},
    'cos': {'*': jnp.cos},
    'cumsum': {'first': lambda x: jnp.cumsum(x, 0), '*': lambda x: jnp.cumsum(x, -1)},
    'diagonal': {'*': lambda x: jnp.diagonal(x, axis1=-2, axis2=-1)},
    'div': {'*': jnp.divide},
    'embedding': {'*': lambda w, i: w[i]},
    'eq': {'*': lambda a, b: (a == b) * 1.0},
    'erf': {'*': jax.scipy.special.erf},
    'exp': {'*': jnp.exp},
    'expand': {'rows': lambda x: jnp.broadcast_to(x, (4, 5)), 'middle': lambda x: jnp.broadcast_to(x, (2, 6, 3)),
               'scalar': lambda x: jnp.broadcast_to(x, (2, 3)), 'empty': lambda x: jnp.broadcast_to(x, (0, 3))},
    'eye': {'three': lambda: jnp.eye(3), 'empty': lambda: jnp.eye(0)},
    'flip': {'first': lambda x: jnp.flip(x, 0), '*': lambda x: jnp.flip(x, -1)},
    'gather': {'first': lambda x, i: jnp.take_along_axis(x, i, 0), '*': lambda x, i: jnp.take_along_axis(x, i, -1)},
    'gelu': {'*': lambda x: nn.gelu(x, approximate=False)},
    'gelu_tanh': {'*': lambda x: nn.gelu(x, approximate=True)},
    'gt': {'*': lambda a, b: (a > b) * 1.0},
    'index_select': {'*': lambda x, i: jnp.take(x, i, 0)},
    'log': {'*': jnp.log},
    'log_sigmoid': {'*': nn.log_sigmoid},
    'logsumexp': {'first': lambda x: nn.logsumexp(x, 0, keepdims=True), 'middle': lambda x: nn.logsumexp(x, 1),
                  '*': lambda x: nn.logsumexp(x, -1)},
    'masked_fill': {'*': lambda x, m: jnp.where(m != 0, -7.0, x)},
    'max': {'first': lambda x: jnp.max(x, 0, keepdims=True), 'middle': lambda x: jnp.max(x, 1), '*': lambda x: jnp.max(x, -1)},
    'maximum': {'*': jnp.maximum},
    'mean': {'all': jnp.mean, 'scalar': jnp.mean, 'first': lambda x: jnp.mean(x, 0, keepdims=True), 'middle': lambda x: jnp.mean(x, 1), '*': lambda x: jnp.mean(x, -1)},
    'min': {'first': lambda x: jnp.min(x, 0, keepdims=True), 'middle': lambda x: jnp.min(x, 1), '*': lambda x: jnp.min(x, -1)},
    'minimum': {'*': jnp.minimum},
    'mul': {'*': jnp.multiply},
    'neg': {'*': jnp.negative},
    'one_hot': {'*': lambda i: nn.one_hot(i, 5, dtype=jnp.float64)},
    'pad': {'both': lambda x: jnp.pad(x, ((1, 2), (0, 3)), constant_values=0.5), 'none': lambda x: x * 1,
            'front': lambda x: jnp.pad(x, ((0, 0), (2, 0), (0, 0)), constant_values=-1.0),
            'empty': lambda x: jnp.pad(x, ((1, 2), (0, 3)), constant_values=0.5)},
    'permute': {'swap': lambda x: jnp.transpose(x, (1, 0)), 'empty': lambda x: jnp.transpose(x, (1, 0)),
                'turn': lambda x: jnp.transpose(x, (2, 0, 1)), 'scalar': lambda x: x * 1},
    'pow_scalar': {'other': lambda x: x ** -1.0, '*': lambda x: x ** 2.5},
    'relu': {'*': nn.relu},
    'relu6': {'*': nn.relu6},
    'reshape': {'flat': lambda x: x.reshape(-1), 'cube': lambda x: x.reshape(2, -1, 3), 'scalar': lambda x: x.reshape(()),
                'empty': lambda x: x.reshape(0, 4, 2)},
    'rsqrt': {'*': jax.lax.rsqrt},
    'scale': {'*': lambda x: x * -1.75},
    'select': {'*': lambda c, a, b: jnp.where(c != 0, a, b)},
    'sigmoid': {'*': nn.sigmoid},
    'silu': {'*': nn.silu},
    'sin': {'*': jnp.sin},
    'slice': {'tail': lambda x: x[:, -2:], 'every': lambda x: x[1:100:2], 'nothing': lambda x: x[:, 4:2], '*': lambda x: x[0:]},
    'softplus': {'*': nn.softplus},
    'sort': {'up': lambda x: jnp.sort(x), '*': lambda x: -jnp.sort(-x)},
    'sqrt': {'*': jnp.sqrt},
    'square': {'*': jnp.square},
    'sub': {'*': jnp.subtract},
    'sum': {'all': jnp.sum, 'scalar': jnp.sum, 'first': lambda x: jnp.sum(x, 0, keepdims=True), 'middle': lambda x: jnp.sum(x, 1), '*': lambda x: jnp.sum(x, -1)},
    'tanh': {'*': jnp.tanh},
    'to_real': {'*': lambda i: i * 1.0},
    'topk': {'three': lambda x: jax.lax.top_k(x, 3), 'empty': lambda x: jax.lax.top_k(x, 3), 'all': lambda x: jax.lax.top_k(x, 9)},
    'transpose': {'outer': lambda x: jnp.swapaxes(x, 0, 2), '*': lambda x: jnp.swapaxes(x, -1, -2)},
    'var': {'first': lambda x: jnp.var(x, 0, keepdims=True), 'middle': lambda x: jnp.var(x, 1, ddof=1),
            '*': lambda x: jnp.var(x, -1, ddof=1)},
}


def one(entry, function):
    inputs = [np.array(i['data'], np.float64 if i['real'] else np.int64).reshape(i['shape'])
              for i in entry['in'] if not i['absent']]
    real = [k for k, i in enumerate(inputs) if i.dtype == np.float64]
    weights = entry['weight']

    def results(*moving):
        args = list(inputs)
        for k, x in zip(real, moving):
            args[k] = x
        out = function(*args)
        return out if isinstance(out, (tuple, list)) else (out,)

    def objective(*moving):
        return sum(jnp.sum(jnp.array(w).reshape(y.shape) * y) for w, y in zip(weights, results(*moving)) if w)

    moving = [jnp.array(inputs[k]) for k in real]
    out = results(*moving)
    grads = dict(zip(real, jax.grad(objective, tuple(range(len(real))))(*moving))) if any(weights) and real else {}
    present = iter(range(len(inputs)))
    entry['grad'] = [grads[k].ravel().tolist() if not i['absent'] and (k := next(present)) in grads else None for i in entry['in']]
    entry['out'] = [np.asarray(y).ravel().tolist() for y in out]
    return entry


def main():
    with open(sys.argv[1]) as f:
        entries = json.load(f)
    lines = []
    for e in entries:
        table = OPS.get(e['op'], {})
        function = table.get(e['case'], table.get('*'))
        if function:
            lines.append(json.dumps(one(e, function), separators=(',', ':')))
        else:
            print('no formula for', e['op'], e['case'], file=sys.stderr)
    print('[' + ',\n'.join(lines) + ']')


main()
