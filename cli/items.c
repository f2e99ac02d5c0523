/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/items.h"
#include <stdio.h>
#include <string.h>

static lb_status reader_options(lb_value **out, const lb_text_list *words) {
    lb_status st = LB_OK;
    lb_value *map = lb_value_map();
    for (int64_t i = 0; i < words->count; i++) {
        char key[64];
        const char *eq = strchr(words->items[i], '=');
        if (!eq || (size_t)(eq - words->items[i]) >= sizeof key) {
            st = cli_usage("--option wants key=value, got '%s'", words->items[i]);
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
    LB_TRY(reader_options(&options, &o->option));
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
