#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_blocks.py: what modules of PyTorch, torchvision and Hugging Face's transformers compute in float64 -> blocks.json (made with torch 2.15,
torchvision 0.30, transformers 5.24).

A case: parameters by name, inputs, results, gradients of sum(weight * result) by the inputs and parameters, all as they come from the module. Blocks that
no library has are written out here from their papers' formulas."""
import importlib.machinery
import json
import os
import sys
import types

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(3)
cases = []


def draw(*shape, scale=1.0):
    return torch.tensor(np.round(scale * rng.standard_normal(shape), 3))


def settle(module, scale=0.4):
    """Parameters drawn anew, norms around 1."""
    for name, p in module.named_parameters():
        p.data = draw(*p.shape, scale=scale) + (1.0 if 'norm' in name and name.endswith('weight') else 0.0)
    return module.double().eval()


def numbers(x):
    return [float(f'{v:.13g}') for v in x.detach().flatten().tolist()]


def entry(x):
    return dict(shape=list(x.shape), whole=not x.is_floating_point(), data=[int(v) for v in x.flatten()] if not x.is_floating_point() else numbers(x))


def case(name, run, inputs, params, rename=lambda n: n, skip=()):
    """run(**inputs) -> tensor or tensors; params: name -> tensor with requires_grad."""
    for x in inputs.values():
        if x.is_floating_point():
            x.requires_grad_(True)
    out = run(**inputs)
    out = list(out) if isinstance(out, (tuple, list)) else [out]
    weights = [draw(*y.shape) for y in out]
    sum((w * y).sum() for w, y in zip(weights, out)).backward()
    zero = lambda x: torch.zeros_like(x) if x.grad is None else x.grad
    cases.append(dict(name=name, inputs={n: entry(x) for n, x in inputs.items()}, params={rename(n): entry(p) for n, p in params.items() if n not in skip},
                      out=[entry(y) for y in out], weight=[entry(w) for w in weights],
                      grads={n: numbers(zero(x)) for n, x in inputs.items() if x.is_floating_point()},
                      param_grads={rename(n): numbers(zero(p)) for n, p in params.items() if n not in skip}))


def of(module, name, run, inputs, **more):
    case(name, run, inputs, dict(settle(module).named_parameters()), **more)


class Free(nn.Module):
    """Parameters by name, for formulas written out here."""
    def __init__(self, **shapes):
        super().__init__()
        self.values = {n.replace('__', '.'): nn.Parameter(draw(*s, scale=0.4) + (1.0 if 'norm' in n and n.endswith('weight') else 0.0)) for n, s in shapes.items()}

    def __getitem__(self, name):
        return self.values[name]

    def linear(self, x, name):
        return F.linear(x, self[name + '.weight'], self.values.get(name + '.bias'))

    def norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self[name + '.weight'], self[name + '.bias'], 1e-5)


def heads(x, h):
    return x.unflatten(-1, (h, -1)).transpose(1, 2)


def merge(x):
    return x.transpose(1, 2).flatten(2)


# ---- PyTorch

mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
for pre in (False, True):
    layer = nn.TransformerEncoderLayer(6, 2, 8, 0.0, 'gelu', batch_first=True, norm_first=pre)
    of(layer, f"torch encoder, {'pre' if pre else 'post'}", lambda x, mask: layer(x, src_key_padding_mask=mask == 0), dict(x=draw(2, 4, 6), mask=mask))
decoder = nn.TransformerDecoderLayer(6, 2, 8, 0.0, 'relu', batch_first=True, norm_first=True)
causal = nn.Transformer.generate_square_subsequent_mask(3, dtype=torch.float64)
of(decoder, 'torch decoder', lambda x, memory: decoder(x, memory, tgt_mask=causal), dict(x=draw(2, 3, 6), memory=draw(2, 4, 6)))
gru = nn.GRU(3, 2, 2, batch_first=True, bidirectional=True)
of(gru, 'gru', lambda x, state: gru(x, state), dict(x=draw(2, 4, 3), state=draw(4, 2, 2)))
lstm = nn.LSTM(3, 2, 2, batch_first=True, bidirectional=True)
of(lstm, 'lstm', lambda x, state, cell: (lambda y, s: (y, *s))(*lstm(x, (state, cell))), dict(x=draw(2, 4, 3), state=draw(4, 2, 2), cell=draw(4, 2, 2)))

