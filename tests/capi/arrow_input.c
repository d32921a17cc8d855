/*
 * Arrow structs that lie: each is refused with an error of the ingestion band, is released exactly
 * once, and leaves the source as it was. Buffers are as long as their producer says: what is wrong
 * here is the structure or the content, which the library can see.
 */
#include "fixture.h"

static laminar_db *db;
static laminar_source *source;

struct damage {
    const char *what;
    void (*apply)(struct table *t);
};

/* The columns of `events`: k, v, ts. */
#define K(t) ((t)->array.children[0])
#define V(t) ((t)->array.children[1])

static void released_array(struct table *t) { t->array.release(&t->array); }
static void released_schema(struct table *t) { t->schema.release(&t->schema); }
static void unknown_format(struct table *t) { t->schema.children[1]->format = "?!"; }
static void empty_format(struct table *t) { t->schema.children[1]->format = ""; }
static void no_format(struct table *t) { t->schema.children[1]->format = NULL; }
static void no_top_format(struct table *t) { t->schema.format = NULL; }
static void format_not_utf8(struct table *t) { t->schema.children[1]->format = "\xff\xfe"; }
static void not_a_struct(struct table *t) { t->schema.format = "l"; }
static void no_name(struct table *t) { t->schema.children[1]->name = NULL; }
static void name_not_utf8(struct table *t) { t->schema.children[1]->name = "\xff\xfe"; }
static void fewer_columns(struct table *t) { t->array.n_children = 2; }
static void more_columns(struct table *t) { t->array.n_children = 4; }
static void fewer_fields(struct table *t) { t->schema.n_children = 2; }
static void negative_columns(struct table *t) { t->array.n_children = -1; }
static void negative_fields(struct table *t) { t->schema.n_children = -1; }
static void no_columns(struct table *t) { t->array.children = NULL; }
static void no_fields(struct table *t) { t->schema.children = NULL; }
static void null_column(struct table *t) { t->array.children[1] = NULL; }
static void null_field(struct table *t) { t->schema.children[1] = NULL; }
static void released_column(struct table *t) { V(t)->release(V(t)); }
static void column_of_columns(struct table *t) { V(t)->n_children = 1; }
static void no_buffers(struct table *t) { V(t)->buffers = NULL; }
static void too_few_buffers(struct table *t) { V(t)->n_buffers = 1; }
static void too_many_buffers(struct table *t) { V(t)->n_buffers = 3; }
static void negative_buffers(struct table *t) { V(t)->n_buffers = -1; }
static void no_values(struct table *t) { V(t)->buffers[1] = NULL; }
static void no_offsets(struct table *t) { K(t)->buffers[1] = NULL; }
static void no_bytes(struct table *t) { K(t)->buffers[2] = NULL; }
static void negative_length(struct table *t) { t->array.length = -1; }
static void negative_column_length(struct table *t) { V(t)->length = -1; }
static void negative_offset(struct table *t) { t->array.offset = -1; }
static void negative_column_offset(struct table *t) { V(t)->offset = -1; }
static void offset_beyond_measure(struct table *t) { t->array.offset = INT64_MAX; }
static void column_offset_beyond_measure(struct table *t) { V(t)->offset = INT64_MAX; }
static void length_beyond_measure(struct table *t) { t->array.length = INT64_MAX; }
static void short_column(struct table *t) { V(t)->length = 1; }
static void nulls_without_bitmap(struct table *t) { V(t)->null_count = 1; }
static void negative_nulls(struct table *t) { V(t)->null_count = -2; }
static void more_nulls_than_rows(struct table *t) { V(t)->null_count = 3; }

static int32_t *offsets(struct table *t) {
    return (int32_t *)((struct arrow_owned *)K(t)->private_data)->blocks[1];
}

static void falling_offsets(struct table *t) { offsets(t)[1] = offsets(t)[2] + 1; }
static void negative_offsets(struct table *t) { offsets(t)[0] = -1; }
static void text_not_utf8(struct table *t) {
    ((unsigned char *)((struct arrow_owned *)K(t)->private_data)->blocks[2])[0] = 0xff;
}
static void null_rows(struct table *t) { /* a row of the table itself is null */
    struct arrow_owned *owned = (struct arrow_owned *)t->array.private_data;
    owned->blocks[0] = arrow_bits((bool[]){true, false}, 2);
    t->array.buffers[0] = owned->blocks[0];
    t->array.null_count = 1;
}

#define DAMAGE(name) {#name, name}

