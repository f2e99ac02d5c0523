# SPDX-License-Identifier: Apache-2.0
"""Writes cases.json: metrics over small inputs with the values of scikit-learn, MONAI, segmentation_models.pytorch, surface-distance, nnU-Net's
and mmsegmentation's formulas and pycocotools.
  pip install scikit-learn monai segmentation-models-pytorch surface-distance-based-measures pycocotools && python3 make.py > cases.json"""
import contextlib
import io
import json
import sys
import types
import warnings
import numpy as np
import scipy.ndimage
import surface_distance
import torch
import monai.metrics
import segmentation_models_pytorch.metrics as smp
import sklearn.linear_model
import sklearn.metrics
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

# surface-distance was written for NumPy 1 and an older SciPy
surface_distance.metrics.np = types.SimpleNamespace(**{**vars(np), "bool": bool, "Inf": np.inf})
surface_distance.metrics.ndimage = types.SimpleNamespace(filters=scipy.ndimage, morphology=scipy.ndimage)
warnings.simplefilter("ignore")
cases = []


def case(name, metric, params, inputs, want, rtol=1e-9):
    given = {k: {"shape": list(np.shape(v)), "type": "i64" if np.asarray(v).dtype.kind in "iub" else "f32", "values": np.asarray(v).reshape(-1).tolist()} for k, v in inputs.items()}
    cases.append({"name": name, "metric": metric, "params": params, "inputs": given, "want": {k: (None if np.isnan(v) or np.isinf(v) else float(v)) for k, v in want.items()}, "rtol": rtol})


def blobs(rng, shape, classes):
    field = scipy.ndimage.gaussian_filter(rng.normal(size=(classes,) + shape), (0,) + (2,) * len(shape))
    return field.argmax(0)


def segmentation(name, truth, guess, classes, ignore=None, spacing=None, tolerance=1.0):
    n, rank = truth.shape[0], truth.ndim - 1
    step = spacing or [1.0] * rank
    per = np.full((n, classes, 4), np.nan)
    stats = np.zeros((n, classes, 3), np.int64)
    for i in range(n):
        keep = truth[i] != ignore if ignore is not None else np.ones(truth[i].shape, bool)
        for k in range(classes):
            t, g = (truth[i] == k) & keep, (guess[i] == k) & keep
            tp, fp, fn = (t & g).sum(), (~t & g).sum(), (t & ~g).sum()
            stats[i, k] = tp, fp, fn
            if tp + fp + fn:
                per[i, k, 0], per[i, k, 1] = 2 * tp / (2 * tp + fp + fn), tp / (tp + fp + fn)
            if k and (t.any() or g.any()):
                d = surface_distance.compute_surface_distances(t, g, step)
                per[i, k, 2] = surface_distance.compute_surface_dice_at_tolerance(d, tolerance)
                if t.any() and g.any():
                    one = lambda m: torch.tensor(m[None, None].astype(np.float32))
                    per[i, k, 3] = monai.metrics.compute_hausdorff_distance(one(g), one(t), include_background=True, percentile=95, spacing=step)
    want = {}
    for j, (key, scale) in enumerate([("dice", 100), ("iou", 100), ("nsd", 100), ("hd95", 1)]):
        classmean = np.nanmean(per[:, 1:, j], axis=0)
        want[key] = scale * np.nanmean(classmean)
        for k in range(1, classes):
            want["per_class.%d.%s" % (k, key)] = scale * classmean[k - 1]
    want["rules.nnunet.dice"], want["rules.nnunet.iou"] = want["dice"], want["iou"]
    tp, fp, fn = stats.sum(0).T.astype(float)
    want["rules.mmseg.mIoU"] = 100 * np.nanmean(tp / (tp + fp + fn))
    want["rules.mmseg.mDice"] = 100 * np.nanmean(2 * tp / (2 * tp + fp + fn))
    want["rules.mmseg.mAcc"] = 100 * np.nanmean(tp / (tp + fn))
    want["rules.mmseg.aAcc"] = 100 * tp.sum() / (tp + fn).sum()
    s = smp.get_stats(torch.tensor(guess), torch.tensor(truth), mode="multiclass", num_classes=classes, ignore_index=ignore)
    for reduction in ("micro", "macro", "micro-imagewise", "macro-imagewise"):
        want["rules.smp.dice." + reduction] = 100 * float(smp.f1_score(*[x.double() for x in s], reduction=reduction))
        want["rules.smp.iou." + reduction] = 100 * float(smp.iou_score(*[x.double() for x in s], reduction=reduction))
    if ignore is None:
        onehot = lambda x: torch.stack([torch.tensor(x == k) for k in range(classes)], 1).float()
        for key, metric in (("dice", monai.metrics.DiceMetric(include_background=False)), ("iou", monai.metrics.MeanIoU(include_background=False))):
            metric(onehot(guess), onehot(truth))
            want["rules.monai." + key] = 100 * float(metric.aggregate())
    inputs = {"truth": truth, "guess": guess}
    if spacing:
        inputs["spacing"] = np.array(spacing)
    # 3e-6: MONAI in float32
    case(name, "segmentation", {"classes": classes, "ignore": -1 if ignore is None else ignore, "tolerance": tolerance, "bootstrap": 0}, inputs, want, 3e-6)


