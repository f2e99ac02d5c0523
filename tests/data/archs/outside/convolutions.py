# SPDX-License-Identifier: Apache-2.0
"""EfficientNet, MobileNetV2 and V3, ResNet as transformers, timm and torchvision have them."""
import tempfile

import timm
import torch
import torch.nn as nn
import torchvision
import transformers as T
from recorder import Recorder, hugging_face, picture, watch



def kept(out):
    """The blocks that a file needs: the first two, one in the middle, the last two."""
    k = sorted((n for n in out if n.startswith("block.")), key=lambda n: int(n[6:]))
    keep = set(k[:2] + k[len(k) // 2:len(k) // 2 + 1] + k[-2:])
    return {n: y for n, y in out.items() if not n.startswith("block.") or n in keep}


def hf(r, name, make, shape, base, blocks):
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        model, config, tensors = hugging_face(make, folder)
        x = picture(*shape)
        trunk = getattr(model, base) if base else model
        y, out = watch(lambda: model(x), blocks(trunk))
        z = trunk(x)
        out |= {"features": z.last_hidden_state, "pooled": z.pooler_output.flatten(1)}
        if hasattr(y, "logits"):
            out["logits"] = y.logits
        r.case(name, config, tensors, {"image": x}, kept(out))


def other(r, name, model, shape, blocks, features, config=None, embedding=None):
    with torch.no_grad():
        model = model.double().eval()
        tensors = r.fill(model)
        x = picture(*shape)
        y, out = watch(lambda: model(x), blocks(model))
        f = features(model, x)
        out |= {"features": f, "pooled": f.mean((2, 3)), "logits": y}
        if embedding:
            out["embedding"] = embedding(model, x)
        r.case(name, config, tensors, {"image": x}, kept(out))


def main():
    stages = lambda m: [b for s in m.blocks for b in s]
    r = Recorder("efficientnet")
    e = dict(width_coefficient=0.25, depth_coefficient=0.5, hidden_dim=320, image_size=40, num_labels=3)
    hf(r, "efficientnet", lambda: T.EfficientNetForImageClassification(T.EfficientNetConfig(**e)), (1, 3, 32, 40), "efficientnet", lambda m: m.encoder.blocks)
    small = dict(width_coefficient=0.25, depth_coefficient=1.2, hidden_dim=320, image_size=33, in_channels=[32, 16, 24], out_channels=[16, 24, 40], kernel_sizes=[3, 5, 3], strides=[1, 2, 2], num_block_repeats=[1, 2, 1],
                 expand_ratios=[1, 4, 6], depthwise_padding=[2], hidden_act="relu", squeeze_expansion_ratio=0.5, batch_norm_eps=1e-2)
    hf(r, "efficientnet, odd", lambda: T.EfficientNetModel(T.EfficientNetConfig(**small)), (1, 3, 33, 41), None, lambda m: m.encoder.blocks)
    head = lambda m, x: m.forward_features(x)
    from timm.models.efficientnet import _gen_efficientnet, _gen_mobilenet_v2
    other(r, "timm efficientnet", _gen_efficientnet("efficientnet_b0", channel_multiplier=0.25, depth_multiplier=0.5, num_classes=3), (1, 3, 32, 36), stages, head, {"architecture": "efficientnet_b0"})
    other(r, "timm, as TensorFlow", _gen_efficientnet("tf_efficientnet_b0", channel_multiplier=0.25, depth_multiplier=0.5, num_classes=3, bn_eps=1e-3, pad_type="same"), (1, 3, 27, 34), stages, head, {"architecture": "tf_efficientnet_b0"})
    conf, channels = torchvision.models.efficientnet._efficientnet_conf("efficientnet_b0", width_mult=0.25, depth_mult=0.5)
    tv = torchvision.models.EfficientNet(conf, 0.2, num_classes=3, last_channel=channels)
    other(r, "torchvision efficientnet", tv, (1, 3, 32, 30), lambda m: [b for s in list(m.features)[1:-1] for b in s], lambda m, x: m.features(x))
    r.done()
    r = Recorder("mobilenet")
    blocks = lambda m: [m.conv_stem, *m.layer]
    hf(r, "mobilenet v2", lambda: T.MobileNetV2ForImageClassification(T.MobileNetV2Config(depth_multiplier=0.25, num_labels=3, finegrained_output=False)), (1, 3, 34, 37), "mobilenet_v2", blocks)
    hf(r, "mobilenet v2, even", lambda: T.MobileNetV2Model(T.MobileNetV2Config(depth_multiplier=0.25, finegrained_output=False, tf_padding=False, expand_ratio=4, hidden_act="relu", layer_norm_eps=1e-2)), (1, 3, 32, 40), None, blocks)
    other(r, "timm mobilenet v2", _gen_mobilenet_v2("mobilenetv2_100", channel_multiplier=0.25, num_classes=3, fix_stem_head=False), (1, 3, 32, 36), stages, head)
    other(r, "torchvision mobilenet v2", torchvision.models.MobileNetV2(num_classes=3, width_mult=0.25), (1, 3, 32, 30), lambda m: list(m.features)[1:-1], lambda m, x: m.features(x))
    conf, channels = torchvision.models.mobilenetv3._mobilenet_v3_conf("mobilenet_v3_small", width_mult=0.25)
    wide = lambda m, x: m.classifier[1](m.classifier[0](m.features(x).mean((2, 3))))
    other(r, "torchvision mobilenet v3", torchvision.models.MobileNetV3(conf, channels, num_classes=3), (1, 3, 32, 36), lambda m: list(m.features)[1:-1], lambda m, x: m.features(x), embedding=wide)
    from timm.models.mobilenetv3 import _gen_mobilenet_v3
    wide = lambda m, x: m.forward_head(m.forward_features(x), pre_logits=True)
    for kind in ("large", "small"):
        net = _gen_mobilenet_v3(f"mobilenetv3_{kind}_100", channel_multiplier=0.25, num_classes=3)
        other(r, f"timm mobilenet v3 {kind}", net, (1, 3, 32, 36), lambda m: [b for s in list(m.blocks)[:-1] for b in s], lambda m, x: m.forward_features(x), embedding=wide)
    r.done()
    r = Recorder("resnet")
    n = dict(embedding_size=8, hidden_sizes=[8, 12, 16], depths=[1, 2, 1], num_labels=3)
    layers = lambda m: [b for s in m.encoder.stages for b in s.layers]
    hf(r, "resnet", lambda: T.ResNetForImageClassification(T.ResNetConfig(**n)), (1, 3, 48, 40), "resnet", layers)
    hf(r, "resnet, basic", lambda: T.ResNetModel(T.ResNetConfig(layer_type="basic", downsample_in_first_stage=True, **n)), (1, 3, 48, 40), None, layers)
    four = lambda m: [b for s in (m.layer1, m.layer2, m.layer3, m.layer4) for b in s]
    body = lambda m, x: m.layer4(m.layer3(m.layer2(m.layer1(m.maxpool(m.relu(m.bn1(m.conv1(x))))))))
    from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet
    class Narrow(ResNet):
        """torchvision's at a fraction of its width, which it has no argument for: the stem's channels are set before the stages are made."""
        def _make_layer(self, block, planes, *args, **more):
            if planes == 64:
                self.inplanes, self.conv1, self.bn1 = 8, nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8)
            return super()._make_layer(block, planes // 8, *args, **more)
    def narrow(block, blocks, out, **more):
        net = Narrow(block, blocks, num_classes=3, **more)
        net.fc = nn.Linear(out, 3)
        return net
    other(r, "torchvision resnet", narrow(BasicBlock, [1, 2, 1, 1], 64), (1, 3, 48, 40), four, body)
    other(r, "torchvision resnext", narrow(Bottleneck, [1, 1, 2, 1], 256, groups=2, width_per_group=64), (1, 3, 40, 40), four, body)
    import timm.models.resnet as tr
    net = tr.ResNet(tr.BasicBlock, [1, 1, 1, 1], num_classes=3, channels=(8, 12, 16, 20))
    other(r, "timm resnet", net, (1, 3, 48, 40), four, lambda m, x: m.forward_features(x))
    hf(r, "resnet, early strides", lambda: T.ResNetModel(T.ResNetConfig(downsample_in_bottleneck=True, **n)), (1, 3, 41, 36), None, layers)
    small = dict(num_classes=3, channels=(8, 8, 16, 16))
    timm_net = lambda name, block, x, **more: other(r, "timm " + name, tr.ResNet(block, [1, 1, 2, 1], **small | more), x, four, lambda m, x: m.forward_features(x), {"architecture": name})
    timm_net("resnet50d", tr.Bottleneck, (1, 3, 44, 39), stem_type="deep", stem_width=4, avg_down=True)
    timm_net("seresnet18t", tr.BasicBlock, (1, 3, 40, 33), stem_type="deep_tiered", stem_width=8, avg_down=True, replace_stem_pool=True, block_args=dict(attn_layer="se"))
    timm_net("seresnext26d", tr.Bottleneck, (1, 3, 40, 36), down_kernel_size=3, cardinality=2, base_width=64, block_args=dict(attn_layer="se"))
    timm_net("ecaresnet26", tr.Bottleneck, (1, 3, 37, 40), channels=(8, 16, 16, 64), block_args=dict(attn_layer="eca"))
    net = narrow(BasicBlock, [1, 1, 1, 1], 64)
    net.conv1, net.maxpool = nn.Conv2d(3, 8, 3, 1, 1, bias=False), nn.Identity()
    other(r, "torchvision resnet for small pictures", net, (1, 3, 17, 16), four, body)
    r.done()


main()
