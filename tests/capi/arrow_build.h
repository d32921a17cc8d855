/*
 * Arrow arrays built by hand, as a program without an Arrow library would.
 *
 *     struct table t = table_new(2);
 *     table_utf8(&t, "symbol", (const char *[]){"a", NULL});      // NULL is null
 *     table_int64(&t, "volume", (int64_t[]){1, 2}, NULL);         // NULL: no nulls
 *     laminar_push(source, &t.array, &t.schema, &error);
 *     table_free(&t);                                             // whatever was not moved
 *
 * Every array built is counted, and so is every release: `arrays_live()` is 0 at the end of a
 * program that lost nothing. A second release of one array ends the program.
 */
#ifndef LAMINAR_ARROW_BUILD_H
#define LAMINAR_ARROW_BUILD_H

#include "laminar_test.h"

#include <errno.h>

#define TABLE_COLUMNS_MAX 16

struct table {
    struct ArrowSchema schema;
    struct ArrowArray array;
};

TEST_HELPER int64_t arrays_built = 0;
TEST_HELPER int64_t arrays_released = 0;

/* Tables and streams handed out and not released yet. */
TEST_HELPER int64_t arrays_live(void) {
    return __atomic_load_n(&arrays_built, __ATOMIC_SEQ_CST) -
           __atomic_load_n(&arrays_released, __ATOMIC_SEQ_CST);
}

/* What an array or schema owns, apart from its struct: tests damage the struct, never this. */
struct arrow_owned {
    void *blocks[4]; /* buffers, strings */
    const void *buffers[3];
    void **children; /* TABLE_COLUMNS_MAX of them, or NULL */
    int64_t n_children;
    bool counted;
};

TEST_HELPER void *test_alloc(size_t bytes) {
    void *block = calloc(1, bytes == 0 ? 1 : bytes);
    REQUIRE(block != NULL);
    return block;
}

TEST_HELPER char *test_strdup(const char *text) {
    char *copy = (char *)test_alloc(strlen(text) + 1);
    memcpy(copy, text, strlen(text) + 1);
    return copy;
}

TEST_HELPER void arrow_owned_free(struct arrow_owned *owned) {
    for (size_t i = 0; i < sizeof owned->blocks / sizeof owned->blocks[0]; ++i) {
        free(owned->blocks[i]);
    }
    free(owned->children);
    if (owned->counted) {
        __atomic_add_fetch(&arrays_released, 1, __ATOMIC_SEQ_CST);
    }
    free(owned);
}

TEST_HELPER void arrow_release_array(struct ArrowArray *array) {
    struct arrow_owned *owned = (struct arrow_owned *)array->private_data;
    REQUIRE(array->release == arrow_release_array && owned != NULL);
    for (int64_t i = 0; i < owned->n_children; ++i) {
        struct ArrowArray *child = (struct ArrowArray *)owned->children[i];
        if (child->release != NULL) {
            child->release(child);
        }
        free(child);
    }
    arrow_owned_free(owned);
    array->private_data = NULL;
    array->release = NULL;
}

TEST_HELPER void arrow_release_schema(struct ArrowSchema *schema) {
    struct arrow_owned *owned = (struct arrow_owned *)schema->private_data;
    REQUIRE(schema->release == arrow_release_schema && owned != NULL);
    for (int64_t i = 0; i < owned->n_children; ++i) {
        struct ArrowSchema *child = (struct ArrowSchema *)owned->children[i];
        if (child->release != NULL) {
            child->release(child);
        }
        free(child);
    }
    arrow_owned_free(owned);
    schema->private_data = NULL;
    schema->release = NULL;
}

TEST_HELPER void arrow_init_schema(struct ArrowSchema *schema, const char *format,
                                   const char *name, bool nullable) {
    struct arrow_owned *owned = (struct arrow_owned *)test_alloc(sizeof *owned);
    owned->blocks[0] = test_strdup(format);
    owned->blocks[1] = test_strdup(name);
    memset(schema, 0, sizeof *schema);
    schema->format = (const char *)owned->blocks[0];
    schema->name = (const char *)owned->blocks[1];
    schema->flags = nullable ? ARROW_FLAG_NULLABLE : 0;
    schema->release = arrow_release_schema;
    schema->private_data = owned;
}

/* Takes over `blocks`, three allocations of which the first may be NULL (no nulls). */
TEST_HELPER void arrow_init_array(struct ArrowArray *array, int64_t rows, int64_t null_count,
                                  int64_t n_buffers, void *const blocks[3]) {
    struct arrow_owned *owned = (struct arrow_owned *)test_alloc(sizeof *owned);
    for (int64_t i = 0; i < n_buffers; ++i) {
        owned->blocks[i] = blocks[i];
        owned->buffers[i] = blocks[i];
    }
    memset(array, 0, sizeof *array);
    array->length = rows;
    array->null_count = null_count;
    array->n_buffers = n_buffers;
    array->buffers = owned->buffers;
    array->release = arrow_release_array;
    array->private_data = owned;
}

