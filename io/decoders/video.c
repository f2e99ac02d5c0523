/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "io/av.h"

static bool at(const uint8_t *head, size_t size, size_t offset, const char *bytes, size_t n) {
    return size >= offset + n && memcmp(head + offset, bytes, n) == 0;
}

static int probe(const uint8_t *head, size_t size) {
    if (at(head, size, 4, "ftyp", 4) || at(head, size, 4, "moov", 4) || at(head, size, 4, "mdat", 4)) return 60; /* pictures of that family are surer */
    if (at(head, size, 0, "\x1A\x45\xDF\xA3", 4) || (at(head, size, 0, "RIFF", 4) && at(head, size, 8, "AVI ", 4))) return 90;
    if (at(head, size, 0, "FLV\1", 4) || at(head, size, 0, "DKIF", 4) || at(head, size, 0, "YUV4MPEG2 ", 10)) return 90;
    if (at(head, size, 0, "\x30\x26\xB2\x75\x8E\x66\xCF\x11", 8) || at(head, size, 0, "OggS", 4)) return 60;
    if (at(head, size, 0, "\0\0\1\xBA", 4) || at(head, size, 0, "\0\0\1\xB3", 4)) return 80;
    if (at(head, size, 0, "\x47", 1) && at(head, size, 188, "\x47", 1) && at(head, size, 376, "\x47", 1)) return 80; /* packets of 188 bytes */
    return 0;
}

LB_DECODER(video) = {.id = "video", .title = "MP4, MOV, MKV, WebM, AVI, MPEG, FLV, Ogg, ASF: read through io/video.h and io/audio.h", .source = "FFmpeg 5.1", .kind = "video",
                     .endings = "mp4 m4v mov mkv webm avi mpg mpeg ts m2ts flv ogv wmv asf 3gp y4m ivf", .probe = probe, .info = lbi_av_info};
