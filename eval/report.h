/* SPDX-License-Identifier: Apache-2.0 */
/* One self-contained HTML page from run folders: no network, readable on a phone, in dark mode, printable; tables sort and filter, curves
 * zoom. Its style is eval/page.css, its script eval/page.js; a policy in its head forbids it to load anything. */
#ifndef LB_EVAL_REPORT_H
#define LB_EVAL_REPORT_H
#include "base/value.h"
LB_BEGIN

/** Appends the page. It is data:
 *   {"title": TEXT, "facts": [[NAME, TEXT], ...], "sections": [SECTION, ...]}
 *  and a section has a "title" and any of, in this order:
 *   "text": TEXT
 *   "verdict": TEXT                                    what the numbers say, set off
 *   "bars": [{"name", "values": [...]}]                a bar to the mean of the values, a dot for each
 *   "table": {"columns": [TEXT, ...], "rows": [[CELL, ...], ...]}    CELL: number, text, null, or {"text", "value"} that sorts by value
 *   "matrix": {"counts": [[INT, ...], ...], "names": [TEXT, ...]}    truth in rows; a cell is coloured by its share of the row
 *   "curves": [{"name", "group", "x": [...], "y": [...]}]            one colour a group (six, then again); "x_name": TEXT
 *   "grid": {"rows": [{"query": SHOWN, "hits": [SHOWN, ...]}]}       SHOWN: {"text", "image": data URI, "right": bool}
 *   "note": TEXT
 *  A bar or curve may have "colour": INT, the number of its colour.
 *  Texts are escaped. LB_E_NOMEM when memory is refused. Thread-safe. */
LB_API LB_MUST_USE lb_status lb_report_html(lb_buf *out, const lb_value *page);

LB_END
#endif
