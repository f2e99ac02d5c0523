/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/report.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "eval/report_private.h"

void lbi_html_text(lb_buf *out, const char *text) {
    for (const char *s = text; s && *s; s++) switch (*s) {
        case '<': lb_buf_text(out, "&lt;"); break;
        case '>': lb_buf_text(out, "&gt;"); break;
        case '&': lb_buf_text(out, "&amp;"); break;
        case '"': lb_buf_text(out, "&quot;"); break;
        case '\'': lb_buf_text(out, "&#39;"); break;
        default: lb_buf_add(out, s, 1);
        }
}

int64_t lbi_length(const lb_value *list) { return list && list->kind == LB_V_LIST ? list->count : 0; }

static double number(const lb_value *v) { return !v ? NAN : v->kind == LB_V_REAL ? v->real : v->kind == LB_V_INT ? (double)v->integer : NAN; }

double lbi_real_at(const lb_value *list, int64_t i) { return i < lbi_length(list) ? number(list->items[i]) : NAN; }

static void element(lb_buf *out, const char *tag, const char *class, const char *text) {
    lb_buf_format(out, "<%s%s%s%s>", tag, class ? " class=\"" : "", class ? class : "", class ? "\"" : "");
    lbi_html_text(out, text);
    lb_buf_format(out, "</%s>\n", tag);
}

/* ---- tables ---- */

/* 1234567 -> 1,234,567. */
static void whole_number(lb_buf *out, int64_t x) {
    char digits[32];
    int n = snprintf(digits, sizeof digits, "%lld", (long long)llabs(x));
    if (x < 0) lb_buf_text(out, "-");
    for (int i = 0; i < n; i++) lb_buf_format(out, "%s%c", i > 0 && (n - i) % 3 == 0 ? "," : "", digits[i]);
}

static void cell(lb_buf *out, const lb_value *v) {
    double sorted_by = number(v && v->kind == LB_V_MAP ? lb_get(v, "value") : v);
    lb_buf_text(out, "<td");
    if (isfinite(sorted_by)) lb_buf_format(out, " data-v=\"%.9g\"", sorted_by);
    lb_buf_text(out, ">");
    if (v && v->kind == LB_V_MAP) lbi_html_text(out, lb_get_text(v, "text", "-"));
    else if (v && v->kind == LB_V_TEXT) lbi_html_text(out, v->text);
    else if (v && v->kind == LB_V_INT) whole_number(out, v->integer);
    else if (isfinite(sorted_by)) lb_buf_format(out, "%.4g", sorted_by);
    else lb_buf_text(out, "-");
    lb_buf_text(out, "</td>");
}

static void table(lb_buf *out, const lb_value *t) {
    const lb_value *columns = lb_get(t, "columns"), *rows = lb_get(t, "rows");
    lb_buf_text(out, "<div class=\"wide\"><table><thead><tr>");
    for (int64_t i = 0; i < lbi_length(columns); i++) {
        lb_buf_text(out, "<th scope=\"col\"><button type=\"button\">");
        lbi_html_text(out, columns->items[i]->text);
        lb_buf_text(out, "</button></th>");
    }
    lb_buf_text(out, "</tr></thead><tbody>\n");
    for (int64_t i = 0; i < lbi_length(rows); i++) {
        lb_buf_text(out, "<tr>");
        for (int64_t k = 0; k < lbi_length(rows->items[i]); k++) cell(out, rows->items[i]->items[k]);
        lb_buf_text(out, "</tr>\n");
    }
    lb_buf_text(out, "</tbody></table></div>\n");
}

/* ---- confusion ---- */

static void class_name(lb_buf *out, const lb_value *names, int64_t k) {
    if (k < lbi_length(names)) lbi_html_text(out, names->items[k]->text);
    else lb_buf_format(out, "%lld", (long long)k);
}

static void matrix(lb_buf *out, const lb_value *m) {
    const lb_value *counts = lb_get(m, "counts"), *names = lb_get(m, "names");
    int64_t n = lbi_length(counts);
    lb_buf_text(out, "<div class=\"wide\"><table class=\"matrix\"><thead><tr><th></th>");
    for (int64_t k = 0; k < n; k++) {
        lb_buf_text(out, "<th scope=\"col\"><span>");
        class_name(out, names, k);
        lb_buf_text(out, "</span></th>");
    }
    lb_buf_text(out, "</tr></thead><tbody>\n");
    for (int64_t i = 0; i < n; i++) {
        double all = 0;
        for (int64_t k = 0; k < n; k++) all += fmax(lbi_real_at(counts->items[i], k), 0);
        lb_buf_text(out, "<tr><th scope=\"row\">");
        class_name(out, names, i);
        lb_buf_text(out, "</th>");
        for (int64_t k = 0; k < n; k++) {
            double x = lbi_real_at(counts->items[i], k);
            lb_buf_format(out, "<td class=\"%s\" style=\"--share:%.0f%%\">", i == k ? "right" : "", all > 0 ? 100 * x / all : 0);
            if (x > 0) whole_number(out, (int64_t)x);
            lb_buf_text(out, "</td>");
        }
        lb_buf_text(out, "</tr>\n");
    }
    lb_buf_text(out, "</tbody></table></div>\n");
}

