# SPDX-License-Identifier: Apache-2.0
"""Makes derived.json: what PyTorch computes, in float64, for the functions of tensor/derived.h and tensor/arrange.h and for reductions over
axes that are no neighbours; gradients of sum(weight * result).

    python3 make_derived.py > derived.json        (needs torch; made with torch 2.15 on CPU)

The same names stand in tests/derived_test.c.
"""
import json

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
torch.manual_seed(1)


def real(*shape):
    return torch.round(torch.randn(shape) * 64) / 64


def whole(high, *shape):
    return torch.randint(0, high, shape)


def windows(x, h, w):
    n, a, b, c = x.shape
    return x.view(n, a // h, h, b // w, w, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, h, w, c)


def from_windows(x, a, b):
    _, h, w, c = x.shape
    return x.view(-1, a // h, b // w, h, w, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, a, b, c)


def segments(x, label, count):
    return torch.zeros(count, *x.shape[1:]).index_add(0, label, x)


def halves(x, axis, act):
    a, b = x.chunk(2, axis)
    return a * act(b)


mask = torch.tensor([[1., 0, 1, 1], [0, 0, 0, 0], [1, 1, 0, 1]])
label = torch.tensor([2, 0, 2, 3, 0, 2])
CASES = [
    ('unsqueeze', [real(3, 4)], lambda x: x.unsqueeze(-1)),
    ('squeeze', [real(3, 1, 4)], lambda x: x.squeeze(1)),
    ('flatten', [real(2, 3, 4, 2)], lambda x: x.flatten(1, 2)),
    ('stack', [real(3, 4), real(3, 4), real(3, 4)], lambda *x: torch.stack(x, 1)),
    ('stack_many', [real(10, 3)], lambda x: torch.stack(x.unbind(0), -1)),
    ('unbind', [real(2, 3, 2)], lambda x: x.unbind(1)),
    ('split', [real(2, 7)], lambda x: x.split([2, 0, 4, 1], -1)),
    ('chunk', [real(7, 2)], lambda x: x.chunk(3, 0)),
    ('tile', [real(2, 3)], lambda x: x.repeat(2, 3, 2)),
    ('repeat_each', [real(2, 3, 2)], lambda x: x.repeat_interleave(3, 1)),
    ('repeat_counts', [real(3, 2)], lambda x: x.repeat_interleave(torch.tensor([2, 0, 3]), 0)),
    ('roll', [real(2, 5)], lambda x: x.roll(2, 1)),
    ('roll_back', [real(5, 2)], lambda x: x.roll(-7, 0)),
    ('windows', [real(2, 4, 6, 2)], lambda x: windows(x, 2, 3)),
    ('from_windows', [real(8, 2, 3, 2)], lambda x: from_windows(x, 4, 6)),
    ('pixel_shuffle', [real(2, 8, 2, 3)], lambda x: F.pixel_shuffle(x, 2)),
    ('pixel_unshuffle', [real(1, 2, 4, 6)], lambda x: F.pixel_unshuffle(x, 2)),
    ('meshgrid', [real(2), real(3)], lambda a, b: torch.meshgrid(a, b, indexing='ij')),
    ('linspace', [real(1)], lambda x: x * torch.linspace(-1, 2, 7)),
    ('range', [real(1)], lambda x: x * (1.5 + 0.25 * torch.arange(5))),
    ('outer', [real(3), real(4)], torch.outer),
    ('trace', [real(2, 3, 3)], lambda x: x.diagonal(dim1=-2, dim2=-1).sum(-1)),
    ('glu', [real(3, 8)], lambda x: F.glu(x, -1)),
    ('geglu', [real(4, 3)], lambda x: halves(x, 0, F.gelu)),
    ('swiglu', [real(2, 6)], lambda x: halves(x, 1, F.silu)),
    ('masked_sum', [real(3, 4), mask], lambda x, m: (x * m.detach()).sum(1, keepdim=True)),
    ('masked_mean', [real(2, 3, 4), mask], lambda x, m: (x * m.detach()).sum((0, 2)) / torch.clamp(2 * m.detach().sum(1), min=1)),
    ('masked_select', [real(3, 4), mask], lambda x, m: x[m != 0]),
    ('masked_rows', [real(4, 3), torch.tensor([1., 0, 1, 1])], lambda x, m: x[m != 0]),
    ('segment_sum', [real(6, 3), label], lambda x, n: segments(x, n, 4)),
    ('segment_mean', [real(6, 2, 2), label], lambda x, n: segments(x, n, 4) / torch.clamp(torch.bincount(n, minlength=4), min=1).reshape(4, 1, 1)),
    ('sort_along', [real(5, 3)], lambda x: x.sort(dim=0, descending=True, stable=True)),
    ('topk_along', [real(2, 6, 3)], lambda x: x.topk(3, 1, largest=False)),
    ('kth_value', [real(2, 6, 3)], lambda x: x.kthvalue(4, 1)),
    ('median', [real(4, 6)], lambda x: x.median(1, keepdim=True)[0]),
    ('quantile', [real(7, 3)], lambda x: x.quantile(0.3, 0)),
    ('quantile_end', [real(3, 5)], lambda x: x.quantile(1.0, 1)),
    ('sum_apart', [real(2, 3, 4, 2)], lambda x: x.sum((0, 2))),
    ('mean_apart', [real(2, 3, 4, 2)], lambda x: x.mean((1, 3), keepdim=True)),
    ('amax_apart', [whole(3, 2, 3, 4) * 1.0], lambda x: x.amax((0, 2), keepdim=True)),
    ('amin_apart', [whole(3, 2, 3, 4) * 1.0], lambda x: x.amin((-1, 0))),
    ('var_apart', [real(2, 3, 4)], lambda x: x.var((0, 2), correction=1)),
    ('logsumexp_apart', [real(2, 3, 4)], lambda x: x.logsumexp((2, 0), keepdim=True)),
    ('norm_inf', [whole(4, 3, 5) * 1.0 - 2], lambda x: torch.linalg.vector_norm(x, float('inf'), 1)),
    ('norm_least', [real(3, 5)], lambda x: torch.linalg.vector_norm(x, -float('inf'), 0, keepdim=True)),
    ('norm_count', [whole(2, 3, 5) * 1.0], lambda x: torch.linalg.vector_norm(x, 0, 1)),
    ('prelu', [real(2, 3, 2), real(3)], lambda x, w: F.prelu(x, w)),
    ('leading_part', [real(5, 6), real(2, 4)], lambda w, x: x @ w[:3, :4].T),
    ('by_sample', [real(4, 3, 2), real(5, 3), whole(4, 5)], lambda w, x, i: torch.einsum('bd,bdk->bk', x, w[i])),
    ('straight_through', [real(3, 4)], lambda x: x + (torch.round(x) - x).detach()),
] + [('einsum ' + text, [real(*shape) for shape in shapes], lambda *x, text=text: torch.einsum(text, *x)) for text, shapes in [
    ('ij,jk->ik', [(3, 4), (4, 2)]), ('bij,bjk->bik', [(2, 3, 4), (2, 4, 2)]), ('bhid,bhjd->bhij', [(2, 2, 3, 4), (2, 2, 5, 4)]),
    ('i,j->ij', [(3,), (4,)]), ('ij->ji', [(3, 4)]), ('ij->', [(3, 4)]), ('ii->i', [(4, 4)]), ('bii->b', [(2, 3, 3)]), ('i,i->', [(5,), (5,)]),
    ('bi,bi->b', [(3, 4), (3, 4)]), ('bi,bi->bi', [(3, 4), (3, 4)]), ('ab,cd->ca', [(2, 3), (4, 2)]), ('abc,cd,db->ad', [(2, 3, 4), (4, 2), (2, 3)]),
    ('i,ij,j->', [(3,), (3, 4), (4,)]), ('bn,bnm,bm->bnm', [(2, 3), (2, 3, 4), (2, 4)]), ('nchw,oc->nohw', [(2, 3, 2, 2), (4, 3)]),
    ('iji,jk->k', [(3, 2, 3), (2, 4)]), ('bld, bsd -> bls', [(2, 3, 4), (2, 5, 4)]), ('XyZ,yZ->Xy', [(2, 3, 2), (3, 2)]),
    ('...ij,...jk->...ik', [(2, 3, 4), (2, 4, 2)]), ('...ij,jk->...ik', [(2, 2, 3, 4), (4, 2)]), ('i...,...->...i', [(3, 2, 1), (4,)]), ('b...d,...d->b...', [(2, 3, 4), (1, 4)]),
    ('a,ab,bc,cd->d', [(2,), (2, 3), (3, 2), (2, 4)]), ('ab,b,bc,c,cd->ad', [(2, 3), (3,), (3, 2), (2,), (2, 2)])]]


def one(name, inputs, function):
    x = [i.clone().requires_grad_(i.is_floating_point()) for i in inputs]
    out = function(*x)
    out = list(out) if isinstance(out, (tuple, list)) else [out]
    weight = [real(*y.shape) if y.requires_grad else None for y in out]
    if any(w is not None for w in weight):
        sum((w * y).sum() for w, y in zip(weight, out) if w is not None).backward()

    def listed(v):
        return None if v is None else {'shape': list(v.shape), 'real': v.is_floating_point(), 'data': v.detach().flatten().tolist()}
    return {'name': name, 'in': [listed(i) for i in inputs], 'weight': [listed(w) for w in weight], 'out': [listed(y) for y in out],
            'grad': [listed(i.grad if i.grad is not None else torch.zeros_like(i)) if i.is_floating_point() else None for i in x]}


print('[' + ',\n'.join(json.dumps(one(*c), separators=(',', ':')) for c in CASES) + ']')
