/* SPDX-License-Identifier: Apache-2.0 */
/* To copy: cp template.c mine.c, READER(mine) in datasets/readers.def, `limbeck list --input PATH --reader mine`.
 * A reader lists a data set; it decodes nothing. A bad line is a problem with file and line, and the next one is read. This one: a file of
 * lines `path<TAB>label`, paths relative to the file. */
#include <string.h>
#include "base/file.h"
#include "datasets/items_private.h"

enum { MOST_BYTES = 1 << 30 };

typedef struct options {
    const char *split;
} options;

static const lb_param params[] = {
    LB_PARAM_TEXT(options, split, NULL, NULL, "split that the items are given"),
    LB_PARAM_END};

/* Is this path mine, and how sure? Looks at names and first bytes only. */
static int probe(const char *path) { return lb_ends_with(path, ".labels") && !lb_is_folder(path) ? 90 : 0; }

static lb_status add_line(lb_items *items, const char *path, int64_t line, char *text, const options *o) {
    char *tab = strchr(text, '\t');
    if (!tab || tab == text || !lbi_is_utf8(text, strlen(text))) {
        lb_items_problem(items, "%s:%lld: is not path<TAB>label; left out", path, (long long)line);
        return LB_OK;
    }
    *tab = 0;
    return lb_items_add(items, &(lb_item){.key = text, .image = text, .label = tab + 1, .split = (char *)o->split, .line = line});
}

static lb_status read(lb_items *items, const char *path, const void *cfg) {
    lb_status st = LB_OK;
    lb_buf data = {0};
    char *next = NULL;
    int64_t line = 0;
    LB_TRY(lb_file_read(&data, path, MOST_BYTES));
    for (char *at = data.data; at && *at; at = next) {
        next = strchr(at, '\n');
        if (next) *next++ = 0;
        LB_TRY(add_line(items, path, ++line, at, cfg));
    }
done:
    lb_buf_free(&data);
    return st;
}

LB_READER(template) = {.id = "template",
                       .title = "lines of path and label",
                       .source = "",
                       .params = params,
                       .params_size = sizeof(options),
                       .fields = "image label split",
                       .probe = probe,
                       .read = read};
