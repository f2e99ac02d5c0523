/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fetch.h"

#define PRETRAINED(id) extern const cli_pretrained cli_pretrained_##id;
#include "cli/pretrained.def"
#undef PRETRAINED

static const lb_head *const members[] = {
#define PRETRAINED(id) (const lb_head *)&cli_pretrained_##id,
#include "cli/pretrained.def"
#undef PRETRAINED
};

const cli_pretrained *cli_pretrained_at(int i) {
    return (const cli_pretrained *)members[i];
}

const char *cli_pretrained_name(char dst[CLI_NAME], const cli_pretrained *m) {
    return lb_public_name(dst, CLI_NAME, m->id);
}

lb_status cli_pretrained_find(const cli_pretrained **out, const char *name, const char *before) {
    const lb_head *found = lb_family_at(&cli_pretrained_models, name);
    if (found) {
        *out = (const cli_pretrained *)found;
        return LB_OK;
    }
    char text[LB_COUNT(members)][CLI_NAME];
    const char *names[LB_COUNT(members)];
    for (size_t i = 0; i < LB_COUNT(members); i++) names[i] = cli_pretrained_name(text[i], cli_pretrained_at((int)i));
    lb_buf near = {0};
    lb_nearest(&near, name, names, (int)LB_COUNT(members));
    lb_status st = lb_fail(LB_E_NOTFOUND, "%s '%s'%s", before, name, lb_buf_str(&near));
    lb_buf_free(&near);
    return st;
}

lb_value *cli_packages_value(const cli_pretrained *m) {
    lb_value *list = lb_value_list();
    for (const cli_package *p = m->packages; p->name; p++) {
        lb_value *v = lb_value_map();
        lb_map_text(v, "client", p->client == CLI_NPM ? "npm" : "pip");
        lb_map_text(v, "name", p->name);
        lb_map_text(v, "version", p->version);
        lb_map_text(v, "sha256", p->sha256);
        lb_list_put(list, v);
    }
    return list;
}

static void describe(const lb_head *member, lb_buf *out) {
    const cli_pretrained *m = (const cli_pretrained *)member;
    lb_buf_format(out, "\nLicence: %s. Download: %.1f MB.\n\n", m->licence, (double)m->bytes / 1e6);
    for (const cli_package *p = m->packages; p->name; p++) lb_buf_format(out, "- %s `%s` %s, SHA-256 %s\n", p->client == CLI_NPM ? "npm" : "PyPI", p->name, p->version, p->sha256);
}

const lb_family cli_pretrained_models = {.name = "pretrained", .text = "models that limbeck fetch brings", .def = "cli/pretrained.def", .dir = "cli/pretrained", .count = (int)LB_COUNT(members),
                                         .members = members, .describe = describe};
