/*
 * Arrow arrays read by hand: a batch as text, one line for each row, `a|3|NULL|1.5`.
 * Lines are sorted by default, since SQL promises no order.
 */
#ifndef LAMINAR_ARROW_READ_H
#define LAMINAR_ARROW_READ_H

#include "laminar_test.h"

#define BATCH_TEXT_BYTES 65536

TEST_HELPER bool arrow_is_null(const struct ArrowArray *array, int64_t row) {
    const uint8_t *valid = array->n_buffers > 0 ? (const uint8_t *)array->buffers[0] : NULL;
    const int64_t at = array->offset + row;
    return array->null_count != 0 && valid != NULL && (valid[at / 8] >> (at % 8) & 1) == 0;
}

/* The integer (any width, bool, date, time, timestamp) at a row that is not null. */
TEST_HELPER int64_t arrow_int(const struct ArrowSchema *schema, const struct ArrowArray *array,
                              int64_t row) {
    const int64_t at = array->offset + row;
    const void *data = array->buffers[1];
    switch (schema->format[0]) {
    case 'b': return ((const uint8_t *)data)[at / 8] >> (at % 8) & 1;
    case 'c': return ((const int8_t *)data)[at];
    case 'C': return ((const uint8_t *)data)[at];
    case 's': return ((const int16_t *)data)[at];
    case 'S': return ((const uint16_t *)data)[at];
    case 'i': return ((const int32_t *)data)[at];
    case 'I': return ((const uint32_t *)data)[at];
    case 'L': return (int64_t)((const uint64_t *)data)[at];
    case 'l': return ((const int64_t *)data)[at];
    case 't':
        return schema->format[1] == 's' || strchr("mD", schema->format[2]) == NULL
                   ? ((const int64_t *)data)[at]
                   : ((const int32_t *)data)[at];
    default:
        test_fail(__FILE__, __LINE__, "not an integer column", schema->format);
        return 0;
    }
}

/* Appends one value to `out`; the number of bytes written. */
TEST_HELPER size_t arrow_value_text(const struct ArrowSchema *schema,
                                    const struct ArrowArray *array, int64_t row, char *out,
                                    size_t bytes) {
    const int64_t at = array->offset + row;
    if (arrow_is_null(array, row)) {
        return (size_t)snprintf(out, bytes, "NULL");
    }
    switch (schema->format[0]) {
    case 'f':
        return (size_t)snprintf(out, bytes, "%.9g", ((const float *)array->buffers[1])[at]);
    case 'g':
        return (size_t)snprintf(out, bytes, "%.12g", ((const double *)array->buffers[1])[at]);
    case 'u': {
        const int32_t *offsets = (const int32_t *)array->buffers[1];
        return (size_t)snprintf(out, bytes, "%.*s", (int)(offsets[at + 1] - offsets[at]),
                                (const char *)array->buffers[2] + offsets[at]);
    }
    default:
        return (size_t)snprintf(out, bytes, "%lld", (long long)arrow_int(schema, array, row));
    }
}

TEST_HELPER int arrow_compare_lines(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* The rows of a struct array, one line each; the caller frees the text. */
TEST_HELPER char *batch_text(const struct ArrowSchema *schema, const struct ArrowArray *array,
                             bool sorted) {
    char *lines = (char *)malloc(BATCH_TEXT_BYTES);
    char *text = (char *)calloc(1, BATCH_TEXT_BYTES);
    char **starts = (char **)calloc((size_t)array->length + 1, sizeof *starts);
    REQUIRE(lines != NULL && text != NULL && starts != NULL);
    size_t used = 0;
    for (int64_t row = 0; row < array->length; ++row) {
        starts[row] = lines + used;
        for (int64_t i = 0; i < array->n_children; ++i) {
            REQUIRE(used + 256 < BATCH_TEXT_BYTES);
            if (i > 0) {
                lines[used++] = '|';
            }
            used += arrow_value_text(schema->children[i], array->children[i],
                                     array->offset + row, lines + used, BATCH_TEXT_BYTES - used);
        }
        lines[used++] = '\0';
    }
    if (sorted) {
        qsort(starts, (size_t)array->length, sizeof *starts, arrow_compare_lines);
    }
    size_t end = 0;
    for (int64_t row = 0; row < array->length; ++row) {
        end += (size_t)snprintf(text + end, BATCH_TEXT_BYTES - end, "%s\n", starts[row]);
    }
    free(starts);
    free(lines);
    return text;
}

/* The place of a column, or -1. */
TEST_HELPER int64_t column_index(const struct ArrowSchema *schema, const char *name) {
    for (int64_t i = 0; i < schema->n_children; ++i) {
        if (strcmp(schema->children[i]->name, name) == 0) {
            return i;
        }
    }
    return -1;
}

#endif
