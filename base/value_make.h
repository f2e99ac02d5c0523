/* SPDX-License-Identifier: Apache-2.0 */
/* What the JSON and YAML readers and writers share. */
#ifndef LB_BASE_VALUE_MAKE_H
#define LB_BASE_VALUE_MAKE_H
#include "base/json_parts.h"
LB_BEGIN

/* New nodes; NULL when memory is refused. */
lb_value *lbi_value_new(lb_value_kind kind);
lb_value *lbi_value_text(const char *text, size_t size);

/* Appends without looking for an equal key (NULL for a list). take_v moves in every case. */
void lbi_value_append(lb_value *container, const char *key, int key_line, lb_value *take_v);
/* The same with a key from lb_alloc, which moves too in every case. */
void lbi_value_join(lb_value *container, char *take_key, int key_line, lb_value *take_v);

/* Does a part of the tree remember a failed addition? NULL counts as failed. */
bool lbi_value_broken(const lb_value *v);

/* Well-formed JSON, its parts apart; NULL for all else, for what only jansson is sure of, and when memory was refused. */
lb_value *lbi_json_fast(const char *text, size_t size, int n, lb_json_part *parts, bool *refused);

/* A plain scalar by the core schema of YAML 1.2.2, section 10.3.2. NULL when memory is refused. */
lb_value *lbi_yaml_plain(const char *text, size_t size);

/* Double-quoted, escaped so that it is JSON and YAML at once. Bytes that are not UTF-8 become U+FFFD. */
void lbi_quote(lb_buf *out, const char *text, size_t size);
/* "4.0", "1.0e-05": always read back as a real; null when not finite. */
void lbi_put_real(lb_buf *out, double x);

LB_END
#endif
