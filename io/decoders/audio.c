/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "io/av.h"

static bool at(const uint8_t *head, size_t size, size_t offset, const char *bytes) {
    size_t n = strlen(bytes);
    return size >= offset + n && memcmp(head + offset, bytes, n) == 0;
}

/* Frames of MPEG audio layers 2 and 3, and of AAC in ADTS, begin with 11 or 12 set bits; reserved values are excluded. */
static bool is_frame(const uint8_t *p, size_t size) {
    if (size < 4 || p[0] != 0xFF) return false;
    if ((p[1] & 0xF6) == 0xF0) return (p[2] >> 2 & 15) < 13;
    int version = p[1] >> 3 & 3, layer = p[1] >> 1 & 3;
    return (p[1] & 0xE0) == 0xE0 && version != 1 && (layer == 1 || layer == 2) && p[2] >> 4 != 15 && (p[2] >> 2 & 3) != 3;
}

static int probe(const uint8_t *head, size_t size) {
    if ((at(head, size, 0, "RIFF") || at(head, size, 0, "RF64")) && at(head, size, 8, "WAVE")) return 100;
    if (at(head, size, 0, "FORM") && at(head, size, 8, "AIF")) return 100;
    if (at(head, size, 0, "fLaC") || at(head, size, 0, "caff") || at(head, size, 0, "#!AMR") || at(head, size, 0, "wvpk") || at(head, size, 0, "MAC ")) return 90;
    if (at(head, size, 4, "ftypM4A") || at(head, size, 4, "ftypM4B")) return 90;
    if (at(head, size, 0, "ID3") || at(head, size, 0, ".snd")) return 80;
    if (at(head, size, 0, "OggS") && (at(head, size, 28, "OpusHead") || at(head, size, 28, "\1vorbis") || at(head, size, 28, "Speex"))) return 90;
    return is_frame(head, size) ? 50 : 0;
}

LB_DECODER(audio) = {.id = "audio", .title = "WAV, FLAC, MP3, AAC, Ogg Vorbis, Opus, AIFF and others: read through io/audio.h", .source = "FFmpeg 5.1", .kind = "audio",
                     .endings = "wav flac mp3 m4a aac ogg oga opus aif aiff caf au amr wv ape", .probe = probe, .info = lbi_av_info};
