/* SPDX-License-Identifier: Apache-2.0 */
/* The options by which every verb takes items, and opening them. A verb's options struct starts with `cli_items items;` and its table
 * with CLI_ITEMS_PARAMS(options). */
#ifndef LB_CLI_ITEMS_H
#define LB_CLI_ITEMS_H
#include "cli/cli.h"
#include "datasets/reader.h"

typedef struct cli_items {
    lb_text_list input, option;
    const char *reader, *split;
} cli_items;

#define CLI_ITEMS_ROW(T, field, type_, word_, text_) {.name = #field, .type = type_, .offset = offsetof(T, items.field), .unit = word_, .text = text_}
#define CLI_ITEMS_PARAMS(T)                                                                                                       \
    CLI_ITEMS_ROW(T, input, LB_T_LIST, "PATH", "media or text files, folders, .jsonl lists, a reader's name, or - for a list on standard input"), \
    CLI_ITEMS_ROW(T, reader, LB_T_TEXT, "NAME", "which reader, when in doubt (limbeck describe readers)"),                       \
    CLI_ITEMS_ROW(T, option, LB_T_LIST, "KEY=VALUE", "a parameter of the reader"),                                                \
    CLI_ITEMS_ROW(T, split, LB_T_TEXT, "NAME", "only items of this split; a|b = either")

/** Lists the inputs (usage error when there are none), says problems on stderr (at most `problems` lines; the rest is counted), and picks
 *  the split: *indices is new (lb_free). */
LB_MUST_USE lb_status cli_items_open(lb_items **out, int64_t **indices, int64_t *count, const cli_items *options, int64_t problems);
/** Words of --option, "KEY=VALUE" each, as a new map. Another word is a usage error. */
LB_MUST_USE lb_status cli_key_values(lb_value **out, const lb_text_list *words);
/** The distinct labels of items in byte order: *out is new (lb_free), its texts are the items'. LB_E_ARG names an item without one. */
LB_MUST_USE lb_status cli_items_labels(char ***out, int64_t *count, const lb_items *items, const int64_t *indices, int64_t n);

#endif
