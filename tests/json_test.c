/* SPDX-License-Identifier: Apache-2.0 */
/* JSON as a tree and its long parts as they stand in the text. What is expected is written beside each text. */
#include <stdio.h>
#include <string.h>
#include "base/json_parts.h"
#include "tests/check.h"

static lb_json_part part_of(lb_value **tree, const char *text, const char *path) {
    lb_json_part part = {.path = path};
    *tree = NULL;
    CHECK_OK(lb_json_parse_parts(tree, text, strlen(text), "text", 1, &part));
    return part;
}

static void members(void) {
    static const char text[] = " {\"a\": {\"words\" : {\"x\":1, \"\\u00e9\\n\" : -20,\n      \"\xE2\x82\xAC\": 3.5e1, \"n\":null,\"t\" : true, \"l\": [ 1 , "
                               "[2], {\"k\": \"]\"} ], \"z\": \"end\"}, \"b\": 7}} ";
    static const struct {
        const char *key;
        lb_value_kind kind;
        double real;
    } want[] = {{"x", LB_V_INT, 1}, {"\xC3\xA9\n", LB_V_INT, -20}, {"\xE2\x82\xAC", LB_V_REAL, 35}, {"n", LB_V_NULL, 0}, {"t", LB_V_BOOL, 1}, {"l", LB_V_LIST, 0}, {"z", LB_V_TEXT, 0}};
    lb_value *tree = NULL;
    lb_json_part part = part_of(&tree, text, "a.words");
    lb_json_items z = lb_json_items_of(part.text, part.size);
    CHECK_INT(part.count, 7);
    CHECK_INT(lb_get_int(tree, "a.b", 0), 7);
    CHECK(lb_get(tree, "a.words") && lb_get(tree, "a.words")->kind == LB_V_NULL);
    for (size_t i = 0; i < LB_COUNT(want) && CHECK(lb_json_next(&z)); i++) {
        CHECK(z.key_size == strlen(want[i].key) && memcmp(z.key, want[i].key, z.key_size) == 0);
        CHECK_INT(z.kind, want[i].kind);
        if (z.kind == LB_V_INT || z.kind == LB_V_REAL) CHECK(z.real == want[i].real);
        if (z.kind == LB_V_BOOL) CHECK_INT(z.integer, 1);
    }
    CHECK(z.size == 3 && memcmp(z.text, "end", 3) == 0);
    CHECK(!lb_json_next(&z) && !z.failed);
    lb_json_items_free(&z);
    lb_json_parts_free(1, &part);
    lb_value_free(tree);
}

/* Lists in a list, the second of which nobody looks into, the third only at its beginning. */
static void inside(void) {
    lb_value *tree = NULL;
    lb_json_part part = part_of(&tree, "[[\"a\\t\",\"b\\\"\"],[1,[2,3]],[4,5],6]", "");
    lb_json_items z = lb_json_items_of(part.text, part.size);
    CHECK_INT(part.count, 4);
    CHECK(lb_json_next(&z) && z.kind == LB_V_LIST);
    lb_json_items pair = lb_json_inside(&z);
    CHECK(lb_json_next(&pair));
    const char *first = pair.text;
    size_t size = pair.size;
    CHECK(lb_json_next(&pair) && pair.size == 2 && memcmp(pair.text, "b\"", 2) == 0);
    CHECK(size == 2 && memcmp(first, "a\t", 2) == 0); /* strings of a list outlive the next */
    CHECK(!lb_json_next(&pair) && !pair.failed);
    lb_json_items_free(&pair);
    CHECK(lb_json_next(&z) && z.kind == LB_V_LIST && lb_json_next(&z) && z.kind == LB_V_LIST);
    pair = lb_json_inside(&z);
    CHECK(lb_json_next(&pair) && pair.integer == 4);
    lb_json_items_free(&pair);
    CHECK(lb_json_next(&z) && z.kind == LB_V_INT && z.integer == 6);
    CHECK(!lb_json_next(&z) && !z.failed);
    lb_json_items_free(&z);
    lb_json_parts_free(1, &part);
    lb_value_free(tree);
}

/* What only the other reader takes is a part all the same: \u0000, and a number of more than 18 digits. */
static void strange(void) {
    lb_value *tree = NULL;
    lb_json_part part = part_of(&tree, "\xEF\xBB\xBF{\"v\": [\"a\\u0000b\", 1000000000000000001]}", "v");
    lb_json_items z = lb_json_items_of(part.text, part.size);
    CHECK_INT(part.count, 2);
    CHECK(lb_json_next(&z) && z.size == 3 && memcmp(z.text, "a\0b", 3) == 0);
    lb_json_items_free(&z);
    lb_json_parts_free(1, &part);
    lb_value_free(tree);
    part = part_of(&tree, "{\"v\": 3, \"w\": {\"v\": [1]}}", "v"); /* no list or map, and one elsewhere */
    CHECK(part.text == NULL && lb_get_int(tree, "v", 0) == 3 && lb_get(tree, "w.v")->count == 1);
    lb_json_parts_free(1, &part);
    lb_value_free(tree);
}

