# SPDX-License-Identifier: Apache-2.0
# Frames of videos through a network of pictures: each row is what the frame's own picture gives. The videos are AVI files of plain pixels, written here.
import struct
from common import *


def chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def avi(frames):
    h, w = frames[0].shape[:2]
    size = w * h * 3  # w is a multiple of 4: no padding in rows, which stand from below
    header = struct.pack("<14I", 100000, size * 10, 0, 0x10, len(frames), 0, 1, size, w, h, 0, 0, 0, 0)
    stream = b"vids" + struct.pack("<I", 0) + struct.pack("<IHHIIIIIIIIHHHH", 0, 0, 0, 0, 1, 10, 0, len(frames), size, 0xFFFFFFFF, 0, 0, 0, w, h)
    picture = struct.pack("<IiiHHIIiiII", 40, w, h, 1, 24, 0, size, 0, 0, 0, 0)
    lists = chunk(b"LIST", b"hdrl" + chunk(b"avih", header) + chunk(b"LIST", b"strl" + chunk(b"strh", stream) + chunk(b"strf", picture)))
    movie = chunk(b"LIST", b"movi" + b"".join(chunk(b"00db", f[::-1, :, ::-1].tobytes()) for f in frames))
    index = chunk(b"idx1", b"".join(b"00db" + struct.pack("<III", 0x10, 4 + i * (8 + size), size) for i in range(len(frames))))
    return chunk(b"RIFF", b"AVI " + lists + movie + index)


def frames():
    import h5py, numpy
    make_models()
    rng = numpy.random.default_rng(5)
    shots = [numpy.kron(rng.integers(0, 256, (4, 6, 3)), numpy.ones((4, 4, 1), int)).astype("u1") for _ in range(9)]
    write("nine.avi", avi(shots))
    write("two.avi", avi(shots[:2]))
    write("still.png", png(24, 16, shots[0].tobytes()))
    for i, x in enumerate(shots): write(f"shots/{i}.png", png(24, 16, x.tobytes()))
    write("all.jsonl", '{"key": "nine", "video": "nine.avi"}\n{"key": "two", "video": "two.avi"}\n{"key": "still", "image": "still.png"}\n')
    encode = lambda source, out, *words: run("encode", "--model", "teacher-0", "--taps", "image_embed", "--input", source, "--out", out, *words)
    works("pictures", encode("shots", "shots.h5"))
    works("frames", encode("all.jsonl", "frames.h5", "--frames", "3"))
    plain = h5py.File(path("shots.h5"), "r")["features/image_embed"][:]
    with h5py.File(path("frames.h5"), "r") as f:
        got, status, why = f["features/image_embed"][:], f["status"][:], f["message"][:]
    off = numpy.abs(got[0][:, None] - plain[None]).max(axis=2)  # of each frame to each picture
    check("a row a frame", got.shape == (3, 3, plain.shape[1]), got.shape)
    which = off.argmin(axis=1)
    check("each is its picture's", off.min(axis=1).max() < 1e-5, off.min(axis=1))
    check("evenly over the video", (numpy.diff(which) == 3).all(), which)
    check("a short video repeats its last frame", numpy.abs(got[1] - plain[[0, 1, 1]]).max() < 1e-5, "")
    check("a picture is no video", status[0] == 0 and status[2] != 0 and b"no video" in why[2], why[2])
    fails("with views", encode("all.jsonl", "both.h5", "--frames", "2", "--views", "2"), "--frames are of videos")


CASES = [frames]