/* ---- picture grids ---- */

static void shown(lb_buf *out, const lb_value *v, const char *class) {
    const char *image = lb_get_text(v, "image", NULL), *text = lb_get_text(v, "text", "");
    lb_buf_format(out, "<div class=\"%s\">", class);
    if (image) {
        lb_buf_text(out, "<img alt=\"");
        lbi_html_text(out, text);
        lb_buf_text(out, "\" title=\"");
        lbi_html_text(out, text);
        lb_buf_text(out, "\" src=\"");
        lbi_html_text(out, image);
        lb_buf_text(out, "\">");
    } else lbi_html_text(out, text);
    lb_buf_text(out, "</div>");
}

static void grid(lb_buf *out, const lb_value *g) {
    const lb_value *rows = lb_get(g, "rows");
    lb_buf_text(out, "<div class=\"gallery\">\n");
    for (int64_t i = 0; i < lbi_length(rows); i++) {
        const lb_value *hits = lb_get(rows->items[i], "hits");
        lb_buf_text(out, "<div class=\"row\">");
        shown(out, lb_get(rows->items[i], "query"), "query");
        for (int64_t k = 0; k < lbi_length(hits); k++) shown(out, hits->items[k], lb_get_bool(hits->items[k], "right", false) ? "hit right" : "hit");
        lb_buf_text(out, "</div>\n");
    }
    lb_buf_text(out, "</div>\n");
}

/* ---- the page ---- */

static void facts(lb_buf *out, const lb_value *list) {
    if (lbi_length(list) == 0) return;
    lb_buf_text(out, "<dl class=\"facts\">\n");
    for (int64_t i = 0; i < list->count; i++) {
        if (lbi_length(list->items[i]) != 2) continue;
        lb_buf_text(out, "<div>");
        element(out, "dt", NULL, list->items[i]->items[0]->text);
        element(out, "dd", NULL, list->items[i]->items[1]->text);
        lb_buf_text(out, "</div>\n");
    }
    lb_buf_text(out, "</dl>\n");
}

static lb_status section(lb_buf *out, const lb_value *s) {
    lb_status st = LB_OK;
    const char *text = lb_get_text(s, "text", NULL), *verdict = lb_get_text(s, "verdict", NULL), *note = lb_get_text(s, "note", NULL);
    lb_buf_text(out, "<section>\n");
    element(out, "h2", NULL, lb_get_text(s, "title", ""));
    if (text) element(out, "p", NULL, text);
    if (verdict) element(out, "p", "verdict", verdict);
    if (lb_get(s, "bars")) lbi_html_bars(out, lb_get(s, "bars"));
    if (lb_get(s, "table")) table(out, lb_get(s, "table"));
    if (lb_get(s, "matrix")) matrix(out, lb_get(s, "matrix"));
    if (lb_get(s, "curves")) st = lbi_html_curves(out, lb_get(s, "curves"), lb_get_text(s, "x_name", "x"));
    if (lb_get(s, "grid")) grid(out, lb_get(s, "grid"));
    if (note) element(out, "p", "soft", note);
    lb_buf_text(out, "</section>\n");
    return st;
}

lb_status lb_report_html(lb_buf *out, const lb_value *page) {
    lb_status st = LB_OK;
    const lb_value *sections = lb_get(page, "sections");
    const char *title = lb_get_text(page, "title", "Limbeck report");
    lb_buf_text(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                     "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
                     "<link rel=\"icon\" href=\"data:,\">\n");
    element(out, "title", NULL, title);
    lb_buf_text(out, "<style>\n");
    lb_buf_text(out, lbi_page_css);
    lb_buf_text(out, "</style></head><body>\n");
    element(out, "h1", NULL, title);
    facts(out, lb_get(page, "facts"));
    for (int64_t i = 0; i < lbi_length(sections); i++) LB_TRY(section(out, sections->items[i]));
    lb_buf_text(out, "<script>\n");
    lb_buf_text(out, lbi_page_js);
    lb_buf_text(out, "</script></body></html>\n");
    LB_TRY(lb_buf_status(out));
done:
    return st;
}
