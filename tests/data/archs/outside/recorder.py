# SPDX-License-Identifier: Apache-2.0
"""What make.py of this folder is written with: a case is a published network of small sizes, its weights and pictures by a rule from their names
(values(), and the same in tests/archs_outside_test.c), run in float64.

<group>.json: case -> {"config": config.json, "files": other files beside it, "tensors": name -> shape, "inputs": name -> shape of those by the rule}.
<group>.h5: <case>/in/<name> (whole numbers), <case>/out/<tap>."""
import json
import math
import os

import h5py
import numpy as np
import torch

torch.set_default_dtype(torch.float64)
HERE = os.path.dirname(os.path.abspath(__file__))
MASK = (1 << 64) - 1


def uniform(name, n):
    """n numbers in -1 .. 1: the upper 24 bits of splitmix64 from the FNV-1a hash of the name."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x100000001B3) & MASK
    with np.errstate(over="ignore"):
        z = np.uint64(h) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1


def values(name, shape):
    n = math.prod(shape)
    u = uniform(name, n)
    if len(shape) > 1:
        x = u * (0.8 if shape[0] == 1 else 1.5 / math.sqrt(n / shape[0]))
    elif name.endswith("running_var"):
        x = 1 + 0.5 * u
    elif name.endswith("weight") or name.endswith("logit_scale"):
        x = 1 + 0.3 * u
    else:
        x = 0.3 * u
    return torch.from_numpy(x.astype(np.float32).astype(np.float64).reshape(shape))


def picture(*shape, name="image"):
    return torch.from_numpy((1.5 * uniform(name, math.prod(shape))).astype(np.float32).astype(np.float64).reshape(shape))


class Recorder:
    def __init__(self, group):
        self.group, self.cases = group, {}
        self.h5 = h5py.File(f"{HERE}/{group}.h5", "w", libver="latest")

    def fill(self, module, rename=lambda name: name, leave=()):
        """Weights by the rule. rename: the name in published files of a state's name, None for those that are not in them."""
        tensors = {}
        for name, x in module.state_dict().items():
            published = rename(name)
            if published is None or not x.dtype.is_floating_point or name in leave:
                continue
            x.copy_(values(published, tuple(x.shape)))
            tensors[published] = list(x.shape)
        return tensors

    def case(self, name, config, tensors, inputs, out, files=None):
        self.cases[name] = {"config": config, "tensors": tensors, "inputs": {}}
        if files:
            self.cases[name]["files"] = files
        for key, x in inputs.items():
            if x.dtype == torch.int64:
                self.h5[f"{name}/in/{key}"] = x.numpy()
            else:
                self.cases[name]["inputs"][key] = list(x.shape)
        for tap, y in out.items():
            self.h5.create_dataset(f"{name}/out/{tap}", data=y.detach().numpy().astype(np.float32))

    def done(self):
        self.h5.close()
        with open(f"{HERE}/{self.group}.json", "w") as f:
            f.write("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v, separators=(',', ':'))}" for k, v in self.cases.items()) + "\n}\n")
        for ending in ("json", "h5"):
            print(self.group, ending, os.path.getsize(f"{HERE}/{self.group}.{ending}"))


def published_state(model, folder):
    """Shapes of what save_pretrained writes."""
    from safetensors import safe_open
    model.save_pretrained(folder)
    with safe_open(f"{folder}/model.safetensors", "pt") as f:
        shapes = {k: tuple(f.get_slice(k).get_shape()) for k in f.keys()}
    with open(f"{folder}/config.json") as f:
        return shapes, json.load(f)


def hugging_face(make, folder, **load):
    """A network as from_pretrained opens it, with weights by the rule from its published names; its config.json and shapes."""
    from safetensors.torch import save_file
    model = make()
    shapes, config = published_state(model, folder)
    with_values = {k: values(k, s).contiguous() for k, s in shapes.items() if not k.endswith("num_batches_tracked")}
    save_file({k: v.float() for k, v in with_values.items()} | {k: torch.zeros((), dtype=torch.int64) for k in shapes if k.endswith("num_batches_tracked")}, f"{folder}/model.safetensors", metadata={"format": "pt"})
    model = type(model).from_pretrained(folder, torch_dtype=torch.float64, **load).eval()
    for key in ("transformers_version", "dtype", "torch_dtype"):
        config.pop(key, None)
    return model.double(), config, {k: list(v.shape) for k, v in with_values.items()}


def watch(run, blocks, name="block.{}"):
    """Result of run(), and the outputs of the modules `blocks` while it runs."""
    out, hooks = {}, []
    for i, b in enumerate(blocks):
        hooks.append(b.register_forward_hook(lambda _m, _i, y, key=name.format(i): out.__setitem__(key, (y[0] if isinstance(y, tuple) else y).detach().clone())))
    result = run()
    for h in hooks:
        h.remove()
    return result, out
