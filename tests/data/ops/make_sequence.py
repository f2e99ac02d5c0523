# SPDX-License-Identifier: Apache-2.0
"""Makes sequence.json: what PyTorch computes, in float64, for the small cases of the ops on sequences.

    LB_OPS_DUMP=/tmp/inputs.json build/tests/test-ops recorded
    python3 make_sequence.py /tmp/inputs.json > sequence.json        (made with torch 2.15 on CPU)

Inputs and weights come from the dump; results are PyTorch's, gradients those of sum(weight * result). Parameters of a case are
repeated here on purpose: they are the other side's reading of what the case means.
"""
import json
import math
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
    """T5Attention._relative_position_bucket of Hugging Face's transformers, restated; its logarithms are float32."""
    def f(r):
        r, n = r - 100, buckets // 2 if both else buckets
        first = (r > 0) * n if both else r * 0
        r = r.abs() if both else -r.clamp(max=0)
        far = n // 2 + (torch.log(r.float() / (n // 2)) / math.log(most / (n // 2)) * (n - n // 2)).long()
        return first + torch.where(r < n // 2, r, far.clamp(max=n - 1))
    return f


def alibi(heads, queries, keys):
    """get_slopes of the paper's code."""
    def slopes(n):
        if math.log2(n).is_integer():
            return [2.0 ** (-8 * (i + 1) / n) for i in range(n)]
        near = 2 ** math.floor(math.log2(n))
        return slopes(near) + slopes(2 * near)[::2][:n - near]
    return lambda: -torch.tensor(slopes(heads))[:, None] * (torch.arange(queries + keys - 1) - keys + 1).abs()


def selective_scan(softplus=True):
    """selective_scan_ref of state-spaces/mamba, tokens before channels."""
    def f(u, delta, a, b, c, d=None, z=None, bias=None, state=None):
        n, l, ch = u.shape
        delta = delta if bias is None else delta + bias
        delta = F.softplus(delta) if softplus else delta
        b, c = (x.repeat_interleave(ch // x.shape[2], 2) for x in (b, c))
        h = torch.zeros(n, ch, a.shape[1]) if state is None else state
        ys = []
        for t in range(l):
            h = torch.exp(delta[:, t, :, None] * a) * h + delta[:, t, :, None] * b[:, t] * u[:, t, :, None]
            ys.append((h * c[:, t]).sum(-1))
        y = torch.stack(ys, 1) if l else u * 0
        y = y if d is None else y + d * u
        return (y if z is None else y * F.silu(z)), h
    return f


def ssd(softplus=True, limits=None):
    """The matrix form of the paper, section 5: one map for all steps."""
    def f(x, dt, a, b, c, d=None, bias=None, state=None):
        n, l, h, p = x.shape
        dt = dt if bias is None else dt + bias
        dt = F.softplus(dt) if softplus else dt
        dt = dt if limits is None else dt.clamp(*limits)
        b, c = (v.repeat_interleave(h // v.shape[2], 2) for v in (b, c))
        sums = (dt * a).cumsum(1)
        apart = (sums[:, :, None] - sums[:, None]).masked_fill(~torch.ones(l, l, dtype=bool).tril()[..., None], -torch.inf)
        y = torch.einsum('nthi,nshi,ntsh,nsh,nshp->nthp', c, b, apart.exp(), dt, x)
        last = torch.einsum('nsh,nsh,nshp,nshi->nhpi', (sums[:, -1:] - sums).exp(), dt, x, b)
        if state is not None:
            y = y + torch.einsum('nthi,nth,nhpi->nthp', c, sums.exp(), state)
            last = last + (sums[:, -1].exp()[..., None, None] * state if l else state)
        return (y if d is None else y + d[:, None] * x), last
    return f


def causal_conv1d(silu):
    def f(x, w, b=None, state=None):
        k = w.shape[1]
        whole = torch.cat([x.new_zeros(x.shape[0], k - 1, x.shape[2]) if state is None else state, x], 1)
        y = F.conv1d(whole.mT, w[:, None], b, groups=len(w)).mT if x.shape[1] else x * 0
        return (F.silu(y) if silu else y), whole[:, whole.shape[1] - k + 1:]
    return f


def recurrent(kind, reverse=False):
    """torch.nn.GRU and LSTM with the unit matrix as W_ih, so that their input is gx."""
    def f(gx, w, b=None, state=None, cell=None):
        n, l, width = gx.shape
        h = w.shape[1]
        net = getattr(torch.nn, kind)(width, h, batch_first=True)
        state, cell = (torch.zeros(n, h) if v is None else v for v in (state, cell))
        start = (state[None], cell[None]) if kind == 'LSTM' else state[None]
        if l == 0:
            return (torch.zeros(n, 0, h), state, cell)[:2 + (kind == 'LSTM')]
        values = {'weight_ih_l0': torch.eye(width), 'weight_hh_l0': w, 'bias_ih_l0': torch.zeros(width), 'bias_hh_l0': torch.zeros(width) if b is None else b}
        y, last = torch.func.functional_call(net, values, (gx.flip(1) if reverse else gx, start))
        return (y.flip(1) if reverse else y,) + tuple(v[0] for v in (last if kind == 'LSTM' else (last,)))
    return f


def grouped_linear(x, ids, w, b=None):
    some = (ids >= 0)[..., None] * 1.0
    i = ids.clamp(min=0)
    y = torch.einsum('...k,...mk->...m', x, w[i])
    return some * (y if b is None else y + b[i])


# op -> case -> function of the inputs; '*' = every other case
OPS = {
    'attention': {'causal, full bias': attention(0.7, True), 'mask of keys, grouped heads': attention(merge=True), 'relative, one head of keys': attention(0.7, True),
                  'more queries than keys': attention(0.7, True), 'band': attention(0.6, window=3), 'causal, shifted': attention(0.6, True, shift=-2), 'soft cap': attention(1.5, True, cap=2),
                  'dropout': None, '*': attention()},
    'attention_map': {'causal, relative': attention_map(scale=0.7, causal=True), 'soft cap, band': attention_map(scale=1.5, cap=2, window=2), '*': attention_map()},
    'causal_conv1d': {'plain': causal_conv1d(False), 'kernel of one': causal_conv1d(False), '*': causal_conv1d(True)},
    'grouped_linear': {'*': grouped_linear},
    'gru': {'reverse': recurrent('GRU', True), '*': recurrent('GRU')},
    'lstm': {'reverse': recurrent('LSTM', True), 'no steps': recurrent('LSTM'), '*': recurrent('LSTM')},
    'selective_scan': {'groups': selective_scan(False), '*': selective_scan()},
    'ssd': {'groups': ssd(False), 'limited steps': ssd(True, (0.3, 1.2)), 'no steps': None, '*': ssd()},
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
            lines.append(json.dumps(one(e, function), separators=(',', ':')))
    print('[' + ',\n'.join(lines) + ']')


if __name__ == '__main__':
    main()
