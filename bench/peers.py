#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""peers.py [GROUP...]: the figures of `limbeck bench` as PyTorch and ONNX Runtime make them, as JSON lines (groups: matmul vision text_nets train
losses media audio store eval open). Needs torch, torchvision, onnx and onnxruntime, h5py for store, faiss, scipy and monai for eval; a peer that is missing is left out. Two threads, best of several runs."""
import json
import os
import sys
import tempfile
import time

THREADS = int(os.environ.setdefault("OMP_NUM_THREADS", "2"))
import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(THREADS)
HAS_BF16 = "avx512_bf16" in open("/proc/cpuinfo").read()


def best(run, times, warm=1):
    for _ in range(warm):
        run()
    least = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        run()
        least = min(least, time.perf_counter() - start)
    return least


def say(name, peer, value, unit):
    print(json.dumps({"name": name, "peer": peer, "value": round(value, 3), "unit": unit}), flush=True)


def matmul():
    for n in (512, 2048, 4096):
        for kind, peer in ((torch.float32, "torch"), (torch.bfloat16, "torch-bf16")):
            if kind == torch.bfloat16 and not HAS_BF16:
                continue
            a, b = torch.randn(n, n).to(kind), torch.randn(n, n).to(kind)
            say(f"matmul-{n}", peer, 2e-9 * n**3 / best(lambda: a @ b, 6), "GFLOP/s")


def onnx_session(model, x):
    import onnxruntime
    torch.backends.mha.set_fastpath_enabled(False)
    with tempfile.NamedTemporaryFile(suffix=".onnx") as f:
        torch.onnx.export(model, (x,), f.name, input_names=["x"], opset_version=17, dynamo=False)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = THREADS
        session = onnxruntime.InferenceSession(f.name, options, providers=["CPUExecutionProvider"])
    torch.backends.mha.set_fastpath_enabled(True)
    return session


def forward(name, model, x, times, unit="img/s"):
    model.eval()
    with torch.no_grad():
        say(name, "torch", len(x) / best(lambda: model(x), times), unit)
        if HAS_BF16:
            with torch.autocast("cpu", torch.bfloat16):
                say(name, "torch-bf16", len(x) / best(lambda: model(x), times), unit)
        try:
            session, feed = onnx_session(model, x), {"x": x.numpy()}
            say(name, "onnxruntime", len(x) / best(lambda: session.run(None, feed), times), unit)
        except ImportError as e:
            print("#", name, e, file=sys.stderr)


def pictures(count):
    return torch.randn(count, 3, 224, 224)


class Wrapped(nn.Module):
    """The first result of a model of transformers that is given one tensor."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        return self.model(x, return_dict=False)[0]


def text_nets():
    from transformers import BertConfig, BertModel
    config = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    forward("minilm-l6-forward-b32-t128", Wrapped(BertModel(config, add_pooling_layer=False)), torch.randint(1000, 20000, (32, 128)), 4, "seq/s")


def conv_norm(inputs, outputs, kernel, stride=1, groups=1, act=True):
    parts = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs, 1e-3)]
    return nn.Sequential(*parts, *([nn.ReLU6()] if act else []))


class InvertedResidual(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride, expand):
        super().__init__()
        inner = inputs * expand
        first = [conv_norm(inputs, inner, 1)] if expand > 1 else []
        self.body = nn.Sequential(*first, conv_norm(inner, inner, kernel, stride, inner), conv_norm(inner, outputs, 1, act=False))
        self.added = stride == 1 and inputs == outputs

    def forward(self, x):
        return self.body(x) + x if self.added else self.body(x)


def efficientnet_lite0():
    layers, channels = [conv_norm(3, 32, 3, 2)], 32
    for expand, out, count, stride, kernel in ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)):
        for i in range(count):
            layers.append(InvertedResidual(channels, out, kernel, 1 if i else stride, expand))
            channels = out
    return nn.Sequential(*layers, conv_norm(320, 1280, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000))


def vision():
    import torchvision.models as tv
    forward("efficientnet-lite0-forward", efficientnet_lite0(), pictures(16), 4)
    forward("vit-b16-forward", tv.vit_b_16(), pictures(8), 3)
    forward("resnet18-forward", tv.resnet18(), pictures(16), 4)
    forward("resnet50-forward", tv.resnet50(), pictures(8), 4)
    forward("mobilenetv3l-forward", tv.mobilenet_v3_large(), pictures(16), 4)


