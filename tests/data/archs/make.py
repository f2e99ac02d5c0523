#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make.py: small networks as PyTorch and timm compute them, in float64 -> archs.h5.

Made with torch 2.15.0, torchvision 0.29.2 and timm 1.0.31. One group per case; attributes arch, params (JSON) and training. param/<name>: weights;
in/<name>: inputs; out/<tap>: results; weight/<tap>: w of the loss  sum over taps <w, tap>; grad/<name>: its gradient;
after/<name>: buffers after one run in training mode. Weights and inputs are floats, so both sides start from the same."""
import json
import math
import os

import h5py
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torchvision.models.mobilenetv3 import MobileNetV3, _mobilenet_v3_conf
from torchvision.models.resnet import BasicBlock, Bottleneck

torch.set_default_dtype(torch.float64)
here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(11)


def draw(*shape, scale=1.0):
    return torch.from_numpy(np.asarray(scale * rng.standard_normal(shape), np.float32).astype(np.float64))


def fill(module):
    """Weights large enough that every part matters; norms away from 1 and 0."""
    batch_norms = {id(m.weight) for m in module.modules() if isinstance(m, nn.BatchNorm2d)}
    for name, p in module.named_parameters():
        fan = p[0].numel() if p.dim() > 1 else 1
        x = draw(*p.shape, scale=0.3 if p.dim() < 2 else 1.2 / math.sqrt(fan))
        if id(p) in batch_norms or name.endswith("norm.weight") or (p.dim() == 1 and "norm" in name and name.endswith("weight")):
            x = x + 1
        p.data = x.float().double()
    for name, b in module.named_buffers():
        if b.dtype != torch.int64:
            b.copy_((draw(*b.shape, scale=0.3).abs() + 0.5).float().double() if name.endswith("var") else draw(*b.shape, scale=0.3))


class Block(nn.Module):
    """Inverted residual (arXiv:1801.04381, table 1)."""

    def __init__(self, c, out, stride, t):
        super().__init__()
        self.expand, self.norm1 = nn.Conv2d(c, c * t, 1, bias=False), nn.BatchNorm2d(c * t)
        self.depthwise, self.norm2 = nn.Conv2d(c * t, c * t, 3, stride, 1, groups=c * t, bias=False), nn.BatchNorm2d(c * t)
        self.project, self.norm3 = nn.Conv2d(c * t, out, 1, bias=False), nn.BatchNorm2d(out)
        self.skip = stride == 1 and c == out

    def forward(self, x):
        y = F.relu6(self.norm1(self.expand(x)))
        y = self.norm3(self.project(F.relu6(self.norm2(self.depthwise(y)))))
        return x + y if self.skip else y


class Picture(nn.Module):
    def __init__(self, width, expand, head):
        super().__init__()
        self.stem, self.stem_norm = nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width)
        c, blocks = width, []
        for growth, stride in ((1.5, 2), (2, 1), (3, 2), (4, 1), (6, 2)):
            blocks.append(Block(c, int(growth * width), stride, expand))
            c = int(growth * width)
        self.blocks = nn.ModuleList(blocks)
        self.head, self.head_norm = nn.Conv2d(c, head, 1, bias=False), nn.BatchNorm2d(head)

    def forward(self, x, out, under=""):
        x = F.relu6(self.stem_norm(self.stem(x)))
        for i, b in enumerate(self.blocks):
            x = out[f"{under}block.{i}"] = b(x)
        x = out[f"{under}features"] = F.relu6(self.head_norm(self.head(x)))
        return x.mean((2, 3))


class Text(nn.Module):
    def __init__(self, vocab, max_tokens, width, layers, heads, mlp):
        super().__init__()
        self.token_embedding = nn.Embedding(vocab, width)
        self.position_embedding = nn.Parameter(torch.zeros(max_tokens, width))
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(width, heads, mlp, 0.0, "gelu", 1e-5, True, True) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, ids, mask, out, under=""):
        x = self.token_embedding(ids) + self.position_embedding[: ids.shape[1]]
        for i, b in enumerate(self.blocks):
            x = out[f"{under}block.{i}"] = b(x, src_key_padding_mask=mask == 0)
        x = out[f"{under}tokens"] = self.norm(x)
        m = mask[:, :, None].double()
        return (x * m).sum(1) / m.sum(1)


def unit(x):
    return F.normalize(x, dim=-1)


class DwconvCase(nn.Module):
    params, arch = dict(size=32, width=8, expand=2, head=16, embed=12), "dwconv"

    def __init__(self):
        super().__init__()
        self.tower, self.projection = Picture(8, 2, 16), nn.Linear(16, 12, bias=False)

    def run(self, out, image):
        x = out["pooled"] = self.tower(image, out)
        out["embedding"] = unit(self.projection(x))


class TextCase(nn.Module):
    params, arch = dict(vocab=30, max_tokens=9, width=12, layers=2, heads=3, mlp=20, embed=8), "text-transformer"

    def __init__(self):
        super().__init__()
        self.tower, self.projection = Text(30, 9, 12, 2, 3, 20), nn.Linear(12, 8, bias=False)

    def run(self, out, ids, mask):
        x = out["pooled"] = self.tower(ids, mask, out)
        out["embedding"] = unit(self.projection(x))


class DualCase(nn.Module):
    params, arch = dict(image_size=32, image_width=8, image_expand=1, image_head=16, vocab=30, max_tokens=9, text_width=12, text_layers=1,
                        text_heads=2, text_mlp=20, embed=8, specific=5), "dual-encoder"

    def __init__(self):
        super().__init__()
        self.image, self.text = Picture(8, 1, 16), Text(30, 9, 12, 1, 2, 20)
        self.image_projection, self.text_projection = nn.Linear(16, 8, bias=False), nn.Linear(12, 8, bias=False)
        self.image_specific, self.text_specific = nn.Linear(16, 5, bias=False), nn.Linear(12, 5, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(0.0))

    def run(self, out, image=None, ids=None, mask=None):
        if image is not None:
            x = out["image_features"] = self.image(image, out, "image.")
            out["image_embed"], out["image_specific"] = unit(self.image_projection(x)), self.image_specific(x)
        if ids is not None:
            x = out["text_features"] = self.text(ids, mask, out, "text.")
            out["text_embed"], out["text_specific"] = unit(self.text_projection(x)), self.text_specific(x)
        out["logit_scale"] = self.logit_scale.exp()


class HeadTower(nn.Module):
    def __init__(self, width, hidden, embed):
        super().__init__()
        self.norm, self.fc1, self.fc2 = nn.LayerNorm(width), nn.Linear(width, hidden), nn.Linear(hidden, embed)

    def forward(self, x):
        return unit(self.fc2(F.gelu(self.fc1(self.norm(x)))))


class HeadCase(nn.Module):
    params, arch = dict(image_width=10, text_width=7, hidden=9, embed=6, dropout=0), "joint-head"

    def __init__(self):
        super().__init__()
        self.image, self.text, self.logit_scale = HeadTower(10, 9, 6), HeadTower(7, 9, 6), nn.Parameter(torch.tensor(0.0))

    def run(self, out, image_features, text_features):
        out["image_embed"], out["text_embed"], out["logit_scale"] = self.image(image_features), self.text(text_features), self.logit_scale.exp()


class VitCase(nn.Module):
    arch = "vit"

    def __init__(self, pool, classes, embed):
        super().__init__()
        self.params = dict(size=24, patch=8, width=12, depth=2, heads=3, mlp=20, embed=embed, classes=classes, pool=pool)
        self.vit = VisionTransformer(24, 8, num_classes=classes, embed_dim=12, depth=2, num_heads=3, mlp_ratio=20 / 12, fc_norm=False,
                                     global_pool={"cls": "token", "mean": "avg"}[pool])
        if embed:
            self.projection = nn.Linear(12, embed, bias=False)

    def run(self, out, image):
        v = self.vit
        x = v._pos_embed(v.patch_embed(image))
        for i, b in enumerate(v.blocks):
            x = out[f"block.{i}"] = b(x)
        x = out["tokens"] = v.norm(x)
        x = out["pooled"] = v.forward_head(x, pre_logits=True)
        out["embedding"] = unit(self.projection(x)) if hasattr(self, "projection") else x
        if self.params["classes"]:
            out["logits"] = v.head(x)


class Residual(nn.Module):
    """torchvision's blocks joined as its ResNet joins them, at a chosen width."""

    def __init__(self, block, blocks, width, classes):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        c = width
        for s in range(4):
            inner, part = width << s, []
            for i in range(blocks[s]):
                stride, out = 2 if s and not i else 1, inner * block.expansion
                down = nn.Sequential(nn.Conv2d(c, out, 1, stride, bias=False), nn.BatchNorm2d(out)) if stride > 1 or c != out else None
                part.append(block(c, inner, stride, down))
                c = out
            setattr(self, f"layer{s + 1}", nn.Sequential(*part))
        self.fc = nn.Linear(c, classes)

    def forward(self, x, out):
        x, k = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1), 0
        for s in range(4):
            for block in getattr(self, f"layer{s + 1}"):
                x = out[f"block.{k}"] = block(x)
                k += 1
        out["features"] = x
        x = out["pooled"] = x.mean((2, 3))
        out["logits"] = self.fc(x)


