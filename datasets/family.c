/* SPDX-License-Identifier: Apache-2.0 */
#include "datasets/reader.h"

#define READER(id) extern const lb_reader lb_reader_##id;
#include "datasets/readers.def"
#undef READER

static const lb_head *const readers[] = {
#define READER(id) (const lb_head *)&lb_reader_##id,
#include "datasets/readers.def"
#undef READER
};

static void describe(const lb_head *member, lb_buf *out) {
    const lb_reader *r = (const lb_reader *)member;
    lb_buf_format(out, "\nFields: %s\n", r->fields);
}

const lb_family lb_readers = {.name = "readers", .text = "folders, lists and built-in sets to items", .def = "datasets/readers.def", .dir = "datasets/readers",
                              .count = (int)LB_COUNT(readers), .members = readers, .describe = describe};
