# SPDX-License-Identifier: Apache-2.0
# Golden cases of methods that have none elsewhere, computed with PyTorch in float64 from the papers' formulas (autograd gives the gradients).
# python3 make.py, beside the folders that it fills; wants torch and h5py. The cases of other methods were computed alike, see their `source`.
import os
import h5py, numpy as np, torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(0)

def write(method, component, number, params, inputs, constant, out, source):
    leaves = {k: (v.clone().requires_grad_(k not in constant) if v.is_floating_point() else v) for k, v in inputs.items()}
    results = out(leaves)
    loss = next(iter(results.values()))
    loss.backward()
    os.makedirs(f"{HERE}/{method}", exist_ok=True)
    with h5py.File(f"{HERE}/{method}/{component}-{number}.h5", "w") as f:
        f.attrs.update(format="distill-golden/1", method=method, component=component, source=source, rtol=2e-4, atol=1e-5)
        f.create_group("params").attrs.update(params)
        for k, v in leaves.items():
            d = f.create_dataset("inputs/" + k, data=v.detach().numpy())
            d.attrs["requires_grad"] = int(v.requires_grad)
            if v.requires_grad: f["expected_grad/" + k] = v.grad.numpy()
        for i, (k, v) in enumerate(results.items()):
            d = f.create_dataset("expected/" + k, data=v.detach().numpy())
            d.attrs["differentiated"] = int(i == 0)

def r(*shape): return torch.randn(*shape, dtype=torch.float64)

def infonce(t):
    def f(x):
        l = F.normalize(x["image_embed"]) @ F.normalize(x["text_embed"]).T * (x["logit_scale"] if "logit_scale" in x else 1 / t)
        k = torch.arange(len(l))
        return F.cross_entropy(l, k), F.cross_entropy(l.T, k)
    return f

clip = "torch; arXiv:2103.00020, figure 3"
for n, (rows, d, scale) in enumerate(((5, 7, None), (1, 3, None), (6, 4, 14.3)), 1):
    x = {"image_embed": r(rows, d), "text_embed": r(rows, d)}
    if scale: x["logit_scale"] = torch.tensor(scale, dtype=torch.float64)
    p = {} if scale else {"temperature": 0.1 * n}
    write("infonce", "symmetric", n, p, x, (), lambda v: {"loss": sum(infonce(0.1 * n)(v)) / 2}, clip)
    write("infonce", "one_way", n, p, x, (), lambda v: {"loss": infonce(0.1 * n)(v)[0]}, clip)

# lenscas/RKD metric/loss.py: distances with clamp 1e-12, divided by the mean of the positive ones; angles of all triples.
def pdist(e):
    q = e.pow(2).sum(1)
    d = (q[:, None] + q[None] - 2 * e @ e.T).clamp(min=1e-12).sqrt().clone()
    d[range(len(e)), range(len(e))] = 0
    return d

def distance(s, z):
    td = pdist(z); sd = pdist(s)
    return F.smooth_l1_loss(sd / sd[sd > 0].mean(), (td / td[td > 0].mean()).detach())

def angle(s, z):
    def a(x):
        n = F.normalize(x[None] - x[:, None], dim=2)
        return torch.bmm(n, n.transpose(1, 2)).view(-1)
    return F.smooth_l1_loss(a(s), a(z).detach())

for n, (rows, d, e) in enumerate(((6, 4, 5), (2, 3, 3), (9, 8, 2)), 1):
    x = {"student": r(rows, d), "teacher": r(rows, e)}
    src = "torch; arXiv:1904.05068, eq. (5)-(10), conventions of lenscas/RKD"
    write("rkd", "distance", n, {}, x, ("teacher",), lambda v: {"loss": distance(v["student"], v["teacher"])}, src)
    write("rkd", "angle", n, {}, x, ("teacher",), lambda v: {"loss": angle(v["student"], v["teacher"])}, src)
    w = {"weight_distance": 25.0, "weight_angle": 50.0}
    def both(v):
        a, b = distance(v["student"], v["teacher"]), angle(v["student"], v["teacher"])
        return {"loss": 25 * a + 50 * b, "distance_loss": a, "angle_loss": b}
    write("rkd", "objective", n, w, x, ("teacher",), both, src)

for n, shape in enumerate(((4, 6), (1, 3)), 1):
    x = {"student": 2 * r(*shape), "teacher": r(*shape)}
    write("embed", "cosine", n, {}, x, ("teacher",), lambda v: {"loss": 1 - F.cosine_similarity(v["student"], v["teacher"]).mean()}, "torch.nn.functional.cosine_similarity")
    write("embed", "mse", n, {}, x, ("teacher",), lambda v: {"loss": F.mse_loss(v["student"], v["teacher"])}, "torch.nn.functional.mse_loss")
    write("embed", "smooth_l1", n, {}, x, ("teacher",), lambda v: {"loss": F.smooth_l1_loss(v["student"], v["teacher"])}, "torch.nn.functional.smooth_l1_loss")

def rows_of(a, b, t): return F.normalize(a) @ F.normalize(b).T / t
def rows(v, ts, tt, both):
    def one(a, b):
        p = F.log_softmax(rows_of(v["teacher_" + a], v["teacher_" + b], tt), -1)
        return F.kl_div(F.log_softmax(rows_of(v["student_" + a], v["student_" + b], ts), -1), p, log_target=True, reduction="batchmean")
    return {"loss": (one("a", "b") + one("b", "a")) / 2 if both else one("a", "b")}
