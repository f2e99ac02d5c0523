#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Perceptual hashes of the pictures of this folder by imagehash 4.3.2 on Pillow 13.0.0:  python3 make_hashes.py > hashes.txt
file dhash phash (hexadecimal)"""
import os, sys
import imagehash
from PIL import Image, ImageOps

here = os.path.dirname(os.path.abspath(__file__))
for name in ("rgb.png", "rgb-420.jpg", "progressive-grey.jpg", "cmyk.jpg", "exif-6.jpg", "lossless-alpha.webp", "grey-4.png", "555.bmp"):
    im = ImageOps.exif_transpose(Image.open(os.path.join(here, name))).convert("RGB")
    print(name, imagehash.dhash(im), imagehash.phash(im))
