/*
 * Reading and cutting Arrow data: see rows.h, and
 * https://arrow.apache.org/docs/format/CDataInterface.html for the structs and their release.
 */
#include "rows.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *grow(void *memory, size_t size)
{
    memory = realloc(memory, size);
    if (memory == NULL) {
        fputs("out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

/* --- reading ---------------------------------------------------------------------------------- */

int rows_column(const struct ArrowSchema *schema, const char *name)
{
    for (int64_t i = 0; i < schema->n_children; i++)
        if (schema->children[i]->name != NULL && strcmp(schema->children[i]->name, name) == 0)
            return (int)i;
    return -1;
}

/* Where a row stands in its column's buffers. */
static int64_t position(const struct rows *rows, int column, int64_t row)
{
    return rows->array->offset + rows->array->children[column]->offset + row;
}

static bool bit(const void *bits, int64_t i)
{
    return (((const uint8_t *)bits)[i / 8] >> (i % 8)) & 1;
}

bool rows_null(const struct rows *rows, int column, int64_t row)
{
    const void *validity = rows->array->children[column]->buffers[0];
    return validity != NULL && !bit(validity, position(rows, column, row));
}

int64_t rows_int(const struct rows *rows, int column, int64_t row)
{
    const void *values = rows->array->children[column]->buffers[1];
    int64_t i = position(rows, column, row);

    if (rows_null(rows, column, row))
        return 0;
    switch (rows->schema->children[column]->format[0]) {
    case 'b': return bit(values, i);
    case 'i': return ((const int32_t *)values)[i];
    case 'I': return ((const uint32_t *)values)[i];
    case 'L': return (int64_t)((const uint64_t *)values)[i];
    case 'l':                                           /* int64 */
    case 't': return ((const int64_t *)values)[i];      /* a timestamp, in the unit of its column */
    default: return 0;
    }
}

double rows_real(const struct rows *rows, int column, int64_t row)
{
    const void *values = rows->array->children[column]->buffers[1];

    if (rows_null(rows, column, row))
        return NAN;
    if (rows->schema->children[column]->format[0] == 'g')
        return ((const double *)values)[position(rows, column, row)];
    return (double)rows_int(rows, column, row);
}

struct text rows_text(const struct rows *rows, int column, int64_t row)
{
    const struct ArrowArray *array = rows->array->children[column];
    struct text text = {"", 0};

    if (!rows_null(rows, column, row) && rows->schema->children[column]->format[0] == 'u') {
        const int32_t *ends = (const int32_t *)array->buffers[1] + position(rows, column, row);
        text.bytes = (const char *)array->buffers[2] + ends[0];
        text.length = (size_t)(ends[1] - ends[0]);
    }
    return text;
}

bool text_equals(struct text text, const char *string)
{
    return strlen(string) == text.length && memcmp(string, text.bytes, text.length) == 0;
}

/* --- batches and slices ----------------------------------------------------------------------- */

struct shared_batch {
    struct ArrowArray array;
    atomic_size_t holders;      /* its list, and each column and each slice not yet released */
};

static void let_go(struct shared_batch *batch)
{
    if (atomic_fetch_sub(&batch->holders, 1) == 1) {
        batch->array.release(&batch->array);
        free(batch);
    }
}

void batches_add(struct batches *batches, struct ArrowArray *batch)
{
    struct shared_batch *shared = grow(NULL, sizeof *shared);
    shared->array = *batch;
    batch->release = NULL;
    atomic_init(&shared->holders, 1);
    batches->each = grow(batches->each, (batches->count + 1) * sizeof *batches->each);
    batches->each[batches->count++] = shared;
    batches->rows += shared->array.length;
}

struct rows batches_rows(const struct batches *batches, size_t index)
{
    return (struct rows){&batches->schema, &batches->each[index]->array};
}

void batches_free(struct batches *batches)
{
    for (size_t i = 0; i < batches->count; i++)
        let_go(batches->each[i]);
    free(batches->each);
    if (batches->schema.release != NULL)
        batches->schema.release(&batches->schema);
}

static void release_column(struct ArrowArray *column)
{
    column->release = NULL;
    let_go(column->private_data);
}

static void release_slice(struct ArrowArray *slice)
{
    /* A column that the consumer has moved elsewhere is the consumer's to release. */
    for (int64_t i = 0; i < slice->n_children; i++)
        if (slice->children[i]->release != NULL)
            slice->children[i]->release(slice->children[i]);
    free(slice->children[slice->n_children]);
    free(slice->children);
    slice->release = NULL;
    let_go(slice->private_data);
}

void batches_slice(const struct batches *batches, size_t index, int64_t offset, int64_t length,
                   struct ArrowArray *slice)
{
    static const void *no_validity[1] = {NULL};
    struct shared_batch *batch = batches->each[index];
    const struct ArrowArray *whole = &batch->array;
    size_t count = (size_t)whole->n_children;
    struct ArrowArray *columns = grow(NULL, (count + 1) * sizeof *columns);

    *slice = (struct ArrowArray){
        .length = length,
        .n_buffers = 1,
        .buffers = no_validity,
        .n_children = whole->n_children,
        .children = grow(NULL, (count + 1) * sizeof *slice->children),
        .release = release_slice,
        .private_data = batch,
    };
    for (size_t i = 0; i < count; i++) {
        columns[i] = *whole->children[i];
        columns[i].offset += whole->offset + offset;
        columns[i].length = length;
        columns[i].null_count = columns[i].null_count == 0 ? 0 : -1;    /* -1: not counted */
        columns[i].release = release_column;
        columns[i].private_data = batch;
        slice->children[i] = &columns[i];
    }
    slice->children[count] = columns;   /* past the last child: the block to free */
    atomic_fetch_add(&batch->holders, count + 1);
}
