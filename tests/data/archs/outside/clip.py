# SPDX-License-Identifier: Apache-2.0
"""CLIP and SigLIP as transformers and open_clip have them."""
import tempfile

import open_clip
import torch
import torch.nn as nn
import torch.nn.functional as F
import transformers as T
from open_clip.model import CLIP, CustomTextCLIP
from recorder import Recorder, hugging_face, picture


def unit(x):
    return F.normalize(x, dim=-1)


def first_list(module):
    return next(m for m in module.modules() if isinstance(m, (nn.ModuleList, nn.Sequential)) and len(m) > 1)


def watch(run, **towers):
    """Outputs of the blocks of each tower as tower.block.K while run() runs."""
    out, hooks = {}, []
    for name, module in towers.items():
        for i, b in enumerate(first_list(module)):
            key = f"{name}.block.{i}" if name else f"block.{i}"
            hooks.append(b.register_forward_hook(lambda _m, _i, y, key=key: out.__setitem__(key, (y[0] if isinstance(y, tuple) else y).clone())))
    result = run()
    for h in hooks:
        h.remove()
    return result, out


def joint(r, name, make, shape, ids, mask=None, **more):
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        model, config, tensors = hugging_face(make, folder)
        x = picture(*shape)
        y, out = watch(lambda: model(input_ids=ids, pixel_values=x, attention_mask=mask, **more), image=model.vision_model, text=model.text_model)
        image, text = model.vision_model(pixel_values=x, **more), model.text_model(input_ids=ids, attention_mask=mask)
        out |= {"image.tokens": image.last_hidden_state, "image.pooled": image.pooler_output, "text.tokens": text.last_hidden_state, "text.pooled": text.pooler_output, "image_embed": unit(y.image_embeds), "text_embed": unit(y.text_embeds), "logits": y.logits_per_image}
        r.case(name, config, tensors, {"image": x, "ids": ids} | ({} if mask is None else {"mask": mask}), out)


def single(r, name, make, inputs, embedding):
    """One tower: embedding(output) is what it gives."""
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        model, config, tensors = hugging_face(make, folder)
        keys = {"image": "pixel_values", "ids": "input_ids", "mask": "attention_mask"}
        y, out = watch(lambda: model(**{keys[k]: v for k, v in inputs.items()}), **{"": model})
        out |= {"tokens": y.last_hidden_state, "embedding": embedding(y)}
        if getattr(y, "pooler_output", None) is not None:
            out["pooled"] = y.pooler_output
        r.case(name, config, tensors, inputs, out)


def published_clip(r, name, model, shape, ids, files, text_prefix=""):
    """open_clip's and OpenAI's models."""
    with torch.no_grad():
        model = model.double().eval()
        tensors = r.fill(model, leave=("attn_mask",))
        x = picture(*shape)
        text = model.text if hasattr(model, "text") else model
        visual = model.visual.trunk if hasattr(model.visual, "trunk") else model.visual
        (image, words), out = watch(lambda: (model.encode_image(x), model.encode_text(ids)), image=visual, text=text.transformer)
        for k in [k for k in out if out[k].shape[0] != (x if k.startswith("image") else ids).shape[0]]:
            out[k] = out[k].transpose(0, 1)
        bias = getattr(model, "logit_bias", None)
        out |= {"image_embed": unit(image), "text_embed": unit(words), "logits": model.logit_scale.exp() * unit(image) @ unit(words).T + (0 if bias is None else bias)}
        r.case(name, None, tensors, {"image": x, "ids": ids}, out, files)