# ---- torchvision

from torchvision.models.swin_transformer import PatchMerging, SwinTransformerBlock  # noqa: E402

swin_names = lambda n: n.replace('mlp.0', 'mlp.fc1').replace('mlp.3', 'mlp.fc2')
for shift, h, w in ((0, 4, 4), (1, 4, 6), (1, 3, 5), (1, 2, 4)):
    block = SwinTransformerBlock(4, 2, [2, 2], [shift, shift], 1.5)
    of(block, f'swin {h}x{w} shift {shift}', lambda x: block(x), dict(x=draw(2, h, w, 4)), rename=swin_names)
merging = PatchMerging(3)
of(merging, 'patch merging', lambda x: merging(x), dict(x=draw(2, 3, 4, 3)))

# ---- transformers (without its optional audio part, whatever its state is)

stub = types.ModuleType('torchaudio')
stub.__spec__ = importlib.machinery.ModuleSpec('torchaudio', None)
sys.modules['torchaudio'] = stub
from transformers import Mamba2Config, MambaConfig, MixtralConfig, Qwen2MoeConfig, Qwen3Config  # noqa: E402
from transformers.models.mamba.modeling_mamba import MambaMixer  # noqa: E402
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer  # noqa: E402
from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock  # noqa: E402
from transformers.models.qwen2_moe.modeling_qwen2_moe import Qwen2MoeSparseMoeBlock  # noqa: E402
from transformers.models.qwen3.modeling_qwen3 import Qwen3DecoderLayer, Qwen3RotaryEmbedding  # noqa: E402



def exact(function):
    """These modules go through float32 in places (norms, routers, scans); here they stay in float64."""
    def as_is(original):
        def f(x, *args, **more):
            if x.dtype == torch.float64 and (torch.float32 in args or more.get('dtype') == torch.float32 or original is FLOAT):
                if original is not torch.softmax and original is not SOFTMAX:
                    return x
                more.pop('dtype', None)
            return original(x, *args, **more)
        return f
    SOFTMAX, FLOAT, kept = F.softmax, torch.Tensor.float, (torch.Tensor.to, torch.Tensor.float, torch.softmax, F.softmax)

    def run(**inputs):
        torch.Tensor.to, torch.Tensor.float, torch.softmax, F.softmax = (as_is(o) for o in kept)
        try:
            y = function(**inputs)
        finally:
            torch.Tensor.to, torch.Tensor.float, torch.softmax, F.softmax = kept
        return y[0] if isinstance(y, tuple) else y
    return run


config = Qwen3Config(hidden_size=8, intermediate_size=10, num_attention_heads=4, num_key_value_heads=2, head_dim=4, rms_norm_eps=1e-6, num_hidden_layers=1, max_position_embeddings=16,
                     attn_implementation='eager')
layer = Qwen3DecoderLayer(config, 0)
angle = torch.arange(5)[None, :, None] * (1.0 / 10000.0 ** (torch.arange(0, 4, 2) / 4))
angle = torch.cat([angle, angle], -1)
above = torch.full((5, 5), -torch.inf).triu(1)[None, None]
of(layer, 'qwen 3 decoder', exact(lambda x: layer(x, attention_mask=above, position_embeddings=(angle.cos(), angle.sin()))), dict(x=draw(2, 5, 8)))

mamba = MambaMixer(MambaConfig(hidden_size=4, state_size=3, conv_kernel=3, expand=2, time_step_rank=2, use_bias=False, use_conv_bias=True), 0)
of(mamba, 'mamba', exact(lambda x: mamba(x)), dict(x=draw(2, 5, 4)))
mamba2 = Mamba2Mixer(Mamba2Config(hidden_size=4, state_size=3, conv_kernel=3, expand=2, num_heads=4, head_dim=2, n_groups=2, chunk_size=4, use_bias=False, use_conv_bias=True), 0)
of(mamba2, 'mamba 2', exact(lambda x: mamba2(x)), dict(x=draw(2, 6, 4)))