/* A table of so many rows without columns; its array counts as one. */
TEST_HELPER struct table table_new(int64_t rows) {
    struct table t;
    void *const none[3] = {NULL, NULL, NULL};
    arrow_init_schema(&t.schema, "+s", "", false);
    arrow_init_array(&t.array, rows, 0, 1, none);
    struct arrow_owned *schema = (struct arrow_owned *)t.schema.private_data;
    struct arrow_owned *array = (struct arrow_owned *)t.array.private_data;
    schema->children = (void **)test_alloc(TABLE_COLUMNS_MAX * sizeof(void *));
    array->children = (void **)test_alloc(TABLE_COLUMNS_MAX * sizeof(void *));
    t.schema.children = (struct ArrowSchema **)(void *)schema->children;
    t.array.children = (struct ArrowArray **)(void *)array->children;
    array->counted = true;
    __atomic_add_fetch(&arrays_built, 1, __ATOMIC_SEQ_CST);
    return t;
}

/* Adds an empty column; the caller fills in the array. */
TEST_HELPER struct ArrowArray *table_column(struct table *t, const char *name, const char *format,
                                            bool nullable) {
    struct arrow_owned *schema = (struct arrow_owned *)t->schema.private_data;
    struct arrow_owned *array = (struct arrow_owned *)t->array.private_data;
    REQUIRE(array->n_children < TABLE_COLUMNS_MAX);
    struct ArrowSchema *field = (struct ArrowSchema *)test_alloc(sizeof *field);
    struct ArrowArray *column = (struct ArrowArray *)test_alloc(sizeof *column);
    arrow_init_schema(field, format, name, nullable);
    schema->children[schema->n_children++] = field;
    array->children[array->n_children++] = column;
    t->schema.n_children = schema->n_children;
    t->array.n_children = array->n_children;
    return column;
}

/* The validity bitmap of `valid`, or NULL when every row has a value. */
TEST_HELPER uint8_t *arrow_bits(const bool *bits, int64_t rows) {
    if (bits == NULL) {
        return NULL;
    }
    uint8_t *bitmap = (uint8_t *)test_alloc((size_t)(rows + 7) / 8);
    for (int64_t row = 0; row < rows; ++row) {
        bitmap[row / 8] |= (uint8_t)((bits[row] ? 1 : 0) << (row % 8));
    }
    return bitmap;
}

TEST_HELPER int64_t arrow_null_count(const bool *valid, int64_t rows) {
    int64_t nulls = 0;
    for (int64_t row = 0; valid != NULL && row < rows; ++row) {
        nulls += valid[row] ? 0 : 1;
    }
    return nulls;
}

/* A column of values of `width` bytes; `valid` NULL means that none is null. */
TEST_HELPER void table_fixed(struct table *t, const char *name, const char *format,
                             const void *values, size_t width, const bool *valid) {
    const int64_t rows = t->array.length;
    struct ArrowArray *column = table_column(t, name, format, true);
    void *data = test_alloc((size_t)rows * width);
    if (rows > 0) {
        memcpy(data, values, (size_t)rows * width);
    }
    void *const blocks[3] = {arrow_bits(valid, rows), data, NULL};
    arrow_init_array(column, rows, arrow_null_count(valid, rows), 2, blocks);
}

TEST_HELPER void table_int64(struct table *t, const char *name, const int64_t *values,
                             const bool *valid) {
    table_fixed(t, name, "l", values, sizeof *values, valid);
}

TEST_HELPER void table_int32(struct table *t, const char *name, const int32_t *values,
                             const bool *valid) {
    table_fixed(t, name, "i", values, sizeof *values, valid);
}

TEST_HELPER void table_double(struct table *t, const char *name, const double *values,
                              const bool *valid) {
    table_fixed(t, name, "g", values, sizeof *values, valid);
}

/* `format` is Arrow's: "tss:", "tsm:", "tsu:" or "tsn:", with a zone after the colon if any. */
TEST_HELPER void table_timestamp(struct table *t, const char *name, const char *format,
                                 const int64_t *values, const bool *valid) {
    table_fixed(t, name, format, values, sizeof *values, valid);
}

TEST_HELPER void table_bool(struct table *t, const char *name, const bool *values,
                            const bool *valid) {
    const int64_t rows = t->array.length;
    struct ArrowArray *column = table_column(t, name, "b", true);
    void *const blocks[3] = {arrow_bits(valid, rows), arrow_bits(values, rows), NULL};
    arrow_init_array(column, rows, arrow_null_count(valid, rows), 2, blocks);
}

