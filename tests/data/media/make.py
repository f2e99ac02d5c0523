#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the files of the suite `media` and records what ffmpeg 5.1 (Debian 12) makes of them. Needs ffmpeg, ffprobe, NumPy:  python3 make.py
video.txt: per file a line "file width height num/den frames", then per frame "pts key sha256": pts as ffprobe gives them, the hash of the frame
           in rgb24 as `ffmpeg -fps_mode passthrough -pix_fmt rgb24 -f framehash -hash sha256` gives it (turned as the file says)
audio.txt: file rate channels sixteen samples channels-made offset; samples in audio.bin, f32 or s16, interleaved, as `ffmpeg -f f32le|s16le` gives them"""
import json, os, subprocess
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
os.chdir(here)


def ffmpeg(*words):
    return subprocess.run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *words], stdout=subprocess.PIPE, check=True).stdout


def picture(size, frames, rate=25, extra=""):
    return ["-f", "lavfi", "-i", f"testsrc2=size={size}:rate={rate},format=yuv444p,noise=alls=18:allf=t:all_seed=3,trim=end_frame={frames}{extra}"]


SOUND = ["-f", "lavfi", "-i", "aevalsrc=0.3*sin(2*PI*(200+900*t)*t)|0.2*sin(2*PI*660*t):s=44100:d=0.6"]
PLAIN = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]


def videos():
    x264 = ["-c:v", "libx264", "-preset", "fast", "-crf", "30", "-pix_fmt", "yuv420p", "-threads", "1"]
    yield "b-frames.mp4", picture("64x48", 40) + SOUND + x264 + ["-g", "12", "-bf", "3", "-colorspace", "bt709", "-color_range", "tv", "-c:a", "aac", "-b:a", "32k"]
    yield "open-gop.mkv", picture("64x48", 30) + x264 + ["-g", "10", "-bf", "3", "-x264-params", "open-gop=1:scenecut=0"]
    yield "variable.mkv", picture("48x32", 40, 30, ",select='lt(mod(n,7),2)+eq(mod(n,5),0)'") + x264 + ["-fps_mode", "vfr", "-g", "6"]
    yield "odd-size.mp4", picture("35x27", 9, 25, ",format=yuv444p") + x264 + ["-pix_fmt", "yuv444p"]
    yield "ten-bits.mp4", picture("48x32", 8) + x264 + ["-pix_fmt", "yuv420p10le"]
    yield "vp9.webm", picture("64x48", 14) + SOUND + ["-c:v", "libvpx-vp9", "-crf", "40", "-b:v", "0", "-g", "5", "-threads", "1", "-c:a", "libopus", "-b:a", "24k"]
    yield "no-times.avi", picture("48x32", 16) + ["-c:v", "mpeg4", "-q:v", "9", "-g", "6", "-bf", "2"]
    yield "stream.ts", picture("48x32", 16) + ["-c:v", "mpeg2video", "-q:v", "9", "-g", "6", "-bf", "2", "-f", "mpegts"]
    yield "full-range.mkv", picture("48x32", 6) + ["-c:v", "mjpeg", "-q:v", "8", "-pix_fmt", "yuvj422p"]
    yield "bt2020.mkv", picture("48x32", 6) + x264 + ["-colorspace", "bt2020nc", "-color_range", "pc", "-vf", "scale=out_color_matrix=bt2020:out_range=pc"]


def sounds():
    yield "stereo-44k.wav", SOUND + ["-c:a", "pcm_s16le", "-t", "0.4"]
    yield "eight-bits-8k.wav", SOUND + ["-c:a", "pcm_u8", "-ar", "8000", "-ac", "1", "-t", "0.5"]
    yield "float-48k.wav", SOUND + ["-c:a", "pcm_f32le", "-ar", "48000", "-ac", "1", "-t", "0.1"]
    yield "mono-24.flac", SOUND + ["-c:a", "flac", "-sample_fmt", "s32", "-ac", "1", "-t", "0.3"]
    yield "lame.mp3", SOUND + ["-c:a", "libmp3lame", "-b:a", "48k"]
    yield "vorbis.ogg", SOUND + ["-c:a", "libvorbis", "-q:a", "1"]
    yield "opus.opus", SOUND + ["-c:a", "libopus", "-b:a", "24k"]
    yield "aac.m4a", SOUND + ["-c:a", "aac", "-b:a", "48k"]
    yield "six.flac", ["-f", "lavfi", "-i", "aevalsrc=" + "|".join(f"0.1*sin(2*PI*{200 * k + 100}*t)" for k in range(6)) + ":s=16000:d=0.2:c=5.1", "-c:a", "flac"]


def record_video(name, out):
    probe = json.loads(subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_streams", "-show_frames", "-of", "json", name], stdout=subprocess.PIPE, check=True).stdout)
    stream = probe["streams"][0]
    hashes = ffmpeg("-i", name, "-map", "0:v:0", "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "framehash", "-hash", "sha256", "-").decode()
    rows = [r.split(",") for r in hashes.splitlines() if r and not r.startswith("#")]
    frames = [f for f in probe["frames"] if f["media_type"] == "video"]
    assert len(rows) == len(frames), (name, len(rows), len(frames))
    size = next(r for r in hashes.splitlines() if r.startswith("#dimensions")).split()[-1].split("x")
    out.append(" ".join([name, *size, stream["time_base"], str(len(frames))]))
    time = 0
    for f, r in zip(frames, rows):
        time = f.get("best_effort_timestamp", time + f.get("pkt_duration", 1))  # the last ones of an AVI have none
        out.append("%s %d %s" % (time, f["key_frame"], r[-1].strip()))


def main():
    lines = []
    for name, words in videos():
        ffmpeg(*words, *PLAIN, name)
        record_video(name, lines)
    ffmpeg("-i", "b-frames.mp4", "-map", "0:v:0", "-c", "copy", "-metadata:s:v", "rotate=90", *PLAIN[2:], "turned.mp4")
    record_video("turned.mp4", lines)
    open("video.txt", "w").write("\n".join(lines) + "\n")

    index, samples = [], b""
    for name, words in sounds():
        ffmpeg(*words, *PLAIN, name)
    for name in [n for n, _ in sounds()] + ["b-frames.mp4"]:
        for rate, channels, sixteen in ((0, 0, 0), (16000, 1, 0), (16000, 1, 1)):
            if rate == 0 and name in ("vorbis.ogg", "opus.opus", "aac.m4a", "b-frames.mp4"):
                continue
            words = ["-i", name, "-map", "0:a:0"] + (["-ar", str(rate), "-ac", str(channels)] if rate else [])
            raw = ffmpeg(*words, "-f", "s16le" if sixteen else "f32le", "-")
            probe = json.loads(subprocess.run(["ffprobe", "-v", "error", "-select_streams", "a:0", "-show_streams", "-of", "json", name], stdout=subprocess.PIPE, check=True).stdout)["streams"][0]
            c = channels or int(probe["channels"])
            n = len(raw) // (2 if sixteen else 4) // c
            index.append(f"{name} {rate} {channels} {sixteen} {n} {c} {len(samples)}")
            samples += raw
    open("audio.txt", "w").write("\n".join(index) + "\n")
    open("audio.bin", "wb").write(samples)
    mp4 = open("b-frames.mp4", "rb").read()
    open("bad-cut.mp4", "wb").write(mp4[:len(mp4) // 2])
    noise = bytearray(open("open-gop.mkv", "rb").read())
    for k in range(len(noise) // 2, len(noise) // 2 + 900):
        noise[k] = k * 37 & 255
    open("bad-middle.mkv", "wb").write(noise)


main()
