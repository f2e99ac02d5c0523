# SPDX-License-Identifier: Apache-2.0
"""Segment Anything as segment_anything and transformers have it."""
import tempfile
from functools import partial

import torch
import torch.nn as nn
import transformers as T
from recorder import Recorder, hugging_face, picture, watch
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer


def prompts(size, n=1):
    """Prompts of n pictures in pixels."""
    points = (picture(n, 3, 2, name="points") / 3 + 0.5) * size
    return points.float().double(), torch.tensor([[1, 0, -1]] * n), (torch.tensor([[0.1, 0.2, 0.7, 0.9]] * n) * size).float().double()


def scaled(r, name, config, tensors, inputs, out):
    """Points and boxes are no numbers by the rule: kept as they are."""
    r.case(name, config, tensors, {k: v for k, v in inputs.items() if k not in ("points", "boxes")}, out)
    for key in ("points", "boxes"):
        if key in inputs:
            r.h5[f"{name}/real/{key}"] = inputs[key].numpy()


def hf(r, name, make, shape, grid, which, multi=True):
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        model, config, tensors = hugging_face(make, folder)
        x = picture(*shape)
        points, labels, boxes = prompts(shape[2], shape[0])
        mask = picture(shape[0], 1, 4 * grid, 4 * grid, name="mask")
        inputs, theirs = {"image": x}, {}
        if "points" in which:
            inputs |= {"points": points, "labels": labels}
            theirs |= {"input_points": points[:, None], "input_labels": labels[:, None]}
        if "boxes" in which:
            inputs["boxes"], theirs["input_boxes"] = boxes, boxes[:, None]
        if "mask" in which:
            inputs["mask"], theirs["input_masks"] = mask, mask
        y, out = watch(lambda: model(pixel_values=x, multimask_output=True, **theirs), model.vision_encoder.layers)
        single = model(pixel_values=x, multimask_output=False, **theirs)
        out |= {"map": model.get_image_embeddings(x), "masks": y.pred_masks[:, 0], "iou": y.iou_scores[:, 0], "mask": single.pred_masks[:, 0], "mask_iou": single.iou_scores[:, 0]}
        scaled(r, name, config, tensors, inputs, out)


def published(r, name, size, patch, which, shape, multi=3, **image):
    with torch.no_grad():
        torch.set_default_dtype(torch.float32)
        grid = size // patch
        model = Sam(ImageEncoderViT(img_size=size, patch_size=patch, embed_dim=12, depth=3, num_heads=2, mlp_ratio=2, out_chans=16, norm_layer=partial(nn.LayerNorm, eps=1e-6), use_rel_pos=True, **image),
                    PromptEncoder(16, (grid, grid), (size, size), 8),
                    MaskDecoder(num_multimask_outputs=multi, transformer=TwoWayTransformer(2, 16, 8, 20), transformer_dim=16, iou_head_depth=3, iou_head_hidden_dim=10)).eval()
        for norm in (model.pixel_mean, model.pixel_std):
            norm.fill_(1)
        tensors = r.fill(model, leave=("pixel_mean", "pixel_std"))
        x = picture(*shape).float()
        points, labels, boxes = (v[:1] for v in prompts(size))
        mask = picture(1, 1, 4 * grid, 4 * grid, name="mask")
        inputs = {"image": x.double()}
        if "points" in which:
            inputs |= {"points": points, "labels": labels}
        if "boxes" in which:
            inputs["boxes"] = boxes
        if "mask" in which:
            inputs["mask"] = mask
        features, out = watch(lambda: model.image_encoder(x), model.image_encoder.blocks)
        sparse, dense = model.prompt_encoder((points.float(), labels) if "points" in which else None, boxes.float() if "boxes" in which else None, mask.float() if "mask" in which else None)
        out["map"] = features
        if sparse.shape[1]:
            out["prompts"] = sparse
        for kind, (a, b) in {True: ("masks", "iou"), False: ("mask", "mask_iou")}.items():
            out[a], out[b] = model.mask_decoder(features, model.prompt_encoder.get_dense_pe(), sparse, dense, kind)
        torch.set_default_dtype(torch.float64)
        scaled(r, name, None, tensors, inputs, out)


def config(**vision):
    v = dict(hidden_size=12, output_channels=16, num_hidden_layers=3, num_attention_heads=2, image_size=40, patch_size=8, window_size=3, global_attn_indexes=[1], num_pos_feats=8, mlp_dim=20)
    p = dict(hidden_size=16, image_size=40, patch_size=8, mask_input_channels=4, image_embedding_size=5)
    d = dict(hidden_size=16, mlp_dim=12, num_attention_heads=2, iou_head_hidden_dim=8, num_hidden_layers=2)
    return T.SamConfig(vision_config=v | vision, prompt_encoder_config=p, mask_decoder_config=d)


def main():
    r = Recorder("sam")
    hf(r, "sam, points", lambda: T.SamModel(config()), (2, 3, 40, 40), 5, ("points",))
    hf(r, "sam, all prompts", lambda: T.SamModel(config(qkv_bias=False, hidden_act="relu")), (1, 3, 40, 40), 5, ("points", "boxes", "mask"))
    hf(r, "sam, no positions", lambda: T.SamModel(config(use_abs_pos=True, use_rel_pos=False)), (1, 3, 40, 40), 5, ("boxes",))
    published(r, "published, points", 42, 7, ("points",), (1, 3, 42, 42), window_size=4, global_attn_indexes=(2,))
    published(r, "published, box and mask", 32, 8, ("boxes", "mask"), (1, 3, 32, 32), window_size=3, global_attn_indexes=(0, 2))
    published(r, "published, no prompt", 32, 8, ("mask",), (1, 3, 32, 32), multi=2, window_size=3, global_attn_indexes=(1,))
    r.done()


main()