def step(name, model, x, unit="img/s"):
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), 1e-3)
    label = torch.randint(0, 100, (len(x),))

    def run():
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), label).backward()
        optimiser.step()

    say(name, "torch", len(x) / best(run, 4, 2), unit)


class TextTower(nn.Module):
    """Six pre-norm blocks over learned places, the mean of the tokens, a projection of length one: limbeck's text_transformer."""

    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(30522, 384), nn.Parameter(0.01 * torch.randn(128, 384))
        layer = nn.TransformerEncoderLayer(384, 6, 1536, 0, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, 6, nn.LayerNorm(384), enable_nested_tensor=False)
        self.projection = nn.Linear(384, 100, bias=False)

    def forward(self, ids):
        return F.normalize(self.projection(self.blocks(self.words(ids) + self.places).mean(1)))


def train():
    import torchvision.models as tv
    step("vit-tiny-64-step", tv.VisionTransformer(64, 8, 12, 3, 192, 768, num_classes=100), torch.randn(64, 3, 64, 64))
    step("vit-tiny-224-step", tv.VisionTransformer(224, 16, 12, 3, 192, 768, num_classes=100), torch.randn(16, 3, 224, 224))
    step("resnet18-224-step", tv.resnet18(), torch.randn(16, 3, 224, 224))
    step("mobilenetv3s-64-step", tv.mobilenet_v3_small(num_classes=100), torch.randn(64, 3, 64, 64))
    step("text6-128-step", TextTower(), torch.randint(0, 30522, (32, 128)), "seq/s")


def loss(name, value, *inputs):
    def run():
        for x in inputs:
            x.grad = None
        value(*inputs).backward()

    say(name, "torch", 1e3 * best(run, 50 if inputs[0].numel() < 1 << 20 else 20, 3), "ms")


def kd_kl(teacher):
    return lambda s: 16 * F.kl_div(F.log_softmax(s / 4, 1), F.softmax(teacher / 4, 1), reduction="batchmean")


def infonce(x, y):
    scores, label = 14.3 * F.normalize(x) @ F.normalize(y).T, torch.arange(len(x))
    return (F.cross_entropy(scores, label) + F.cross_entropy(scores.T, label)) / 2


def rkd(relation, teacher):
    def value(student):
        with torch.no_grad():
            right = relation(teacher)
        return F.smooth_l1_loss(relation(student), right)

    return value


def distances(x):
    d = torch.cdist(x, x)
    return d / d[d > 0].mean()


def angles(x):
    e = F.normalize(x.unsqueeze(0) - x.unsqueeze(1), dim=2)
    return torch.bmm(e, e.transpose(1, 2)).view(-1)


def losses():
    def draw(*shape, grad=True):
        return torch.randn(*shape, requires_grad=grad)

    loss("kd-kl-256x1000", kd_kl(draw(256, 1000, grad=False)), draw(256, 1000))
    loss("infonce-256x512", infonce, draw(256, 512), draw(256, 512))
    loss("rkd-distance-256x512", rkd(distances, draw(256, 512, grad=False)), draw(256, 512))
    loss("rkd-angle-128x256", rkd(angles, draw(128, 256, grad=False)), draw(128, 256))
    target = draw(64, 196, 384, grad=False)
    loss("token-mse-64x196x384", lambda x: F.mse_loss(F.layer_norm(x, (384,)), target), draw(64, 196, 384))
    loss("attention-8x12x197x64", lambda x: F.scaled_dot_product_attention(x, x, x).sum(), draw(8, 12, 197, 64))
    loss("conv3x3-16x64x56", lambda x, w: F.conv2d(x, w, padding=1).sum(), draw(16, 64, 56, 56), draw(64, 64, 3, 3))


