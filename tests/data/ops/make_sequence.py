# SPDX-License-Identifier: Apache-2.0
"""Makes sequence.json: what PyTorch computes, in float64, for the small cases of the ops on sequences.

    LB_OPS_DUMP=/tmp/inputs.json build/tests/test-ops recorded
    python3 make_sequence.py /tmp/inputs.json > sequence.json        (made with torch 2.15 and
                                                                                 transformers 5 on CPU)

Inputs and weights come from the dump; results are PyTorch's, gradients those of sum(weight * result). Parameters of a case are
repeated here on purpose: they are the other side's reading of what the case means.
"""
import json
import sys

import torch
import torch.nn.functional as F
from transformers.models.bloom.modeling_bloom import build_alibi_tensor
from transformers.models.t5.modeling_t5 import T5Attention

torch.set_default_dtype(torch.float64)


def attention(scale=0.5, causal=False, window=0, prefix=0, cap=0, merge=False, shift=0, dense=None):
    def f(q, k, v, bias=None, mask=None, relative=None):
        n, h, l, s = *q.shape[:3], k.shape[2]
        place = torch.arange(l)[:, None] + s - l + shift
        key = torch.arange(s)[None, :]
        seen = torch.ones(l, s, dtype=bool)
        if causal:
            seen &= key <= place
        if window:
            seen &= (key - place).abs() < window
        seen |= key < prefix
        add = torch.zeros(n, h, l, s)
        if bias is not None:
            add = add + (bias.repeat(n // bias.shape[0], 1, 1, 1) if bias.dim() == 4 else bias)
        if relative is not None:
            add = add + relative[:, key - torch.arange(l)[:, None] + l - 1]
        if mask is not None:
            seen = seen & (mask.repeat(n // mask.shape[0], 1, 1, 1) if mask.dim() == 4 else mask).bool()
        add = add.masked_fill(~seen, -torch.inf)
        some = (add > -torch.inf).any(-1, keepdim=True) * 1.0  # a query without keys gives 0
        add = torch.where(some > 0, add, 0)
        k, v = (x.repeat_interleave(h // x.shape[1], 1) for x in (k, v))
        if cap:
            y = some * (torch.softmax(cap * torch.tanh(scale * q @ k.mT / cap) + add, -1) @ v)
        else:
            y = F.scaled_dot_product_attention(q, k, v, add, scale=scale) * some
        return y.transpose(1, 2).flatten(2) if merge else y
    return f


def attention_map(**options):
    """The weights: attention to values that are the unit matrix."""
    def f(q, k, bias=None, mask=None, relative=None):
        return attention(**options)(q, k, torch.eye(k.shape[2]).expand(*k.shape[:2], -1, -1), bias, mask, relative)
    return f


def rotary(interleaved):
    def f(x, cos, sin):
        cos, sin = (v if v.dim() == 2 else v[:, None] for v in (cos, sin))
        n = 2 * cos.shape[-1]
        turned, rest = x[..., :n], x[..., n:]
        if interleaved:
            z = torch.view_as_complex(turned.unflatten(-1, (-1, 2)).contiguous()) * torch.complex(cos, sin)
            return torch.cat([torch.view_as_real(z).flatten(-2), rest], -1)
        a, b = turned.chunk(2, -1)
        return torch.cat([turned * torch.cat([cos, cos], -1) + torch.cat([-b, a], -1) * torch.cat([sin, sin], -1), rest], -1)
    return f


def rotary_table(pairs, base=10000.0, kind=None, factor=1.0, low=0, high=0, length=0):
    def f(position):
        dims = 2 * pairs
        b = base * factor ** (dims / (dims - 2)) if kind == 'ntk' else base
        inverse = 1.0 / b ** (torch.arange(0, dims, 2) / dims)
        if kind == 'linear':
            inverse = inverse / factor
        if kind == 'llama3':  # transformers.modeling_rope_utils._compute_llama3_parameters, in float64
            wave = 2 * torch.pi / inverse
            smooth = (length / wave - low) / (high - low)
            mixed = (1 - smooth) * inverse / factor + smooth * inverse
            inverse = torch.where(wave > length / low, inverse / factor, torch.where(wave < length / high, inverse, mixed))
        angle = position[..., None] * inverse
        return angle.cos(), angle.sin()
    return f


def sinusoid(width, base, halves, closed):
    def f(position):
        angle = position[..., None] * torch.exp(torch.arange(width // 2) * -torch.log(torch.tensor(base)) / (width // 2 - closed))
        return torch.cat([angle.sin(), angle.cos()], -1) if halves else torch.stack([angle.sin(), angle.cos()], -1).flatten(-2)
    return f


def relative_bucket(buckets, most, both):
    return lambda r: T5Attention._relative_position_bucket(r - 100, both, buckets, most)


def alibi(heads, queries, keys):
    def f():
        slope = build_alibi_tensor(torch.ones(1, 2), heads, torch.float64)[:, 0, 1]
        return -slope[:, None] * (torch.arange(queries + keys - 1) - keys + 1).abs()
    return f


# op -> case -> function of the inputs; '*' = every other case
OPS = {
    'attention': {'causal, full bias': attention(0.7, True), 'mask of keys, grouped heads': attention(merge=True), 'relative, one head of keys': attention(0.7, True),
                  'more queries than keys': attention(0.7, True), 'band': attention(0.6, window=3), 'causal, shifted': attention(0.6, True, shift=-2), 'soft cap': attention(1.5, True, cap=2),
                  'dropout': None, '*': attention()},
    'attention_map': {'causal, relative': attention_map(scale=0.7, causal=True), 'soft cap, band': attention_map(scale=1.5, cap=2, window=2), '*': attention_map()},
    'alibi': {'eight heads': alibi(8, 3, 3), 'six heads, more keys': alibi(6, 2, 5), 'one': alibi(1, 1, 1)},
    'relative_bucket': {'past alone': relative_bucket(16, 50, False), '*': relative_bucket(32, 128, True)},
    'rotary': {'interleaved, part': rotary(True), '*': rotary(False)},
    'rotary_table': {'linear': rotary_table(2, 100.0, 'linear', 4), 'ntk': rotary_table(4, 1000.0, 'ntk', 2), 'llama 3': rotary_table(8, 10000.0, 'llama3', 8, 1, 4, 64), '*': rotary_table(3)},
    'sinusoid': {'interleaved': sinusoid(6, 10000.0, False, 0), 'halves, closed': sinusoid(8, 10000.0, True, 1), '*': sinusoid(4, 100.0, True, 0)},
}


def one(entry, function):
    inputs = [None if i['absent'] else torch.tensor(i['data'], dtype=torch.float64 if i['real'] else torch.int64).reshape(i['shape']) for i in entry['in']]
    for x in inputs:
        if x is not None and x.is_floating_point():
            x.requires_grad_(True)
    while inputs and inputs[-1] is None:
        inputs.pop()
    out = function(*inputs)
    out = out if isinstance(out, (tuple, list)) else (out,)
    loss = sum((torch.tensor(w).reshape(y.shape) * y).sum() for w, y in zip(entry['weight'], out) if w)
    if torch.is_tensor(loss) and loss.requires_grad:
        loss.backward()
    inputs += [None] * (len(entry['in']) - len(inputs))
    entry['out'] = [y.detach().flatten().tolist() for y in out]
    entry['grad'] = [None if x is None or x.grad is None else x.grad.flatten().tolist() for x in inputs]
    return entry


def main():
    with open(sys.argv[1]) as f:
        entries = json.load(f)
    lines = []
    for e in entries:
        table = OPS.get(e['op'], {})
        function = table.get(e['case'], table.get('*'))
        if function:
            lines.append(json.dumps(one(e, function)))
    print('[' + ',\n'.join(lines) + ']')


main()
