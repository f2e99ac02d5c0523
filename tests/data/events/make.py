#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make.py: the bytes that the tensorboard package (2.x) writes for the events of tests/events_test.c, into expected.tfevents."""
import os
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "expected.tfevents"), "wb") as f:
    out = RecordWriter(f)
    out.write(event_pb2.Event(wall_time=1700000000.25, file_version="brain.Event:2").SerializeToString())
    for wall, step, values in ((1700000001.5, 0, [("loss", 2.5)]), (1700000002.5, 300, [("loss", -1.0 / 3), ("terms/kl.images", 0.0), ("größe", 1e-30)]), (1700000003.5, 1 << 40, [])):
        summary = summary_pb2.Summary()
        for tag, x in values: summary.value.add(tag=tag, simple_value=x)
        out.write(event_pb2.Event(wall_time=wall, step=step, summary=summary).SerializeToString())