def store():
    """h5py as it is used for features: chunks of 1024 rows. `random` and `shuffled` are the same to it: rows by index, sorted."""
    import h5py
    import numpy as np
    x = np.random.default_rng(0).standard_normal((200000, 512), np.float32).astype(np.float16)
    path = "peers-bench-store.h5"
    for name, options in (("raw", {}), ("gzip1", {"compression": "gzip", "compression_opts": 1, "shuffle": True})):

        def write():
            with h5py.File(path, "w") as f:
                d = f.create_dataset("x", x.shape, "f2", chunks=(1024, 512), **options)
                for i in range(0, len(x), 1024):
                    d[i:i + 1024] = x[i:i + 1024]
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)

        say(f"h5-write-200k-512-f16-{name}", "h5py", x.nbytes / 1e6 / best(write, 2, 0), "MB/s")
        say(f"h5-size-200k-512-f16-{name}", "h5py", x.nbytes / os.path.getsize(path), "ratio")
        order = np.random.default_rng(0)
        batches = 50 if name == "raw" else 10
        with h5py.File(path) as f:
            d = f["x"]

            def read():
                for _ in range(batches):
                    d[np.sort(order.choice(len(x), 256, False))]

            rate = batches * 256 / best(read, 2, 0)
        for kind in ("random", "shuffled"):
            say(f"h5-{kind}-batch256-{name}", "h5py", rate, "rows/s")
    os.remove(path)


def media():
    import io
    from PIL import Image
    import numpy as np
    y, x, c = np.meshgrid(np.arange(768, dtype=np.uint32), np.arange(1024, dtype=np.uint32), np.arange(3, dtype=np.uint32), indexing="ij")
    h = ((x * np.uint32(73856093)) ^ (y * np.uint32(19349663)) ^ (c * np.uint32(83492791))) * np.uint32(2654435761)
    a = 127 + 60 * np.sin(x / 37 + c) + 50 * np.sin(y / 23 + 2 * c) + 20 * np.sin((x + y) / 5) + ((h >> 24).astype(float) - 128) * 0.1
    picture, file = Image.fromarray(np.clip(a, 0, 255).astype(np.uint8)), io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    decode = lambda: Image.open(io.BytesIO(file.getvalue())).convert("RGB")

    def tensor():
        return ((np.asarray(decode().resize((224, 224), Image.BICUBIC), np.float32) / 255 - 0.5) / 0.25).transpose(2, 0, 1).copy()

    say("jpeg-decode-1024x768-1thread", "pillow", 1 / best(lambda: np.asarray(decode()), 20), "img/s")
    say("resize-bicubic-to-224-1thread", "pillow", 1 / best(lambda: picture.resize((224, 224), Image.BICUBIC), 20), "img/s")
    say("jpeg-to-tensor-1thread", "pillow+numpy", 1 / best(tensor, 20), "img/s")
    import os, tarfile, tempfile
    path = os.path.join(tempfile.gettempdir(), f"limbeck-peers-{os.getpid()}.tar")
    with tarfile.open(path, "w") as t:
        for i in range(2000):
            m = tarfile.TarInfo(f"{i:06d}.jpg")
            m.size = 40000
            t.addfile(m, io.BytesIO(np.random.default_rng(i).bytes(40000)))
    size = os.path.getsize(path)

    def members(mode):
        with tarfile.open(path, mode) as t: return sum(len(t.extractfile(m).read()) for m in t)

    for mode in ("r:", "r|"): say("tar-read-80MB", "tarfile " + mode, size / 1e6 / best(lambda: members(mode), 5), "MB/s")
    os.remove(path)


def video():
    """$LB_VIDEO names the file. PyAV as it is used for frames by number: seek to the key frame before, decode up to the frame, RGB."""
    import subprocess
    import av
    path = os.environ["LB_VIDEO"]
    with av.open(path) as c:
        times = sorted(p.pts for p in c.demux(video=0) if p.pts is not None)
    ffmpeg = ["ffmpeg", "-nostdin", "-loglevel", "error", "-threads", "1", "-i", path, "-map", "0:v:0"]
    for name, more in (("decode", []), ("rgb", ["-pix_fmt", "rgb24", "-c:v", "rawvideo"])):
        say(f"video-{name}-1thread", "ffmpeg", len(times) / best(lambda: subprocess.run([*ffmpeg, *more, "-f", "null", "-"], check=True), 3), "frames/s")
    places, x = [], 1
    for _ in range(40):
        x = x * 16807 % 2147483647
        places.append(times[x % len(times)])

    def random():
        with av.open(path) as c:
            stream = c.streams.video[0]
            stream.codec_context.thread_count = 1
            for at in places:
                c.seek(at, stream=stream)
                next(f for f in c.decode(stream) if f.pts >= at).to_ndarray(format="rgb24")

    say("video-random-1thread", "pyav", 40 / best(random, 3), "frames/s")


