# SPDX-License-Identifier: Apache-2.0
"""Masked autoencoders as transformers has them, and under the published code's names."""
import tempfile
from functools import partial

import torch
import torch.nn as nn
import transformers as T
from recorder import Recorder, hugging_face, picture, watch
from timm.models.vision_transformer import Block, VisionTransformer


def lists(module):
    return [m for m in module.modules() if isinstance(m, nn.ModuleList)]


def hf(r, name, make, shape, noise=None):
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        model, config, tensors = hugging_face(make, folder)
        model.config.mask_ratio = 0.0 if noise is None else 0.75
        x = picture(*shape)
        trunk = getattr(model, "vit", model)
        inputs = {"image": x}
        count = trunk.embeddings.patch_embeddings.num_patches
        given = torch.arange(count).double().repeat(shape[0], 1) if noise is None else noise
        y, out = watch(lambda: model(x, noise=given), lists(trunk)[0])
        if noise is not None:
            inputs["keep"] = torch.argsort(noise, dim=1)[:, : int(count * 0.25)].contiguous()
        out["tokens"] = trunk(x, noise=given).last_hidden_state
        if hasattr(model, "decoder"):
            out |= watch(lambda: model(x, noise=given), lists(model.decoder)[0], "decoder.block.{}")[1]
            out["reconstruction"] = y.logits
        r.case(name, config, tensors, inputs, out)


class Published(VisionTransformer):
    """The parts of facebookresearch/mae's MaskedAutoencoderViT, all patches seen."""

    def __init__(self):
        super().__init__(24, 8, embed_dim=64, depth=2, num_heads=1, mlp_ratio=0.5, num_classes=0)
        self.decoder_embed, self.mask_token, self.decoder_pos_embed = nn.Linear(64, 16), nn.Parameter(torch.zeros(1, 1, 16)), nn.Parameter(torch.zeros(1, 10, 16))
        self.decoder_blocks = nn.ModuleList(Block(16, 16, 2.0, qkv_bias=True, norm_layer=partial(nn.LayerNorm, eps=1e-6)) for _ in range(2))
        self.decoder_norm, self.decoder_pred = nn.LayerNorm(16, eps=1e-6), nn.Linear(16, 192)

    def decode(self, tokens):
        x = self.decoder_embed(tokens) + self.decoder_pos_embed
        for b in self.decoder_blocks:
            x = b(x)
        return self.decoder_pred(self.decoder_norm(x))[:, 1:]


def main():
    r = Recorder("mae")
    s = dict(hidden_size=12, num_hidden_layers=2, num_attention_heads=2, intermediate_size=20, image_size=32, patch_size=8, decoder_hidden_size=8, decoder_num_attention_heads=2, decoder_num_hidden_layers=2, decoder_intermediate_size=12)
    hf(r, "mae", lambda: T.ViTMAEForPreTraining(T.ViTMAEConfig(**s)), (1, 3, 32, 32))
    hf(r, "mae, masked", lambda: T.ViTMAEForPreTraining(T.ViTMAEConfig(**s)), (2, 3, 32, 32), picture(2, 16, name="noise"))
    hf(r, "mae, encoder", lambda: T.ViTMAEModel(T.ViTMAEConfig(hidden_act="relu", layer_norm_eps=1e-3, **s)), (1, 3, 32, 32))
    with torch.no_grad():
        model = Published().double().eval()
        tensors = r.fill(model)
        x = picture(1, 3, 24, 24)
        tokens, out = watch(lambda: model.forward_features(x), model.blocks)
        y, more = watch(lambda: model.decode(tokens), model.decoder_blocks, "decoder.block.{}")
        r.case("published", None, tensors, {"image": x}, out | more | {"tokens": tokens, "reconstruction": y})
    r.done()


main()
