# SPDX-License-Identifier: Apache-2.0
# `export` to a folder and to a graph, read here without Limbeck: the layouts of safetensors and protobuf as their formats say.
import struct
from common import *


def tensors(data):
    """A safetensors file -> {name: (dtype, shape, bytes)}."""
    n = struct.unpack("<Q", data[:8])[0]
    head = json.loads(data[8:8 + n])
    head.pop("__metadata__", None)
    return {k: (v["dtype"], v["shape"], data[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]]) for k, v in head.items()}


def fields(data):
    """A protobuf message -> {number of field: [values]}."""
    found, at = {}, 0

    def varint():
        nonlocal at
        x = shift = 0
        while True:
            b = data[at]
            at += 1
            x |= (b & 127) << shift
            shift += 7
            if b < 128: return x
    while at < len(data):
        key = varint()
        if key & 7 == 0: value = varint()
        elif key & 7 == 5: value, at = data[at:at + 4], at + 4
        elif key & 7 == 2:
            n = varint()
            value, at = data[at:at + n], at + n
        else: raise ValueError(f"kind {key & 7}")
        found.setdefault(key >> 3, []).append(value)
    return found


def texts(values): return [v.decode() for v in values]


def folder():
    make_items("few", 4)
    make_models()
    works("export of a folder", run("export", "teacher-0", "--to", "copy"), "copy: dual_encoder")
    check("every file of it", sorted(os.listdir(path("copy"))) == ["config.json", "model.safetensors", "vocab.txt"], os.listdir(path("copy")))
    ours, theirs = tensors(read("copy/model.safetensors")), tensors(read("teacher-0/model/model.safetensors"))
    check("the same tensors", ours == theirs, sorted(ours)[:5])
    for name in ("teacher-0", "copy"): works(f"encode by {name}", run("encode", "--model", name, "--taps", "text_embed", "--input", "few.jsonl", "--out", name + ".h5"))
    fails("a folder that is there", run("export", "teacher-0", "--to", "copy"), "copy is already there")
    fails("a foreign name", run("export", "teacher-0", "--to", "copy.tflite"), "copy.tflite", "no .tflite")
    fails("no --to", run("export", "teacher-0"), "--to is missing", code=USAGE)
    fails("no such input", run("export", "teacher-0", "--to", "x.onnx", "--inputs", "sound"), "no input 'sound'", code=USAGE)
    fails("no such tap", run("export", "teacher-0", "--to", "x.onnx", "--taps", "nothing"), "no tap 'nothing'")
    check("nothing half-made", not [f for f in os.listdir(ROOT) if f.startswith("x.onnx") or ".part" in f], os.listdir(ROOT))


def graph():
    done = run("export", "teacher-0", "--to", "g.onnx", "--inputs", "image", "--taps", "image_embed", "--json")
    works("export of a graph", done)
    model = fields(read("g.onnx"))
    g = fields(model[7][0])
    opset = fields(model[8][0])
    check("opset 17 of the standard operators", opset[2] == [17] and opset.get(1, [b""]) == [b""], opset)
    properties = {k: v for k, v in (texts([fields(p)[1][0], fields(p)[2][0]]) for p in model[14])}
    check("its properties", properties["limbeck.arch"] == "dual_encoder" and json.loads(properties["limbeck.preprocess"])["size_w"] > 0, properties)
    weights = {fields(t)[8][0].decode(): fields(t) for t in g[5]}
    stored = tensors(read("teacher-0/model/model.safetensors"))
    named = [n for n in weights if n in stored]
    check("weights have their names", len(named) > 20 and "image.stem.weight" in named, sorted(weights)[:8])
    same = [n for n in named if weights[n][9][0] == stored[n][2] and (weights[n].get(1, []) == stored[n][1])]
    check("what no norm is folded into is equal", "image_projection.weight" in same or len(same) > 0, same)
    known = set(weights) | {fields(i)[1][0].decode() for i in g[11]} | {""}
    bad = []
    for node in map(fields, g[1]):
        bad += [n for n in texts(node.get(1, [])) if n not in known] + [n for n in texts(node[2]) if n in known]
        known |= set(texts(node[2]))
    check("each name is made once, before it is read", not bad, bad[:5])
    check("inputs and outputs", [fields(i)[1][0] for i in g[11]] == [b"image"] and [fields(o)[1][0] for o in g[12]] == [b"image_embed"])


def graph_prepares_pictures():
    """The graph says itself how pictures are prepared, as its first weights' folder does."""
    import h5py
    rows = {}
    for name, tap in (("g.onnx", "output"), ("teacher-0", "image_embed")):
        works(f"encode pictures by {name}", run("encode", "--model", name, "--taps", tap, "--input", "few.jsonl", "--out", "pictures.h5"))
        with h5py.File(path("pictures.h5")) as f: rows[name] = f["features"][tap][:]
        os.remove(path("pictures.h5"))
    ours, theirs = rows.values()
    check("the same features", ours.shape == theirs.shape and len(ours) == 16 and abs(ours - theirs).max() < 1e-4 * abs(theirs).max(), (ours.shape, theirs.shape, abs(ours - theirs).max(), ours[0][:4], theirs[0][:4]))


CASES = [folder, graph, graph_prepares_pictures]