def audio():
    import numpy as np
    try:
        import transformers
        extractor, sound = transformers.WhisperFeatureExtractor(feature_size=80), np.random.default_rng(0).normal(size=480000).astype(np.float32)
        for kind in ("np", "pt"): say("log-mel-30s", "transformers-" + kind, 1 / best(lambda: extractor(sound, sampling_rate=16000, return_tensors=kind), 20), "clip/s")
    except ImportError:
        return
    size = {"d_model": 512, "encoder_layers": 6, "decoder_layers": 1, "encoder_attention_heads": 8, "decoder_attention_heads": 8, "encoder_ffn_dim": 2048, "decoder_ffn_dim": 2048}
    forward("whisper-base-encoder-30s", Wrapped(transformers.WhisperModel(transformers.WhisperConfig(**size)).encoder), torch.randn(1, 80, 3000), 4, "clip/s")


def ellipses():
    import numpy as np
    rng, (v, u) = np.random.default_rng(1), np.mgrid[:512, :512]
    draw = lambda x, y, a, b: ((u - x) / a) ** 2 + ((v - y) / b) ** 2 < 1
    places = [rng.integers((150, 150, 40, 40), (350, 350, 140, 140)) for _ in range(50)]
    return [(draw(x, y, a, b), draw(x + 9, y - 5, a * 1.1, b * 0.9)) for x, y, a, b in places]


def eval():
    import numpy as np
    masks = ellipses()
    labels = [(t.astype(np.uint8), g.astype(np.uint8)) for t, g in masks]

    def overlaps(pairs):
        for _ in range(20):
            for t, g in pairs:
                if t.dtype != bool: t, g = t == 1, g == 1
                tp, fp, fn = np.count_nonzero(t & g), np.count_nonzero(~t & g), np.count_nonzero(t & ~g)
                2 * tp / (2 * tp + fp + fn), tp / (tp + fp + fn)

    def published():
        """nnU-Net's compute_tp_fp_fn_tn (nnunetv2/evaluation/evaluate_predictions.py), for the one foreground class."""
        for _ in range(2):
            for t, g in masks:
                use = np.ones_like(t, dtype=bool)
                tp, fp, fn, tn = np.sum((t & g) & use), np.sum((~t & g) & use), np.sum((t & ~g) & use), np.sum((~t & ~g) & use)
                2 * tp / (2 * tp + fp + fn), tp / (tp + fp + fn)

    # Labels of bytes are what a mask's file holds and what ours takes; bool arrays have the comparison behind them.
    say("dice-iou-512", "numpy", 1000 / best(lambda: overlaps(labels), 2), "mask/s")
    say("dice-iou-512", "numpy-bool", 1000 / best(lambda: overlaps(masks), 2), "mask/s")
    say("dice-iou-512", "nnunet", 100 / best(published, 2), "mask/s")
    try:
        from scipy.ndimage import binary_erosion, distance_transform_edt

        def surfaces():
            for t, g in masks:
                a, b = binary_erosion(t) ^ t, binary_erosion(g) ^ g
                max(np.percentile(distance_transform_edt(~b)[a], 95), np.percentile(distance_transform_edt(~a)[b], 95))

        say("hd95-512", "scipy", 50 / best(surfaces, 1, 0), "mask/s")
        import monai.metrics
        pairs = [(torch.tensor(t[None, None]).float(), torch.tensor(g[None, None]).float()) for t, g in masks]
        run = lambda: [monai.metrics.compute_hausdorff_distance(g, t, include_background=True, percentile=95) for t, g in pairs]
        say("hd95-512", "monai", 50 / best(run, 1, 0), "mask/s")
    except ImportError:
        pass
    try:
        import faiss
        faiss.omp_set_num_threads(THREADS)
        rows, queries = (np.random.default_rng(k).normal(size=(n, 512)).astype("f4") for k, n in ((0, 200000), (1, 2000)))
        index = faiss.IndexFlatIP(512)
        index.add(rows)
        say("topk10-2000x200k-512", "faiss", 2000 / best(lambda: index.search(queries, 10), 2), "query/s")
    except ImportError:
        pass


