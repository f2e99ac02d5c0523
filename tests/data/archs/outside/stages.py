# SPDX-License-Identifier: Apache-2.0
"""Networks of stages: Swin, ConvNeXt, TinyViT and MobileSAM as transformers, timm, torchvision and mobile_sam (mobilesam-mirror 1.0.0) have them."""
import sys
import tempfile
import types

import timm
import torch
import torch.nn as nn
import torchvision
import transformers as T
from recorder import Recorder, hugging_face, picture, watch
from timm.models.convnext import ConvNeXt
from timm.models.swin_transformer import SwinTransformer
from timm.models.tiny_vit import TinyVit

sys.modules.setdefault("mobile_sam.build_sam", types.ModuleType("none"))


def square(y, h, w):
    """Tokens in rows of a grid."""
    return y.reshape(y.shape[0], h, w, y.shape[-1])


def hf(r, name, make, shape, base, stages, grid=None):
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        model, config, tensors = hugging_face(make, folder)
        x = picture(*shape)
        trunk = getattr(model, base) if base else model
        blocks = [b for s in stages(trunk.encoder) for b in s]
        y, out = watch(lambda: model(x), blocks)
        z = trunk(x)
        if grid:
            sizes = [(g // 2**k, h // 2**k) for k, s in enumerate(stages(trunk.encoder)) for _ in s for g, h in (grid,)]
            for i, (h, w) in enumerate(sizes):
                out[f"block.{i}"] = square(out[f"block.{i}"], h, w)
            out["tokens"] = z.last_hidden_state
        else:
            out["features"] = z.last_hidden_state
        out["pooled"] = z.pooler_output
        if hasattr(y, "logits"):
            out["logits"] = y.logits
        r.case(name, config, tensors, {"image": x}, out)


def other(r, name, model, shape, blocks, pooled, features=None, config=None, rename=lambda k: k, maps=lambda k, y: y):
    """timm, torchvision, published code. pooled: of the model and the picture."""
    with torch.no_grad():
        model = model.double().eval()
        tensors = r.fill(model, lambda k: None if k.endswith(("attention_bias_idxs", "relative_position_index", "attn_mask")) else rename(k))
        model.eval()
        x = picture(*shape)
        y, out = watch(lambda: model(x), blocks(model))
        out = {k: maps(k, v) for k, v in out.items()}
        out["logits"] = y
        if features:
            out["features"] = features(model, x)
        out["pooled"] = pooled(model, x)
        r.case(name, config, tensors, {"image": x}, out)


def mobile_sam(r):
    import importlib.util
    import os
    for part in ("common", "tiny_vit_sam", "prompt_encoder", "transformer", "mask_decoder"):
        path = os.path.join(os.environ["MOBILE_SAM"], "modeling", part + ".py")
        spec = importlib.util.spec_from_file_location("mobile_sam.modeling." + part, path)
        sys.modules.setdefault("mobile_sam", types.ModuleType("mobile_sam"))
        sys.modules.setdefault("mobile_sam.modeling", types.ModuleType("mobile_sam.modeling"))
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    m = {k: sys.modules["mobile_sam.modeling." + k] for k in ("tiny_vit_sam", "prompt_encoder", "transformer", "mask_decoder")}
    with torch.no_grad():
        torch.set_default_dtype(torch.float32)
        size = 64
        net = nn.Module()
        net.image_encoder = m["tiny_vit_sam"].TinyViT(img_size=size, num_classes=3, embed_dims=[8, 12, 16, 320], depths=[1, 2, 1, 1], num_heads=[1, 2, 2, 4], window_sizes=[3, 3, 4, 3], mlp_ratio=0.25)
        # the published neck is 256 wide, which would make a large file
        net.image_encoder.neck = nn.Sequential(nn.Conv2d(320, 16, 1, bias=False), m["tiny_vit_sam"].LayerNorm2d(16), nn.Conv2d(16, 16, 3, padding=1, bias=False), m["tiny_vit_sam"].LayerNorm2d(16))
        net.prompt_encoder = m["prompt_encoder"].PromptEncoder(16, (4, 4), (size, size), 8)
        net.mask_decoder = m["mask_decoder"].MaskDecoder(num_multimask_outputs=3, transformer=m["transformer"].TwoWayTransformer(2, 16, 8, 20), transformer_dim=16, iou_head_depth=3, iou_head_hidden_dim=10)
        net.eval()
        tensors = r.fill(net, lambda k: None if k.endswith("attention_bias_idxs") else k)
        net.eval()
        x = picture(1, 3, size, size).float()
        features = net.image_encoder.patch_embed(x)  # its forward is for pictures of 1024
        for layer in net.image_encoder.layers:
            features = layer(features)
        features = net.image_encoder.neck(features.view(1, 4, 4, -1).permute(0, 3, 1, 2))
        boxes = torch.tensor([[5.0, 10.0, 40.0, 60.0]])
        sparse, dense = net.prompt_encoder(None, boxes, None)
        out = {"map": features, "prompts": sparse}
        out["masks"], out["iou"] = net.mask_decoder(features, net.prompt_encoder.get_dense_pe(), sparse, dense, True)
        torch.set_default_dtype(torch.float64)
        r.case("mobile_sam", {"image_size": size}, tensors, {"image": x.double()}, out)
        r.h5["mobile_sam/real/boxes"] = boxes.double().numpy()


def main():
    r = Recorder("swin")
    s = dict(patch_size=2, embed_dim=8, depths=[2, 2], num_heads=[2, 4], window_size=4)
    layers = lambda e: [s.blocks for s in e.layers]
    hf(r, "swin", lambda: T.SwinForImageClassification(T.SwinConfig(image_size=32, num_labels=3, mlp_ratio=2.0, qkv_bias=False, hidden_act="gelu_new", layer_norm_eps=1e-3, **s)), (2, 3, 32, 32), "swin", layers, (16, 16))
    hf(r, "swin, other size", lambda: T.SwinModel(T.SwinConfig(image_size=32, **s)), (1, 3, 24, 32), None, layers, (12, 16))
    hf(r, "swin with positions", lambda: T.SwinModel(T.SwinConfig(image_size=16, use_absolute_embeddings=True, **s)), (1, 3, 16, 16), None, layers, (8, 8))
    swin = lambda m: [b for layer in m.layers for b in layer.blocks]
    other(r, "timm swin", SwinTransformer(img_size=32, patch_size=2, num_classes=3, embed_dim=8, depths=(2, 2, 1), num_heads=(2, 4, 4), window_size=5, mlp_ratio=2.0), (1, 3, 32, 32), swin,
          lambda m, x: m.forward_head(m.forward_features(x), pre_logits=True), lambda m, x: m.forward_features(x).permute(0, 3, 1, 2), {"model_args": {"img_size": 32}})
    tv = torchvision.models.swin_transformer.SwinTransformer(patch_size=[2, 2], embed_dim=8, depths=[2, 2], num_heads=[2, 4], window_size=[4, 4], mlp_ratio=2.0, num_classes=3)
    other(r, "torchvision swin", tv, (1, 3, 30, 38), lambda m: [*m.features[1], *m.features[3]], lambda m, x: m.norm(m.features(x)).mean((1, 2)))
    r.done()
    r = Recorder("convnext")
    c = dict(hidden_sizes=[8, 12, 16], depths=[1, 2, 1], num_stages=3, patch_size=2, num_labels=3)
    stages = lambda e: [s.layers for s in e.stages]
    hf(r, "convnext", lambda: T.ConvNextForImageClassification(T.ConvNextConfig(hidden_act="relu", **c)), (2, 3, 18, 22), "convnext", stages)
    hf(r, "convnext model", lambda: T.ConvNextModel(T.ConvNextConfig(layer_norm_eps=1e-2, **c)), (1, 3, 16, 16), None, stages)
    hf(r, "convnext v2", lambda: T.ConvNextV2ForImageClassification(T.ConvNextV2Config(**c)), (1, 3, 16, 24), "convnextv2", stages)
    blocks = lambda m: [b for s in m.stages for b in s.blocks]
    pre = lambda m, x: m.forward_head(m.forward_features(x), pre_logits=True)
    features = lambda m, x: m.forward_features(x)
    other(r, "timm convnext", ConvNeXt(depths=(1, 2, 1, 1), dims=(8, 12, 12, 16), num_classes=3, kernel_sizes=5), (1, 3, 64, 72), blocks, pre, features)
    other(r, "timm convnext v2", ConvNeXt(depths=(1, 2, 1, 1), dims=(8, 12, 12, 16), num_classes=3, use_grn=True, ls_init_value=None), (1, 3, 64, 32), blocks, pre, features)
    B = torchvision.models.convnext.CNBlockConfig
    tv = torchvision.models.convnext.ConvNeXt([B(8, 12, 1), B(12, 16, 2), B(16, None, 1)], num_classes=3)
    other(r, "torchvision convnext", tv, (1, 3, 32, 36), lambda m: [*m.features[1], *m.features[3], *m.features[5]], lambda m, x: m.classifier[1](m.classifier[0](m.avgpool(m.features(x)))))
    r.done()
    r = Recorder("tiny_vit")
    t = dict(embed_dims=(8, 12, 16, 20), depths=(1, 2, 1, 1), num_heads=(1, 2, 2, 4), window_sizes=(3, 3, 4, 3), mlp_ratio=2.0, num_classes=3)
    other(r, "tiny_vit", TinyVit(**t), (1, 3, 68, 48), blocks, pre, features, maps=lambda k, y: y if k == "block.0" else y.permute(0, 3, 1, 2))
    mobile_sam(r)
    r.done()


main()
