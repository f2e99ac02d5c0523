/* SPDX-License-Identifier: Apache-2.0 */
/* Walking through large JSON files in memory without making a tree of them: annotation files of hundreds of megabytes. Private to datasets.
 *
 *   if (lbi_scan_enter(&s, '{'))
 *       while (lbi_scan_key(&s, &key, &n)) ... lbi_scan_value(&s, &from, &size) or lbi_scan_enter(&s, '[') and lbi_scan_more(&s) ...
 *
 * Strings keep their escapes. The first fault is sticky: everything answers false, lbi_scan_status tells it with its line. */
#ifndef LB_DATASETS_SCAN_H
#define LB_DATASETS_SCAN_H
#include "base/value.h"
#include "datasets/items_private.h"

typedef struct lbi_scan {
    const char *begin, *at, *end;
    const char *name; /* for messages */
    const char *fault;
    const char *counted; /* private: up to here lines are counted */
    int64_t line;
} lbi_scan;

lbi_scan lbi_scan_make(const char *text, size_t size, const char *name);
/* The kind of the next value by its first character: '{', '[', '"', a digit or '-', 't', 'f', 'n'; 0 at the end. */
char lbi_scan_peek(lbi_scan *s);
/* Steps into an object or a list. */
bool lbi_scan_enter(lbi_scan *s, char open);
/* The next key of the object; false behind its end. */
bool lbi_scan_key(lbi_scan *s, const char **key, size_t *size);
/* Is there one more element of the list? false behind its end. */
bool lbi_scan_more(lbi_scan *s);
/* Skips a value; its text. from may be NULL. */
bool lbi_scan_value(lbi_scan *s, const char **from, size_t *size);
/* A number; 0 and a fault for anything else. */
double lbi_scan_number(lbi_scan *s);
/* A string with its escapes undone, in the list's memory; NULL and a fault for anything else. */
char *lbi_scan_text(lbi_scan *s, lb_items *items);
bool lbi_scan_is(const char *key, size_t size, const char *word);
/* Of the place where the walk is. */
int64_t lbi_scan_line(lbi_scan *s);
LB_MUST_USE lb_status lbi_scan_status(lbi_scan *s);

#endif
