/* SPDX-License-Identifier: Apache-2.0 */
/* Parameter tables: a parameter is stated once (name, type, default, range, unit, meaning). Config keys, command-line
 * options, help, validation, golden files and documentation come from the table; the struct is filled from it, so a
 * default exists nowhere else. Tables are const and free to share.
 *
 *   struct kd { float temperature; int64_t k; bool norm; const char *mode; };
 *   static const lb_param params[] = {
 *       LB_PARAM(struct kd, temperature, 4.0, 0.1, 100.0, "1", "softening T, eq. (1)"),
 *       LB_PARAM_TEXT(struct kd, mode, "code", "code|paper", "which form of eq. (3)"),
 *       LB_PARAM_END };
 *
 * LB_PARAM_WORD is a text without a default that help shows as that word ("--out FILE").
 * Field names use '_'; users may write '-' or '_'. */
#ifndef LB_BASE_PARAM_H
#define LB_BASE_PARAM_H
#include <float.h>
#include <math.h>
#include "base/alloc.h"
#include "base/buf.h"
LB_BEGIN

typedef enum lb_param_type {
    LB_T_END = 0,
    LB_T_F32,  /* float */
    LB_T_F64,  /* double */
    LB_T_I32,  /* int */
    LB_T_I64,  /* int64_t */
    LB_T_BOOL, /* bool */
    LB_T_TEXT, /* const char *: owned by the filled struct, see lb_params_free */
    LB_T_LIST, /* lb_text_list: option that takes one or more words, or is repeated */
} lb_param_type;

typedef struct lb_text_list {
    char **items;
    int64_t count;
} lb_text_list;

typedef struct lb_param {
    const char *name;
    lb_param_type type;
    size_t offset;
    double def, min, max;     /* numbers and booleans; both ends of the range belong to it */
    const char *def_text;     /* texts; NULL = none given */
    const char *choices;      /* texts: "a|b|c", or NULL = any */
    const char *unit;         /* "1" for pure numbers, "px", "s", ... ; for texts and lists the word shown in help ("FILE") */
    const char *text;         /* one line of meaning */
} lb_param;

/* Ranges open at 0 are written with LB_ABOVE_0 as their lower end. */
#define LB_ABOVE_0 DBL_MIN
#define LB_NO_MAX DBL_MAX

#ifndef __cplusplus
#define LB_PARAM(T, field, default_, min_, max_, unit_, text_)                                                         \
    {.name = #field,                                                                                                   \
     .type = _Generic(((T *)0)->field, float : LB_T_F32, double : LB_T_F64, int : LB_T_I32, int64_t : LB_T_I64,        \
                      bool : LB_T_BOOL),                                                                               \
     .offset = offsetof(T, field), .def = (default_), .min = (min_), .max = (max_), .unit = (unit_), .text = (text_)}
#define LB_PARAM_FLAG(T, field, default_, text_)                                                                       \
    {.name = #field, .type = _Generic(((T *)0)->field, bool : LB_T_BOOL), .offset = offsetof(T, field),                \
     .def = (default_), .min = 0, .max = 1, .unit = "", .text = (text_)}
#define LB_PARAM_TEXT(T, field, default_, choices_, text_)                                                             \
    {.name = #field, .type = _Generic(((T *)0)->field, const char * : LB_T_TEXT), .offset = offsetof(T, field),        \
     .def_text = (default_), .choices = (choices_), .unit = "TEXT", .text = (text_)}
#define LB_PARAM_WORD(T, field, word_, text_)                                                                          \
    {.name = #field, .type = _Generic(((T *)0)->field, const char * : LB_T_TEXT), .offset = offsetof(T, field),        \
     .unit = (word_), .text = (text_)}
#define LB_PARAM_LIST(T, field, word_, text_)                                                                          \
    {.name = #field, .type = _Generic(((T *)0)->field, lb_text_list : LB_T_LIST), .offset = offsetof(T, field),        \
     .unit = (word_), .text = (text_)}
#define LB_PARAM_END {.name = 0, .type = LB_T_END}
#endif

/** Fills cfg with the defaults. A NULL table is an empty one. Texts are copied: release with lb_params_free. */
LB_API LB_MUST_USE lb_status lb_params_default(const lb_param *table, void *cfg);
LB_API void lb_params_free(const lb_param *table, void *cfg);

/** The row named `name` ('-' equals '_'), or NULL. */
LB_API const lb_param *lb_param_find(const lb_param *table, const char *name);
/** Like lb_param_find, but an unknown name is LB_E_ARG with the nearest names in the message. */
LB_API LB_MUST_USE lb_status lb_param_get(const lb_param **out, const lb_param *table, const char *name);

/** Set one parameter; checks type, range and choices. set_word parses text as a user wrote it ("0.5", "true", "a").
 *  A list takes the word as one more item. LB_E_ARG names the parameter, the value and what was expected. */
LB_API LB_MUST_USE lb_status lb_param_set_word(const lb_param *row, void *cfg, const char *word);
LB_API LB_MUST_USE lb_status lb_param_set_number(const lb_param *row, void *cfg, double value);
LB_API LB_MUST_USE lb_status lb_param_set_text(const lb_param *row, void *cfg, const char *text);

/** The value as text, as set_word would read it back; numbers with the fewest digits that read back equal. */
LB_API void lb_param_format(const lb_param *row, const void *cfg, lb_buf *out);

struct lb_value;
/** Fills from a map of a recipe or config.json: defaults first, then the map's keys. An unknown key is LB_E_ARG with its
 *  line and the nearest name. NULL map = defaults only. On failure cfg is released. */
LB_API LB_MUST_USE lb_status lb_params_from_value(const lb_param *table, void *cfg, const struct lb_value *map);
/** All parameters as a new map value (resolved recipe, config.json). NULL when memory is refused. */
LB_API struct lb_value *lb_params_to_value(const lb_param *table, const void *cfg);

LB_END
#endif