static const struct damage DAMAGES[] = {
    DAMAGE(released_array), DAMAGE(released_schema), DAMAGE(unknown_format),
    DAMAGE(empty_format), DAMAGE(no_format), DAMAGE(no_top_format), DAMAGE(format_not_utf8),
    DAMAGE(not_a_struct), DAMAGE(no_name), DAMAGE(name_not_utf8), DAMAGE(fewer_columns),
    DAMAGE(more_columns), DAMAGE(fewer_fields), DAMAGE(negative_columns),
    DAMAGE(negative_fields), DAMAGE(no_columns), DAMAGE(no_fields), DAMAGE(null_column),
    DAMAGE(null_field), DAMAGE(released_column), DAMAGE(column_of_columns), DAMAGE(no_buffers),
    DAMAGE(too_few_buffers), DAMAGE(too_many_buffers), DAMAGE(negative_buffers),
    DAMAGE(no_values), DAMAGE(no_offsets), DAMAGE(no_bytes), DAMAGE(negative_length),
    DAMAGE(negative_column_length), DAMAGE(negative_offset), DAMAGE(negative_column_offset),
    DAMAGE(offset_beyond_measure), DAMAGE(column_offset_beyond_measure),
    DAMAGE(length_beyond_measure), DAMAGE(short_column), DAMAGE(nulls_without_bitmap),
    DAMAGE(negative_nulls), DAMAGE(more_nulls_than_rows), DAMAGE(falling_offsets),
    DAMAGE(negative_offsets), DAMAGE(text_not_utf8), DAMAGE(null_rows),
};

#define DAMAGE_COUNT (sizeof DAMAGES / sizeof DAMAGES[0])

/* Undoes what would keep the schema's own release from finding its parts. */
static void free_damaged(struct table *t) {
    struct arrow_owned *schema = (struct arrow_owned *)t->schema.private_data;
    if (t->schema.release != NULL) {
        t->schema.children = (struct ArrowSchema **)(void *)schema->children;
    }
    table_free(t);
}

/* Keeps the parts that `null_column` and `null_field` take out of sight. */
static void damage(struct table *t, const struct damage *d, struct ArrowArray **column,
                   struct ArrowSchema **field) {
    *column = t->array.children[1];
    *field = t->schema.children[1];
    d->apply(t);
    if (d->apply == null_column) { /* the release callback must still reach it */
        struct arrow_owned *owned = (struct arrow_owned *)t->array.private_data;
        static struct ArrowArray *shown[TABLE_COLUMNS_MAX];
        memcpy(shown, owned->children, sizeof shown);
        owned->children[1] = *column;
        t->array.children = shown;
    }
    if (d->apply == null_field) {
        struct arrow_owned *owned = (struct arrow_owned *)t->schema.private_data;
        static struct ArrowSchema *shown[TABLE_COLUMNS_MAX];
        memcpy(shown, owned->children, sizeof shown);
        owned->children[1] = *field;
        t->schema.children = shown;
    }
}

static void check_refused(const char *what, const char *how, laminar_status status) {
    char text[128];
    snprintf(text, sizeof text, "%s by %s", what, how);
    if (status / 100 != 3) {
        char detail[1200];
        snprintf(detail, sizeof detail, "answers %s (%d)\n    %s", laminar_status_name(status),
                 (int)status, last_message());
        test_fail(__FILE__, __LINE__, text, detail);
    } else {
        test_error_whole(__FILE__, __LINE__, text, status);
    }
}

static void every_damage_is_refused(void) {
    for (size_t i = 0; i < DAMAGE_COUNT; ++i) {
        for (int how = 0; how < 3; ++how) {
            struct table t = events(2, KEYS("aa", "bb"), INTS(1, 2), INTS(1000, 2000));
            struct ArrowArray *column;
            struct ArrowSchema *field;
            damage(&t, &DAMAGES[i], &column, &field);
            const laminar_status status =
                how == 0   ? laminar_push(source, &t.array, &t.schema, ERR)
                : how == 1 ? laminar_try_push(source, &t.array, &t.schema, ERR)
                           : laminar_insert(db, "events", &t.array, &t.schema, ERR);
            const char *const names[] = {"push", "try_push", "insert"};
            check_refused(DAMAGES[i].what, names[how], status);
            if (t.array.release != NULL) {
                test_fail(__FILE__, __LINE__, DAMAGES[i].what, "the array was not consumed");
            }
            free_damaged(&t);
        }
    }
    CHECK_INT(arrays_live(), 0);
    expect_rows(db, "SELECT COUNT(*) FROM events", "0\n");
}

