# SPDX-License-Identifier: Apache-2.0
# A segmentation student trained from masks, scored while it trains and by `eval`, and its masks as files.
from common import *

RECIPE = """name: masks
data: {input: [shaped/list.jsonl], mask_nonzero: true}
student:
  arch: segmenter
  params: {size: 32, width: 8, decoder: 8}
  preprocess: {mode: squash, size_w: 32, size_h: 32, filter: bilinear, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}
augment: {crop_min: 0.6, flip: 0.5}
streams:
  labelled: {split: train, fields: [image, mask], batch: 8, augment: true}
objectives:
  - {method: segmentation, on: labelled, inputs: {student_logits: student.logits, mask: true_mask}}
train: {steps: 30, log_every: 10, save_every: 15, eval_every: 15}
optimiser: {lr: 0.01, warmup: 3}
eval: {split: test, segmentation: true}
"""


def student_of_masks():
    works("synth", run("synth", "shapes", "--out", "shaped", "--option", "count=40", "size=32"))
    write("masks.yaml", RECIPE)
    works("train", run("train", "masks.yaml", "--out", "masks-run"))
    summary = json.loads(read("masks-run/summary.json"))
    check("it learns", summary["scores"]["dice"] > 30 and summary["eval_items"] == 9, summary["scores"])
    works("predict", run("predict", "--model", "masks-run", "--input", "shaped/list.jsonl", "--split", "test", "--out", "said", "--overlay"))
    lines = [json.loads(l) for l in read("said/predictions.jsonl").decode().splitlines()]
    check("a mask and an overlay an item", len(lines) == 9 and all(sum(l["pixels"].values()) == 32 * 32 and os.path.exists(path("said", l["mask"])) for l in lines)
          and len(os.listdir(path("said/overlays/images"))) == 9, lines[:2])
    for l in lines: write("true/" + os.path.basename(l["mask"]), read("shaped/masks/" + os.path.basename(l["mask"])))
    done = run("eval", "segmentation", "--truth", "true", "--guess", "said/masks/images", "--set", "nonzero=true", "--json")
    works("eval of the files", done)
    check("training and eval give one score", abs(json.loads(done.out)["dice"] - summary["scores"]["dice"]) < 1e-9, (done, summary["scores"]))
    works("report", run("report", "masks-run", "--out", "masks.html", "--summary", "masks.json", "--masks", "masks-run", "--nonzero", "--queries", "3", "--input", "shaped/list.jsonl", "--split", "test"))
    check("a row of pictures a query", read("masks.html").count(b"data:image/png;base64,") == 6 and b"NSD" in read("masks.html"), "")
    check("the summary is of masks", abs(json.loads(read("masks.json"))["masks"]["dice"]["mean"] - summary["scores"]["dice"]) < 1e-9, read("masks.json"))
    write("shaped/list2.jsonl", "".join(json.dumps({**json.loads(l), **({"mask": None} if i < 3 else {})}) + "\n" for i, l in enumerate(read("shaped/list.jsonl").decode().splitlines())))
    lines = [json.loads(l) for l in read("shaped/list.jsonl").decode().splitlines()]
    bad = next(l for l in lines if l["split"] == "train")
    write("shaped/bad.png", read("shaped/" + bad["image"])[:200])
    write("shaped/list3.jsonl", "".join(json.dumps({**l, **({"image": "bad.png"} if l is bad else {})}) + "\n" for l in lines))
    for workers in "02":
        done = run("train", "masks.yaml", "--out", "by" + workers, "--threads", "2", "--set", "data.input=[shaped/list3.jsonl]", "train.steps=6", "train.workers=" + workers)
        works(workers + " workers", done)
        check("the broken picture is named once", done.err.count("item " + bad["key"]) == 1, done.err)
    check("who makes the batches changes nothing", read("by0/model/model.safetensors") == read("by2/model/model.safetensors"), "")
    done = run("train", "masks.yaml", "--out", "run2", "--set", "data.input=[shaped/list2.jsonl]", "train.steps=2")
    check("items without a mask are left out", done.code == 0 and "lack a text, a label, a mask" in done.err, done)
    for head in ("fcn", "sam"):
        works("decoder " + head, run("train", "masks.yaml", "--out", head, "--set", "student.params.head=" + head, "student.params.decoder=16"))
        # FCN reads the last map alone, which is 2x2 here: it runs, no more is asked.
        check(f"decoder {head} learns", json.loads(read(head + "/summary.json"))["scores"]["dice"] > (20 if head == "sam" else -1), read(head + "/summary.json"))
    fails("labels beyond the classes", run("train", "masks.yaml", "--out", "run3", "--set", "data.mask_nonzero=false", "train.steps=4"), "mask holds the label")
    cut = ["--set", "augment=[{op: flip}, {op: cutmix}]", "train.steps=4"]
    works("cutmix of masks", run("train", "masks.yaml", "--out", "cutmix", *cut))
    check("it is kept with its defaults", "alpha: 1" in read("cutmix/recipe.yaml").decode(), read("cutmix/recipe.yaml"))
    write("soft.yaml", RECIPE.replace("inputs: {student_logits: student.logits, mask: true_mask}", "component: soft_mask, inputs: {student_logits: student.logits, teacher_mask: true_mask_share}")
          .replace("{crop_min: 0.6, flip: 0.5}", "[{op: random_resized_crop, scale_min: 0.6}, {op: mixup}]"))
    works("mixup of masks", run("train", "soft.yaml", "--out", "mixup", "--set", "train.steps=4"))
    write("shaped/broken.png", b"no picture")
    write("mixed.jsonl", json.dumps({"key": "good", "image": "shaped/" + json.loads(read("shaped/list.jsonl").decode().splitlines()[0])["image"]}) + "\n" + json.dumps({"key": "bad", "image": "shaped/broken.png"}) + "\n")
    done = run("predict", "--model", "masks-run", "--input", "mixed.jsonl", "--out", "mixed", "--json", "--quiet")
    works("a broken picture does not end it", done)
    lines = [json.loads(l) for l in done.out.splitlines()]
    check("and has its reason", lines[0]["mask"] == "masks/good.png" and "broken.png" in lines[1]["error"], lines)


CASES = [student_of_masks]