class ResnetCase(nn.Module):
    arch = "resnet"

    def __init__(self, depth, block, blocks):
        super().__init__()
        self.params = dict(depth=depth, width=4, classes=7, size=32)
        self.net = Residual(block, blocks, 4, 7)

    def run(self, out, image):
        self.net(image, out)


class MobileCase(nn.Module):
    arch = "mobilenet-v3"

    def __init__(self, variant):
        super().__init__()
        self.params = dict(variant=variant, width=0.1, classes=5, size=48, dropout=0)
        self.net = MobileNetV3(*_mobilenet_v3_conf(f"mobilenet_v3_{variant}", width_mult=0.1), num_classes=5)
        self.net.classifier[2].p = 0.0

    def run(self, out, image):
        x, parts = image, self.net.features
        for i, part in enumerate(parts):
            x = part(x)
            if 0 < i < len(parts) - 1:
                out[f"block.{i - 1}"] = x
        out["features"] = x
        x = out["pooled"] = x.mean((2, 3))
        x = out["embedding"] = self.net.classifier[1](self.net.classifier[0](x))
        out["logits"] = self.net.classifier[3](x)


def named(module, pick):
    """Parameters or gradients by Limbeck's names: fused q, k, v of torch's attention in three, wrappers' names dropped."""
    for name, p in module.named_parameters():
        x = pick(p).detach()
        for old, new in (("tower.", ""), ("vit.", ""), ("net.", ""), ("linear1", "mlp.fc1"), ("linear2", "mlp.fc2"), ("self_attn.", "attn.")):
            name = name.replace(old, new)
        if "in_proj_" in name:
            for part, kind in zip(x.chunk(3), "qkv"):
                yield name.replace("in_proj_", f"{kind}_proj."), part
        else:
            yield name, x


