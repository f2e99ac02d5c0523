#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# How the files beside this came to be. version-2.h5 stays as it is for as long as that version is read: a tiny dual encoder (tests/bad/common.py,
# make_models) over nine pictures with texts and a text without one:
#   limbeck encode --model teacher-0 --input s.jsonl --taps image_embed,text_embed,text.tokens --dtype f16 --deflate --out version-2.h5
/usr/bin/python3 "$(dirname "$0")/../others.py" "$(dirname "$0")/others.h5"
