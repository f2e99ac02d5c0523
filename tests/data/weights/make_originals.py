#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Weight files as the original libraries write them: PyTorch 2.15, safetensors 0.8, NumPy 2.4, gguf 0.19, CTranslate2 4.8.5 (its own Python writer of model
specifications). Values are i / 2 - 3 in the order of the elements, as in make.py; quantised ones are chosen so that they are exact.
Run:  python3 make_originals.py"""
import collections, json, os, struct, tempfile
import numpy as np
import torch
import gguf
from safetensors.torch import save_file

here = os.path.dirname(os.path.abspath(__file__))


def path(name):
    os.makedirs(os.path.join(here, os.path.dirname(name)), exist_ok=True)
    return os.path.join(here, name)


def values(*shape, dtype=np.float32):
    return (np.arange(int(np.prod(shape))) * 0.5 - 3).astype(dtype).reshape(shape)


def whole(*shape, dtype=np.int64):
    return np.arange(int(np.prod(shape))).astype(dtype).reshape(shape)


# ---- PyTorch ----
base = torch.from_numpy(values(4, 6))
state = collections.OrderedDict(
    plain=base, turned=base.t(), part=base[1:3, 1:4], half=torch.from_numpy(values(5)).half(), bf=torch.from_numpy(values(5)).bfloat16(),
    parameter=torch.nn.Parameter(torch.from_numpy(values(2, 3).copy())), buffer=torch.nn.Buffer(torch.from_numpy(values(3).copy())),
    steps=torch.tensor(-7), u16=torch.from_numpy(whole(4, dtype=np.uint16)), u32=torch.from_numpy(whole(4, dtype=np.uint32)), flags=torch.tensor([True, False, True]))
torch.save(state, path("torch/state.pt"))
plain = collections.OrderedDict((k, v) for k, v in state.items() if k not in ("u16", "u32"))
torch.save(plain, path("torch/legacy.pth"), _use_new_zipfile_serialization=False)
model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
with torch.no_grad():
    for v in model.state_dict().values():
        v.copy_(torch.from_numpy(values(*v.shape)) if v.dtype == torch.float32 else torch.tensor(-7))
torch.save({"epoch": 3, "shape": torch.Size([1, 2]), "type": torch.float16, "device": torch.device("cpu"), "names": {"a"}, "bytes": b"abc",
            "model_state_dict": model.state_dict(), "optimizer": torch.optim.SGD(model.parameters(), 0.1).state_dict()}, path("torch/checkpoint.pt"))
torch.save(model.eval(), path("torch/whole-model.pt"))
torch.save({"w": torch.zeros(2, dtype=torch.complex64)}, path("torch/complex.pt"))
torch.save({"w": torch.zeros(2, dtype=torch.float8_e4m3fn)}, path("torch/float8.pt"))
torch.save({"w": torch.eye(3).to_sparse()}, path("torch/sparse.pt"))
# sharded as Hugging Face names the files
shards = {"pytorch_model-00001-of-00002.bin": {"a": torch.from_numpy(values(2, 3))}, "pytorch_model-00002-of-00002.bin": {"b": torch.from_numpy(values(4))}}
for name, part in shards.items():
    torch.save(part, path("torch/" + name))
with open(path("torch/pytorch_model.bin.index.json"), "w") as f:
    json.dump({"metadata": {"total_size": 40}, "weight_map": {k: n for n, part in shards.items() for k in part}}, f, indent=1)

# ---- safetensors ----
save_file({"a": torch.from_numpy(values(2, 3)), "h": torch.from_numpy(values(4)).half(), "b": torch.from_numpy(values(4)).bfloat16(), "n": torch.tensor(-7),
           "none": torch.zeros(0, 4), "u": torch.from_numpy(whole(3, dtype=np.uint64))}, path("safetensors/torch.safetensors"), {"format": "pt"})
for i, part in enumerate([{"a": torch.from_numpy(values(2, 3))}, {"b": torch.from_numpy(values(4))}]):
    save_file(part, path("safetensors/model-%05d-of-00002.safetensors" % (i + 1)), {"format": "pt"})
with open(path("safetensors/model.safetensors.index.json"), "w") as f:
    json.dump({"metadata": {"total_size": 40}, "weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}, f)

# ---- NumPy ----
reals = {k: values(2, 3, dtype=k) for k in ("f2", "f4", "f8")}
kinds = {k: whole(2, 3, dtype=k) for k in ("i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")}
more = {"big_f4": values(2, 3, dtype=">f4"), "big_i2": whole(2, 3, dtype=">i2"), "fortran": np.asfortranarray(values(2, 3)), "cube": np.asfortranarray(values(2, 3, 4)),
        "flags": np.array([True, False, True]), "scalar": np.float64(-7), "none": np.zeros((0, 4), "f4"), "layer/weight": values(2, 3)}
np.savez(path("npz/stored.npz"), **reals, **kinds, **more)
np.savez_compressed(path("npz/deflated.npz"), **reals, **kinds, **more)
np.save(path("npz/one.npy"), values(2, 3))
np.lib.format.write_array(open(path("npz/version2.npy"), "wb"), values(2, 3), version=(2, 0))
np.savez_compressed(path("npz/tiles.npz"), f2=np.asfortranarray(values(35, 21, dtype="f2")), f4=np.asfortranarray(values(37, 53)), f8=np.asfortranarray(values(19, 34, dtype="f8")))
np.savez(path("npz/objects.npz"), a=np.array([{}], dtype=object))
np.savez(path("npz/complex.npz"), a=np.zeros(2, "c8"))
np.savez(path("npz/texts.npz"), a=np.array(["x"]))
np.savez(path("npz/records.npz"), a=np.zeros(2, [("x", "f4"), ("y", "f4")]))


# ---- GGUF ----
def write_gguf(name, quantised=False, alignment=None):
    w = gguf.GGUFWriter(path(name), "limbeck-test")
    if alignment:
        w.add_custom_alignment(alignment)
    w.add_name("small")
    w.add_uint32("limbeck-test.block_count", 2)
    w.add_float32("limbeck-test.eps", 0.5)
    w.add_bool("limbeck-test.causal", True)
    w.add_int64("limbeck-test.negative", -7)
    w.add_uint64("limbeck-test.huge", (1 << 64) - 1)
    w.add_array("tokenizer.ggml.tokens", ["a", "b\u00e9", ""])
    w.add_array("limbeck-test.sizes", [1, 2, 3])
    w.add_tensor("f32", values(2, 3))
    w.add_tensor("f16", values(5).astype(np.float16))
    w.add_tensor("f64", values(3, dtype=np.float64))
    w.add_tensor("i32", whole(4, dtype=np.int32))
    w.add_tensor("i8", whole(5, dtype=np.int8))
    bf = gguf.quants.quantize(values(2, 3), gguf.GGMLQuantizationType.BF16)
    w.add_tensor("bf16", bf, raw_dtype=gguf.GGMLQuantizationType.BF16)
    q = (np.arange(64) - 31).astype(np.float32).reshape(2, 32)
    q[:, 0] = -127  # so the scale is 1 and the values are exact
    w.add_tensor("q8_0", gguf.quants.quantize(q, gguf.GGMLQuantizationType.Q8_0), raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    if quantised:
        w.add_tensor("q4_0", gguf.quants.quantize(values(1, 32), gguf.GGMLQuantizationType.Q4_0), raw_dtype=gguf.GGMLQuantizationType.Q4_0)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


write_gguf("gguf/small.gguf")
write_gguf("gguf/aligned64.gguf", alignment=64)
write_gguf("gguf/q4.gguf", quantised=True)
data = bytearray(open(path("gguf/small.gguf"), "rb").read())
data[4:8] = struct.pack("<I", 2)  # version 2 has the same layout
open(path("gguf/version2.gguf"), "wb").write(data)

# ---- CTranslate2 ----
from ctranslate2.specs import common_spec, model_spec


class Small(model_spec.LayerSpec):
    def __init__(self):
        self.linear = common_spec.LinearSpec()
        self.embeddings = common_spec.EmbeddingsSpec()
        self.norm = common_spec.LayerNormSpec()
        self.conv = common_spec.Conv1DSpec()


class SmallModel(model_spec.ModelSpec):
    def __init__(self):
        super().__init__()
        self.inner = Small()
        self.tied = common_spec.LinearSpec()

    @property
    def name(self):
        return "SmallSpec"

    @property
    def revision(self):
        return 3


def write_ct2(folder, quantization):
    m = SmallModel()
    rows = (np.arange(64) - 31).astype(np.float32).reshape(2, 32)
    rows[:, 0] = [127, -127]
    m.inner.linear.weight = rows
    m.inner.linear.bias = values(2)
    m.inner.embeddings.weight = rows * 2
    m.inner.norm.gamma, m.inner.norm.beta = values(4), values(4)
    m.inner.conv.weight, m.inner.conv.bias = values(2, 3, 2), values(2)
    m.tied.weight = m.inner.embeddings.weight
    m.validate()
    m.optimize(quantization=quantization)
    with tempfile.TemporaryDirectory() as d:
        m.save(d)
        open(path("ctranslate2/%s.bin" % folder), "wb").write(open(os.path.join(d, "model.bin"), "rb").read())


os.umask(0o022)
for q in ("float32", "float16", "bfloat16", "int8", "int16", "int8_float16"):
    write_ct2(q, q)
