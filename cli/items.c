/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/items.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

lb_status cli_key_values(lb_value **out, const lb_text_list *words) {
    lb_status st = LB_OK;
    lb_value *map = lb_value_map();
    for (int64_t i = 0; i < words->count; i++) {
        char key[64];
        const char *eq = strchr(words->items[i], '=');
        if (!eq || (size_t)(eq - words->items[i]) >= sizeof key) {
            st = cli_usage("--option wants KEY=VALUE, got '%s'", words->items[i]);
            goto done;
        }
        snprintf(key, sizeof key, "%.*s", (int)(eq - words->items[i]), words->items[i]);
        LB_TRY(lb_value_set(map, key, eq + 1));
    }
    *out = map;
    map = NULL;
done:
    lb_value_free(map);
    return st;
}

lb_status cli_items_open(lb_items **out, int64_t **indices, int64_t *count, const cli_items *o, int64_t problems) {
    lb_status st = LB_OK;
    lb_value *options = NULL;
    lb_items *items = NULL;
    if (o->input.count == 0) return cli_usage("--input is missing: which items?");
    const lb_head *reader = NULL;
    if (o->reader && lb_family_find(&reader, &lb_readers, o->reader) != LB_OK) return cli_usage("%s", lb_error_text());
    LB_TRY(cli_key_values(&options, &o->option));
    LB_TRY(lb_items_open(&items, o->input.count, (const char *const *)o->input.items, o->reader, options));
    for (int64_t i = 0; i < items->problem_count && i < problems; i++) lb_say(LB_LOG_WARN, "items", "%s", items->problems[i]);
    if (items->problem_count > problems) lb_say(LB_LOG_WARN, "items", "%lld more problems; limbeck list tells all", (long long)(items->problem_count - problems));
    LB_TRY(lb_items_split(items, o->split, indices, count));
    if (*count == 0) {
        lb_free(*indices);
        *indices = NULL;
        st = lb_fail(LB_E_ARG, "no items%s%s", o->split ? " in split " : "", o->split ? o->split : "");
        goto done;
    }
    *out = items;
    items = NULL;
done:
    lb_items_free(items);
    lb_value_free(options);
    return st;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

lb_status cli_items_labels(char ***out, int64_t *count, const lb_items *items, const int64_t *indices, int64_t n) {
    char **all = lb_alloc((size_t)n + 1, sizeof *all);
    int64_t kept = 0;
    if (!all) return LB_E_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        const lb_item *item = &items->at[indices[i]];
        if (!(all[i] = item->label)) {
            lb_free(all);
            return lb_fail(LB_E_ARG, "item %s has no label", item->key);
        }
    }
    qsort(all, (size_t)n, sizeof *all, by_text);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || strcmp(all[i], all[kept - 1]) != 0) all[kept++] = all[i];
    *out = all;
    *count = kept;
    return LB_OK;
}