/* NUL-terminated strings; NULL is null. */
TEST_HELPER void table_utf8(struct table *t, const char *name, const char *const *values) {
    const int64_t rows = t->array.length;
    struct ArrowArray *column = table_column(t, name, "u", true);
    int32_t *offsets = (int32_t *)test_alloc((size_t)(rows + 1) * sizeof *offsets);
    bool *valid = (bool *)test_alloc((size_t)rows);
    for (int64_t row = 0; row < rows; ++row) {
        valid[row] = values[row] != NULL;
        offsets[row + 1] = offsets[row] + (valid[row] ? (int32_t)strlen(values[row]) : 0);
    }
    char *data = (char *)test_alloc((size_t)offsets[rows]);
    for (int64_t row = 0; row < rows; ++row) {
        if (valid[row]) {
            memcpy(data + offsets[row], values[row], strlen(values[row]));
        }
    }
    const int64_t nulls = arrow_null_count(valid, rows);
    void *const blocks[3] = {nulls == 0 ? NULL : arrow_bits(valid, rows), offsets, data};
    arrow_init_array(column, rows, nulls, 3, blocks);
    free(valid);
}

/* Releases what was not moved. */
TEST_HELPER void table_free(struct table *t) {
    if (t->array.release != NULL) {
        t->array.release(&t->array);
    }
    if (t->schema.release != NULL) {
        t->schema.release(&t->schema);
    }
}

/* A stream over tables, which it takes over; `fail_at` is the table at which get_next fails. */
struct table_stream {
    struct table *tables;
    int64_t count;
    int64_t next;
    int64_t fail_at;
};

TEST_HELPER int table_stream_schema(struct ArrowArrayStream *stream, struct ArrowSchema *out) {
    struct table_stream *s = (struct table_stream *)stream->private_data;
    const struct ArrowSchema *schema = &s->tables[0].schema;
    arrow_init_schema(out, "+s", "", false);
    struct arrow_owned *owned = (struct arrow_owned *)out->private_data;
    owned->children = (void **)test_alloc(TABLE_COLUMNS_MAX * sizeof(void *));
    out->children = (struct ArrowSchema **)(void *)owned->children;
    for (int64_t i = 0; i < schema->n_children; ++i) {
        const struct ArrowSchema *from = schema->children[i];
        struct ArrowSchema *field = (struct ArrowSchema *)test_alloc(sizeof *field);
        arrow_init_schema(field, from->format, from->name, from->flags != 0);
        owned->children[owned->n_children++] = field;
    }
    out->n_children = owned->n_children;
    return 0;
}

TEST_HELPER int table_stream_next(struct ArrowArrayStream *stream, struct ArrowArray *out) {
    struct table_stream *s = (struct table_stream *)stream->private_data;
    memset(out, 0, sizeof *out);
    if (s->next == s->fail_at) {
        return EIO;
    }
    if (s->next < s->count) {
        *out = s->tables[s->next].array; /* a move: Arrow's structs may be moved bitwise */
        s->tables[s->next].array.release = NULL;
        s->next += 1;
    }
    return 0;
}

TEST_HELPER const char *table_stream_error(struct ArrowArrayStream *stream) {
    (void)stream;
    return "the tape broke";
}

TEST_HELPER void table_stream_release(struct ArrowArrayStream *stream) {
    struct table_stream *s = (struct table_stream *)stream->private_data;
    REQUIRE(stream->release == table_stream_release && s != NULL);
    for (int64_t i = 0; i < s->count; ++i) {
        table_free(&s->tables[i]);
    }
    free(s->tables);
    free(s);
    __atomic_add_fetch(&arrays_released, 1, __ATOMIC_SEQ_CST);
    stream->private_data = NULL;
    stream->release = NULL;
}

/* `count` is at least 1; `fail_at` -1 means never. The stream counts as one more array. */
TEST_HELPER struct ArrowArrayStream table_stream(const struct table *tables, int64_t count,
                                                 int64_t fail_at) {
    struct table_stream *s = (struct table_stream *)test_alloc(sizeof *s);
    s->tables = (struct table *)test_alloc((size_t)count * sizeof *tables);
    memcpy(s->tables, tables, (size_t)count * sizeof *tables);
    s->count = count;
    s->fail_at = fail_at;
    __atomic_add_fetch(&arrays_built, 1, __ATOMIC_SEQ_CST);
    struct ArrowArrayStream stream = {table_stream_schema, table_stream_next, table_stream_error,
                                      table_stream_release, s};
    return stream;
}

#endif
