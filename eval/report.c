/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/report.h"
#include <math.h>
#include <string.h>

static const char style[] =
    ":root{--bg:#fff;--fg:#1a1d21;--soft:#5c6570;--line:#d9dee4;--card:#f6f7f9;--ok:#1a7f4b;--c0:#2563eb;--c1:#d97706;--c2:#059669;--c3:#9333ea;--c4:#dc2626;--c5:#0891b2}"
    "@media(prefers-color-scheme:dark){:root{--bg:#14171a;--fg:#e6e9ec;--soft:#98a2ad;--line:#343b43;--card:#1d2126;--ok:#4ade80;--c0:#7aa2ff;--c1:#fbbf24;--c2:#34d399;--c3:#c084fc;--c4:#f87171;--c5:#22d3ee}}"
    "*{box-sizing:border-box}body{margin:0 auto;max-width:62rem;padding:1.2rem;background:var(--bg);color:var(--fg);font:16px/1.55 system-ui,sans-serif}"
    "h1{font-size:1.6rem;margin:.2rem 0 1rem}h2{font-size:1.15rem;margin:2rem 0 .6rem}p{margin:.5rem 0;max-width:46rem}.soft{color:var(--soft)}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}th,td{padding:.4rem .7rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}"
    "th:first-child,td:first-child{text-align:left}th{cursor:pointer;color:var(--soft);font-weight:600}th[aria-sort]{color:var(--fg)}"
    "svg{width:100%;height:auto;background:var(--card);border-radius:6px}svg text{fill:var(--soft);font-size:11px}svg .axis{stroke:var(--line);fill:none}svg path{fill:none;stroke-width:1.8}"
    ".legend{display:flex;flex-wrap:wrap;gap:.3rem 1rem;font-size:.85rem;margin:.4rem 0}.legend i{display:inline-block;width:1rem;height:3px;vertical-align:middle;margin-right:.35rem}"
    ".grid{display:grid;gap:.5rem}.row{display:grid;grid-template-columns:minmax(6.5rem,1.4fr) repeat(5,1fr);gap:.4rem;align-items:center;padding:.3rem;border-bottom:1px solid var(--line)}"
    ".row img{width:100%;max-width:68px;display:block;background:#fff;border-radius:4px}.hit{border:2px solid transparent;border-radius:6px;padding:2px;font-size:.78rem;line-height:1.25;overflow-wrap:anywhere}.right{border-color:var(--ok)}"
    ".query{font-weight:600;font-size:.9rem;overflow-wrap:anywhere}@media(max-width:560px){body{padding:.8rem;font-size:15px}.row{grid-template-columns:4.6rem repeat(5,1fr);gap:.2rem}.hit{font-size:.62rem}}"
    "@media print{body{max-width:none}th{cursor:auto}h2,table,svg,.row{break-inside:avoid}}";

static const char script[] =
    "document.querySelectorAll('th').forEach(h=>h.onclick=()=>{const t=h.closest('table'),b=t.tBodies[0],i=[...h.parentNode.children].indexOf(h),up=h.getAttribute('aria-sort')!=='ascending';"
    "t.querySelectorAll('th').forEach(x=>x.removeAttribute('aria-sort'));h.setAttribute('aria-sort',up?'ascending':'descending');"
    "const v=r=>{const s=r.cells[i].textContent,n=parseFloat(s);return isNaN(n)?s:n};"
    "[...b.rows].sort((a,c)=>{const x=v(a),y=v(c);return(x>y?1:x<y?-1:0)*(up?1:-1)}).forEach(r=>b.append(r))});"
    "document.querySelectorAll('figure').forEach(f=>{const s=f.querySelector('svg'),o=f.querySelector('output');if(!s||!o)return;const d=JSON.parse(s.dataset.curves),r=JSON.parse(s.dataset.range);"
    "s.onpointermove=e=>{const b=s.getBoundingClientRect(),x=r[0]+((e.clientX-b.left)/b.width*640-48)/580*(r[1]-r[0]);"
    "o.textContent='x '+Math.round(x)+': '+d.map(c=>{let k=0;c.x.forEach((v,j)=>{if(Math.abs(v-x)<Math.abs(c.x[k]-x))k=j});return c.name+' '+(+c.y[k]).toPrecision(4)}).join(', ')};s.onpointerleave=()=>o.textContent=''});";

