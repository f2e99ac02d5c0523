/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the page share. */
#ifndef LB_EVAL_REPORT_PRIVATE_H
#define LB_EVAL_REPORT_PRIVATE_H
#include "base/value.h"

extern const char lbi_page_css[], lbi_page_js[]; /* eval/page.css, eval/page.js */

enum { LBI_COLOURS_OF_PAGE = 6 };

/* Text with the characters that HTML gives a meaning replaced. */
void lbi_html_text(lb_buf *out, const char *text);
/* Of a list; 0 for anything else. */
int64_t lbi_length(const lb_value *list);
/* A number of a list, NaN where there is none. */
double lbi_real_at(const lb_value *list, int64_t i);

/* <figure>s of section data (eval/report.h). */
LB_MUST_USE lb_status lbi_html_curves(lb_buf *out, const lb_value *list, const char *x_name);
void lbi_html_bars(lb_buf *out, const lb_value *list);

#endif
