# SPDX-License-Identifier: Apache-2.0
"""ViT, DeiT, DINOv2 as transformers and timm have them."""
import tempfile

import torch
import torch.nn as nn
import transformers as T
from recorder import Recorder, hugging_face, picture, values, watch
from timm.layers import SwiGLUPacked
from timm.models.vision_transformer import VisionTransformer
from timm.models.deit import VisionTransformerDistilled


def hf(r, name, make, shape, base=None, load=(), **more):
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        model, config, tensors = hugging_face(make, folder, **dict(load))
        x = picture(*shape)
        trunk = getattr(model, base) if base else model
        y, out = watch(lambda: model(x, **more), next(m for m in trunk.modules() if isinstance(m, torch.nn.ModuleList)))
        z = trunk(x, **more)
        out["tokens"] = z.last_hidden_state
        pooled = z.pooler_output if getattr(z, "pooler_output", None) is not None else z.last_hidden_state[:, 0]
        out["pooled"] = pooled
        if hasattr(y, "logits"):
            out["logits"] = y.logits
        if hasattr(y, "cls_logits"):
            out["cls_logits"], out["distillation_logits"] = y.cls_logits, y.distillation_logits
        r.case(name, config, tensors, {"image": x}, out)


def timm(r, name, make, shape, config, rename=lambda k: k):
    with torch.no_grad():
        model = make().double().eval()
        tensors = r.fill(model, rename)
        x = picture(*shape)
        _, out = watch(lambda: model.forward_features(x), model.blocks)
        y = model.forward_features(x)
        out["tokens"] = y
        if isinstance(model, VisionTransformerDistilled):
            out["cls_logits"], out["distillation_logits"] = model.head(y[:, 0]), model.head_dist(y[:, 1])
            out["pooled"], out["logits"] = y[:, 0], (out["cls_logits"] + out["distillation_logits"]) / 2
        else:
            out["pooled"] = model.forward_head(y, pre_logits=True)
            if model.num_classes:
                out["logits"] = model.head(out["pooled"])
        r.case(name, config, tensors, {"image": x}, out)


def hub(r, name, shape, registers, gated):
    """facebookresearch/dinov2's: its names, and its rule for positions (interpolate_offset 0.1 without registers; antialiasing with them)."""
    more = dict(mlp_layer=SwiGLUPacked, act_layer=nn.SiLU) if gated else {}
    model = VisionTransformer(24, 8, num_classes=0, embed_dim=64, depth=2, num_heads=1, mlp_ratio=0.5, init_values=0.1, **more).double().eval()
    names = (("mlp.fc1", "mlp.w12"), ("mlp.fc2", "mlp.w3")) if gated else ()

    def rename(k):
        for a, b in names:
            k = k.replace(a, b)
        return k

    with torch.no_grad():
        tensors = r.fill(model, rename)
        tensors["mask_token"] = [1, 64]
        tokens = values("register_tokens", (1, registers, 64)) if registers else None
        if registers:
            tensors["register_tokens"] = [1, registers, 64]
        x = picture(*shape)
        h, w = shape[2] // 8, shape[3] // 8
        grid = model.pos_embed[:, 1:].reshape(1, 3, 3, 64).permute(0, 3, 1, 2)
        how = dict(size=(h, w), antialias=True) if registers else dict(scale_factor=((h + 0.1) / 3, (w + 0.1) / 3))
        grid = nn.functional.interpolate(grid, mode="bicubic", **how).permute(0, 2, 3, 1).reshape(1, -1, 64)
        y = model.patch_embed.proj(x).flatten(2).transpose(1, 2) + grid
        parts = [model.cls_token + model.pos_embed[:, :1]] + ([tokens] if registers else [])
        y = torch.cat([*(p.expand(shape[0], -1, -1) for p in parts), y], 1)
        y, out = watch(lambda: model.norm(model.blocks(y)), model.blocks)
        r.case(name, None, tensors, {"image": x}, out | {"tokens": y, "pooled": y[:, 0]})