static void escaped(lb_buf *out, const char *s) {
    for (; s && *s; s++) switch (*s) {
        case '<': lb_buf_text(out, "&lt;"); break;
        case '>': lb_buf_text(out, "&gt;"); break;
        case '&': lb_buf_text(out, "&amp;"); break;
        case '"': lb_buf_text(out, "&quot;"); break;
        case '\'': lb_buf_text(out, "&#39;"); break;
        default: lb_buf_add(out, s, 1);
        }
}

static void element(lb_buf *out, const char *tag, const char *class, const char *text) {
    lb_buf_format(out, "<%s%s%s%s>", tag, class ? " class=\"" : "", class ? class : "", class ? "\"" : "");
    escaped(out, text);
    lb_buf_format(out, "</%s>\n", tag);
}

static void cell(lb_buf *out, const char *tag, const lb_value *v) {
    lb_buf_format(out, "<%s>", tag);
    if (!v || v->kind == LB_V_NULL) lb_buf_text(out, "-");
    else if (v->kind == LB_V_TEXT) escaped(out, v->text);
    else if (v->kind == LB_V_INT) lb_buf_format(out, "%lld", (long long)v->integer);
    else if (v->kind == LB_V_REAL) lb_buf_format(out, "%.4g", v->real);
    else if (v->kind == LB_V_BOOL) lb_buf_text(out, v->boolean ? "yes" : "no");
    lb_buf_format(out, "</%s>", tag);
}

static int64_t length(const lb_value *list) { return list && list->kind == LB_V_LIST ? list->count : 0; }

static void table(lb_buf *out, const lb_value *t) {
    const lb_value *columns = lb_get(t, "columns"), *rows = lb_get(t, "rows");
    lb_buf_text(out, "<div class=\"wide\"><table><thead><tr>");
    for (int64_t i = 0; i < length(columns); i++) cell(out, "th", columns->items[i]);
    lb_buf_text(out, "</tr></thead><tbody>\n");
    for (int64_t i = 0; i < length(rows); i++) {
        lb_buf_text(out, "<tr>");
        for (int64_t k = 0; k < length(rows->items[i]); k++) cell(out, "td", rows->items[i]->items[k]);
        lb_buf_text(out, "</tr>\n");
    }
    lb_buf_text(out, "</tbody></table></div>\n");
}

/* ---- curves ---- */

enum { WIDTH = 640, HEIGHT = 260, LEFT = 48, RIGHT = 12, TOP = 12, BOTTOM = 30 };

typedef struct range {
    double x0, x1, y0, y1;
} range;

static double real_at(const lb_value *list, int64_t i) {
    const lb_value *v = i < length(list) ? list->items[i] : NULL;
    return !v ? NAN : v->kind == LB_V_REAL ? v->real : v->kind == LB_V_INT ? (double)v->integer : NAN;
}

static range range_of(const lb_value *curves) {
    range r = {INFINITY, -INFINITY, INFINITY, -INFINITY};
    for (int64_t c = 0; c < length(curves); c++) {
        const lb_value *x = lb_get(curves->items[c], "x"), *y = lb_get(curves->items[c], "y");
        for (int64_t i = 0; i < length(x); i++) {
            double a = real_at(x, i), b = real_at(y, i);
            if (!isfinite(a) || !isfinite(b)) continue;
            r = (range){fmin(r.x0, a), fmax(r.x1, a), fmin(r.y0, b), fmax(r.y1, b)};
        }
    }
    if (!(r.x1 > r.x0)) r.x1 = (r.x0 = isfinite(r.x0) ? r.x0 : 0) + 1;
    if (!(r.y1 > r.y0)) r.y1 = (r.y0 = isfinite(r.y0) ? r.y0 : 0) + 1;
    return r;
}

static double px(const range *r, double x) { return LEFT + (x - r->x0) / (r->x1 - r->x0) * (WIDTH - LEFT - RIGHT); }
static double py(const range *r, double y) { return HEIGHT - BOTTOM - (y - r->y0) / (r->y1 - r->y0) * (HEIGHT - TOP - BOTTOM); }