moe = MixtralSparseMoeBlock(MixtralConfig(hidden_size=4, intermediate_size=3, num_local_experts=4, num_experts_per_tok=2, experts_implementation='eager'))
of(moe, 'mixtral', exact(lambda x: moe(x)), dict(x=draw(2, 3, 4)))
moe2 = Qwen2MoeSparseMoeBlock(Qwen2MoeConfig(hidden_size=4, moe_intermediate_size=3, shared_expert_intermediate_size=5, num_experts=4, num_experts_per_tok=2, norm_topk_prob=False,
                                             experts_implementation='eager'))
of(moe2, 'qwen 2 moe', exact(lambda x: moe2(x)), dict(x=draw(2, 3, 4)))

# ---- formulas


def free(name, run, inputs, **shapes):
    module = Free(**shapes)
    case(name, lambda **x: run(module, **x), inputs, module.values)


def timm(p, x):
    """Pre-norm block with fused qkv and layer scale."""
    q, k, v = p.linear(p.norm(x, 'norm1'), 'attn.qkv').chunk(3, -1)
    x = x + p['ls1.gamma'] * p.linear(merge(F.scaled_dot_product_attention(heads(q, 2), heads(k, 2), heads(v, 2))), 'attn.proj')
    return x + p['ls2.gamma'] * p.linear(F.gelu(p.linear(p.norm(x, 'norm2'), 'mlp.fc1')), 'mlp.fc2')


def linear(name, out, in_, bias=True):
    return {f'{name}__weight': (out, in_), **({f'{name}__bias': (out,)} if bias else {})}


def norm(name, width):
    return {f'{name}__weight': (width,), f'{name}__bias': (width,)}


free('timm block', timm, dict(x=draw(2, 3, 4)), **norm('norm1', 4), **linear('attn__qkv', 12, 4), **linear('attn__proj', 4, 4), ls1__gamma=(4,), **norm('norm2', 4), **linear('mlp__fc1', 6, 4),
     **linear('mlp__fc2', 4, 6), ls2__gamma=(4,))


def gated_cross(p, x, memory):
    q = p.linear(p.norm(x, 'norm_cross'), 'cross.q_proj')
    f = F.scaled_dot_product_attention(heads(q, 2), heads(p.linear(memory, 'cross.k_proj'), 2), heads(p.linear(memory, 'cross.v_proj'), 2))
    x = x + p['attn_gate'].tanh() * p.linear(merge(f), 'cross.out_proj')
    a, b = p.linear(p.norm(x, 'norm2'), 'mlp.fc1').chunk(2, -1)
    return x + p['ff_gate'].tanh() * p.linear(F.gelu(a) * b, 'mlp.fc2')


free('gated cross-attention', gated_cross, dict(x=draw(2, 3, 4), memory=draw(2, 5, 6)), **norm('norm_cross', 4), **linear('cross__q_proj', 4, 4), **linear('cross__k_proj', 4, 6), **linear('cross__v_proj', 4, 6),
     **linear('cross__out_proj', 4, 4), attn_gate=(1,), **norm('norm2', 4), **linear('mlp__fc1', 10, 4), **linear('mlp__fc2', 4, 5), ff_gate=(1,))


def resampler(p, x, mask):
    """PerceiverResampler of open_flamingo (lucidrains), with a mask of the media."""
    latents = p['latents'].expand(len(x), -1, -1)
    seen = torch.cat([mask, torch.ones(len(x), latents.shape[1])], 1).bool()[:, None, None]
    for i in range(2):
        q = p.norm(latents, f'layers.{i}.0.norm_latents')
        k, v = p.linear(torch.cat([p.norm(x, f'layers.{i}.0.norm_media'), q], 1), f'layers.{i}.0.to_kv').chunk(2, -1)
        f = F.scaled_dot_product_attention(heads(p.linear(q, f'layers.{i}.0.to_q'), 2), heads(k, 2), heads(v, 2), seen)
        latents = latents + p.linear(merge(f), f'layers.{i}.0.to_out')
        latents = latents + p.linear(F.gelu(p.linear(p.norm(latents, f'layers.{i}.1.0'), f'layers.{i}.1.1')), f'layers.{i}.1.3')
    return p.norm(latents, 'norm')


