#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the weight files of the suite `weights` without PyTorch: stand-ins with the names that torch.save writes are pickled by CPython.
Run with NumPy and safetensors:  python3 make.py"""
import collections, io, os, pickle, struct, sys, types, zipfile
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))


def put(name, data):
    with open(os.path.join(here, name), "wb") as f:
        f.write(data)


# ---- stand-ins for torch ----
torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
sys.modules["torch"], sys.modules["torch._utils"] = torch, utils
KINDS = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "<u2", "LongStorage": "<i8", "IntStorage": "<i4",
         "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?"}
for k in KINDS:
    setattr(torch, k, type(k, (), {"__module__": "torch"}))


def _rebuild_tensor_v2(*a):
    pass


def _rebuild_parameter(*a):
    pass


for f in (_rebuild_tensor_v2, _rebuild_parameter):
    f.__module__ = "torch._utils"
    setattr(utils, f.__name__, f)


class Storage:
    def __init__(self, kind, values, key):
        self.kind, self.data, self.key = kind, np.asarray(values, KINDS[kind]), str(key)


class Tensor:
    def __init__(self, storage, size, stride, offset=0):
        self.args = (storage, offset, tuple(size), tuple(stride), False, collections.OrderedDict())

    def __reduce__(self):
        return _rebuild_tensor_v2, self.args


class Parameter:
    def __init__(self, t):
        self.t = t

    def __reduce__(self):
        return _rebuild_parameter, (self.t, True, collections.OrderedDict())


class Attributes(collections.OrderedDict):
    """A state dict has an attribute `_metadata`, which makes a BUILD."""
    def __reduce__(self):
        return collections.OrderedDict, (), {"_metadata": collections.OrderedDict({"": {"version": 1}})}, None, iter(self.items())


class Pickler(pickle._Pickler):
    def __init__(self, f, protocol, legacy):
        super().__init__(f, protocol)
        self.legacy, self.storages = legacy, {}

    def persistent_id(self, x):
        if not isinstance(x, Storage):
            return None
        self.storages[x.key] = x
        return ("storage", getattr(torch, x.kind), x.key, "cpu", x.data.size) + ((None,) if self.legacy else ())


def dumped(obj, protocol=2, legacy=False):
    b = io.BytesIO()
    p = Pickler(b, protocol, legacy)
    p.dump(obj)
    return b.getvalue(), p.storages


def archive(pkl, storages, method=zipfile.ZIP_STORED, order=b"little"):
    b = io.BytesIO()
    with zipfile.ZipFile(b, "w", method) as z:
        z.writestr("archive/data.pkl", pkl)
        z.writestr("archive/byteorder", order)
        for k, s in storages.items():
            z.writestr("archive/data/" + k, s.data.tobytes())
        z.writestr("archive/version", "3\n")
    return b.getvalue()


def legacy(obj):
    pkl, storages = dumped(obj, 2, True)
    out = pickle.dumps(0x1950A86A20F9469CFC6C, 2) + pickle.dumps(1001, 2)
    out += pickle.dumps({"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}, 2) + pkl
    keys = sorted(storages)
    out += pickle.dumps(keys, 2)
    for k in keys:
        out += struct.pack("<q", storages[k].data.size) + storages[k].data.tobytes()
    return out


def values(n):
    return np.arange(n) * 0.5 - 3


def state():
    s = Storage("FloatStorage", values(24), 0)
    d = Attributes()
    d["plain"] = Tensor(s, (4, 6), (6, 1))
    d["turned"] = Tensor(s, (6, 4), (1, 6))
    d["part"] = Tensor(s, (2, 3), (6, 1), 7)
    d["block.0.weight"] = Parameter(Tensor(Storage("DoubleStorage", values(6), 1), (2, 3), (3, 1)))
    d["half"] = Tensor(Storage("HalfStorage", values(5), 2), (5,), (1,))
    d["bf"] = Tensor(Storage("BFloat16Storage", (values(5).astype("<f4").view("<u4") >> 16), 3), (5,), (1,))
    d["steps"] = Tensor(Storage("LongStorage", [-7], 4), (), ())
    d["flags"] = Tensor(Storage("BoolStorage", [True, False, True], 5), (3,), (1,))
    d["bytes"] = Tensor(Storage("ByteStorage", [1, 255], 6), (2,), (1,))
    d["empty"] = Tensor(Storage("IntStorage", [], 7), (0, 3), (3, 1))
    d["spread"] = Tensor(Storage("ShortStorage", [9, -9], 8), (3, 2), (0, 1))
    return d


def evil(op):
    return b"\x80\x02}q\0X\x01\0\0\0a" + op + b"s."


def main():
    from safetensors.numpy import save
    put("good.safetensors", save({"a": values(6).astype("<f4").reshape(2, 3), "h": values(4).astype("<f2"), "n": np.array(-7, "<i8"), "m": np.array([True, False, True]),
                                  "none": np.zeros((0, 4), "<f4"), "d": values(3)}, {"made by": "safetensors"}))
    put("zip.pth", archive(*dumped(state())))
    put("zip-protocol4.pth", archive(*dumped(state(), 4)))
    put("stream.pth", legacy(state()))
    put("checkpoint.pt", archive(*dumped({"epoch": 3, "name": "x", "lr": 0.1, "optimizer": {"state": {0: {"m": Tensor(Storage("FloatStorage", values(2), 9), (2,), (1,))}}},
                                          "state_dict": state()})))
    put("nested.pt", archive(*dumped({"a": [Tensor(Storage("FloatStorage", values(2), 0), (2,), (1,)), {"b": Tensor(Storage("FloatStorage", values(2), 1), (2,), (1,))}], "lr": 0.5})))
    put("one.pt", archive(*dumped(Tensor(Storage("FloatStorage", values(2), 0), (2,), (1,)))))

    put("evil-reduce.pt", archive(evil(b"cos\nsystem\nX\x07\0\0\0echo hi\x85R"), {}))
    put("evil-stack.pt", archive(b"\x80\x04}\x8c\x01a\x8c\x05posix\x8c\x06system\x93\x8c\x07echo hi\x85Rs.", {}))
    put("evil-inst.pt", archive(evil(b"(S'x'\nios\nsystem\n".replace(b"S'x'\n", b"X\x01\0\0\0x")), {}))
    put("evil-eval.pt", archive(evil(b"cbuiltins\neval\nX\x01\0\0\0" + b"1\x85R"), {}))
    put("evil-bare.pkl", evil(b"csubprocess\nPopen\nX\x01\0\0\0" + b"1\x85R"))
    good, storages = dumped(state())
    put("deflated.pt", archive(good, storages, zipfile.ZIP_DEFLATED))
    put("big-endian.pt", archive(good, storages, order=b"big"))
    broken = bytearray(archive(good, storages))
    at = broken.index(storages["1"].data.tobytes())
    broken[at + 3] ^= 1
    put("bad-crc.pt", bytes(broken))
    put("no-storage.pt", archive(good, {k: v for k, v in storages.items() if k != "1"}))
    s = Storage("FloatStorage", values(4), 0)

    def one(*a):
        return archive(*dumped({"w": Tensor(s, *a)}))
    put("bad-reach.pt", one((2, 3), (3, 1)))
    put("bad-offset.pt", one((2,), (1,), 3))
    put("bad-overflow.pt", one((1 << 62, 1 << 62), (1 << 62, 1)))
    put("bad-spread.pt", one((1 << 40,), (0,)))
    put("bad-rank.pt", one((1,) * 9, (1,) * 9))
    put("bad-negative.pt", one((-2,), (1,)))
    short = Storage("FloatStorage", values(4), 0)
    pkl, st = dumped({"w": Tensor(short, (4,), (1,))})
    st["0"] = Storage("FloatStorage", values(3), 0)
    put("bad-short.pt", archive(pkl, st))
    loop = []
    loop.append(loop)
    put("bad-loop.pt", archive(dumped(loop)[0], {}))
    level = [Tensor(s, (4,), (1,))]
    for _ in range(50):
        level = [level, level]
    put("bad-doubling.pt", archive(*dumped(level)))
    put("bad-twice.pt", archive(b"\x80\x02}(X\x01\0\0\0w" + pkl[pkl.index(b"ctorch._utils"):-2] + b"X\x01\0\0\0w" + pkl[pkl.index(b"ctorch._utils"):-2].replace(b"q\x01", b"q\x41") + b"u.", {"0": short}))


main()
