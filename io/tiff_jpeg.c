/* SPDX-License-Identifier: Apache-2.0 */
#include "io/tiff_jpeg.h"
#include <string.h>
#include "base/buf.h"

enum { COMPRESSION = 259, PHOTOMETRIC = 262, STRIPS = 273, ROWS = 278, STRIP_BYTES = 279, PLANAR = 284, TILE_WIDTH = 322, TILE_HEIGHT = 323,
       TILES = 324, TILE_BYTES = 325, TABLES = 347, RGB = 2, JPEG = 7, ENTRY = 12, TILE_LEAST = 16, ROWS_LEAST = 8 };

extern const lb_decoder lb_decoder_jpeg;

typedef struct file {
    const uint8_t *data;
    size_t size, directory;
    bool little;
} file;

/* An entry's values: `count` of `bytes` each from `at` on; at NULL: the page has no such entry. */
typedef struct entry {
    const uint8_t *at;
    uint32_t count;
    int bytes;
} entry;

static uint32_t word(const file *f, const uint8_t *p, int bytes) {
    uint32_t x = 0;
    for (int i = 0; i < bytes; i++) x |= (uint32_t)p[i] << (8 * (f->little ? i : bytes - 1 - i));
    return x;
}

/* Types 1 BYTE, 3 SHORT, 4 LONG, 7 UNDEFINED (TIFF 6.0, section 2): in place, or where the entry says. */
static entry find(const file *f, uint32_t tag) {
    const uint8_t *p = f->data + f->directory;
    uint32_t n = word(f, p, 2);
    for (p += 2; n > 0 && (size_t)(f->data + f->size - p) >= ENTRY; n--, p += ENTRY) {
        if (word(f, p, 2) != tag) continue;
        uint32_t type = word(f, p + 2, 2);
        entry e = {.at = p + 8, .count = word(f, p + 4, 4), .bytes = type == 1 || type == 7 ? 1 : type == 3 ? 2 : type == 4 ? 4 : 0};
        uint64_t all = (uint64_t)e.count * (uint64_t)e.bytes;
        size_t at = word(f, p + 8, 4);
        if (all > 4) e.at = at <= f->size && f->size - at >= all ? f->data + at : NULL;
        return e.bytes && e.count ? e : (entry){0};
    }
    return (entry){0};
}

static uint32_t value(const file *f, const entry *e, uint32_t i) { return i < e->count ? word(f, e->at + (size_t)i * (size_t)e->bytes, e->bytes) : 0; }

static uint32_t one(const file *f, uint32_t tag, uint32_t otherwise) {
    entry e = find(f, tag);
    return e.at ? value(f, &e, 0) : otherwise;
}

bool lbi_tiff_is_jpeg(const uint8_t *data, size_t size, size_t directory) {
    file f = {data, size, directory, data[0] == 'I'};
    return one(&f, COMPRESSION, 1) == JPEG;
}

/* A whole JPEG file of a piece: an Adobe marker that says whether it is RGB or YCbCr, the page's tables, the piece without its first marker. */
static lb_status whole(lb_buf *out, const entry *tables, bool rgb, const uint8_t *piece, size_t size) {
    const uint8_t adobe[] = {0xFF, 0xD8, 0xFF, 0xEE, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, !rgb};
    lb_buf_clear(out);
    lb_buf_add(out, adobe, sizeof adobe);
    if (tables->at && tables->bytes == 1 && tables->count > 4) lb_buf_add(out, tables->at + 2, tables->count - 4);
    lb_buf_add(out, piece + 2, size - 2);
    return lb_buf_status(out);
}

static void paste(lb_image *page, const lb_image *piece, int32_t x, int32_t y) {
    int32_t w = page->width - x < piece->width ? page->width - x : piece->width, h = page->height - y < piece->height ? page->height - y : piece->height;
    size_t pixel = (size_t)page->channels;
    for (int32_t row = 0; row < h; row++)
        memcpy((uint8_t *)page->pixels + ((size_t)(y + row) * (size_t)page->width + (size_t)x) * pixel, (const uint8_t *)piece->pixels + (size_t)row * (size_t)piece->width * pixel, (size_t)w * pixel);
}

typedef struct layout {
    uint32_t width, height, piece_width, piece_height, across, down;
    entry offsets, sizes, tables;
    bool rgb;
} layout;

