/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of values (null, bool, integer, real, text, list, map) read from JSON or YAML and written as JSON or YAML.
 * Text may hold any byte, NUL too, so it has a length. Nodes know their line (YAML; JSON: 0). Maps keep their order.
 * Building is sticky: a NULL container or refused memory marks the root as failed, seen when it is written.
 * One thread at a time while it is built, then immutable. */
#ifndef LB_BASE_VALUE_H
#define LB_BASE_VALUE_H
#include "base/alloc.h"
#include "base/buf.h"
LB_BEGIN

typedef enum lb_value_kind { LB_V_NULL = 0, LB_V_BOOL, LB_V_INT, LB_V_REAL, LB_V_TEXT, LB_V_LIST, LB_V_MAP } lb_value_kind;
typedef struct lb_value lb_value;
struct lb_value {
    lb_value_kind kind;
    int line; /* 1-based; 0 = unknown */
    bool boolean;
    bool failed;
    int64_t integer;
    double real;
    char *text; /* NUL-terminated beyond text_size */
    size_t text_size;
    int64_t count; /* list, map */
    lb_value **items;
    char **keys; /* map */
    int *key_lines;
};

LB_API void lb_value_free(lb_value *v);
LB_API lb_value *lb_value_map(void);
LB_API lb_value *lb_value_list(void);
LB_API lb_value *lb_value_copy(const lb_value *v);

/* Put into a map (replaces an equal key) or append to a list. take_v moves in every case, also on failure. */
LB_API void lb_map_put(lb_value *map, const char *key, lb_value *take_v);
LB_API void lb_map_text(lb_value *map, const char *key, const char *text); /* NULL text = null */
LB_API void lb_map_bytes(lb_value *map, const char *key, const char *text, size_t size);
LB_API void lb_map_int(lb_value *map, const char *key, int64_t x);
LB_API void lb_map_real(lb_value *map, const char *key, double x);         /* NaN and infinities are written as null */
LB_API void lb_map_bool(lb_value *map, const char *key, bool x);
LB_API void lb_list_put(lb_value *list, lb_value *take_v);
LB_API void lb_list_text(lb_value *list, const char *text);
LB_API void lb_list_int(lb_value *list, int64_t x);
LB_API void lb_list_real(lb_value *list, double x);

/* Look up; NULL or the fallback when absent, never a failure. lb_get follows dots: "train.lr". */
LB_API const lb_value *lb_get(const lb_value *map, const char *path);
LB_API const char *lb_get_text(const lb_value *map, const char *path, const char *fallback);
LB_API double lb_get_real(const lb_value *map, const char *path, double fallback); /* integers too */
LB_API int64_t lb_get_int(const lb_value *map, const char *path, int64_t fallback);
LB_API bool lb_get_bool(const lb_value *map, const char *path, bool fallback);
/** Sets a dotted path, making maps on the way ("a.b.0.c" indexes a list); the word is read as YAML would (number, bool,
 *  [list], text). For --set a.b=v. LB_E_ARG if the path meets a scalar. */
LB_API LB_MUST_USE lb_status lb_value_set(lb_value *root, const char *path, const char *word);
/** Fails unless every key of the map is among `known` (NULL-ended): LB_E_ARG with "where: line N: unknown key 'x' (did you
 *  mean y?)". */
LB_API LB_MUST_USE lb_status lb_value_only(const lb_value *map, const char *where, const char *const *known);

/** The first place where two trees differ, as "train.steps: 300 and 200"; false when they are equal. Numbers compare by value, maps by
 *  key whatever the order. */
LB_API bool lb_value_differ(lb_buf *out, const lb_value *a, const lb_value *b);

/** Parse. `name` (a file) is used in messages, which give line and column. Duplicate keys are LB_E_FORMAT. */
LB_API LB_MUST_USE lb_status lb_json_parse(lb_value **out, const char *text, size_t size, const char *name);
LB_API LB_MUST_USE lb_status lb_yaml_parse(lb_value **out, const char *text, size_t size, const char *name);
LB_API LB_MUST_USE lb_status lb_json_read(lb_value **out, const char *path);
LB_API LB_MUST_USE lb_status lb_yaml_read(lb_value **out, const char *path);
/** Writes compact (indent 0, one line) or indented JSON; block YAML. LB_E_NOMEM if building had failed. */
LB_API LB_MUST_USE lb_status lb_json_write(lb_buf *out, const lb_value *v, int indent);
LB_API LB_MUST_USE lb_status lb_yaml_write(lb_buf *out, const lb_value *v);

LB_END
#endif
