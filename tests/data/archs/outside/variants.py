# SPDX-License-Identifier: Apache-2.0
"""Relatives of the networks in the other files: what timm's names, arguments and tensors tell of a network beside its sizes; torchvision's ViT; names with
something before them. `refused`: networks that would run and give other numbers, with what the message says."""
import tempfile

import torch
import torchvision
import transformers as T
from recorder import Recorder, hugging_face, picture, watch
from timm.models.convnext import ConvNeXt
from timm.models.efficientnet import _gen_efficientnet_lite, _gen_mnasnet_a1, _gen_mnasnet_b1
from timm.models.mobilenetv3 import _gen_mobilenet_v3
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from timm.models.swin_transformer import SwinTransformer
from timm.models.vision_transformer import ResPostBlock, VisionTransformer
from timm.models.vision_transformer_relpos import VisionTransformerRelPos


def of_pictures(r, name, model, shape, blocks, features="features", config=None, before="", maps=lambda y: y, keep=3):
    with torch.no_grad():
        model = model.double().eval()
        tensors = r.fill(model, lambda k: None if k.endswith(("relative_position_index", "attn_mask")) else before + k)
        x = picture(*shape)
        y, out = watch(lambda: model(x), blocks(model))
        out = {k: maps(v) for k, v in list(out.items())[:keep]}
        if features:
            out[features] = model.forward_features(x)
        r.case(name, config, tensors, {"image": x}, out | {"logits": y})
        if before:
            r.cases[name]["before"] = before


def decoder_without_logits(r):
    """A decoder that embeds texts is published without lm_head."""
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        model, config, tensors = hugging_face(lambda: T.MistralModel(T.MistralConfig(vocab_size=20, hidden_size=12, intermediate_size=20, num_hidden_layers=2, num_attention_heads=3, num_key_value_heads=1, max_position_embeddings=16)), folder)
        ids = torch.tensor([[3, 7, 1, 19, 4], [5, 2, 2, 11, 8]])
        y, out = watch(lambda: model(ids), model.layers)
        r.case("decoder without logits", config, tensors, {"ids": ids, "mask": torch.ones_like(ids)}, out | {"tokens": y.last_hidden_state})


def refused(r, name, model, says, config=None):
    with torch.no_grad():
        r.case(name, config, r.fill(model.double().eval()), {}, {})
    r.cases[name]["refused"] = says


def main():
    r = Recorder("variants")
    in_stages = lambda m: [b for s in m.blocks for b in s]
    small = dict(channel_multiplier=0.25, num_classes=3)
    tensorflow = small | dict(bn_eps=1e-3, pad_type="same")
    of_pictures(r, "mobilenet v3 of TensorFlow", _gen_mobilenet_v3("tf_mobilenetv3_small_100", **tensorflow), (1, 3, 33, 40), lambda m: in_stages(m)[:-1], config={"architecture": "tf_mobilenetv3_small_100"})
    lite = _gen_efficientnet_lite("tf_efficientnet_lite0", depth_multiplier=0.5, **tensorflow)
    of_pictures(r, "efficientnet lite of TensorFlow", lite, (1, 3, 35, 30), in_stages, config={"architecture": "tf_efficientnet_lite0"})
    of_pictures(r, "mnasnet", _gen_mnasnet_b1("mnasnet_050", channel_multiplier=0.5, num_classes=3), (1, 3, 32, 32), in_stages)
    refused(r, "semnasnet", _gen_mnasnet_a1("semnasnet_050", **small), "blocks.2.0.se.conv_expand")
    c = dict(depths=(1, 1, 1, 1), dims=(16, 16, 16, 24), num_classes=3)
    of_stages = lambda m: [b for s in m.stages for b in s.blocks]
    of_pictures(r, "convnext, overlapping stem", ConvNeXt(stem_type="overlap_tiered", **c), (1, 3, 32, 36), of_stages)
    of_pictures(r, "convnext, norm first", ConvNeXt(head_norm_first=True, **c), (1, 3, 32, 32), of_stages)
    of_pictures(r, "convnext, map before the head", ConvNeXt(head_hidden_size=10, **c), (1, 3, 32, 32), of_stages, config={"architecture": "convnext_large_mlp"})
    of_pictures(r, "convnext of timm's tests", ConvNeXt(norm_eps=1e-5, act_layer="gelu_tanh", **c), (1, 3, 32, 32), of_stages, config={"architecture": "test_convnext"})
    swin = SwinTransformer(img_size=32, patch_size=2, num_classes=3, embed_dim=8, depths=(2, 2, 1), num_heads=(2, 4, 4), window_size=(3, 5, 4), mlp_ratio=2.0)
    of_pictures(r, "swin, a window for each stage", swin, (1, 3, 32, 32), lambda m: [b for s in m.layers for b in s.blocks], None, {"model_args": {"img_size": 32}}, keep=5)
    v = dict(embed_dim=12, depth=2, num_heads=3, mlp_ratio=2.0, num_classes=4)
    args = dict(num_heads=3)
    of_pictures(r, "vit, map beside a class token", VisionTransformer(24, 8, global_pool="map", **v), (1, 3, 24, 24), lambda m: m.blocks, "tokens", {"model_args": args | {"global_pool": "map"}})
    of_pictures(r, "vit of timm's tests", VisionTransformer(24, 8, embed_dim=64, depth=1, num_heads=2, mlp_ratio=0.5, num_classes=4), (1, 3, 24, 24), lambda m: m.blocks, "tokens", {"architecture": "test_vit"})
    tv = torchvision.models.VisionTransformer(24, 8, 2, 1, 64, 32, num_classes=4)
    of_pictures(r, "torchvision vit", tv, (1, 3, 24, 24), lambda m: m.encoder.layers, None)
    net = lambda **more: ResNet(BasicBlock, [1, 1, 1, 1], num_classes=3, channels=(8, 8, 8, 8), **more)
    in_layers = lambda m: [b for s in (m.layer1, m.layer2, m.layer3, m.layer4) for b in s]
    of_pictures(r, "trained by several and compiled", net(), (1, 3, 33, 32), in_layers, before="module._orig_mod.")
    of_pictures(r, "a part of another module", net(), (1, 3, 32, 32), in_layers, before="net.backbone.")
    decoder_without_logits(r)
    refused(r, "resnet of other strides", net(), "model_args.output_stride", {"model_args": {"output_stride": 16}})
    refused(r, "resnet with maxima", net(), "global_pool is 'max'", {"global_pool": "max"})
    refused(r, "resnet that blurs", net(), "resnetblur18", {"architecture": "resnetblur18"})
    pruned = ResNet(Bottleneck, [1, 1, 1, 1], num_classes=3, channels=(8, 8, 8, 8))
    pruned.layer1[0].conv2 = torch.nn.Conv2d(16, 8, 3, padding=1, bias=False)
    refused(r, "resnet that was pruned", pruned, "bottlenecks of 8 channels behind 16")
    refused(r, "vit, maxima and means", VisionTransformer(24, 8, global_pool="avgmax", **v), "global_pool is 'avgmax'", {"model_args": args | {"global_pool": "avgmax"}})
    refused(r, "vit, norms behind", VisionTransformer(24, 8, block_fn=ResPostBlock, **v), "vit_base_patch16_rpn_224", {"architecture": "vit_base_patch16_rpn_224", "model_args": args})
    refused(r, "vit, relative places in its blocks", VisionTransformerRelPos(24, 8, fc_norm=False, **v), "blocks.0.attn.rel_pos", {"model_args": args})
    r.done()


main()