static lb_status find_layout(layout *l, const file *f, const lb_media_info *page) {
    bool tiled = find(f, TILES).at != NULL;
    *l = (layout){.width = (uint32_t)page->width, .height = (uint32_t)page->height, .offsets = find(f, tiled ? TILES : STRIPS), .sizes = find(f, tiled ? TILE_BYTES : STRIP_BYTES), .tables = find(f, TABLES),
                  .rgb = one(f, PHOTOMETRIC, 0) == RGB};
    l->piece_width = tiled ? one(f, TILE_WIDTH, 0) : l->width;
    l->piece_height = one(f, tiled ? TILE_HEIGHT : ROWS, l->height);
    if (l->piece_height > l->height && !tiled) l->piece_height = l->height;
    if (one(f, PLANAR, 1) != 1) return lb_fail(LB_E_UNSUPPORTED, "TIFF of JPEGs with a plane for each colour");
    bool small = l->piece_width < 1 || l->piece_height < 1 || (tiled ? l->piece_width < TILE_LEAST || l->piece_height < TILE_LEAST : l->piece_height < ROWS_LEAST && l->piece_height < l->height);
    if (small || l->piece_width > UINT16_MAX || l->piece_height > UINT16_MAX) return lb_fail(LB_E_FORMAT, "TIFF is damaged: JPEGs of %u x %u pixels", l->piece_width, l->piece_height);
    l->across = (l->width + l->piece_width - 1) / l->piece_width;
    l->down = (l->height + l->piece_height - 1) / l->piece_height;
    if (!l->offsets.at || !l->sizes.at || (uint64_t)l->across * l->down > l->offsets.count || (uint64_t)l->across * l->down > l->sizes.count)
        return lb_fail(LB_E_FORMAT, "TIFF is truncated or damaged: %u JPEGs in place of %llu", l->offsets.count, (unsigned long long)l->across * l->down);
    return LB_OK;
}

static lb_status decode_piece(lb_image *out, lb_buf *bytes, const file *f, const layout *l, uint32_t i, const lb_decode_options *o) {
    size_t at = value(f, &l->offsets, i), size = value(f, &l->sizes, i);
    lb_decode_options own = {.max_pixels = (int64_t)l->piece_width * l->piece_height, .partial = o && o->partial, .keep_orientation = true};
    if (size < 4 || at > f->size || size > f->size - at) return lb_fail(LB_E_FORMAT, "TIFF is truncated: JPEG %u lies beyond its end", i);
    lb_status st = whole(bytes, &l->tables, l->rgb, f->data + at, size);
    if (st == LB_OK) st = lb_decoder_jpeg.decode(out, (const uint8_t *)bytes->data, bytes->size, &own);
    return st == LB_OK ? st : lb_where(st, "TIFF, JPEG %u", i);
}

lb_status lbi_tiff_jpeg(lb_image *out, const uint8_t *data, size_t size, size_t directory, const lb_media_info *info, const lb_decode_options *o) {
    file f = {data, size, directory, data[0] == 'I'};
    layout l;
    lb_image page = {0}, piece = {0};
    lb_buf bytes = {0};
    lb_status st = LB_OK;
    LB_TRY(find_layout(&l, &f, info));
    for (uint32_t i = 0; i < l.across * l.down; i++) {
        LB_TRY(decode_piece(&piece, &bytes, &f, &l, i, o));
        if (!page.pixels) {
            LB_TRY(lb_image_new(&page, (int32_t)l.width, (int32_t)l.height, piece.channels, 8));
            memset(page.pixels, 0, (size_t)page.width * (size_t)page.height * (size_t)page.channels);
        }
        if (piece.channels != page.channels || piece.bits != 8) LB_TRY(lb_fail(LB_E_FORMAT, "TIFF is damaged: JPEGs of %d and %d colours", page.channels, piece.channels));
        paste(&page, &piece, (int32_t)(i % l.across * l.piece_width), (int32_t)(i / l.across * l.piece_height));
        lb_image_free(&piece);
    }
    *out = page;
    page = (lb_image){0};
done:
    lb_image_free(&page);
    lb_image_free(&piece);
    lb_buf_free(&bytes);
    return st;
}
