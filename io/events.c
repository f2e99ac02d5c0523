/* SPDX-License-Identifier: Apache-2.0 */
#include "io/events.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"

struct lb_events {
    FILE *file;
    char *path;
};

/* ---- CRC-32C: Castagnoli's polynomial, reflected; bit by bit, as records are short ---- */

static uint32_t crc32c(const void *data, size_t size) {
    uint32_t crc = 0xffffffff;
    for (const uint8_t *p = data; size-- > 0; p++) {
        crc ^= *p;
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (0x82f63b78 & (0u - (crc & 1)));
    }
    return ~crc;
}

static uint32_t masked(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8; }

/* ---- bytes of protocol buffers, least significant first ---- */

static void little(lb_buf *b, uint64_t x, int bytes) {
    char c[8];
    for (int i = 0; i < bytes; i++) c[i] = (char)(x >> 8 * i);
    lb_buf_add(b, c, (size_t)bytes);
}

static void varint(lb_buf *b, uint64_t x) {
    char c[10];
    int n = 0;
    for (; x > 127; x >>= 7) c[n++] = (char)(x | 128);
    c[n++] = (char)x;
    lb_buf_add(b, c, (size_t)n);
}

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static void field(lb_buf *b, int number, int kind) { varint(b, (uint64_t)(number << 3 | kind)); }

static void bytes(lb_buf *b, int number, const void *data, size_t size) {
    field(b, number, BYTES);
    varint(b, size);
    lb_buf_add(b, data, size);
}

static void real64(lb_buf *b, int number, double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    field(b, number, FIXED64);
    little(b, bits, 8);
}

static void real32(lb_buf *b, int number, float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    field(b, number, FIXED32);
    little(b, bits, 4);
}

/* ---- records ---- */

static lb_status put_record(lb_events *e, const lb_buf *event) {
    lb_buf out = {0};
    little(&out, event->size, 8);
    little(&out, masked(crc32c(out.data, 8)), 4);
    lb_buf_add(&out, event->data, event->size);
    little(&out, masked(crc32c(event->data, event->size)), 4);
    lb_status st = lb_buf_status(event);
    if (st == LB_OK) st = lb_buf_status(&out);
    if (st == LB_OK && (fwrite(out.data, 1, out.size, e->file) != out.size || fflush(e->file) != 0)) st = lb_fail(LB_E_IO, "%s: %s", e->path, strerror(errno));
    lb_buf_free(&out);
    return st;
}

/* Event: wall_time 1, step 2, file_version 3, summary 5. Summary: value 1. Value: tag 1, simple_value 2. Zeros are left out, as proto3 has it. */
lb_status lb_events_write(lb_events *e, double wall, int64_t step, int n, const char *const *tags, const double *values) {
    lb_buf event = {0}, summary = {0}, value = {0};
    for (int i = 0; i < n; i++) {
        value.size = 0;
        bytes(&value, 1, tags[i], strlen(tags[i]));
        real32(&value, 2, (float)values[i]);
        bytes(&summary, 1, value.data, value.size);
    }
    real64(&event, 1, wall);
    if (step != 0) {
        field(&event, 2, VARINT);
        varint(&event, (uint64_t)step);
    }
    bytes(&event, 5, summary.data, summary.size);
    lb_status st = lb_buf_status(&summary);
    if (st == LB_OK) st = lb_buf_status(&value);
    if (st == LB_OK) st = put_record(e, &event);
    lb_buf_free(&event);
    lb_buf_free(&summary);
    lb_buf_free(&value);
    return st;
}

lb_status lb_events_open(lb_events **out, const char *folder, double wall) {
    static const char version[] = "brain.Event:2";
    lb_status st = LB_OK;
    char host[128] = "", name[256];
    lb_buf first = {0};
    lb_events *e = lb_calloc(1, sizeof *e);
    if (!e) return LB_E_NOMEM;
    LB_TRY(lb_make_folders(folder));
    if (gethostname(host, sizeof host - 1) != 0) strcpy(host, "localhost");
    snprintf(name, sizeof name, "events.out.tfevents.%010lld.%s.%ld", (long long)wall, host, (long)getpid());
    if (!(e->path = lb_path_join(folder, name))) LB_TRY(LB_E_NOMEM);
    if (!(e->file = fopen(e->path, "wb"))) LB_TRY(lb_fail(LB_E_IO, "%s: %s", e->path, strerror(errno)));
    real64(&first, 1, wall);
    bytes(&first, 3, version, sizeof version - 1);
    LB_TRY(put_record(e, &first));
    *out = e;
    e = NULL;
done:
    lb_buf_free(&first);
    lb_events_close(e);
    return st;
}

void lb_events_close(lb_events *e) {
    if (!e) return;
    if (e->file) (void)fclose(e->file);
    lb_free(e->path);
    lb_free(e);
}