rng = np.random.default_rng(0)
truth, guess = np.stack([blobs(rng, (24, 31), 3) for _ in range(4)]), np.stack([blobs(rng, (24, 31), 3) for _ in range(4)])
guess = np.where(rng.random(truth.shape) < 0.8, truth, guess)
segmentation("two-classes", truth[:2] % 2, guess[:2] % 2, 2)
segmentation("three-classes", truth, guess, 3, spacing=[0.75, 1.5], tolerance=2.0)
lacking = truth.copy()
lacking[1][lacking[1] == 2] = 0
empty = guess.copy()
empty[1][empty[1] == 2] = 0
empty[2][empty[2] == 1] = 0
segmentation("classes-lacking", lacking, empty, 3)
ignored = truth.copy()
ignored[:, 5:9, 3:20] = 255
segmentation("ignored", ignored, guess, 3, ignore=255)
truth, guess = np.stack([blobs(rng, (7, 12, 13), 2) for _ in range(2)]), np.stack([blobs(rng, (7, 12, 13), 2) for _ in range(2)])
segmentation("volumes", truth, np.where(rng.random(truth.shape) < 0.9, truth, guess), 2, spacing=[2.5, 0.8, 1.1], tolerance=2.0)
many = np.stack([blobs(rng, (20, 20), 14) for _ in range(2)])
segmentation("fourteen-classes", many, np.where(rng.random(many.shape) < 0.7, many, np.roll(many, 1, 1)), 14)

for name, n, classes in (("three", 40, 3), ("eight", 70, 8)):
    label = rng.integers(0, classes, n)
    logits = (rng.normal(size=(n, classes)) + 1.5 * np.eye(classes)[label]).astype(np.float32)
    p = torch.softmax(torch.tensor(logits).double(), 1).numpy()
    guess = logits.argmax(1)
    want = {"top1": 100 * sklearn.metrics.accuracy_score(label, guess), "balanced_accuracy": 100 * sklearn.metrics.balanced_accuracy_score(label, guess)}
    if classes > 5:
        want["top5"] = 100 * sklearn.metrics.top_k_accuracy_score(label, logits, k=5, labels=range(classes))
    for mean in ("macro", "weighted"):
        a, b, c, _ = sklearn.metrics.precision_recall_fscore_support(label, guess, average=mean, zero_division=0)
        want.update({mean + ".precision": 100 * a, mean + ".recall": 100 * b, mean + ".f1": 100 * c})
    want["auroc"] = 100 * sklearn.metrics.roc_auc_score(label, p, multi_class="ovr", average="macro")
    want["map"] = 100 * sklearn.metrics.average_precision_score(np.eye(classes)[label], p, average="macro")
    want["log_loss"] = sklearn.metrics.log_loss(label, p, labels=range(classes))
    want["brier"] = float(((p - np.eye(classes)[label]) ** 2).sum(1).mean())
    sure, ece = p.max(1), 0
    edges = np.linspace(0, 1, 16)
    for lo, hi in zip(edges[:-1], edges[1:]):
        inside = (sure > lo) & (sure <= hi)
        if inside.any():
            ece += inside.mean() * abs((guess == label)[inside].mean() - sure[inside].mean())
    want["ece"] = 100 * ece
    confusion = sklearn.metrics.confusion_matrix(label, guess, labels=range(classes))
    want.update({"confusion.%d.%d" % (i, k): confusion[i, k] for i in range(classes) for k in range(classes)})
    case("classify-" + name, "classify", {"bootstrap": 0}, {"scores": logits, "label": label}, want)

centre = rng.normal(size=(4, 6))
train_label, test_label = rng.integers(0, 4, 90), rng.integers(0, 4, 50)
train = (centre[train_label] + 1.2 * rng.normal(size=(90, 6))).astype(np.float32)
test = (centre[test_label] + 1.2 * rng.normal(size=(50, 6))).astype(np.float32)
rows = {"train": train, "train_label": train_label, "test": test, "test_label": test_label}
for c in (0.05, 1.0, 30.0):
    fitted = sklearn.linear_model.LogisticRegression(C=c, tol=1e-10, max_iter=100000).fit(train.astype(np.float64), train_label)
    case("probe-%g" % c, "probe", {"c": c, "bootstrap": 0, "tolerance": 1e-8, "steps": 100000}, rows, {"top1": 100 * fitted.score(test.astype(np.float64), test_label)})
unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
similar = unit(test) @ unit(train).T
nearest = np.argsort(-similar, axis=1, kind="stable")[:, :20]
vote = np.zeros((50, 4))
for i in range(50):
    for j in nearest[i]:
        vote[i, train_label[j]] += np.exp(similar[i, j] / 0.07)
case("knn", "knn", {"bootstrap": 0}, rows, {"top1": 100 * (vote.argmax(1) == test_label).mean()})
uniform = np.stack([np.bincount(train_label[j[:7]], minlength=4) for j in nearest])
case("knn-uniform", "knn", {"bootstrap": 0, "k": 7, "weights": "uniform"}, rows, {"top1": 100 * (uniform.argmax(1) == test_label).mean()})


def coco(name, images, crowds):
    truths, found = [], []
    for image in range(images):
        for _ in range(rng.integers(1, 7)):
            size = np.exp(rng.uniform(2, 5.2, 2))
            x, y = rng.uniform(0, 300, 2)
            box, kind = [x, y, x + size[0], y + size[1]], int(rng.integers(0, 3))
            truths.append((box, image, kind, int(crowds and rng.random() < 0.15)))
            for _ in range(rng.integers(0, 4)):
                found.append((list(np.array(box) + rng.normal(size=4) * size.repeat(2)[[0, 2, 1, 3]] * 0.08), image, kind if rng.random() < 0.85 else int(rng.integers(0, 3)), round(float(rng.random()), 2)))
    found = [(np.float32([min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3])]), i, k, s) for b, i, k, s in found]
    truths = [(np.float32(b), i, k, c) for b, i, k, c in truths]
    sized = lambda b: [float(b[0]), float(b[1]), float(b[2]) - float(b[0]), float(b[3]) - float(b[1])]
    with contextlib.redirect_stdout(io.StringIO()):
        gt = COCO()
        gt.dataset = {"images": [{"id": i} for i in range(images)], "categories": [{"id": k} for k in range(3)],
                      "annotations": [{"id": j + 1, "image_id": i, "category_id": k, "bbox": sized(b), "area": sized(b)[2] * sized(b)[3], "iscrowd": c} for j, (b, i, k, c) in enumerate(truths)]}
        gt.createIndex()
        dt = gt.loadRes([{"image_id": i, "category_id": k, "bbox": sized(b), "score": float(np.float32(s))} for b, i, k, s in found])
        run = COCOeval(gt, dt, "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    keys = ["ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar_1", "ar_10", "ar", "ar_small", "ar_medium", "ar_large"]
    case(name, "detection", {}, {"box": np.stack([f[0] for f in found]), "image": [f[1] for f in found], "class": [f[2] for f in found], "score": np.float32([f[3] for f in found]),
                                 "true_box": np.stack([t[0] for t in truths]), "true_image": [t[1] for t in truths], "true_class": [t[2] for t in truths], "crowd": [t[3] for t in truths]},
         {k: (100 * v if v >= 0 else np.nan) for k, v in zip(keys, run.stats)})


coco("detection", 12, False)
coco("detection-crowds", 15, True)

image, text = rng.normal(size=(30, 5)).astype(np.float32), rng.normal(size=(75, 5)).astype(np.float32)
text_id = np.concatenate([np.arange(30), rng.integers(0, 30, 45)])
text += 0.8 * image[text_id]
score = unit(image) @ unit(text).T
want = {}
for key, s, positive in (("image_to_text", score, text_id[None] == np.arange(30)[:, None]), ("text_to_image", score.T, text_id[:, None] == np.arange(30)[None])):
    order = np.argsort(-s, axis=1, kind="stable")
    hits = np.take_along_axis(positive, order, 1)
    for k in (1, 5, 10):
        want["%s.r%d" % (key, k)] = 100 * hits[:, :k].any(1).mean()
    want[key + ".median_rank"] = np.median(hits.argmax(1)) + 1
    want[key + ".mrr"] = (1 / (hits.argmax(1) + 1)).mean()
    want[key + ".map"] = 100 * np.mean([sklearn.metrics.average_precision_score(p, r) for p, r in zip(positive, s)])
case("retrieval-many", "retrieval", {"bootstrap": 0}, {"image": image, "text": text, "image_id": np.arange(30), "text_id": text_id}, want, 1e-7)
json.dump(cases, sys.stdout, separators=(',', ':'))