def open_files():
    """Weights ready to be used, as state dictionaries; a model of Hugging Face with its tokenizer; a graph of ONNX Runtime. Fetched models are those of limbeck fetch."""
    home = os.environ.get("LIMBECK_HOME", os.path.expanduser("~/.cache/limbeck"))
    from safetensors.torch import load_file, save_file
    with tempfile.TemporaryDirectory() as folder:
        path, same = os.path.join(folder, "x.safetensors"), torch.randn(480, 512)
        save_file({f"layer.{i}.weight": same.clone() for i in range(100)}, path)
        say("open-safetensors", "safetensors", 1e3 * best(lambda: load_file(path), 7), "ms")
    lite = os.path.join(home, "efficientnet-lite0/efficientnet-lite0.pth")
    if os.path.exists(lite):
        say("open-torch-archive", "torch", 1e3 * best(lambda: torch.load(lite, weights_only=True), 7), "ms")
        import timm
        say("open-efficientnet-lite0", "timm", 1e3 * best(lambda: timm.create_model("efficientnet_lite0").load_state_dict(torch.load(lite, weights_only=True), strict=False), 7), "ms")  # other names: nothing is copied
    minilm = os.path.join(home, "minilm-l6")
    if os.path.isdir(minilm):
        import transformers
        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        both = lambda: (transformers.AutoModel.from_pretrained(minilm), transformers.AutoTokenizer.from_pretrained(minilm))
        say("open-minilm", "transformers", 1e3 * best(both, 5), "ms")
    for name, model in (("wordpiece", "minilm-l6"), ("byte-bpe", "whisper-base")):
        path = os.path.join(home, model, "tokenizer.json")
        if os.path.exists(path):
            from tokenizers import Tokenizer
            say(f"open-tokenizer-{name}", "tokenizers", 1e3 * best(lambda: Tokenizer.from_file(path), 7), "ms")
    graph = os.path.join(home, "isnet-small/model.onnx")
    if os.path.exists(graph):
        import onnxruntime
        say("open-graph", "onnxruntime", 1e3 * best(lambda: onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]), 5), "ms")


def made_tokenizers():
    """CLIP's own pieces, from open_clip, as transformers sets its tokenizer up; a Unigram of 8,000 pieces trained on WordNet's glosses."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    from open_clip.tokenizer import SimpleTokenizer
    from transformers import CLIPTokenizer
    clip = SimpleTokenizer()
    published = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
    yield "clip-bpe", CLIPTokenizer(vocab={published.get(piece, piece): i for piece, i in clip.encoder.items()}, merges=list(clip.bpe_ranks)).backend_tokenizer
    unigram = Tokenizer(models.Unigram())
    unigram.normalizer, unigram.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
    with open("/usr/share/wordnet/data.noun", encoding="utf-8") as f: glosses = [line.partition("| ")[2].strip() for line in f if "| " in line]
    unigram.train_from_iterator(glosses[:20000], trainers.UnigramTrainer(vocab_size=8000, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False))
    yield "unigram", unigram


def text():
    """Lines of cli/benches/text.c. LB_TOKENIZERS: a folder for tokenizers made here, which `limbeck bench text --file` takes."""
    import random
    from tokenizers import Tokenizer
    os.environ.setdefault("RAYON_NUM_THREADS", str(THREADS))
    words = ["the", "a", "of", "segmentation", "distillation", "student", "teacher", "unbelievable", "cardiology", "naïve", "3.14159", "hyper-parameter", "München", "tokens,", "(see)", "running", "quickly"]
    random.seed(0)
    lines = [" ".join(random.choices(words, k=20)) for _ in range(50000)]
    size, home = sum(len(line.encode()) for line in lines) / 1e6, os.environ.get("LIMBECK_HOME", os.path.expanduser("~/.cache/limbeck"))
    pairs = [(name, Tokenizer.from_file(os.path.join(home, model, "tokenizer.json"))) for name, model in (("wordpiece", "minilm-l6"), ("byte-bpe", "whisper-base")) if os.path.isdir(os.path.join(home, model))]
    for name, made in made_tokenizers() if "LB_TOKENIZERS" in os.environ else ():
        os.makedirs(os.path.join(os.environ["LB_TOKENIZERS"], name), exist_ok=True)
        made.save(os.path.join(os.environ["LB_TOKENIZERS"], name, "tokenizer.json"))
        pairs.append((name, made))
    for name, tokenizer in pairs:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        say(name + "-encode", "tokenizers", size / best(lambda: tokenizer.encode_batch(lines), 2), "MB/s")


if __name__ == "__main__":
    for group in (matmul, vision, text_nets, train, text, losses, media, audio, store, eval, open_files, *([video] if "LB_VIDEO" in os.environ else [])):
        if len(sys.argv) < 2 or group.__name__.split("_files")[0] in sys.argv[1:]:
            group()
