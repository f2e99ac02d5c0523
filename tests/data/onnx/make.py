# SPDX-License-Identifier: Apache-2.0
"""Makes tests/data/onnx/cases/*: small graphs with seeded weights, inputs, and what ONNX Runtime (1.32, CPU) makes of them. Run with onnx, onnxruntime, numpy.
Each case is a folder as in ONNX's own conformance data, and `nodes`: how many nodes are left when all is fused that can be."""
import os
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T, helper as h, numpy_helper as nh

HERE = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(7)


def f32(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def case(name, nodes, inputs, outputs, weights, left, opset=17, external=False):
    folder = os.path.join(HERE, "cases", name)
    os.makedirs(os.path.join(folder, "test_data_set_0"), exist_ok=True)
    kinds = {np.dtype(np.float32): T.FLOAT, np.dtype(np.int64): T.INT64, np.dtype(np.float64): T.DOUBLE, np.dtype(np.int32): T.INT32}
    g = h.make_graph(nodes, name, [h.make_tensor_value_info(k, kinds[v.dtype], ["n"] + list(v.shape[1:])) for k, v in inputs.items()],
                     [h.make_tensor_value_info(o, T.FLOAT, None) for o in outputs], [nh.from_array(v, k) for k, v in weights.items()])
    m = h.make_model(g, opset_imports=[h.make_opsetid("", opset)], ir_version=8)
    path = os.path.join(folder, "model.onnx")
    if os.path.exists(os.path.join(folder, "weights.bin")):
        os.remove(os.path.join(folder, "weights.bin"))
    onnx.save(m, path, save_as_external_data=external, location="weights.bin", size_threshold=0)
    got = ort.InferenceSession(path).run(outputs, inputs)
    for i, v in enumerate(inputs.values()):
        open(os.path.join(folder, "test_data_set_0", "input_%d.pb" % i), "wb").write(nh.from_array(v).SerializeToString())
    for i, v in enumerate(got):
        open(os.path.join(folder, "test_data_set_0", "output_%d.pb" % i), "wb").write(nh.from_array(np.asarray(v)).SerializeToString())
    open(os.path.join(folder, "nodes"), "w").write("%d\n" % left)


def n(op, i, o, **k):
    return h.make_node(op, i.split(), o.split(), **k)


# convolution, batch norm, relu; depthwise, hard swish written out; a scale and a shift; SiLU written out
c = 8
bn = {k + s: v for s in "12" for k, v in {"g": f32(c) + 2, "b": f32(c), "m": f32(c), "v": np.abs(f32(c)) + 0.5}.items()}
case("conv", [n("Conv", "x w1", "a", pads=[1] * 4), n("BatchNormalization", "a g1 b1 m1 v1", "b"), n("Relu", "b", "c"), n("Conv", "c w2", "d", pads=[1] * 4, group=c),
              n("BatchNormalization", "d g2 b2 m2 v2", "e"), n("HardSigmoid", "e", "f", alpha=1 / 6, beta=0.5), n("Mul", "e f", "g"), n("Conv", "g w3 z3", "h", strides=[2, 2]),
              n("Mul", "h s", "i"), n("Add", "i t", "j"), n("Sigmoid", "j", "k"), n("Mul", "j k", "l"), n("Conv", "l w4", "m"), n("Clip", "m zero six", "y")],
     {"x": f32(2, 3, 9, 11)}, ["y"], {"w1": f32(c, 3, 3, 3), "w2": f32(c, 1, 3, 3), "w3": f32(c, c, 1, 1), "z3": f32(c), "w4": f32(4, c, 2, 2), "s": f32(1, c, 1, 1), "t": f32(c, 1, 1),
                                      "zero": np.float32(0), "six": np.float32(6), **bn}, 4)
# a transformer block as exporters of set 13 write it: layer norm in nine nodes, attention, GELU in five, products with bias
d, heads = 16, 2
w = {k: f32(d, d, scale=0.3) for k in ("wq", "wk", "wv", "wo")} | {"b" + k: f32(d) for k in "qkvo"} | {"w1": f32(d, 32, scale=0.3), "c1": f32(32), "w2": f32(32, d, scale=0.3), "c2": f32(d)}
w |= {"gain": f32(d) + 1, "shift": f32(d), "eps": np.float32(1e-5), "two": np.float32(2), "one": np.float32(1), "half": np.float32(0.5), "root": np.float32(2 ** 0.5), "scale": np.float32(8 ** 0.5),
      "to": np.array([0, 0, heads, d // heads]), "back": np.array([0, 0, d])}
block = [n("ReduceMean", "x", "mu", axes=[-1]), n("Sub", "x mu", "dx"), n("Pow", "dx two", "sq"), n("ReduceMean", "sq", "va", axes=[-1]), n("Add", "va eps", "ve"), n("Sqrt", "ve", "sd"),
         n("Div", "dx sd", "xh"), n("Mul", "xh gain", "xg"), n("Add", "xg shift", "nx")]
for k in "qkv":
    block += [n("MatMul", "nx w" + k, "m" + k), n("Add", "b%s m%s" % (k, k), "a" + k), n("Reshape", "a%s to" % k, "r" + k), n("Transpose", "r" + k, "t" + k, perm=[0, 2, 3, 1] if k == "k" else [0, 2, 1, 3])]
block += [n("MatMul", "tq tk", "s"), n("Div", "s scale", "sc"), n("Add", "sc mask", "sm"), n("Softmax", "sm", "p", axis=-1), n("MatMul", "p tv", "o"), n("Transpose", "o", "ot", perm=[0, 2, 1, 3]),
          n("Reshape", "ot back", "oc"), n("MatMul", "oc wo", "om"), n("Add", "om bo", "oo"), n("Add", "x oo", "h"), n("MatMul", "h w1", "u"), n("Add", "u c1", "v"), n("Div", "v root", "vr"),
          n("Erf", "vr", "ve2"), n("Add", "ve2 one", "v1"), n("Mul", "v v1", "vv"), n("Mul", "vv half", "ge"), n("MatMul", "ge w2", "z"), n("Add", "z c2", "zz"), n("Add", "h zz", "y")]
mask = np.zeros((2, 1, 1, 5), np.float32)
mask[1, ..., 3:] = -10000
case("block", block, {"x": f32(2, 5, d), "mask": mask}, ["y"], w, 18, opset=13)
# dynamically quantised convolutions, resized and joined between: rounding makes small differences large, so sums must be exact
q = {}
for k, (o, i) in {"a": (40, 3), "b": (40, 40), "c": (4, 80)}.items():
    q |= {"w" + k: rng.integers(0, 256, (o, i, 3, 3)).astype(np.uint8), "z" + k: np.uint8(128), "s" + k: np.float32(0.01), "b" + k: f32(1, o, 1, 1)}


def quantised(x, k, y, **a):
    return [n("DynamicQuantizeLinear", x, "q%s qs%s qz%s" % (k, k, k)), n("Mul", "qs%s s%s" % (k, k), "f" + k), n("ConvInteger", "q%s w%s qz%s z%s" % (k, k, k, k), "i" + k, pads=[1] * 4, **a),
            n("Cast", "i" + k, "c" + k, to=T.FLOAT), n("Mul", "c%s f%s" % (k, k), "m" + k), n("Add", "m%s b%s" % (k, k), "p" + k), n("Relu", "p" + k, y)]


case("quantised", quantised("x", "a", "A") + quantised("A", "b", "B", strides=[2, 2]) + [n("Resize", "B _ _ size".replace("_", "none"), "R", mode="linear"), n("Concat", "A R", "J", axis=1)] +
     quantised("J", "c", "y"), {"x": f32(1, 3, 20, 24)}, ["y"], {**q, "none": np.zeros(0, np.float32), "size": np.array([1, 40, 20, 24])}, 11)
# weights in a file of their own; a loop and a condition inside it that read an outer value
body = h.make_graph([n("Greater", "carry w0", "big"), h.make_node("If", ["big"], ["next"], then_branch=h.make_graph([n("Sub", "carry step", "then")], "t", [], [h.make_tensor_value_info("then", T.FLOAT, [])]),
                     else_branch=h.make_graph([n("Add", "carry step", "else")], "e", [], [h.make_tensor_value_info("else", T.FLOAT, [])])), n("Identity", "go", "goes"), n("Identity", "next", "seen")], "body",
                    [h.make_tensor_value_info("i", T.INT64, []), h.make_tensor_value_info("go", T.BOOL, []), h.make_tensor_value_info("carry", T.FLOAT, [])],
                    [h.make_tensor_value_info("goes", T.BOOL, []), h.make_tensor_value_info("next", T.FLOAT, []), h.make_tensor_value_info("seen", T.FLOAT, [])])
case("external", [n("MatMul", "x w", "p"), n("ReduceMax", "p", "w0", keepdims=0), n("ReduceMin", "p", "start", keepdims=0), h.make_node("Loop", ["trips", "", "start"], ["last", "all"], body=body), n("Add", "p last", "y"), n("Identity", "all", "z")],
     {"x": f32(2, 6)}, ["y", "z"], {"w": f32(6, 4), "step": np.float32(0.75), "trips": np.int64(9)}, 6, external=True)

# reductions of what is no f32, each over another axis: those that ONNX Runtime has for the type
own, reduced, sums = np.random.default_rng(13), [], []
for x, kinds in {"d": "LogSum Min Max L1 SumSquare LogSumExp Mean Prod L2", "i": "LogSum Min Max L1 L2 SumSquare LogSumExp Mean Prod", "l": "Min Max Prod"}.items():
    for k, op in enumerate(kinds.split()):
        reduced += [n("Reduce" + op, x, x + op, axes=[k % 3], keepdims=k % 2), n("Cast", x + op, "f" + x + op, to=T.FLOAT)]
        sums.append("f" + x + op)
case("reduced", reduced, {"d": own.uniform(0.5, 2, (3, 4, 5)), "i": own.integers(1, 9, (3, 4, 5)).astype(np.int32), "l": own.integers(-9, 9, (3, 4, 5))}, sums, {}, len(reduced))


# operators of set 18 (and one of set 1) that no conformance case here has
case("set18", [n("Cast", "x", "i", to=T.INT32), n("BitwiseNot", "i", "j"), n("BitwiseAnd", "i five", "k"), n("BitwiseOr", "j five", "l"), n("BitwiseXor", "k l", "m"), n("Cast", "m", "y", to=T.FLOAT),
               n("CenterCropPad", "x size", "z", axes=[-1, 1]), n("Reshape", "x columns", "r"), n("Col2Im", "r image block", "w", pads=[1, 0, 0, 1], strides=[1, 2])],
     {"x": f32(2, 8, 3, 2, scale=9)}, ["y", "z", "w"], {"five": np.array([[5], [-3], [12]], np.int32), "size": np.array([5, 3]), "columns": np.array([0, 8, 6]), "image": np.array([3, 4]), "block": np.array([2, 2])}, 9, opset=18)
case("roi-pool", [n("MaxRoiPool", "x boxes", "y", pooled_shape=[2, 3], spatial_scale=0.5)], {"x": f32(2, 3, 9, 8)}, ["y"],
     {"boxes": np.array([[0, 1, 2, 13, 15], [1, 0, 0, 3, 17], [1, 5, 5, 5, 5]], np.float32)}, 1)


# refused/: graphs over x [2,3,9,11] of which a node cannot be run, each by one fault
def refused(name, *nodes, weights={}):
    folder = os.path.join(HERE, "refused")
    os.makedirs(folder, exist_ok=True)
    g = h.make_graph(nodes, name, [h.make_tensor_value_info("x", T.FLOAT, [2, 3, 9, 11])], [h.make_tensor_value_info("y", T.FLOAT, None)], [nh.from_array(np.asarray(v), k) for k, v in weights.items()])
    onnx.save(h.make_model(g, opset_imports=[h.make_opsetid("", 17)], ir_version=8), os.path.join(folder, name + ".onnx"))


kernel = np.zeros((4, 3, 3, 3), np.float32)
refused("strides", n("Conv", "x w", "y", strides=[1]), weights={"w": kernel})
refused("channels", n("Conv", "x w", "y"), weights={"w": kernel[:, :2]})
refused("kernel", n("Conv", "x", "y"))
refused("index", n("Gather", "x far", "y", axis=1), weights={"far": np.array([0, 3])})
refused("axis", n("Softmax", "x", "y", axis=4))
refused("sizes", n("Reshape", "x to", "y"), weights={"to": np.array([5, 7])})
refused("order", n("Transpose", "x", "y", perm=[0, 1, 1, 3]))
refused("parts", n("Split", "x sizes", "y z", axis=1), weights={"sizes": np.array([1, 1])})
refused("products", n("MatMul", "x w", "y"), weights={"w": np.zeros((9, 2), np.float32)})
refused("places", n("Pad", "x by", "y"), weights={"by": np.array([1, 2, 3])})
refused("scales", n("Resize", "x none scales", "y"), weights={"none": np.zeros(0, np.float32), "scales": np.array([1, 2], np.float32)})
refused("joined", n("Concat", "x w", "y", axis=0), weights={"w": kernel})
refused("window", n("MaxPool", "x", "y", kernel_shape=[20, 20]))
refused("spread", n("Expand", "x to", "y"), weights={"to": np.array([2, 3, 9, 5])})
refused("far", n("Transpose", "x", "t", perm=[1, 0, 3, 2]), n("Reshape", "t to", "y"), weights={"to": np.array([1 << 40, 1 << 40, 3])})


# frames/: a graph over frames of sound with a state, as Silero writes voice activity down, run frame by frame: two sounds of 1300 samples are two frames of 512
def frames():
    r, folder = np.random.default_rng(11), os.path.join(HERE, "frames")
    os.makedirs(folder, exist_ok=True)
    w = {"k": r.standard_normal((4, 1, 64)) * 0.3, "u": r.standard_normal((4, 4)) * 0.5, "v": r.standard_normal((4, 1)), "half": np.array(0.5)}
    weights = [nh.from_array(v.astype(np.float32), k) for k, v in w.items()] + [nh.from_array(np.array(v), k) for k, v in {"one": [1], "zero": [0], "rate": 16000, "i0": 0, "i1": 1}.items()]
    yes = h.make_graph([n("Sigmoid", "logit", "then")], "yes", [], [h.make_tensor_value_info("then", T.FLOAT, None)])
    no = h.make_graph([n("Neg", "logit", "else")], "no", [], [h.make_tensor_value_info("else", T.FLOAT, None)])
    nodes = [n("Unsqueeze", "input one", "x"), n("Conv", "x k", "c", strides=[32]), n("ReduceMean", "c", "m", axes=[-1], keepdims=0), n("Gather", "state i0", "h", axis=0), n("Gather", "state i1", "g", axis=0),
             n("MatMul", "h u", "hu"), n("Add", "m hu", "a"), n("Tanh", "a", "nh"), n("Mul", "g half", "gh"), n("Add", "nh gh", "ng"), n("MatMul", "ng v", "logit"), n("Equal", "sr rate", "is16"),
             h.make_node("If", ["is16"], ["output"], then_branch=yes, else_branch=no), n("Unsqueeze", "nh zero", "nh0"), n("Unsqueeze", "ng zero", "ng0"), n("Concat", "nh0 ng0", "stateN", axis=0)]
    g = h.make_graph(nodes, "frames", [h.make_tensor_value_info("input", T.FLOAT, ["b", "s"]), h.make_tensor_value_info("state", T.FLOAT, [2, "b", 4]), h.make_tensor_value_info("sr", T.INT64, [])],
                     [h.make_tensor_value_info("output", T.FLOAT, None), h.make_tensor_value_info("stateN", T.FLOAT, None)], weights)
    onnx.save(h.make_model(g, opset_imports=[h.make_opsetid("", 16)], ir_version=8), os.path.join(folder, "model.onnx"))
    s = ort.InferenceSession(os.path.join(folder, "model.onnx"))
    sound, state, out = r.standard_normal((2, 1300)).astype(np.float32), np.zeros((2, 2, 4), np.float32), []
    padded = np.pad(sound, ((0, 0), (64, 0)))
    for i in range(2):
        y, state = s.run(None, {"input": padded[:, 512 * i:512 * i + 576], "state": state, "sr": np.array(16000)})
        out.append(y)
    for name, v in {"sound": sound, "output": np.stack(out, 1), "state": state.transpose(1, 0, 2)}.items():
        open(os.path.join(folder, name + ".pb"), "wb").write(nh.from_array(np.ascontiguousarray(v)).SerializeToString())


frames()
