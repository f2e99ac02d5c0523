/* SPDX-License-Identifier: Apache-2.0 */
/* Curves and bars as inline SVG. */
#include <math.h>
#include <string.h>
#include "eval/report_private.h"

enum { WIDTH = 640, HEIGHT = 270, LEFT = 48, RIGHT = 18, TOP = 10, BOTTOM = 30 };
static const double plot_width = WIDTH - LEFT - RIGHT, plot_height = HEIGHT - TOP - BOTTOM;

typedef struct range {
    double x0, x1, y0, y1;
} range;

/* Of all finite points, with a little air above and below; never empty. */
static range range_of(const lb_value *curves) {
    range r = {INFINITY, -INFINITY, INFINITY, -INFINITY};
    for (int64_t c = 0; c < lbi_length(curves); c++) {
        const lb_value *x = lb_get(curves->items[c], "x"), *y = lb_get(curves->items[c], "y");
        for (int64_t i = 0; i < lbi_length(x); i++) {
            double a = lbi_real_at(x, i), b = lbi_real_at(y, i);
            if (!isfinite(a) || !isfinite(b)) continue;
            r = (range){fmin(r.x0, a), fmax(r.x1, a), fmin(r.y0, b), fmax(r.y1, b)};
        }
    }
    if (!(r.x1 > r.x0)) r.x1 = (r.x0 = isfinite(r.x0) ? r.x0 : 0) + 1;
    if (!(r.y1 > r.y0)) r.y1 = (r.y0 = isfinite(r.y0) ? r.y0 : 0) + 1;
    double air = (r.y1 - r.y0) * 0.04;
    r.y0 -= air;
    r.y1 += air;
    return r;
}

/* 1, 2 or 5 times a power of ten, about five in the range (the script does the same when it zooms). */
static double tick_step(double from, double to) {
    double rough = (to - from) / 5, power = pow(10, floor(log10(rough)));
    return power * (rough <= power ? 1 : rough <= 2 * power ? 2 : rough <= 5 * power ? 5 : 10);
}

static double x_px(const range *r, double x) { return (x - r->x0) / (r->x1 - r->x0) * plot_width; }
static double y_px(const range *r, double y) { return plot_height - (y - r->y0) / (r->y1 - r->y0) * plot_height; }

static void axes(lb_buf *out, const range *r) {
    double step = tick_step(r->x0, r->x1);
    lb_buf_text(out, "<g class=\"axes\">");
    for (double k = ceil(r->x0 / step - 1e-9); k * step <= r->x1 + step * 1e-9; k++) {
        double x = LEFT + x_px(r, k * step);
        lb_buf_format(out, "<path class=\"grid\" d=\"M%.1f %dv%g\"/><text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.6g</text>", x, TOP, plot_height, x, HEIGHT - BOTTOM + 18, k * step + 0.0);
    }
    step = tick_step(r->y0, r->y1);
    for (double k = ceil(r->y0 / step - 1e-9); k * step <= r->y1 + step * 1e-9; k++) {
        double y = TOP + y_px(r, k * step);
        lb_buf_format(out, "<path class=\"grid\" d=\"M%d %.1fh%g\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.6g</text>", LEFT, y, plot_width, LEFT - 6, y + 4, k * step + 0.0);
    }
    lb_buf_text(out, "</g>");
}

static const char *group_of(const lb_value *curve) { return lb_get_text(curve, "group", lb_get_text(curve, "name", "")); }

/* Groups are numbered as they first appear. */
static int64_t group_number(const lb_value *list, int64_t c) {
    int64_t n = 0;
    for (int64_t i = 0; i <= c; i++) {
        int64_t first = 0;
        while (strcmp(group_of(list->items[first]), group_of(list->items[i])) != 0) first++;
        if (strcmp(group_of(list->items[i]), group_of(list->items[c])) == 0) return n;
        n += first == i;
    }
    return n;
}

/* As the data says, so that a group has one colour in all figures; else by the order of appearance. */
static int colour_of(const lb_value *list, int64_t c) { return (int)(lb_get_int(list->items[c], "colour", group_number(list, c)) % LBI_COLOURS_OF_PAGE); }

static void legend(lb_buf *out, const lb_value *list) {
    int64_t next = 0;
    lb_buf_text(out, "<div class=\"tools legend\">");
    for (int64_t c = 0; c < lbi_length(list); c++) {
        if (group_number(list, c) != next) continue;
        next++;
        lb_buf_text(out, "<button type=\"button\" aria-pressed=\"true\" data-group=\"");
        lbi_html_text(out, group_of(list->items[c]));
        lb_buf_format(out, "\"><i style=\"--ink:var(--c%d)\"></i>", colour_of(list, c));
        lbi_html_text(out, group_of(list->items[c]));
        lb_buf_text(out, "</button>");
    }
    lb_buf_text(out, "</div>");
}

