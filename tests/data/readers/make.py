#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes small data sets in the layouts that the readers know, and what they must give.
Run with NumPy, Pillow 13.0.0, pycocotools 2.0.11 and nibabel:  python3 make.py
<case>.txt     `input`, `reader` (the surest probe must be it), `options` (JSON); the items as JSONL; `! ` part of a problem's text, in order
pixels.txt     case key (image | mask) width height channels bits offset: pixels in pixels.bin, by Pillow, pycocotools, NumPy or nibabel
Offsets of tar members are Python's tarfile's."""
import csv, io, json, os, shutil, tarfile, wave
import numpy as np
import nibabel as nib
from PIL import Image, ImageSequence
from pycocotools import mask as coco_mask

here = os.path.dirname(os.path.abspath(__file__))
os.chdir(here)
rng = np.random.default_rng(11)
for old in os.listdir("."):
    if old not in ("make.py",): shutil.rmtree(old) if os.path.isdir(old) else os.remove(old)
pixels, index = bytearray(), []


def put(path, data):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as f: f.write(data if isinstance(data, bytes) else data.encode())


def record(case, key, what, a):
    a = np.ascontiguousarray(a)
    if a.dtype not in (np.uint8, np.uint16): a = a.astype(np.uint8 if a.max() < 256 else np.uint16)
    h, w = a.shape[:2]
    index.append(f"{case}\t{key}\t{what}\t{w}\t{h}\t{a.shape[2] if a.ndim == 3 else 1}\t{a.dtype.itemsize * 8}\t{len(pixels)}")
    pixels.extend(a.tobytes())


def case(name, source, reader, items, problems=(), options=None):
    lines = [f"input {source}", f"reader {reader}", "options " + json.dumps(options or {})]
    lines += [json.dumps(i, ensure_ascii=False) for i in items] + ["! " + p for p in problems]
    put(name + ".txt", "\n".join(lines) + "\n")


def encoded(a, kind="PNG", **more):
    b = io.BytesIO()
    Image.fromarray(a).save(b, kind, **more)
    return b.getvalue()


def picture(w=6, h=5): return rng.integers(0, 256, (h, w, 3), dtype=np.uint8)


# ---- tables ----
put("csv/open_clip.csv", "filepath\ttitle\na/1.jpg\ta cat, and a \"dog\"\nb/2.mp4\tzwei Hunde – draußen\n")
case("csv-open-clip", "csv/open_clip.csv", "csv", [
    {"key": "a/1.jpg", "image": "csv/a/1.jpg", "text": "a cat, and a \"dog\""}, {"key": "b/2.mp4", "video": "csv/b/2.mp4", "text": "zwei Hunde – draußen"}])
rows = [["id", "image", "caption", "class", "mask", "set", "patient"], ["k1", "1.png", "line one\nline two", "cat", "m/1.png", "train", "p 1"], ["k2", "2.png", 'says "no", twice', "", "", "test", "p 2"],
        ["k3", "/abs/3.png", "", "dog", "", "", ""]]
b = io.StringIO()
csv.writer(b).writerows(rows)  # RFC 4180: CRLF, quotes where needed
put("csv/quotes.csv", b"\xef\xbb\xbf" + b.getvalue().encode())
case("csv-quotes", "csv/quotes.csv", "csv", [
    {"key": "k1", "image": "csv/1.png", "text": "line one\nline two", "mask": "csv/m/1.png", "label": "cat", "split": "train", "group": "p 1"},
    {"key": "k2", "image": "csv/2.png", "text": 'says "no", twice', "split": "test", "group": "p 2"}, {"key": "k3", "image": "/abs/3.png", "label": "dog"}])
put("csv/flickr.csv", "image_name| comment_number| comment\n1.jpg| 0| Two men .\n1.jpg| 1| Men outside .\n2.jpg| 0| A dog .\n")
case("csv-flickr", "csv/flickr.csv", "csv", [
    {"key": "1.jpg", "image": "pics/1.jpg", "text": "Two men ."}, {"key": "1.jpg:2", "image": "pics/1.jpg", "text": "Men outside ."}, {"key": "2.jpg", "image": "pics/2.jpg", "text": "A dog ."}],
     options={"root": "pics"})
put("csv/bare.tsv", "x.wav\tdog\ny.wav\tcat\n")
case("csv-bare", "csv/bare.tsv", "csv", [{"key": "x.wav", "audio": "csv/x.wav", "label": "dog"}, {"key": "y.wav", "audio": "csv/y.wav", "label": "cat"}],
     options={"header": False, "audio": "1", "label": "2"})
put("csv/bad.csv", b"image,text\n1.png,one\n2.png\n3.png,a,b\n4.png,\xff\xfe\n5.png,a\x00b\n,\n6.png,\"open\n7.png,seven\n")
case("csv-bad", "csv/bad.csv", "csv", [{"key": "1.png", "image": "csv/1.png", "text": "one"}, {"key": "7.png", "image": "csv/7.png", "text": "seven"}], [
    "csv/bad.csv:3: has 1 fields in place of 2; left out", "csv/bad.csv:4: has 3 fields in place of 2; left out", "csv/bad.csv:5: field 2 is not UTF-8; left out",
    "csv/bad.csv:6: field 2 holds a NUL; left out", "csv/bad.csv:7: names no picture, sound, video or text; left out", "csv/bad.csv:8: a quote has no end; left out"])


# ---- WebDataset ----
def make_tar(path, members, form):
    os.makedirs("tar", exist_ok=True)
    with tarfile.open(path, "w", format=form) as t:
        for name, data in members:
            if data is None:
                info = tarfile.TarInfo(name)
                info.type = tarfile.DIRTYPE
                t.addfile(info)
                continue
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 0
            t.addfile(info, io.BytesIO(data))
    with tarfile.open(path) as t: return {m.name.removeprefix("./"): f"{path}#{m.offset_data}+{m.size}/{m.name.removeprefix('./')}" for m in t if m.isfile()}


pics = [picture() for _ in range(6)]
masks = [rng.integers(0, 4, (5, 6), dtype=np.uint8) for _ in range(2)]
wav = open("../media/eight-bits-8k.wav", "rb").read()
at = make_tar("tar/shard-000.tar", [("__meta__.txt", b"x"), ("s0.jpg", encoded(pics[0], "JPEG", quality=90)), ("s0.txt", "ein Bär\n".encode()), ("s0.cls", b"3"), ("s0.seg.png", encoded(masks[0])),
                                    ("s1.json", json.dumps({"caption": "from json", "label": 7, "split": "val", "url": "http://x"}).encode()), ("s1.png", encoded(pics[1])), ("s2.npy", b"1234"),
                                    ("s2.wav", wav), ("s3.txt", b"text alone")], tarfile.USTAR_FORMAT)
long_name = "deep/" + "folder-of-a-very-long-name/" * 8 + "s4"
at1 = make_tar("tar/shard-001.tar", [(long_name + ".png", encoded(pics[2])), (long_name + ".txt", b"long")], tarfile.GNU_FORMAT)
at2 = make_tar("tar/shard-002.tar", [("./ü/" + "langer-Ordnername/" * 12 + "s5.png", encoded(pics[3])), ("a.b/s6.left.png", encoded(pics[4])), ("a.b/s6.right.png", encoded(pics[5]))], tarfile.PAX_FORMAT)
name5 = [k for k in at2 if k.endswith("s5.png")][0]
items = [{"key": "s0", "image": at["s0.jpg"], "text": "ein Bär", "mask": at["s0.seg.png"], "label": "3"}, {"key": "s1", "image": at["s1.png"], "text": "from json", "label": "7", "split": "val"},
         {"key": "s2", "audio": at["s2.wav"]}, {"key": "s3", "text": "text alone"}, {"key": long_name, "image": at1[long_name + ".png"], "text": "long"}, {"key": name5[:-4], "image": at2[name5]},
         {"key": "a.b/s6", "image": at2["a.b/s6.left.png"]}]
case("tar", "tar/shard-{000..002}.tar", "tar", items, ["sample 'a.b/s6' has a second image 'a.b/s6.right.png'; ignored", "1 members ending in 'npy' are not media or text; ignored"])
case("tar-glob", "tar/shard-00[12].tar", "tar", [{"key": long_name, "text": "long"}, dict(items[6], image=at2["a.b/s6.right.png"])], [f"sample '{name5[:-4]}' has no picture"], options={"image": "right.png"})
case("tar-keys", "tar/shard-001.tar", "tar", [dict(items[4], key="shard-001.tar/" + long_name, split="train")], options={"shard_keys": True, "split": "train"})
record("tar", "s0", "image", np.asarray(Image.open(io.BytesIO(encoded(pics[0], "JPEG", quality=90)))))
record("tar", "s0", "mask", masks[0])
for key, p in (("s1", 1), (long_name, 2), (name5[:-4], 3), ("a.b/s6", 4)): record("tar", key, "image", pics[p])
whole = open("tar/shard-000.tar", "rb").read()
cut = int(at["s1.png"].split("#")[1].split("+")[0]) + 20
put("bad/cut.tar", whole[:cut])
fix = lambda uri, path: uri.replace(uri.split("#")[0], path)
first = [dict(items[0], image=fix(at["s0.jpg"], "bad/cut.tar"), mask=fix(at["s0.seg.png"], "bad/cut.tar"))]
first.append({"key": "s1", "text": "from json", "label": "7", "split": "val"})
case("tar-cut", "bad/cut.tar", "tar", first, ["the archive is truncated in 's1.png'"])
broken = bytearray(whole)
head = int(at["s0.seg.png"].split("#")[1].split("+")[0]) - 512
broken[head + 150] ^= 7
put("bad/header.tar", bytes(broken))
rest = [{k: fix(v, "bad/header.tar") if k in ("image", "audio", "mask") else v for k, v in i.items() if not (i["key"] == "s0" and k == "mask")} for i in items[:4]]
case("tar-header", "bad/header.tar", "tar", rest, [f"byte {head}: no tar header where one should be; left out up to byte", "1 members ending in 'npy'"])

# ---- COCO ----
h, w = 37, 53
small = rng.integers(0, 2, (h, w), dtype=np.uint8)
blob = np.asfortranarray(((np.mgrid[0:h, 0:w][0] - 15) ** 2 + (np.mgrid[0:h, 0:w][1] - 30) ** 2 < 120).astype(np.uint8))


def uncompressed(m):
    flat, counts, last, n = m.flatten(order="F"), [], 0, 0
    for v in flat:
        if v != last: counts.append(n); n, last = 0, v
        n += 1
    return {"size": [h, w], "counts": counts + [n]}


def star(cx, cy, r, n): return [round(float(x), 2) for k in range(n) for x in (cx + (r if k % 2 else r / 2.5) * np.cos(k * np.pi * 2 / n), cy + (r if k % 2 else r / 2.5) * np.sin(k * np.pi * 2 / n))]


packed = coco_mask.encode(blob)
shapes = [[star(20, 15, 14, 10)], [star(40, 25, 9, 12), [1.5, 1.5, 9.25, 2, 5.1, 8.9]], uncompressed(small), {"size": [h, w], "counts": packed["counts"].decode()},
          [[-5.5, 20, 60.2, 18.3, 58, 45.7, -3, 40]], [[10, 10, 20, 10, 20, 20, 10, 20]]]
categories = [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}, {"id": 300, "name": "Größe"}]
which = [1, 18, 1, 300, 18, 1]
anns = [{"id": 100 + i, "image_id": 7 if i < 4 else 9, "category_id": which[i], "iscrowd": int(i == 2), "segmentation": s, "bbox": [i, i + 0.5, 4, 5.25], "area": 3.5} for i, s in enumerate(shapes)]
images = [{"id": 9, "file_name": "b.png", "height": h, "width": w, "license": 1}, {"id": 7, "file_name": "a.png", "height": h, "width": w}, {"id": 12, "file_name": "empty.png", "height": h, "width": w}]
put("coco/annotations/instances_val2017.json", json.dumps({"info": {"description": "made \"here\" [{"}, "images": images, "annotations": anns, "categories": categories}))
for i, n in enumerate(("a.png", "b.png", "empty.png")): put("coco/val2017/" + n, encoded(rng.integers(0, 256, (h, w, 3), dtype=np.uint8)))
base = "coco/annotations/../val2017"


def decoded(s): return coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(s, h, w))) if isinstance(s, list) else coco_mask.decode(coco_mask.frPyObjects(s, h, w) if isinstance(s["counts"], list) else s)


def painted(of, value, ignore=False):
    m, seen = np.zeros((h, w), np.uint16), np.zeros((h, w), int)
    for n, a in enumerate(of):
        d = decoded(a["segmentation"]) > 0
        m[d] = value(a, n)
        seen[d] += 1
    if ignore: m[seen > 1] = 255
    return m


box = lambda a: [a["bbox"][0], a["bbox"][1], a["bbox"][0] + a["bbox"][2], a["bbox"][1] + a["bbox"][3]]
of = {i["id"]: [a for a in anns if a["image_id"] == i["id"]] for i in images}
entries = [{"key": i["file_name"], "image": f"{base}/{i['file_name']}", "boxes": [box(a) for a in of[i["id"]]]} for i in images]
entries[2].pop("boxes")
source = "coco/annotations/instances_val2017.json"
case("coco-instances", source, "coco", entries)
case("coco-ignore", source, "coco", entries, options={"overlap": "ignore", "value": "index"})
case("coco-nth", source, "coco", entries, options={"value": "instance"})
for i in images:
    record("coco-instances", i["file_name"], "mask", painted(of[i["id"]], lambda a, n: a["category_id"]))
    record("coco-ignore", i["file_name"], "mask", painted(of[i["id"]], lambda a, n: 1 + [c["id"] for c in categories].index(a["category_id"]), True).astype(np.uint8))
    record("coco-nth", i["file_name"], "mask", painted(of[i["id"]], lambda a, n: 1 + n).astype(np.uint8))
names = {c["id"]: c["name"] for c in categories}
single = [{"key": f"{i['file_name']}:{a['id']}", "image": f"{base}/{i['file_name']}", "label": names[a["category_id"]], "group": i["file_name"], "boxes": [box(a)]} for i in images for a in of[i["id"]] if not a["iscrowd"]]
case("coco-single", source, "coco", single, ["1 pictures have no annotation; left out"], options={"per": "annotation", "crowds": False})
for i in images:
    for a in of[i["id"]]:
        if not a["iscrowd"]: record("coco-single", f"{i['file_name']}:{a['id']}", "mask", decoded(a["segmentation"]))
texts = [{"id": 1, "image_id": 7, "caption": "A \"red\" bar – é\n"}, {"id": 2, "image_id": 9, "caption": "Two."}, {"id": 3, "image_id": 7, "caption": "Again."}, {"id": 4, "image_id": 99, "caption": "Lost."}]
put("coco/annotations/captions_val2017.json", json.dumps({"annotations": texts, "images": images}, indent=1))
case("coco-captions", "coco/annotations/captions_val2017.json", "coco", [
    {"key": "b.png", "image": base + "/b.png", "text": "Two.", "group": "b.png"}, {"key": "a.png", "image": base + "/a.png", "text": texts[0]["caption"], "group": "a.png"},
    {"key": "a.png:2", "image": base + "/a.png", "text": "Again.", "group": "a.png"}], ["annotation 4 is of picture 99, which is not listed; left out", "1 pictures have no caption; left out"])
ids = [5, 70000, 16777215]
ground = np.zeros((h, w), int)
for k, i in enumerate(ids): ground[5 + 8 * k:12 + 8 * k, 4:40] = i
put("coco/annotations/panoptic_val2017/a.png", encoded(np.stack([ground & 255, ground >> 8 & 255, ground >> 16], -1).astype(np.uint8)))
put("coco/annotations/panoptic_val2017.json", json.dumps({"images": [images[1]], "categories": categories, "annotations": [
    {"image_id": 7, "file_name": "a.png", "segments_info": [{"id": i, "category_id": c, "iscrowd": 0} for i, c in zip(ids, (300, 1, 18))]}]}))
case("coco-panoptic", "coco/annotations/panoptic_val2017.json", "coco", [{"key": "a.png", "image": base + "/a.png"}])
m = np.zeros((h, w), np.uint16)
for i, c in zip(ids, (300, 1, 18)): m[ground == i] = c
record("coco-panoptic", "a.png", "mask", m)
wrong = [([[1, 2, 3, 4]], "a polygon of 2 corners"), ({"size": [h, w], "counts": [5, 9]}, "runs of a mask cover 14 of its"), ({"size": [h + 1, w], "counts": "x"}, "the picture has"),
         ({"size": [h, w], "counts": "\x7f\x7f"}, "compressed runs of a mask are damaged"), ("text", "neither polygons nor runs"), ([[1, 2, "x", 4, 5, 6]], "a polygon's corner lies at nan"), (None, "neither polygons nor runs")]
put("bad/instances.json", json.dumps({"images": [{"id": i, "file_name": f"{i}.png", "height": h, "width": w} for i in range(len(wrong))] + [{"id": 50}, {"file_name": "x.png"}], "annotations":
    [{"id": i, "image_id": i, "category_id": 1, "segmentation": s} for i, (s, _) in enumerate(wrong)] + [{"id": 77}], "categories": categories}, indent=0))
case("coco-bad", "bad/instances.json", "coco", [{"key": f"{i}.png", "image": f"bad/{i}.png"} for i in range(len(wrong))],
     ["a picture without id or file_name; left out", "a picture without id or file_name; left out", "an annotation without image_id; left out"])
put("bad-masks.txt", "".join(f"{i}.png\t{why}\n" for i, (_, why) in enumerate(wrong)))
text = open(source).read()
put("bad/cut.json", text[:len(text) * 2 // 3])

# ---- Karpathy ----
put("karpathy/dataset.json", json.dumps({"dataset": "flickr8k", "images": [
    {"filename": "1.jpg", "imgid": 0, "split": "train", "sentids": [0, 1], "sentences": [{"tokens": ["a"], "raw": "A cat.", "imgid": 0, "sentid": 0}, {"raw": "Ein \u00dcber [\"]}.", "sentid": 1}]},
    {"filename": "2.jpg", "split": "restval", "filepath": "val2014", "sentences": [{"raw": "Two."}, {"tokens": ["none"]}]}, {"filename": "3.jpg", "sentences": []}]}))
items = [{"key": "1.jpg", "image": "karpathy/1.jpg", "text": "A cat.", "split": "train", "group": "1.jpg"}, {"key": "1.jpg:2", "image": "karpathy/1.jpg", "text": "Ein Über [\"]}.", "split": "train", "group": "1.jpg"},
         {"key": "val2014/2.jpg", "image": "karpathy/val2014/2.jpg", "text": "Two.", "split": "train", "group": "val2014/2.jpg"}]
karpathy_items = items
case("karpathy", "karpathy/dataset.json", "karpathy", items, ["a sentence of 'val2014/2.jpg' has no raw text; left out", "a picture without filename or sentences; left out"])
case("karpathy-first", "karpathy/dataset.json", "karpathy", [items[0], dict(items[2], split="restval")], ["a picture without filename or sentences; left out"], options={"first": True, "restval": "restval"})
text = open("karpathy/dataset.json").read()
put("bad/karpathy.json", text[:text.index('"2.jpg"')])
case("karpathy-cut", "bad/karpathy.json", "karpathy", [dict(i, image=i["image"].replace("karpathy", "bad")) for i in items[:2]], ["is not JSON ("])

# ---- pictures with masks ----
palette = Image.fromarray(rng.integers(0, 5, (5, 6), dtype=np.uint8), "P")
palette.putpalette([k * 7 % 256 for k in range(768)])
b = io.BytesIO()
palette.save(b, "PNG")
deep = (rng.integers(0, 9, (5, 6)) * 700).astype(np.uint16)
for name in ("a", "b"): put(f"masks/flat/images/{name}.jpg", encoded(picture(), "JPEG"))
put("masks/flat/images/alone.jpg", b"")
put("masks/flat/masks/a.png", b.getvalue())
put("masks/flat/masks/b.png", encoded(deep))
put("masks/flat/masks/spare.png", b"")
case("masks", "masks/flat", "masks", [{"key": f"images/{n}.jpg", "image": f"masks/flat/images/{n}.jpg", "mask": f"masks/flat/masks/{n}.png"} for n in "ab"],
     ["masks/flat/images/alone.jpg: has no mask of its name", "masks/flat/masks/spare.png: is the mask of no picture"])
record("masks", "images/a.jpg", "mask", np.asarray(palette))
record("masks", "images/b.jpg", "mask", deep)
for split in ("train", "test"):
    put(f"masks/splits/{split}/images/x/1.png", encoded(picture()))
    put(f"masks/splits/{split}/labels/x/1_segmentation.png", encoded(np.stack([masks[0]] * 3, -1)))
case("masks-splits", "masks/splits", "masks", [{"key": f"{s}/images/x/1.png", "image": f"masks/splits/{s}/images/x/1.png", "mask": f"masks/splits/{s}/labels/x/1_segmentation.png", "split": s} for s in ("train", "test")])
record("masks-splits", "test/images/x/1.png", "mask", masks[0])
for n, t in (("imagesTr/c_0000.png", picture()), ("imagesTr/c_0001.png", picture()), ("labelsTr/c.png", masks[0]), ("imagesTs/d_0000.png", picture()), ("labelsTs/d.png", masks[1])): put("masks/nnunet/" + n, encoded(t))
case("masks-nnunet", "masks/nnunet", "masks", [{"key": f"images{t}/{n}_0000.png", "image": f"masks/nnunet/images{t}/{n}_0000.png", "mask": f"masks/nnunet/labels{t}/{n}.png", "split": s} for t, n, s in (("Tr", "c", "train"), ("Ts", "d", "test"))],
     ["imagesTr/c_0001.png: only the first channel of a case is read"])

# ---- MedSAM ----
os.makedirs("npz")
flat, stack, labels = picture(7, 6), rng.integers(0, 256, (4, 6, 7), dtype=np.uint8), np.zeros((4, 6, 7), np.uint16)
labels[1, 2:4, 3:6], labels[3, 1, 1] = 2, 700
np.savez_compressed("npz/2d.npz", imgs=flat, gts=labels[1].astype(np.uint8), boxes=np.array([[3, 2, 5, 3], [0, 0, 6.5, 5]]), spacing=np.ones(3))
np.savez("npz/3d.npz", imgs=stack, gts=np.asfortranarray(labels))
np.savez_compressed("npz/real.npz", image=flat[..., 0] / 255.0)
items = [{"key": "2d", "image": "npz/2d.npz#imgs", "mask": "npz/2d.npz#gts", "boxes": [[3.0, 2.0, 5.0, 3.0], [0.0, 0.0, 6.5, 5.0]]}]
items += [{"key": f"3d/{i:03d}", "image": f"npz/3d.npz#imgs@{i}", "mask": f"npz/3d.npz#gts@{i}", "group": "3d"} for i in range(4)] + [{"key": "real", "image": "npz/real.npz#image"}]
case("npz", "npz", "npz", items)
case("npz-labelled", "npz/3d.npz", "npz", [items[2], items[4]], options={"slices": "labelled"})
record("npz", "2d", "image", flat)
record("npz", "2d", "mask", labels[1].astype(np.uint8))
record("npz", "real", "image", np.stack([flat[..., 0]] * 3, -1))
for i in range(4):
    record("npz", f"3d/{i:03d}", "image", np.stack([stack[i]] * 3, -1))
    record("npz", f"3d/{i:03d}", "mask", labels[i] if labels[i].max() > 255 else labels[i].astype(np.uint8))
whole = open("npz/2d.npz", "rb").read()
for name, data in (("cut", whole[:len(whole) // 2]), ("text", b"no archive")): put(f"bad/npz/{name}.npz", data)
np.savez("bad/npz/no.npz", x=np.ones(3))
np.savez("bad/npz/shape.npz", imgs=stack, gts=labels[:3])
np.savez("bad/npz/objects.npz", imgs=np.array([{"a": 1}], dtype=object))
case("npz-bad", "bad/npz", "npz", [], ["bad/npz/cut.npz: ZIP archive without its directory: truncated?; left out", "bad/npz/no.npz: no array of pictures", "bad/npz/objects.npz: array 'imgs': NumPy type",
                                       "bad/npz/shape.npz: labels 'gts' do not have the shape of 'imgs'", "bad/npz/text.npz: ZIP archive without its directory"])

# ---- volumes ----
for d in ("imagesTr", "labelsTr"): os.makedirs("nifti/" + d)
ct = rng.integers(0, 200, (7, 6, 4)).astype(np.uint8)
lab = np.zeros((7, 6, 4), np.uint8)
lab[2:4, 3, 1:3] = 3
affine = np.diag([1, 1, 2.5, 1])
for name, data in (("imagesTr/case_0000.nii.gz", ct), ("labelsTr/case.nii.gz", lab), ("imagesTr/odd_0000.nii.gz", ct), ("labelsTr/odd.nii.gz", lab[:5])): nib.save(nib.Nifti1Image(data, affine), "nifti/" + name)
put("nifti/imagesTr/cut_0000.nii.gz", open("nifti/imagesTr/case_0000.nii.gz", "rb").read()[:30])
put("nifti/labelsTr/cut.nii.gz", open("nifti/labelsTr/case.nii.gz", "rb").read())
slices = lambda axis, which: [{"key": f"imagesTr/case_0000/{axis}{i:03d}", "image": f"nifti/imagesTr/case_0000.nii.gz#{axis}={i}", "mask": f"nifti/labelsTr/case.nii.gz#{axis}={i}", "split": "train", "group": "imagesTr/case_0000.nii.gz"} for i in which]
problems = ["nifti/imagesTr/cut_0000.nii.gz", "nifti/imagesTr/odd_0000.nii.gz: 7 x 6 x 4 voxels, its labels have 5 x 6 x 4; left out"]
case("nifti", "nifti", "nifti-pairs", slices("k", range(4)), problems)
case("nifti-labelled", "nifti", "nifti-pairs", slices("i", (2, 3)), problems, options={"axis": "i", "slices": "labelled"})
for i in range(4):
    record("nifti", f"imagesTr/case_0000/k{i:03d}", "mask", lab[:, :, i].T)
    record("nifti", f"imagesTr/case_0000/k{i:03d}", "image", np.stack([ct[:, :, i].T] * 3, -1))
record("nifti-labelled", "imagesTr/case_0000/i002", "mask", lab[2].T)

# ---- videos and sounds: listed, not opened ----
for n in ("train/cook/1.mp4", "train/cook/2.webm", "test/3.mp4", "test/4.mkv"): put("video/" + n, b"")
put("video/train/cook/1.txt", "one\ntwo\r\n")
put("video/captions.json", json.dumps({"3": "three", "4.mkv": ["four", "vier"], "5": 7}))
case("video-folder", "video", "video-folder", [
    {"key": "test/3.mp4", "video": "video/test/3.mp4", "text": "three", "split": "test", "group": "test/3.mp4"}, {"key": "test/4.mkv", "video": "video/test/4.mkv", "text": "four", "split": "test", "group": "test/4.mkv"},
    {"key": "test/4.mkv:2", "video": "video/test/4.mkv", "text": "vier", "split": "test", "group": "test/4.mkv"},
    {"key": "train/cook/1.mp4", "video": "video/train/cook/1.mp4", "text": "one", "label": "cook", "split": "train", "group": "train/cook/1.mp4"},
    {"key": "train/cook/1.mp4:2", "video": "video/train/cook/1.mp4", "text": "two", "label": "cook", "split": "train", "group": "train/cook/1.mp4"},
    {"key": "train/cook/2.webm", "video": "video/train/cook/2.webm", "label": "cook", "split": "train", "group": "train/cook/2.webm"}], ["'5' has no text; left out"])
for n in ("1-1.wav", "2-2.wav", "9-9.wav"): put("sounds/audio/" + n, b"")
put("sounds/meta/esc50.csv", "filename,fold,target,category,esc10,src_file,take\n1-1.wav,1,0,dog,True,100032,A\n2-2.wav,2,14,chirping_birds,False,100038,A\n3-3.wav,3,1,x,True,1,A\nshort\n")
items = [{"key": "audio/1-1.wav", "audio": "sounds/audio/1-1.wav", "label": "dog", "split": "fold-1", "group": "100032"}, {"key": "audio/2-2.wav", "audio": "sounds/audio/2-2.wav", "label": "chirping_birds", "split": "fold-2", "group": "100038"}]
problems = ["sounds/meta/esc50.csv:4: '3-3.wav' is no sound in sounds; left out", "sounds/meta/esc50.csv:5: has 1 fields in place of 7; left out", "1 sounds are not in sounds/meta/esc50.csv; left out"]
case("audio-folder", "sounds", "audio-folder", items, problems)
case("audio-folds", "sounds", "audio-folder", [dict(items[0], split="train"), dict(items[1], split="test")], problems, options={"test_fold": 2})

# ---- folders of annotations ----
val = "coco/annotations/../val2017"
other = ["coco: read are its captions; it holds instances, panoptic too (kind=NAME)"]
case("coco-folder", "coco", "coco", [{"key": "b.png", "image": val + "/b.png", "text": "Two.", "split": "val", "group": "b.png"}, {"key": "a.png", "image": val + "/a.png", "text": texts[0]["caption"], "split": "val", "group": "a.png"},
     {"key": "a.png:2", "image": val + "/a.png", "text": "Again.", "split": "val", "group": "a.png"}], other + ["annotation 4 is of picture 99", "1 pictures have no caption; left out"])
case("coco-folder-instances", "coco/annotations", "coco", [dict(e, split="val") for e in entries], options={"kind": "instances"})
record("coco-folder-instances", "a.png", "mask", painted(of[7], lambda a, n: a["category_id"]))
one = lambda name, **more: json.dumps({"images": [{"id": 1, "file_name": name, "height": 5, "width": 6}], "annotations": [dict({"id": 1, "image_id": 1}, **more)], "categories": categories})
polygon = dict(category_id=18, segmentation=[[1, 1, 4, 1, 4, 4, 1, 4]])
put("coco-sets/annotations/instances_val2017.json", one("v.png", **polygon))
put("coco-sets/annotations/instances_train2017.json", one("t.png", **polygon))
put("coco-sets/annotations/person_keypoints_val2017.json", one("v.png", **polygon))
put("coco-sets/annotations/image_info_test2017.json", json.dumps({"images": [{"id": 1, "file_name": "x.png"}]}))
put("coco-sets/images/val2017/v.png", encoded(picture()))
case("coco-sets", "coco-sets", "coco", [{"key": "v.png", "image": "coco-sets/annotations/../images/val2017/v.png", "split": "val"}],
     ["coco-sets: read are its instances; it holds person_keypoints too", "instances_train2017.json: its pictures are not there; left out"])
for n in ("train", "valid"):
    put(f"coco-exported/{n}/_annotations.coco.json", one(n + ".png", **polygon))
    put(f"coco-exported/{n}/{n}.png", encoded(picture()))
case("coco-exported", "coco-exported", "coco", [{"key": n + ".png", "image": f"coco-exported/{n}/{n}.png", "split": n} for n in ("train", "valid")])
case("karpathy-folder", "karpathy", "karpathy", karpathy_items, ["a sentence of 'val2014/2.jpg' has no raw text; left out", "a picture without filename or sentences; left out"])
said = lambda name: json.dumps({"images": [{"filename": name, "split": "test", "sentences": [{"raw": "Said."}]}]})
put("flickr/dataset_coco.json", said("0.jpg"))
put("flickr/dataset_flickr30k.json", said("1.jpg"))
put("flickr/flickr30k-images/1.jpg", b"")
case("karpathy-beside", "flickr", "karpathy", [{"key": "1.jpg", "image": "flickr/flickr30k-images/1.jpg", "text": "Said.", "split": "test", "group": "1.jpg"}], ["flickr: read is flickr/dataset_flickr30k.json; it holds 1 lists more"])

# ---- files of several pictures: every one by ImageSequence ----
def several(n, w=9, h=7):
    base, frames = rng.integers(0, 256, (h, w, 3), dtype=np.uint8) & 0xE0, []
    for i in range(n):
        f = base.copy()
        f[1 + i:4 + i, 2:5 + i] = [40 * i, 200, 255 - 50 * i]
        frames.append(Image.fromarray(f))
    return frames


def sequence(path): return [np.asarray(p.convert("RGB")) for p in ImageSequence.Iterator(Image.open(path))]


os.makedirs("frames")
gif, page = several(4), several(3)
gif[0].save("frames/a.gif", save_all=True, append_images=gif[1:], duration=50, disposal=[1, 2, 1, 0])
gif[0].save("frames/b.webp", save_all=True, append_images=gif[1:], duration=50, lossless=True)
gif[0].save("frames/c.png", save_all=True, append_images=gif[1:], duration=50, disposal=1, blend=1)
gif[0].save("frames/d.png", save_all=True, append_images=gif[1:3], duration=50, default_image=True)
page[0].save("frames/e.tif", save_all=True, append_images=[page[1].crop((0, 0, 5, 7)), page[2]], compression="tiff_lzw")
page[0].save("frames/f.png")
names = ["a.gif", "b.webp", "c.png", "d.png", "e.tif"]
items = []
for name in names:
    shown = sequence("frames/" + name)
    assert len(shown) == {"d.png": 3, "e.tif": 3}.get(name, 4), (name, len(shown))
    for i, p in enumerate(shown):
        items.append({"key": f"{name}/{i:03d}", "image": f"frames/{name}#frame={i}", "group": name})
        record("frames", items[-1]["key"], "image", p)
items.append({"key": "f.png", "image": "frames/f.png"})
case("frames", "frames", "folder", items, options={"frames": "all"})
case("frames-first", "frames", "folder", [{"key": n, "image": "frames/" + n} for n in names + ["f.png"]])
stack = [(rng.integers(0, 9, (7, 9)) * 700).astype(np.uint16) for _ in range(3)]
os.makedirs("stacks")
for name, n in (("deep", 3), ("short", 2)): Image.fromarray(stack[0]).save(f"stacks/{name}.tif", save_all=True, append_images=[Image.fromarray(m) for m in stack[1:n]])
put("stacks/one.png", encoded(stack[0].astype(np.uint8)))
put("stacks/list.jsonl", "\n".join(json.dumps({"key": m, "image": "../frames/e.tif", "mask": m}) for m in ("deep.tif", "short.tif", "one.png")) + "\n")
items = [{"key": f"{m}/{i:03d}", "image": f"stacks/../frames/e.tif#frame={i}", "mask": f"stacks/{m}" + (f"#frame={i}" if m == "deep.tif" else ""), "group": m} for m in ("deep.tif", "one.png") for i in range(3)]
case("frames-masks", "stacks", "jsonl", items, ["stacks/../frames/e.tif: holds 3 pictures, its mask stacks/short.tif 2; left out"], options={"frames": "all"})
for i in range(3): record("frames-masks", f"deep.tif/{i:03d}", "mask", stack[i])
make_tar("tar/moving.tar", [("x." + "gif", open("frames/a.gif", "rb").read()), ("x.txt", b"moves")], tarfile.USTAR_FORMAT)
part = f"tar/moving.tar#512+{os.path.getsize('frames/a.gif')}/x.gif"
case("frames-tar", "tar/moving.tar", "tar", [{"key": f"x/{i:03d}", "image": f"{part}#frame={i}", "text": "moves", "group": "x"} for i in range(4)], options={"frames": "all"})
for i, p in enumerate(sequence("frames/a.gif")): record("frames-tar", f"x/{i:03d}", "image", p)

put("pixels.bin", bytes(pixels))
put("pixels.txt", "\n".join(index) + "\n")