for n, (na, nb, d, e, both) in enumerate(((5, 4, 6, 3, 1), (3, 7, 2, 5, 0)), 1):
    x = {"student_a": r(na, d), "student_b": r(nb, d), "teacher_a": r(na, e), "teacher_b": r(nb, e)}
    p = {"temperature": 0.2, "teacher_temperature": 0.1, "both_ways": both}
    write("similarity", "rows", n, p, x, ("teacher_a", "teacher_b"), lambda v: rows(v, 0.2, 0.1, both), "torch; arXiv:2101.04731, eq. (4)-(6)")

def common(s, z): return 1 - F.cosine_similarity(s, z).mean()
def specific(s, f):
    g = lambda x: F.normalize(x) @ F.normalize(x).T
    return (g(s) - g(f)).pow(2).mean()
def apart(c, s):
    d = min(c.shape[1], s.shape[1])
    return F.cosine_similarity(c[:, :d], s[:, :d]).pow(2).mean()
src = "torch; formulas of the method's head comment"
for n, (rows_, d, s, e) in enumerate(((5, 6, 4, 7), (3, 2, 5, 3)), 1):
    write("modality-decoupled", "common", n, {}, {"student": r(rows_, d), "teacher": r(rows_, d)}, ("teacher",), lambda v: {"loss": common(v["student"], v["teacher"])}, src)
    write("modality-decoupled", "specific", n, {}, {"student": r(rows_, s), "teacher": r(rows_, e)}, ("teacher",), lambda v: {"loss": specific(v["student"], v["teacher"])}, src)
    write("modality-decoupled", "apart", n, {}, {"common": r(rows_, d), "specific": r(rows_, s)}, (), lambda v: {"loss": apart(v["common"], v["specific"])}, src)
def objective(v, w):
    m = [k for k in ("image", "text") if k + "_common" in v]
    zero = torch.zeros((), dtype=torch.float64)
    c = sum(common(v[k + "_common"], v[k + "_joint"]) for k in m) / len(m)
    own = {k: specific(v[k + "_specific"], v[k + "_own"]) for k in m}
    a = sum(apart(v[k + "_common"], v[k + "_specific"]) for k in m) / len(m)
    i, t = own.get("image", zero), own.get("text", zero)
    return {"loss": w[0] * c + w[1] * i + w[2] * t + w[3] * a, "common_loss": c, "image_loss": i, "text_loss": t, "apart_loss": a}
def side(k, n, d, s, e): return {k + "_common": r(n, d), k + "_specific": r(n, s), k + "_joint": r(n, d), k + "_own": r(n, e)}
for n, x in enumerate(({**side("image", 4, 5, 3, 6), **side("text", 6, 5, 3, 2)}, side("text", 5, 4, 6, 3), side("image", 3, 4, 2, 3)), 1):
    w = (1.0, 0.5, 2.0, 0.25)
    write("modality-decoupled", "objective", n, dict(zip(("weight_common", "weight_image", "weight_text", "weight_apart"), w)), x,
          ("image_joint", "image_own", "text_joint", "text_own"), lambda v: objective(v, w), src)

# Segmentation: cross entropy, batch Dice over the classes that count, pixelwise KL, cross entropy with a foreground map.
torch.manual_seed(7)

def dice(logits, mask, ignore, smooth, first):
    keep = (mask != ignore)[:, None].double()
    hot = F.one_hot(torch.where(mask == ignore, 0, mask), logits.shape[1]).permute(0, 3, 1, 2) * keep
    p = logits.softmax(1) * keep
    over = lambda v: v.sum((0, 2, 3))
    return 1 - ((2 * over(p * hot) + smooth) / (over(p) + over(hot) + smooth))[first:].mean()

src = "torch; arXiv:1606.04797, batch form; arXiv:1903.04197, eq. (1)"
for n, (shape, params) in enumerate((((2, 3, 4, 5), {}), ((1, 2, 3, 3), {"dice": 0.5, "cross_entropy": 2.0, "smooth": 0.0, "background": 1}), ((3, 4, 2, 6), {"ignore": 9, "smooth": 1e-3})), 1):
    ignore = params.get("ignore", 255)
    mask = torch.randint(0, shape[1], (shape[0],) + shape[2:])
    mask[torch.rand(mask.shape) < 0.2] = ignore
    def supervised(v, params=params, ignore=ignore):
        ce = F.cross_entropy(v["student_logits"], v["mask"], ignore_index=ignore)
        d = dice(v["student_logits"], v["mask"], ignore, params.get("smooth", 1.0), 0 if params.get("background") else 1)
        return {"loss": params.get("cross_entropy", 1.0) * ce + params.get("dice", 1.0) * d, "cross_entropy_loss": ce, "dice_loss": d}
    write("segmentation", "supervised", n, params, {"student_logits": r(*shape), "mask": mask}, (), supervised, src)
    t = float(n)
    def pixelwise(v, t=t):
        teacher = F.interpolate(v["teacher_logits"], v["student_logits"].shape[2:], mode="bilinear", align_corners=False)
        return {"loss": t * t * F.kl_div((v["student_logits"] / t).log_softmax(1), (teacher / t).log_softmax(1), log_target=True, reduction="none").sum(1).mean()}
    small = shape if n == 1 else shape[:2] + (2, 3)
    write("segmentation", "pixelwise", n, {"temperature": t}, {"student_logits": r(*shape), "teacher_logits": r(*small)}, ("teacher_logits",), pixelwise, src)
    def soft(v):
        p = F.interpolate(v["teacher_mask"], v["student_logits"].shape[2:], mode="bilinear", align_corners=False)
        return {"loss": -(torch.cat([1 - p, p], 1) * v["student_logits"].log_softmax(1)).sum(1).mean()}
    write("segmentation", "soft_mask", n, {}, {"student_logits": r(shape[0], 2, *shape[2:]), "teacher_mask": torch.rand(shape[0], 1, *(shape[2:] if n == 1 else (3, 2)), dtype=torch.float64)}, ("teacher_mask",), soft, src)
