# SPDX-License-Identifier: Apache-2.0
"""CLIP with residual picture towers as open_clip has them."""
import torch
import torch.nn.functional as F
from open_clip.model import CLIP
from recorder import Recorder, picture, watch


def unit(x):
    return F.normalize(x, dim=-1)


def case(r, name, model, size, ids, files):
    with torch.no_grad():
        model = model.double().eval()
        tensors = r.fill(model, leave=("attn_mask",))
        x, v = picture(1, 3, size, size), model.visual
        blocks = [b for stage in (v.layer1, v.layer2, v.layer3, v.layer4) for b in stage]
        image, out = watch(lambda: model.encode_image(x), blocks, "image.block.{}")
        words = model.encode_text(ids)
        out |= {"image.features": out[f"image.block.{len(blocks) - 1}"], "image.pooled": image, "image_embed": unit(image), "text_embed": unit(words), "logits": model.logit_scale.exp() * unit(image) @ unit(words).T}
        r.case(name, None, tensors, {"image": x, "ids": ids}, out, files)


def main():
    r = Recorder("clip_resnet")
    ids = torch.tensor([[38, 3, 7, 39, 0, 0, 0, 0, 0], [38, 9, 11, 12, 2, 39, 0, 0, 0]])
    v = dict(layers=(1, 2, 1, 1), width=4, head_width=16, image_size=96)
    t = dict(context_length=9, vocab_size=40, width=12, heads=3, layers=2, mlp_ratio=2.0)
    case(r, "open_clip", CLIP(10, v, t), 96, ids, {"open_clip_config.json": {"model_cfg": {"embed_dim": 10, "vision_cfg": v, "text_cfg": t}, "preprocess_cfg": {"size": 96}}})
    case(r, "openai", CLIP(10, dict(v, layers=(1, 1, 1, 2), width=4, head_width=64, image_size=64), dict(t, width=64, heads=1), quick_gelu=True), 64, ids, None)
    r.done()


main()