/* Every length of a string with every kind of character at every place. */
static void strings(void) {
    static const struct {
        const char *written, *meant; /* NULL = refused */
    } kinds[] = {{"\\\"", "\""}, {"\\\\", "\\"}, {"\xC3\xA9", "\xC3\xA9"}, {"\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"}, {"\\ud83d\\ude00", "\xF0\x9F\x98\x80"}, {"\x7F", "\x7F"}, {"!", "!"},
                 {"\n", NULL}, {"\x1F", NULL}, {"\xC3", NULL}, {"\xED\xA0\x80", NULL}, {"\\x", NULL}, {"\xC0\x80", NULL}};
    for (int n = 0; n < 20; n++)
        for (int at = 0; at <= n; at++)
            for (size_t k = 0; k < LB_COUNT(kinds); k++) {
                char text[96], want[64];
                snprintf(text, sizeof text, "{\"s\":  [\"%.*s%s%.*s\"]}", at, "aaaaaaaaaaaaaaaaaaaa", kinds[k].written, n - at, "bbbbbbbbbbbbbbbbbbbb");
                snprintf(want, sizeof want, "%.*s%s%.*s", at, "aaaaaaaaaaaaaaaaaaaa", kinds[k].meant ? kinds[k].meant : "", n - at, "bbbbbbbbbbbbbbbbbbbb");
                lb_value *tree = NULL;
                lb_json_part part = {.path = "s"};
                lb_status st = lb_json_parse_parts(&tree, text, strlen(text), "text", 1, &part);
                if (!kinds[k].meant) {
                    CHECK_INT(st, LB_E_FORMAT);
                    lb_error_clear();
                } else if (CHECK_OK(st)) {
                    lb_json_items z = lb_json_items_of(part.text, part.size);
                    CHECK(lb_json_next(&z) && z.size == strlen(want) && memcmp(z.text, want, z.size) == 0);
                    lb_json_items_free(&z);
                }
                lb_json_parts_free(1, &part);
                lb_value_free(tree);
            }
}

static void malformed(void) {
    static const char *const texts[] = {"{\"v\": [1,]}", "{\"v\": [1 2]}", "{\"v\": {\"a\" 1}}", "{\"v\": {\"a\":1,}}", "{\"v\": [}",  "{\"v\": [1}",
                                        "{\"v\": [01]}", "{\"v\": [1.]}",  "{\"v\": [tru]}",     "{\"v\": [\"a]}",      "{\"v\": [1]", "{\"v\": [1]} x"};
    for (size_t i = 0; i < LB_COUNT(texts); i++) {
        lb_value *tree = NULL;
        lb_json_part part = {.path = "v"};
        CHECK_INT(lb_json_parse_parts(&tree, texts[i], strlen(texts[i]), "text", 1, &part), LB_E_FORMAT);
        CHECK(tree == NULL && strstr(lb_error_text(), "text:1:") != NULL);
        lb_error_clear();
        lb_json_parts_free(1, &part);
    }
}

/* The first never ends in libfyaml 0.7.12. A file of UTF-8 is read, byte order mark and all. */
static void yaml_bytes(void) {
    static const char *const texts[] = {"a: 1\n%X \xff\n", "a: 1\nb: \xff\n", "a:\n  caf\xc3\n", "a: 1\n# \xed\xa0\x80\n"};
    lb_value *tree = NULL;
    for (size_t i = 0; i < LB_COUNT(texts); i++) {
        CHECK_INT(lb_yaml_parse(&tree, texts[i], strlen(texts[i]), "text"), LB_E_FORMAT);
        CHECK(tree == NULL && strstr(lb_error_text(), "text:2:") && strstr(lb_error_text(), "not UTF-8"));
        lb_error_clear();
    }
    static const char good[] = "\xef\xbb\xbf" "a: caf\xc3\xa9 \xf0\x9f\x98\x80\n";
    if (!CHECK_OK(lb_yaml_parse(&tree, good, strlen(good), "text"))) return;
    CHECK(strcmp(lb_get_text(tree, "a", ""), "caf\xc3\xa9 \xf0\x9f\x98\x80") == 0);
    lb_value_free(tree);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "json", (check_test[]){{"members", members}, {"inside", inside}, {"strange", strange}, {"strings", strings}, {"malformed", malformed}, {"yaml-bytes", yaml_bytes}, {0}});
}