layers = {}
for i in range(2):
    layers.update({**norm(f'layers__{i}__0__norm_media', 4), **norm(f'layers__{i}__0__norm_latents', 4), **linear(f'layers__{i}__0__to_q', 6, 4, False), **linear(f'layers__{i}__0__to_kv', 12, 4, False),
                   **linear(f'layers__{i}__0__to_out', 4, 6, False), **norm(f'layers__{i}__1__0', 4), **linear(f'layers__{i}__1__1', 5, 4, False), **linear(f'layers__{i}__1__3', 4, 5, False)})
free('resampler', resampler, dict(x=draw(2, 5, 4), mask=torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])), latents=(3, 4), **layers, **norm('norm', 4))


def lora(p, x, gate):
    def one(h, name):
        return p.linear(h, name) + 8 / 2 * gate * p.linear(p.linear(h, name + '.lora_A'), name + '.lora_B')
    return p.linear(F.relu(one(x, 'fc1')), 'fc2')


free('lora', lora, dict(x=draw(2, 3, 4), gate=draw(2, 3, 1)), **linear('fc1', 5, 4), **linear('fc1__lora_A', 2, 4, False), **linear('fc1__lora_B', 5, 2, False), **linear('fc2', 4, 5))


def channels(p, x):
    """XCA of XCiT."""
    q, k, v = (heads(y, 2).mT for y in p.linear(x, 'qkv').chunk(3, -1))
    w = torch.softmax(F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT * p['temperature'], -1)
    return p.linear((w @ v).permute(0, 3, 1, 2).flatten(2), 'proj')


free('channel attention', channels, dict(x=draw(2, 5, 4)), **linear('qkv', 12, 4), temperature=(2, 1, 1), **linear('proj', 4, 4))


def slots(p, q, k, v):
    w = torch.softmax(q @ k.mT * 3 ** -0.5, 1) + 1e-3
    return w / w.sum(-1, keepdim=True) @ v


free('slot attention', slots, dict(q=draw(2, 3, 3), k=draw(2, 6, 3), v=draw(2, 6, 4)))


def prefixed(p, x):
    """Causal attention behind a prefix that all see, with the map as a second result."""
    q, k, v = (heads(p.linear(x, n), 2) for n in ('q_proj', 'k_proj', 'v_proj'))
    k, v = (torch.cat([p['prefix.' + n][None].expand(len(x), -1, -1, -1), y], 2) for n, y in (('key', k), ('value', v)))
    seen = torch.cat([torch.ones(3, 2), torch.ones(3, 3).tril()], 1).bool()
    w = torch.softmax((q @ k.mT * 2 ** -0.5).masked_fill(~seen, -torch.inf), -1)
    return p.linear(merge(w @ v), 'out_proj'), w


free('prefix and map', prefixed, dict(x=draw(2, 3, 4)), prefix__key=(2, 2, 2), prefix__value=(2, 2, 2), **linear('q_proj', 4, 4), **linear('k_proj', 4, 4), **linear('v_proj', 4, 4), **linear('out_proj', 4, 4))


def adapter(p, x):
    return x + p.linear(F.gelu(p.linear(x, 'adapter.down')), 'adapter.up')


free('adapter', adapter, dict(x=draw(2, 3, 4)), **linear('adapter__down', 2, 4), **linear('adapter__up', 4, 2))


def soft_moe(p, x):
    """Puigcerver et al., algorithm 1."""
    logits = torch.einsum('md,dnp->mnp', x.flatten(0, 1), p['phi'].unflatten(1, (2, 3))).unflatten(0, x.shape[:2])
    d, c = torch.softmax(logits, 1), torch.softmax(logits.flatten(2), -1).view_as(logits)
    s = torch.einsum('bmd,bmnp->bnpd', x, d)
    h = F.gelu(torch.einsum('bnpd,nwd->bnpw', s, p['experts.up_proj']) + p['experts.up_proj_bias'][:, None])
    y = torch.einsum('bnpw,ndw->bnpd', h, p['experts.down_proj']) + p['experts.down_proj_bias'][:, None]
    return torch.einsum('bnpd,bmnp->bmd', y, c)


