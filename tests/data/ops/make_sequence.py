# SPDX-License-Identifier: Apache-2.0
"""Makes sequence.json: what PyTorch computes, in float64, for the small cases of the ops on sequences.

    LB_OPS_DUMP=/tmp/inputs.json build/tests/test-ops recorded
    python3 make_sequence.py /tmp/inputs.json > sequence.json        (made with torch 2.15 on CPU)

Inputs and weights come from the dump; results are PyTorch's, gradients those of sum(weight * result). Parameters of a case are
repeated here on purpose: they are the other side's reading of what the case means.
"""
import json
import sys

import torch
import torch.nn.functional as F

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


# op -> case -> function of the inputs; '*' = every other case
OPS = {
    'attention': {'causal, full bias': attention(0.7, True), 'mask of keys, grouped heads': attention(merge=True), 'relative, one head of keys': attention(0.7, True),
                  'more queries than keys': attention(0.7, True), 'band': attention(0.6, window=3), 'causal, shifted': attention(0.6, True, shift=-2), 'soft cap': attention(1.5, True, cap=2),
                  'dropout': None, '*': attention()},
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