def main():
    r = Recorder("vit")
    s = dict(hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=20)
    hf(r, "vit", lambda: T.ViTForImageClassification(T.ViTConfig(**s, image_size=30, patch_size=7, num_labels=5, hidden_act="gelu_new", layer_norm_eps=1e-3)), (2, 3, 30, 30), "vit")
    hf(r, "vit model, other size", lambda: T.ViTModel(T.ViTConfig(**s, image_size=32, patch_size=8, qkv_bias=False)), (1, 3, 40, 24), interpolate_pos_encoding=True)
    hf(r, "vit wide", lambda: T.ViTModel(T.ViTConfig(**s, image_size=(16, 40), patch_size=8), add_pooling_layer=False), (1, 3, 16, 40), load={"add_pooling_layer": False})
    hf(r, "deit", lambda: T.DeiTForImageClassificationWithTeacher(T.DeiTConfig(**s, image_size=24, patch_size=8, num_labels=4)), (2, 3, 32, 24), "deit", interpolate_pos_encoding=True)
    hf(r, "deit student", lambda: T.DeiTForImageClassification(T.DeiTConfig(**s, image_size=24, patch_size=8, num_labels=4)), (1, 3, 24, 24), "deit")
    d = dict(hidden_size=12, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=7)
    hf(r, "dinov2", lambda: T.Dinov2ForImageClassification(T.Dinov2Config(**d, mlp_ratio=2, num_labels=3, layerscale_value=0.5)), (1, 3, 42, 35), "dinov2")
    hf(r, "dinov2 swiglu", lambda: T.Dinov2Model(T.Dinov2Config(**d, mlp_ratio=3, use_swiglu_ffn=True, use_mask_token=False)), (1, 3, 28, 28))
    hf(r, "dinov2 registers", lambda: T.Dinov2WithRegistersModel(T.Dinov2WithRegistersConfig(**d, mlp_ratio=2, num_register_tokens=3)), (1, 3, 21, 49))
    t = dict(embed_dim=12, depth=2, num_heads=3, mlp_ratio=2.0)
    args = dict(num_heads=3)
    timm(r, "timm", lambda: VisionTransformer(24, 8, num_classes=4, **t), (2, 3, 24, 24), {"architecture": "vit_x", "model_args": args})
    timm(r, "timm other size", lambda: VisionTransformer(24, 8, num_classes=0, init_values=0.1, qkv_bias=False, qk_norm=True, dynamic_img_size=True, **t), (1, 3, 40, 16), {"model_args": args})
    timm(r, "timm mean", lambda: VisionTransformer((16, 24), 8, num_classes=4, global_pool="avg", reg_tokens=2, **t), (1, 3, 16, 24), {"model_args": args | {"img_size": [16, 24]}})
    timm(r, "timm registers", lambda: VisionTransformer(24, 8, num_classes=0, class_token=False, reg_tokens=2, no_embed_class=True, global_pool="avg", fc_norm=False, act_layer="gelu_tanh", **t), (1, 3, 24, 24),
         {"model_args": args | {"act_layer": "gelu_tanh", "global_pool": "avg"}})
    timm(r, "timm clip", lambda: VisionTransformer(24, 8, num_classes=4, pre_norm=True, act_layer="quick_gelu", **t), (1, 3, 24, 24), {"model_args": args | {"act_layer": "quick_gelu"}})
    timm(r, "timm map", lambda: VisionTransformer(24, 8, num_classes=4, class_token=False, global_pool="map", **t), (1, 3, 24, 24), {"model_args": args | {"global_pool": "map"}})
    timm(r, "timm distilled", lambda: VisionTransformerDistilled(img_size=24, patch_size=8, num_classes=4, weight_init="", **t), (1, 3, 24, 24), {"model_args": args})
    hub(r, "published dinov2", (1, 3, 40, 24), 0, False)
    hub(r, "published dinov2, registers", (1, 3, 24, 40), 2, True)
    r.done()


main()