def record(f, title, case, training=False, **inputs):
    fill(case)
    if hasattr(case, "logit_scale"):
        case.logit_scale.data = torch.tensor(np.float64(np.float32(1.3)))
    g = f.create_group(title)
    g.attrs.update(arch=case.arch, params=json.dumps(case.params), training=int(training))

    def put(path, x, kind=np.float32):
        if path.startswith(("param/image", "grad/image")) and title == "dual-encoder-text":
            return  # this tower does not run
        g.create_dataset(path, data=x.detach().numpy().astype(kind))

    for name, x in named(case, lambda p: p):
        put(f"param/{name}", x)
    for name, b in case.named_buffers():
        if b.dtype != torch.int64:
            put(f"param/{name.replace('tower.', '').replace('net.', '')}", b)
    for name, x in inputs.items():
        put(f"in/{name}", x, np.int64 if x.dtype == torch.int64 else np.float32)
    case.train(training)
    out, loss = {}, 0
    case.run(out, **inputs)
    for tap, y in out.items():
        w = draw(*y.shape)
        loss = loss + (w * y).sum()
        put(f"out/{tap}", y)
        put(f"weight/{tap}", w)
    loss.backward()
    for name, x in named(case, lambda p: torch.zeros_like(p) if p.grad is None else p.grad):
        put(f"grad/{name}", x)
    for name, b in case.named_buffers() if training else ():
        if b.dtype != torch.int64:
            put(f"after/{name.replace('tower.', '').replace('net.', '')}", b)


def main():
    image, small = draw(3, 3, 32, 32), draw(2, 3, 24, 24)
    ids = torch.tensor([[3, 7, 7, 29, 0], [1, 2, 0, 0, 0], [5, 5, 6, 0, 0]])
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 0, 0]])
    torch.manual_seed(0)
    with h5py.File(f"{here}/archs.h5", "w", libver="latest") as f:
        f.attrs["note"] = __doc__
        record(f, "dwconv", DwconvCase(), image=image)
        record(f, "dwconv-training", DwconvCase(), True, image=image)
        record(f, "text-transformer", TextCase(), True, ids=ids, mask=mask)
        record(f, "dual-encoder", DualCase(), True, image=image, ids=ids, mask=mask)
        record(f, "dual-encoder-text", DualCase(), ids=ids, mask=mask)
        record(f, "joint-head", HeadCase(), True, image_features=draw(4, 10), text_features=draw(4, 7))
        record(f, "vit-cls", VitCase("cls", 4, 0), image=small)
        record(f, "vit-mean", VitCase("mean", 0, 5), image=small)
        record(f, "resnet-10", ResnetCase(10, BasicBlock, (1, 1, 1, 1)), True, image=draw(2, 3, 33, 37))
        record(f, "resnet-26", ResnetCase(26, Bottleneck, (2, 2, 2, 2)), image=draw(2, 3, 32, 32))
        record(f, "mobilenet-v3-small", MobileCase("small"), True, image=draw(2, 3, 48, 48))
        record(f, "mobilenet-v3-large", MobileCase("large"), True, image=draw(6, 3, 40, 40))


if __name__ == "__main__":
    main()
