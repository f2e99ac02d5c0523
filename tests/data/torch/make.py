#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make.py: what PyTorch computes, in float64, for drawn inputs of every op, values and gradients -> <group>.json and <group>.bin.

    python3 make.py            (made with torch 2.15 and torchvision 0.29 on CPU)

<group>.json lists cases: {"op", "in": [[kind, sizes...] or null], "out": [[kind, sizes...]], "p": parameters, "wide": true}. Kinds: i whole numbers, r
numbers, g numbers with a gradient (of an input) or with a weight (of a result). "wide" cases hold what a float cannot. <group>.bin holds of each case in
turn, little endian: inputs (r, g: float32; i: int32), weights of the results of kind g (float32), results (float64; i: int32), gradients of
sum(weight * result) to the inputs of kind g (float64). Inputs and weights are numbers that a float holds, so both builds of the library start from
the same. Where torch has no such function, its formula is written out from torch functions, on other lines than the op's own."""
import arrange
import blocks
import elementwise
import layers
import losses
import matrices
import order
import pictures
import reduce
from record import Recorder

for seed, group in enumerate([elementwise, reduce, arrange, order, layers, losses, pictures, blocks, matrices]):
    recorder = Recorder(seed)
    group.record(recorder)
    recorder.write(group.__name__)
