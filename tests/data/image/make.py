#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the pictures of the suite `image` and records what Pillow makes of them.
Run with Pillow 13.0.0, pillow-heif 1.8.1 and NumPy:  python3 make.py
decode.txt: file width height offset [partial | frame-N | near-N: largest difference]; pixels (convert("RGB") after ImageOps.exif_transpose) in decode.bin
resize.txt: filter channels width height offset WIDTH HEIGHT offset; pixels in resize.bin"""
import io, os, struct, zlib
import numpy as np
from PIL import Image, ImageFile, ImageOps

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.default_rng(7)


def scene(w, h, c):
    """Smooth shapes with some noise, so that both slow and fast changes occur."""
    y, x = np.mgrid[0:h, 0:w].astype(float)
    planes = [127 + 100 * np.sin(x / (3 + k) + k) * np.cos(y / (4 + k)) + rng.normal(0, 12, (h, w)) for k in range(c)]
    a = np.stack(planes, -1)
    a[h // 3: h // 2, w // 3: w // 2] = [255, 0, 0, 90][:c]
    return np.clip(a, 0, 255).astype(np.uint8)


def put(name, data):
    with open(os.path.join(here, name), "wb") as f:
        f.write(data)


# ---- PNG by hand: colour types, depths and interlace that Pillow cannot write ----
def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def packed(rows, depth):
    """rows [h, samples] of ints to bytes, filter 0."""
    out = b""
    for r in rows:
        if depth == 16:
            b = r.astype(">u2").tobytes()
        elif depth == 8:
            b = r.astype(np.uint8).tobytes()
        else:
            bits = "".join(format(int(v), "0%db" % depth) for v in r)
            bits += "0" * (-len(bits) % 8)
            b = bytes(int(bits[i:i + 8], 2) for i in range(0, len(bits), 8))
        out += b"\0" + b
    return out


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(a, colour, depth, interlace=False, extra=()):
    h, w = a.shape[:2]
    a = a.reshape(h, w, -1)
    if interlace:
        raw = b"".join(packed(a[y0::dy, x0::dx].reshape(len(range(y0, h, dy)), -1), depth) for x0, y0, dx, dy in ADAM7 if x0 < w and y0 < h)
    else:
        raw = packed(a.reshape(h, -1), depth)
    head = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, int(interlace))
    body = b"".join(chunk(k, v) for k, v in extra)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")


def exif(n, big):
    e = ">" if big else "<"
    return (b"MM\0*" if big else b"II*\0") + struct.pack(e + "IH", 8, 2) + struct.pack(e + "HHII", 0x010F, 2, 4, 0x41424300) + \
        struct.pack(e + "HHIHH", 0x0112, 3, 1, n, 0) + struct.pack(e + "I", 0)


def jpeg(img, **kw):
    b = io.BytesIO()
    img.save(b, "JPEG", **kw)
    return b.getvalue()


def without(data, marker):
    at = data.index(bytes([0xFF, marker]))
    n = struct.unpack(">H", data[at + 2:at + 4])[0]
    return data[:at] + data[at + 2 + n:]


def pictures():
    W, H = 29, 19
    rgb, grey = scene(W, H, 3), scene(W, H, 1)[..., 0]
    yield "grey.jpg", jpeg(Image.fromarray(grey), quality=88)
    yield "rgb-420.jpg", jpeg(Image.fromarray(rgb), quality=85)
    yield "rgb-422.jpg", jpeg(Image.fromarray(rgb), quality=85, subsampling=1)
    yield "rgb-444.jpg", jpeg(Image.fromarray(rgb), quality=93, subsampling=0)
    yield "rgb-direct.jpg", jpeg(Image.fromarray(rgb), quality=90, keep_rgb=True)
    yield "progressive.jpg", jpeg(Image.fromarray(rgb), quality=80, progressive=True)
    yield "progressive-grey.jpg", jpeg(Image.fromarray(grey), quality=80, progressive=True)
    yield "restart.jpg", jpeg(Image.fromarray(rgb), quality=80, restart_marker_blocks=1)
    yield "one.jpg", jpeg(Image.fromarray(rgb[:1, :1]), quality=90)
    yield "narrow.jpg", jpeg(Image.fromarray(rgb[:, :1]), quality=90)
    yield "name-lies.png", jpeg(Image.fromarray(rgb), quality=75)
    cmyk = jpeg(Image.fromarray(scene(W, H, 4), "CMYK"), quality=92)
    yield "cmyk.jpg", cmyk
    at = cmyk.index(b"\xff\xee")
    assert cmyk[at + 4:at + 9] == b"Adobe" and cmyk[at + 15] == 0
    yield "ycck.jpg", cmyk[:at + 15] + b"\2" + cmyk[at + 16:]
    yield "cmyk-no-adobe.jpg", without(cmyk, 0xEE)
    for n in range(1, 9):
        yield "exif-%d.jpg" % n, jpeg(Image.fromarray(rgb), quality=85, exif=b"Exif\0\0" + exif(n, n % 2 == 0))
    yield "exif-9.jpg", jpeg(Image.fromarray(rgb), quality=85, exif=b"Exif\0\0" + exif(9, False))
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    plain = jpeg(Image.fromarray(rgb), quality=85)
    yield "xmp-6.jpg", plain[:2] + b"\xff\xe1" + struct.pack(">H", len(xmp) + 2) + xmp + plain[2:]
    yield "bytes-after.jpg", plain + b"trailing bytes"

    for depth in (1, 2, 4, 8):
        top = (1 << depth) - 1
        g = (grey.astype(int) * top + 127) // 255
        yield "grey-%d.png" % depth, png(g, 0, depth)
        yield "grey-%d-interlaced.png" % depth, png(g, 0, depth, True)
        yield "grey-%d-clear.png" % depth, png(g, 0, depth, False, [(b"tRNS", struct.pack(">H", top))])
        pal = rng.integers(0, 256, (top + 1, 3)).astype(np.uint8).tobytes()
        yield "palette-%d.png" % depth, png(g, 3, depth, False, [(b"PLTE", pal)])
        yield "palette-%d-clear.png" % depth, png(g, 3, depth, depth == 8, [(b"PLTE", pal), (b"tRNS", bytes(range(0, min(top, 200))))])
    short = rng.integers(0, 256, (5, 3)).astype(np.uint8).tobytes()
    yield "palette-short.png", png(np.minimum(grey, 7), 3, 8, False, [(b"PLTE", short)])
    g16 = np.concatenate([rng.integers(0, 65536, (H, W - 9)), rng.integers(0, 600, (H, 9))], 1)
    c16 = rng.integers(0, 65536, (H, W, 4))
    yield "grey-16.png", png(g16, 0, 16)
    yield "grey-16-clear.png", png(g16, 0, 16, False, [(b"tRNS", struct.pack(">H", int(g16[0, 0])))])
    yield "rgb-16.png", png(c16[..., :3], 2, 16)
    yield "rgb-16-interlaced.png", png(c16[..., :3], 2, 16, True)
    yield "grey-alpha-16.png", png(c16[..., :2], 4, 16)
    yield "rgba-16.png", png(c16, 6, 16)
    yield "rgb.png", png(rgb, 2, 8)
    yield "rgb-interlaced.png", png(rgb, 2, 8, True)
    yield "rgb-clear.png", png(rgb, 2, 8, False, [(b"tRNS", struct.pack(">HHH", *[int(v) for v in rgb[0, 0]]))])
    yield "grey-alpha.png", png(scene(W, H, 2), 4, 8)
    yield "rgba.png", png(scene(W, H, 4), 6, 8)
    yield "rgba-interlaced.png", png(scene(W, H, 4), 6, 8, True)
    yield "one.png", png(rgb[:1, :1], 2, 8, True)
    yield "gamma.png", png(rgb, 2, 8, False, [(b"gAMA", struct.pack(">I", 100000)), (b"tEXt", b"Title\0x")])
    yield "exif-8.png", png(rgb, 2, 8, False, [(b"eXIf", exif(8, True))])
    yield "name-lies.jpg", png(rgb, 2, 8)


def truncated():
    """What Pillow gives with LOAD_TRUNCATED_IMAGES; Limbeck's option `partial`."""
    big = scene(64, 64, 3)
    data = jpeg(Image.fromarray(big), quality=90)
    yield "cut.jpg", data[:len(data) * 6 // 10]
    data = jpeg(Image.fromarray(big), quality=90, restart_marker_blocks=2)
    yield "cut-restart.jpg", data[:len(data) // 2]


def saved(img, kind, **kw):
    b = io.BytesIO()
    img.save(b, kind, **kw)
    return b.getvalue()


def bitmap(a, bits, masks=b""):
    """BMP with 16 bits a pixel, 5-5-5 or by masks."""
    h, w = a.shape
    rows = b"".join(r.astype("<u2").tobytes() + b"\0" * (-2 * w % 4) for r in a[::-1])
    at = 54 + len(masks)
    return b"BM" + struct.pack("<IHHI", at + len(rows), 0, 0, at) + struct.pack("<IiiHHIIiiII", 40, w, h, 1, bits, 3 if masks else 0, len(rows), 2835, 2835, 0, 0) + masks + rows


def through_other_libraries(rgb, rgba, grey):
    """WebP, BMP, TIFF, GIF. (name, bytes, frame)"""
    picture, clear, flat = Image.fromarray(rgb), Image.fromarray(rgba), Image.fromarray(grey)
    yield "lossy.webp", saved(picture, "WEBP", quality=80), 0
    yield "lossless.webp", saved(picture, "WEBP", lossless=True), 0
    yield "lossy-alpha.webp", saved(clear, "WEBP", quality=70), 0
    yield "lossless-alpha.webp", saved(clear, "WEBP", lossless=True, exact=True), 0
    yield "exif-6.webp", saved(picture, "WEBP", quality=80, exif=b"Exif\0\0" + exif(6, True)), 0
    turns = [picture, picture.transpose(0), picture.transpose(1)]
    moving = saved(turns[0], "WEBP", save_all=True, append_images=turns[1:], duration=[40, 80, 30], lossless=True)
    for k in range(3):
        yield "moving.webp", moving, k
    for mode, name in (("1", "1"), ("P", "palette"), ("L", "grey"), ("RGB", "rgb"), ("RGBA", "rgba")):
        yield name + ".bmp", saved(clear.convert(mode) if mode != "P" else picture.quantize(17), "BMP"), 0
    levels = np.arange(29 * 19, dtype=np.uint32).reshape(19, 29) * 0x1F3D & 0xFFFF
    yield "555.bmp", bitmap(levels & 0x7FFF, 16), 0
    yield "565.bmp", bitmap(levels, 16, struct.pack("<III", 0xF800, 0x7E0, 0x1F)), 0
    for mode, name, way in (("1", "1", "raw"), ("L", "grey", "tiff_lzw"), ("P", "palette", "packbits"), ("RGB", "rgb", "tiff_adobe_deflate"), ("RGBA", "rgba", "tiff_lzw"), ("LA", "grey-alpha", "raw")):
        yield name + ".tif", saved(clear.convert(mode) if mode != "P" else picture.quantize(17), "TIFF", compression=way), 0
    yield "grey-16.tif", saved(Image.fromarray((grey.astype(np.uint16) * 3)), "TIFF"), 0
    yield "exif-8.tif", saved(picture, "TIFF", tiffinfo={0x0112: 8}), 0
    pages = saved(turns[0], "TIFF", save_all=True, append_images=turns[1:], compression="tiff_lzw")
    for k in range(3):
        yield "pages.tif", pages, k
    yield "plain.gif", saved(picture.quantize(31), "GIF"), 0
    yield "interlaced.gif", saved(flat, "GIF", interlace=1), 0
    holes = picture.quantize(15)
    yield "clear.gif", saved(holes, "GIF", transparency=3), 0
    moving = saved(turns[0].quantize(31), "GIF", save_all=True, append_images=[t.quantize(31) for t in turns[1:]], duration=[40, 80, 30], loop=0)
    for k in range(3):
        yield "moving.gif", moving, k


def tiff(tags, pieces):
    """Little-endian, one page; pieces are its strips or tiles, whose offsets and sizes are tags[0] and tags[1]."""
    at, offsets, body = 8, [], b""
    for p in pieces:
        offsets.append(at + len(body))
        body += p + b"\0" * (len(p) % 2)
    more = dict(tags[2])
    more[tags[0]], more[tags[1]] = offsets, [len(p) for p in pieces]
    directory, late, end = b"", b"", at + len(body) + 2 + 12 * len(more) + 4
    for tag, values in sorted(more.items()):
        data = struct.pack("<%dI" % len(values), *values)
        directory += struct.pack("<HHI", tag, 4, len(values)) + (data if len(data) == 4 else struct.pack("<I", end + len(late)))
        late += data if len(data) > 4 else b""
    return b"II*\0" + struct.pack("<I", at + len(body)) + body + struct.pack("<H", len(more)) + directory + struct.pack("<I", 0) + late


def tiffs_of_jpegs(rgb):
    big = Image.fromarray(np.tile(rgb, (2, 2, 1)))
    for mode, name in (("RGB", "rgb"), ("YCbCr", "ycc"), ("L", "grey")): yield "jpeg-%s.tif" % name, saved(big.convert(mode), "TIFF", compression="jpeg", quality=85)
    tiles = [jpeg(big.crop((x, y, x + 16, y + 16)), quality=85, subsampling=0) for y in range(0, 38, 16) for x in range(0, 58, 16)]
    yield "jpeg-tiles.tif", tiff((324, 325, {256: [58], 257: [38], 258: [8, 8, 8], 259: [7], 262: [6], 277: [3], 284: [1], 322: [16], 323: [16], 530: [1, 1]}), tiles)


def high_efficiency(rgb, rgba):
    """HEIC and AVIF. (name, bytes, largest difference): RGB kept as RGB is equal; YCbCr at full size differs by rounding; where chroma is halved,
    libheif 1.15 repeats it and Pillow's library interpolates it, which shows at the red block's edge."""
    import pillow_heif
    pillow_heif.register_heif_opener()
    smooth = Image.fromarray(rgb).resize((64, 48), 2)
    exact = dict(quality=-1, chroma=444, matrix_coefficients=0)
    yield "lossless.heic", saved(Image.fromarray(rgb), "HEIF", **exact), 0
    yield "lossless-alpha.heic", saved(Image.fromarray(rgba), "HEIF", **exact), 0
    yield "lossy.heic", saved(smooth, "HEIF", quality=80), 64
    yield "lossless.avif", saved(Image.fromarray(rgb), "AVIF", quality=100, subsampling="4:4:4"), 1
    yield "lossless-alpha.avif", saved(Image.fromarray(rgba), "AVIF", quality=100, subsampling="4:4:4"), 1
    yield "lossy.avif", saved(smooth, "AVIF", quality=80), 64


def main():
    global rng
    index, pixels = [], b""

    def record(name, tag="", frame=0):
        nonlocal pixels
        im = Image.open(os.path.join(here, name))
        im.seek(frame)
        im = ImageOps.exif_transpose(im).convert("RGB")
        index.append("%s %d %d %d%s" % (name, im.width, im.height, len(pixels), tag))
        pixels += im.tobytes()

    for name, data in pictures():
        put(name, data)
        record(name)
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    for name, data in truncated():
        put(name, data)
        record(name, " partial")
    keep, rng = rng, np.random.default_rng(11)
    shown = scene(29, 19, 3), scene(29, 19, 4), scene(29, 19, 1)[..., 0]
    rng = keep
    for name, data, near in high_efficiency(*shown[:2]):
        put(name, data)
        record(name, " near-%d" % near)
    for name, data, frame in through_other_libraries(*shown):
        put(name, data)
        record(name, " frame-%d" % frame if frame else "", frame)
    for name, data in tiffs_of_jpegs(shown[0]):
        put(name, data)
        record(name)
    put("decode.txt", ("\n".join(index) + "\n").encode())
    put("decode.bin", pixels)

    plain = png(scene(16, 16, 3), 2, 8)
    put("bad-cut.png", plain[:len(plain) // 2])
    put("bad-crc.png", plain[:-20] + bytes([plain[-20] ^ 1]) + plain[-19:])
    put("bad-empty.jpg", b"")
    put("bad-text.png", b"this is text, whatever the name says\n")
    put("bad-huge.png", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 50000, 50000, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(b"\0" * 9)) + chunk(b"IEND", b""))
    small = jpeg(Image.fromarray(scene(8, 8, 3)))
    sof = small.index(b"\xff\xc0")
    put("bad-huge.jpg", small[:sof + 5] + struct.pack(">HH", 50000, 50000) + small[sof + 9:])
    put("bad-header.jpg", small[:60])
    put("bad-no-end.jpg", small[:-2])
    put("bad-tables.jpg", small[:small.index(b"\xff\xdb") + 4] + b"\xff" * 40)

    index, pixels, seen = [], b"", {}
    modes = {1: "L", 2: "La", 3: "RGB", 4: "CMYK"}
    filters = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
    sizes = [(1, 1, 5, 7), (7, 5, 1, 1), (17, 13, 9, 7), (9, 7, 17, 13), (31, 23, 16, 11), (20, 20, 20, 9), (20, 20, 9, 20), (13, 1, 29, 3), (40, 30, 3, 2), (11, 29, 13, 8)]
    for w, h, W, H in sizes:
        for c in (1, 2, 3, 4):
            key = (w, h, c)
            if key not in seen:
                a = scene(w, h, c) if min(w, h) > 3 else rng.integers(0, 256, (h, w, c)).astype(np.uint8)
                seen[key] = len(pixels), a
                pixels += a.tobytes()
            at, a = seen[key]
            im = Image.frombytes("La", (w, h), a.tobytes(), "raw", "La") if c == 2 else Image.frombytes(modes[c], (w, h), a.tobytes())
            for name, number in filters.items():
                out = im.resize((W, H), number)
                index.append("%s %d %d %d %d %d %d %d" % (name, c, w, h, at, W, H, len(pixels)))
                pixels += out.tobytes()
    put("resize.txt", ("\n".join(index) + "\n").encode())
    put("resize.bin", pixels)


main()