static void axes(lb_buf *out, const range *r) {
    lb_buf_format(out, "<path class=\"axis\" d=\"M%d %dV%dH%d\"/>", LEFT, TOP, HEIGHT - BOTTOM, WIDTH - RIGHT);
    for (int i = 0; i <= 4; i++) {
        double x = r->x0 + (r->x1 - r->x0) * i / 4, y = r->y0 + (r->y1 - r->y0) * i / 4;
        lb_buf_format(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.4g</text><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.3g</text>", px(r, x), HEIGHT - 10, x, LEFT - 5, py(r, y) + 4, y);
    }
}

static lb_status curves(lb_buf *out, const lb_value *list) {
    lb_status st = LB_OK;
    lb_buf data = {0};
    range r = range_of(list);
    LB_TRY(lb_json_write(&data, list, 0));
    lb_buf_text(out, "<figure style=\"margin:0\"><div class=\"legend\">");
    for (int64_t c = 0; c < length(list); c++) {
        lb_buf_format(out, "<span><i style=\"background:var(--c%d)\"></i>", (int)(c % 6));
        escaped(out, lb_get_text(list->items[c], "name", ""));
        lb_buf_text(out, "</span>");
    }
    lb_buf_format(out, "</div><svg viewBox=\"0 0 %d %d\" role=\"img\" data-range=\"[%.9g,%.9g]\" data-curves=\"", WIDTH, HEIGHT, r.x0, r.x1);
    escaped(out, lb_buf_str(&data));
    lb_buf_text(out, "\">");
    axes(out, &r);
    for (int64_t c = 0; c < length(list); c++) {
        const lb_value *x = lb_get(list->items[c], "x"), *y = lb_get(list->items[c], "y");
        bool pen = false;
        lb_buf_format(out, "<path stroke=\"var(--c%d)\" d=\"", (int)(c % 6));
        for (int64_t i = 0; i < length(x); i++) {
            double a = real_at(x, i), b = real_at(y, i);
            if (isfinite(a) && isfinite(b)) lb_buf_format(out, "%s%.1f %.1f", pen ? "L" : "M", px(&r, a), py(&r, b));
            pen = isfinite(b);
        }
        lb_buf_text(out, "\"/>");
    }
    lb_buf_text(out, "</svg><output class=\"soft\"></output></figure>\n");
done:
    lb_buf_free(&data);
    return st;
}

/* ---- picture grids ---- */

static void shown(lb_buf *out, const lb_value *v, const char *class) {
    lb_buf_format(out, "<div class=\"%s\">", class);
    const char *image = lb_get_text(v, "image", NULL), *text = lb_get_text(v, "text", "");
    if (image) {
        lb_buf_text(out, "<img alt=\"");
        escaped(out, text);
        lb_buf_text(out, "\" src=\"");
        escaped(out, image);
        lb_buf_text(out, "\">");
    } else escaped(out, text);
    lb_buf_text(out, "</div>");
}

static void grid(lb_buf *out, const lb_value *g) {
    const lb_value *rows = lb_get(g, "rows");
    lb_buf_text(out, "<div class=\"grid\">\n");
    for (int64_t i = 0; i < length(rows); i++) {
        const lb_value *hits = lb_get(rows->items[i], "hits");
        lb_buf_text(out, "<div class=\"row\">");
        shown(out, lb_get(rows->items[i], "query"), "query");
        for (int64_t k = 0; k < length(hits); k++) shown(out, hits->items[k], lb_get_bool(hits->items[k], "right", false) ? "hit right" : "hit");
        lb_buf_text(out, "</div>\n");
    }
    lb_buf_text(out, "</div>\n");
}

lb_status lb_report_html(lb_buf *out, const lb_value *page) {
    lb_status st = LB_OK;
    const lb_value *sections = lb_get(page, "sections");
    lb_buf_text(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>");
    escaped(out, lb_get_text(page, "title", "Limbeck report"));
    lb_buf_format(out, "</title><style>%s</style></head><body>\n", style);
    element(out, "h1", NULL, lb_get_text(page, "title", "Limbeck report"));
    for (int64_t i = 0; i < length(sections); i++) {
        const lb_value *s = sections->items[i];
        if (lb_get_text(s, "title", NULL)) element(out, "h2", NULL, lb_get_text(s, "title", ""));
        if (lb_get_text(s, "text", NULL)) element(out, "p", NULL, lb_get_text(s, "text", ""));
        if (lb_get(s, "table")) table(out, lb_get(s, "table"));
        if (lb_get(s, "curves")) LB_TRY(curves(out, lb_get(s, "curves")));
        if (lb_get(s, "grid")) grid(out, lb_get(s, "grid"));
        if (lb_get_text(s, "note", NULL)) element(out, "p", "soft", lb_get_text(s, "note", ""));
    }
    lb_buf_format(out, "<script>%s</script></body></html>\n", script);
    LB_TRY(lb_buf_status(out));
done:
    return st;
}
