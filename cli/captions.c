/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/captions.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"

/* The list may stand in another folder than this one: paths become absolute. */
static lb_status make_absolute(lb_value *v) {
    static const char *const fields[] = {"image", "audio", "video", "mask"};
    char here[4096];
    if (!getcwd(here, sizeof here)) return lb_fail(LB_E_IO, "the working folder has no name");
    for (size_t i = 0; i < LB_COUNT(fields); i++) {
        const char *path = lb_get_text(v, fields[i], NULL);
        if (!path || strstr(path, "://")) continue;
        char *whole = lb_path_join(here, path);
        if (!whole) return LB_E_NOMEM;
        lb_map_text(v, fields[i], whole);
        lb_free(whole);
    }
    return LB_OK;
}

static lb_status one_line(lb_buf *out, lb_cache *c, int tap, int64_t row, const lb_item *item) {
    float *bytes = NULL;
    int64_t n = 0, from = 0;
    char *text = NULL;
    lb_value *v = NULL;
    lb_status st = LB_OK;
    LB_TRY(lb_cache_read_ragged(c, tap, row, &bytes, &n));
    if (!(text = lb_alloc((size_t)n + 1, 1))) LB_TRY(LB_E_NOMEM);
    for (int64_t i = 0; i < n; i++) text[i] = (char)(unsigned char)bytes[i];
    while (n > 0 && text[n - 1] == ' ') n--;
    while (from < n && text[from] == ' ') from++;
    if (from == n) goto done; /* nothing was said */
    text[n] = 0;
    v = lb_item_value(item);
    lb_map_text(v, "text", text + from);
    LB_TRY(make_absolute(v));
    LB_TRY(lb_json_write(out, v, 0));
    lb_buf_text(out, "\n");
    st = lb_buf_status(out);
done:
    lb_value_free(v);
    lb_free(text);
    lb_free(bytes);
    return st;
}

lb_status cli_write_captions(const char *path, const char *features, const lb_items *items, const int64_t *indices, int64_t count) {
    lb_status st = LB_OK;
    lb_cache *c = NULL;
    lb_buf out = {0};
    LB_TRY(lb_cache_open(&c, features));
    int tap = lb_cache_tap_find(c, "text");
    if (tap < 0) {
        st = lb_fail(LB_E_NOTFOUND, "%s: no tap 'text', which captions are made of", features);
        goto done;
    }
    for (int64_t i = 0; i < count && i < lb_cache_rows(c); i++)
        if (lb_cache_row_status(c, i) == 0) LB_TRY(one_line(&out, c, tap, i, &items->at[indices[i]]));
    LB_TRY(lb_file_write(path, lb_buf_str(&out), out.size));
done:
    lb_cache_close(c);
    lb_buf_free(&out);
    return st;
}