def main():
    r = Recorder("clip")
    text = dict(hidden_size=12, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, vocab_size=40, max_position_embeddings=9)
    vision = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, image_size=32, patch_size=8)
    ids = torch.tensor([[38, 3, 7, 39, 39, 39], [38, 9, 11, 12, 2, 39]])
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1]])
    both = dict(text_config=text | {"eos_token_id": 39, "bos_token_id": 38}, vision_config=vision, projection_dim=10)
    joint(r, "clip", lambda: T.CLIPModel(T.CLIPConfig(**both)), (3, 3, 32, 32), ids, mask)
    old = dict(text_config=text | {"eos_token_id": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-3}, vision_config=vision | {"patch_size": 7, "image_size": 30, "hidden_act": "gelu", "layer_norm_eps": 1e-3}, projection_dim=10)
    joint(r, "clip of old, other size", lambda: T.CLIPModel(T.CLIPConfig(**old)), (1, 3, 44, 23), ids, mask, interpolate_pos_encoding=True)
    single(r, "clip vision, projected", lambda: T.CLIPVisionModelWithProjection(T.CLIPVisionConfig(**vision, projection_dim=10)), {"image": picture(2, 3, 32, 32)}, lambda y: unit(y.image_embeds))
    single(r, "clip vision", lambda: T.CLIPVisionModel(T.CLIPVisionConfig(**vision)), {"image": picture(1, 3, 32, 32)}, lambda y: y.pooler_output)
    single(r, "clip text, projected", lambda: T.CLIPTextModelWithProjection(T.CLIPTextConfig(**text, eos_token_id=39, projection_dim=10)), {"ids": ids, "mask": mask}, lambda y: unit(y.text_embeds))
    single(r, "clip text", lambda: T.CLIPTextModel(T.CLIPTextConfig(**text, eos_token_id=39)), {"ids": ids}, lambda y: y.pooler_output)
    text2 = dict(text, hidden_size=16, vocab_size=30)
    ids2 = torch.tensor([[3, 7, 1, 1, 1, 1, 1, 1, 1], [5, 9, 11, 12, 2, 1, 1, 1, 1]])
    joint(r, "siglip", lambda: T.SiglipModel(T.SiglipConfig(text_config=text2, vision_config=vision)), (2, 3, 32, 32), ids2)
    joint(r, "siglip, other size", lambda: T.SiglipModel(T.SiglipConfig(text_config=text2, vision_config=vision | {"hidden_act": "relu"})), (1, 3, 24, 48), ids2, interpolate_pos_encoding=True)
    single(r, "siglip vision", lambda: T.SiglipVisionModel(T.SiglipVisionConfig(**vision)), {"image": picture(1, 3, 32, 32)}, lambda y: unit(y.pooler_output))
    single(r, "siglip text", lambda: T.SiglipTextModel(T.SiglipTextConfig(**text, projection_size=7)), {"ids": ids2}, lambda y: unit(y.pooler_output))
    v = dict(layers=2, width=16, head_width=8, patch_size=8, image_size=24, mlp_ratio=2.0)
    t = dict(context_length=9, vocab_size=40, width=12, heads=3, layers=2, mlp_ratio=2.0)
    config = {"model_cfg": {"embed_dim": 10, "vision_cfg": v, "text_cfg": t}, "preprocess_cfg": {"size": 24}}
    eot = torch.tensor([[38, 3, 7, 39, 0, 0, 0, 0, 0], [38, 9, 11, 12, 2, 39, 0, 0, 0]])
    published_clip(r, "open_clip", CLIP(10, v, t), (2, 3, 24, 24), eot, {"open_clip_config.json": config})
    custom = {"model_cfg": {"embed_dim": 10, "vision_cfg": v | {"ls_init_value": 0.1}, "text_cfg": t, "custom_text": True, "quick_gelu": True}, "preprocess_cfg": {"size": 24}}
    published_clip(r, "open_clip, text of its own", CustomTextCLIP(10, v | {"ls_init_value": 0.1}, t, quick_gelu=True), (1, 3, 24, 24), eot, {"open_clip_config.json": custom})
    s = dict(timm_model_name="vit_tiny_patch16_siglip_gap_224", timm_model_pretrained=False, timm_pool="map", timm_proj="none", image_size=24)
    openai = dict(v, head_width=64, width=64)
    published_clip(r, "openai", CLIP(10, openai, dict(t, width=64, heads=1), quick_gelu=True), (1, 3, 24, 24), eot, None)
    sig = dict(context_length=9, vocab_size=30, width=16, heads=2, layers=2, mlp_ratio=2.0, no_causal_mask=True, proj_bias=True, pool_type="last", norm_kwargs={"eps": 1e-6})
    model = CustomTextCLIP(16, v, sig, init_logit_bias=-10)
    import timm
    from open_clip.timm_model import TimmModel
    model.visual = TimmModel.__new__(TimmModel)
    nn.Module.__init__(model.visual)
    model.visual.trunk = timm.models.vision_transformer.VisionTransformer(24, 8, embed_dim=16, depth=2, num_heads=2, mlp_ratio=2.0, class_token=False, global_pool="map", num_classes=0)
    model.visual.head = nn.Identity()
    config = {"model_cfg": {"embed_dim": 16, "custom_text": True, "init_logit_bias": -10, "vision_cfg": {"image_size": 24, "timm_model_name": "vit_base_patch16_siglip_224", "timm_pool": "map", "timm_proj": "none"}, "text_cfg": sig},
              "preprocess_cfg": {"size": 24, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "interpolation": "bicubic", "resize_mode": "squash"}, "model_args": {"num_heads": 2}}
    published_clip(r, "open_clip siglip", model, (1, 3, 24, 24), ids2, {"open_clip_config.json": config})
    r.done()


main()
