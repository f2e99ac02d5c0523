/* SPDX-License-Identifier: Apache-2.0 */
/* One self-contained HTML page from run folders: no network, readable on a phone, in dark mode, printable. */
#ifndef LB_EVAL_REPORT_H
#define LB_EVAL_REPORT_H
#include "base/value.h"
LB_BEGIN

/* A page is data: {"title", "sections": [{"title", "text", "table": {"columns": [...], "rows": [[...]]}, "curves": [{"name", "x": [...],
 * "y": [...]}], "note", "grid": {"rows": [{"query": {"text"|"image"}, "hits": [{"image"|"text", "right": bool, "score"}]}]}}]}.
 * Images are data URIs. */
LB_API LB_MUST_USE lb_status lb_report_html(lb_buf *out, const lb_value *page);

LB_END
#endif