free('soft mixture', soft_moe, dict(x=draw(2, 4, 3)), phi=(3, 6), experts__up_proj=(2, 4, 3), experts__up_proj_bias=(2, 4), experts__down_proj=(2, 3, 4), experts__down_proj_bias=(2, 3))


def routed(p, x, noise):
    """Noisy top-2 of 3 experts, each with room for ceil(0.9 * 6 * 2 / 3) = 4 tokens; ungated experts with biases; losses."""
    clean = p.linear(x, 'gate')
    prob = torch.softmax(clean + noise * F.softplus(p.linear(x, 'w_noise')), -1)
    w, index = prob.topk(2, -1)
    w = w / w.sum(-1, keepdim=True)
    y, room = torch.zeros_like(x), [4, 4, 4]
    for k in range(2):
        for t in range(len(x)):
            e = int(index[t, k])
            room[e] -= 1
            if room[e] >= 0:
                h = F.relu(p['experts.up_proj'][e] @ x[t] + p['experts.up_proj_bias'][e])
                y = y + torch.eye(len(x))[t][:, None] * w[t, k] * (p['experts.down_proj'][e] @ h + p['experts.down_proj_bias'][e])
    assert min(room) < 0
    balance = 3 * (F.one_hot(index, 3).double().mean(0).sum(0) * prob.mean(0)).sum()
    return y, balance, clean.logsumexp(-1).square().mean()


free('routing', routed, dict(x=draw(6, 3), noise=draw(6, 3)), **linear('gate', 3, 3, False), **linear('w_noise', 3, 3, False), experts__up_proj=(3, 4, 3), experts__up_proj_bias=(3, 4), experts__down_proj=(3, 3, 4),
     experts__down_proj_bias=(3, 3))


def positions(p, x):
    """interpolate_pos_encoding of DINO: the class row stays, the grid 3x2 becomes 4x5."""
    grid = F.interpolate(x[:, 1:].unflatten(1, (3, 2)).permute(0, 3, 1, 2), (4, 5), mode='bicubic')
    return torch.cat([x[:, :1], grid.permute(0, 2, 3, 1).flatten(1, 2)], 1)


free('positions resized', positions, dict(x=draw(1, 7, 3)))


def co(p, x, y):
    """Each stream: self-attention, attention to the other as it came, map; pre-norm."""
    def stream(a, b, n):
        def attend(h, memory, part):
            q, k, v = (heads(p.linear(i, f'{n}.{part}.{j}_proj'), 2) for i, j in ((h, 'q'), (memory, 'k'), (memory, 'v')))
            return p.linear(merge(F.scaled_dot_product_attention(q, k, v)), f'{n}.{part}.out_proj')
        h = p.norm(a, n + '.norm1')
        a = a + attend(h, h, 'attn')
        a = a + attend(p.norm(a, n + '.norm_cross'), b, 'cross')
        return a + p.linear(F.silu(p.linear(p.norm(a, n + '.norm2'), n + '.mlp.fc1')), n + '.mlp.fc2')
    return stream(x, y, 'a'), stream(y, x, 'b')


parts = {}
for n in 'ab':
    parts.update({**norm(n + '__norm1', 4), **norm(n + '__norm_cross', 4), **norm(n + '__norm2', 4), **linear(n + '__mlp__fc1', 3, 4), **linear(n + '__mlp__fc2', 4, 3)})
    for part in ('attn', 'cross'):
        for j in 'qkv':
            parts.update(linear(f'{n}__{part}__{j}_proj', 4, 4))
        parts.update(linear(f'{n}__{part}__out_proj', 4, 4))
free('co-attention', co, dict(x=draw(2, 3, 4), y=draw(2, 2, 4)), **parts)

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'blocks.json'), 'w') as f:
    f.write('[' + ',\n'.join(json.dumps(c, separators=(',', ':')) for c in cases) + ']\n')