static void path(lb_buf *out, const range *r, const lb_value *curve, int colour) {
    const lb_value *x = lb_get(curve, "x"), *y = lb_get(curve, "y");
    bool pen = false;
    lb_buf_format(out, "<path class=\"curve\" style=\"--ink:var(--c%d)\" d=\"", colour);
    for (int64_t i = 0; i < lbi_length(x); i++) {
        double a = lbi_real_at(x, i), b = lbi_real_at(y, i);
        bool good = isfinite(a) && isfinite(b);
        if (good) lb_buf_format(out, "%s%.2f %.2f", pen ? "L" : "M", x_px(r, a), y_px(r, b));
        pen = good;
    }
    lb_buf_text(out, "\"/>");
}

lb_status lbi_html_curves(lb_buf *out, const lb_value *list, const char *x_name) {
    lb_status st = LB_OK;
    lb_buf data = {0};
    range r = range_of(list);
    LB_TRY(lb_json_write(&data, list, 0));
    lb_buf_text(out, "<figure class=\"zoom\" data-x=\"");
    lbi_html_text(out, x_name);
    lb_buf_text(out, "\">");
    legend(out, list);
    lb_buf_format(out, "<svg class=\"chart plot\" viewBox=\"0 0 %d %d\" role=\"img\" data-range=\"[%.9g,%.9g,%.9g,%.9g]\" data-curves=\"", WIDTH, HEIGHT, r.x0, r.x1, r.y0, r.y1);
    lbi_html_text(out, lb_buf_str(&data));
    lb_buf_text(out, "\">");
    axes(out, &r);
    lb_buf_format(out, "<svg x=\"%d\" y=\"%d\" width=\"%g\" height=\"%g\" viewBox=\"0 0 %g %g\" preserveAspectRatio=\"none\">", LEFT, TOP, plot_width, plot_height, plot_width, plot_height);
    for (int64_t c = 0; c < lbi_length(list); c++) path(out, &r, list->items[c], colour_of(list, c));
    lb_buf_text(out, "</svg></svg><output class=\"soft\"></output></figure>\n");
done:
    lb_buf_free(&data);
    return st;
}

/* ---- bars ---- */

enum { BAR_STEP = 34, BAR_HEIGHT = 16, BAR_LEFT = 184, BAR_RIGHT = 64 };

static double mean_of(const lb_value *values) {
    double sum = 0;
    for (int64_t i = 0; i < lbi_length(values); i++) sum += lbi_real_at(values, i);
    return sum / (double)lbi_length(values);
}

void lbi_html_bars(lb_buf *out, const lb_value *list) {
    int64_t n = lbi_length(list);
    double most = 0;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < lbi_length(lb_get(list->items[i], "values")); k++) most = fmax(most, lbi_real_at(lb_get(list->items[i], "values"), k));
    double scale = most > 0 ? (WIDTH - BAR_LEFT - BAR_RIGHT) / most : 0;
    lb_buf_format(out, "<figure><svg class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\">", WIDTH, (int)n * BAR_STEP + 8);
    for (int64_t i = 0; i < n; i++) {
        const lb_value *values = lb_get(list->items[i], "values");
        double mean = mean_of(values), y = 4 + (double)i * BAR_STEP + (BAR_STEP - BAR_HEIGHT) / 2;
        lb_buf_format(out, "<g style=\"--ink:var(--c%d)\"><text class=\"name\" x=\"10\" y=\"%g\">", colour_of(list, i), y + 13);
        lbi_html_text(out, lb_get_text(list->items[i], "name", ""));
        lb_buf_text(out, "</text>");
        if (isfinite(mean)) lb_buf_format(out, "<rect class=\"bar\" x=\"%d\" y=\"%g\" width=\"%.1f\" height=\"%d\"/>", BAR_LEFT, y, mean * scale, BAR_HEIGHT);
        for (int64_t k = 0; k < lbi_length(values) && lbi_length(values) > 1; k++)
            lb_buf_format(out, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%g\" r=\"4\"/>", BAR_LEFT + lbi_real_at(values, k) * scale, y + BAR_HEIGHT / 2);
        if (isfinite(mean)) lb_buf_format(out, "<text class=\"name\" x=\"%d\" y=\"%g\" text-anchor=\"end\">%.1f</text>", WIDTH - 10, y + 13, mean);
        lb_buf_text(out, "</g>");
    }
    lb_buf_text(out, "</svg></figure>\n");
}
