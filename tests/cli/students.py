# SPDX-License-Identifier: Apache-2.0
# Every kind of student trains from a recipe, leaves a model, and a sound or video that cannot be read is left out.
import math, wave
from common import *

MEDIA = os.path.join(os.environ["LB_TEST_DATA"], "media")
PREPROCESS = "{mode: squash, size_w: 16, size_h: 16, filter: bilinear, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}"
SOUND = "{feature_extractor_type: ASTFeatureExtractor, num_mel_bins: 16, max_length: 40, mean: -4.2, std: 4.5, sampling_rate: 16000}"
LABELS = "{method: kd-divergences, component: vanilla_kd, on: all, params: {alpha: 0}, inputs: {student_logits: student.logits, teacher_logits: student.logits, labels: label}}"


def tone(name, hertz):
    with wave.open(path(name), "wb") as f:
        f.setnchannels(1), f.setsampwidth(2), f.setframerate(16000)
        f.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(2 * math.pi * hertz * i / 16000))) for i in range(8000)))


def items(name, rows):
    with open(path(name), "w") as f:
        for i, row in enumerate(rows): f.write(json.dumps({"key": f"item{i}", "split": "train" if i % 3 else "test", **row}) + "\n")


def recipe(name, student, fields, list_, objective=LABELS, more="", score="classification: true, retrieval: false, score: top1", tokenizer=None, features=""):
    with open(path(name + ".yaml"), "w") as f:
        f.write(f"name: {name}\ndata: {{input: [{list_}]}}\nstudent: {{{student}}}\nstreams: {{all: {{split: train, fields: [{fields}], batch: 4{more}}}}}\n"
                f"objectives:\n  - {objective}\ntrain: {{steps: 3, log_every: 1}}\neval: {{split: test, {score}}}{features}\n" + (f"tokenizer: {tokenizer}\n" if tokenizer else ""))
    return run("train", name + ".yaml", "--out", "kinds/" + name, "--quiet")


def every_kind():
    for i in range(6): tone(f"tone{i}.wav", 300 if i % 2 else 1200)
    with open(path("torn.wav"), "wb") as f: f.write(b"RIFF")
    items("tones.jsonl", [{"audio": f"tone{i}.wav", "label": "low" if i % 2 else "high"} for i in range(6)] + [{"audio": "torn.wav", "label": "low"}])
    sound = recipe("audio-conv", f"arch: audio-conv, params: {{bands: 16, frames: 40, width: 4, blocks: 2, classes: 2}}, sound: {SOUND}", "audio", "tones.jsonl")
    works("conv over sound", sound)
    check("the torn one is left out", json.loads(read("kinds/audio-conv/summary.json"))["eval_items"] == 2, read("kinds/audio-conv/summary.json"))
    works("small AST", recipe("ast", "arch: ast, params: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32, patch_size: 8, frequency_stride: 8, time_stride: 8, "
                              f"max_length: 40, num_mel_bins: 16, classes: 2}}, sound: {SOUND}", "audio", "tones.jsonl"))
    works("a model of sound", run("encode", "--model", "kinds/audio-conv/model", "--input", "tone1.wav", "--taps", "pooled", "--out", "tone.h5", "--quiet"))
    videos = [os.path.join(MEDIA, n) for n in ("b-frames.mp4", "odd-size.mp4", "turned.mp4", "vp9.webm", "open-gop.mkv", "variable.mkv")]
    items("videos.jsonl", [{"video": v, "label": "a" if i % 2 else "b"} for i, v in enumerate(videos)])
    for arch, params in (("video-pool", ""), ("video-transformer", ", depth: 1, heads: 2, mlp: 32")):
        student = f"arch: {arch}, params: {{size: 16, frame_width: 8, expand: 1, head: 16, frames: 3, classes: 2{params}}}, preprocess: {PREPROCESS}"
        works(arch, recipe(arch, student, "video", "videos.jsonl", more=", frames: 3"))
    works("synth", run("synth", "classes", "--out", "shaped", "--option", "each=4", "size=16"))
    pictures = PREPROCESS.replace("16", "32")
    for arch, params in (("mobilenet-v3", "variant: small, width: 0.2, size: 32, classes: 6"), ("convnext", "size: 32, depths: '1,1', widths: '8,16', classes: 6"), ("resnet", "depth: 10, width: 4, size: 32, classes: 6")):
        works(arch, recipe(arch, f"arch: {arch}, params: {{{params}}}, preprocess: {pictures}", "image", "shaped"))
    words = ["the red square", "a blue ring", "the small green star", "a red star", "the blue square", "a green ring"]
    items("texts.jsonl", [{"text": w, "label": "warm" if "red" in w else "cold"} for w in words])
    vocab = os.path.join(os.environ["LB_TEST_DATA"], "tokenizer_files/vocab.txt")
    text = "texts.jsonl"
    none = "retrieval: false"
    size = len(read(vocab).splitlines())
    works("bag of embeddings", recipe("bag", f"arch: bag-of-embeddings, params: {{vocab: {size}, width: 8, classes: 2}}", "text", text, score=none, tokenizer=vocab))
    works("small transformer", recipe("text", f"arch: text-transformer, params: {{vocab: {size}, width: 8, layers: 1, heads: 2, mlp: 16, embed: 8}}", "text", text, score=none, tokenizer=vocab,
                                      objective="{method: embed, component: mse, on: all, inputs: {student: student.embedding, teacher: student.pooled}}"))
    works("small causal language model", recipe("lm", f"arch: gpt2, params: {{vocab_size: {size}, n_positions: 16, n_embd: 8, n_layer: 1, n_head: 2}}", "text", text, score=none, tokenizer=vocab,
                                                objective="{method: kd-divergences, component: sequence_kd, on: all, inputs: {student_logits: student.logits, tokens: ids, mask: mask}}"))
    works("features of sounds", run("encode", "--model", "kinds/audio-conv/model", "--input", "tones.jsonl", "--taps", "pooled,embedding", "--out", "tones.h5", "--quiet"))
    features = "\nfeatures: {image_features: {cache: tones.h5, tap: pooled}, audio_features: {cache: tones.h5, tap: embedding}}"
    for block in ("gated", "attention"):
        works("fused by " + block, recipe("fused-" + block, f"arch: fused-head, params: {{image_width: 8, text_width: 0, audio_width: 256, width: 8, embed: 0, classes: 2, block: {block}}}", "", "tones.jsonl", score=none, features=features))


CASES = [every_kind]