static void with_the_sources_own_schema_too(void) {
    for (size_t i = 0; i < DAMAGE_COUNT; ++i) {
        struct table t = events(2, KEYS("aa", "bb"), INTS(1, 2), INTS(1000, 2000));
        struct ArrowArray *column;
        struct ArrowSchema *field;
        damage(&t, &DAMAGES[i], &column, &field);
        const laminar_status status = laminar_push(source, &t.array, NULL, ERR);
        if (status != LAMINAR_OK) { /* damage to a schema that is not passed is not seen */
            check_refused(DAMAGES[i].what, "push without schema", status);
        }
        CHECK(t.array.release == NULL);
        free_damaged(&t);
    }
}

static void a_broken_stream_is_refused_whole(void) {
    expect_rows(db, "SELECT COUNT(*) FROM events WHERE k = 'stream'", "0\n");
    for (int64_t fail_at = 0; fail_at < 2; ++fail_at) {
        struct table tables[2] = {events(1, KEYS("stream"), INTS(1), INTS(1000)),
                                  events(1, KEYS("stream"), INTS(2), INTS(1000))};
        struct ArrowArrayStream stream = table_stream(tables, 2, fail_at);
        REFUSED(laminar_push_stream(source, &stream, ERR));
        CHECK_CONTAINS(last_message(), "the tape broke");
        CHECK(stream.release == NULL);
    }
    for (int64_t broken = 0; broken < 2; ++broken) {
        struct table tables[2] = {events(1, KEYS("stream"), INTS(1), INTS(1000)),
                                  events(1, KEYS("stream"), INTS(2), INTS(1000))};
        V(&tables[broken])->length = -1;
        struct ArrowArrayStream stream = table_stream(tables, 2, -1);
        REFUSED(laminar_insert_stream(db, "events", &stream, ERR));
        CHECK(stream.release == NULL);
    }
    struct ArrowArrayStream gone;
    memset(&gone, 0, sizeof gone); /* released */
    REFUSED(laminar_push_stream(source, &gone, ERR));
    REFUSED(laminar_insert_stream(db, "events", &gone, ERR));
    expect_rows(db, "SELECT COUNT(*) FROM events WHERE k = 'stream'", "0\n");
}

static void unusual_but_valid(void) {
    /* No rows: buffers need not exist. */
    struct table t = events(0, NULL, NULL, NULL);
    V(&t)->buffers[1] = NULL;
    OK(laminar_push(source, &t.array, &t.schema, ERR));
    table_free(&t);

    /* -1: the number of nulls is not known. */
    t = table_new(2);
    table_utf8(&t, "k", KEYS("ok", "ok"));
    table_int64(&t, "v", INTS(7, 0), (bool[]){true, false});
    table_int64(&t, "ts", INTS(1000, 1000), NULL);
    V(&t)->null_count = -1;
    OK(laminar_push(source, &t.array, &t.schema, ERR));
    table_free(&t);

    /* A column may be longer than its table. */
    t = events(1, KEYS("ok"), INTS(0), INTS(1000));
    V(&t)->length = INT64_MAX;
    OK(laminar_push(source, &t.array, &t.schema, ERR));
    table_free(&t);

    /* Misaligned values are copied. */
    t = events(1, KEYS("ok"), INTS(0), INTS(1000));
    struct arrow_owned *owned = (struct arrow_owned *)V(&t)->private_data;
    owned->blocks[2] = test_alloc(1 + sizeof(int64_t));
    memcpy((char *)owned->blocks[2] + 1, INTS(35), sizeof(int64_t));
    V(&t)->buffers[1] = (char *)owned->blocks[2] + 1;
    OK(laminar_push(source, &t.array, &t.schema, ERR));
    table_free(&t);

    expect_rows(db, "SELECT COUNT(*), SUM(v) FROM events WHERE k = 'ok'", "4|42\n");
}

int main(void) {
    db = open_started(NULL);
    source = open_source(db, "events");
    RUN(every_damage_is_refused);
    RUN(with_the_sources_own_schema_too);
    RUN(a_broken_stream_is_refused_whole);
    RUN(unusual_but_valid);
    laminar_source_free(source);
    laminar_close(db);
    if (arrays_live() != 0) {
        test_fail(__FILE__, __LINE__, "arrays_live() == 0", "after close");
        test_failed += 1;
    }
    return report();
}
