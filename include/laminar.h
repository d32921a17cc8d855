/*
 * laminar.h: the C API of Laminar, an embedded streaming SQL database.
 *
 * Made from ffi/src by cbindgen; change it there (LAMINAR_UPDATE_HEADER=1 cargo test -p laminar-ffi
 * --test header).
 *
 *
 * A complete program
 * ------------------
 *
 *     #include <laminar.h>
 *     #include <inttypes.h>
 *     #include <stdio.h>
 *     #include <stdlib.h>
 *
 *     static void check(laminar_status status, laminar_error *error) {
 *         if (status == LAMINAR_OK) return;
 *         fprintf(stderr, "%s %s\n", laminar_status_name(status), laminar_error_message(error));
 *         laminar_error_free(error);
 *         exit(1);
 *     }
 *
 *     int main(void) {
 *         laminar_error *error = NULL;
 *         laminar_db *db;
 *         check(laminar_open(NULL, &db, &error), error);
 *         check(laminar_execute(db,
 *             "CREATE SOURCE trades (symbol VARCHAR NOT NULL, price DOUBLE NOT NULL)", NULL, &error),
 *             error);
 *         check(laminar_execute(db,
 *             "CREATE STREAM dear AS SELECT symbol, price FROM trades WHERE price > 100", NULL,
 *             &error), error);
 *         laminar_subscription *dear;
 *         check(laminar_subscribe(db, "dear", NULL, &dear, &error), error);
 *         check(laminar_start(db, &error), error);
 *
 *         laminar_source *trades;
 *         laminar_appender *rows;
 *         check(laminar_source_open(db, "trades", &trades, &error), error);
 *         check(laminar_appender_open(trades, &rows, &error), error);
 *         for (int i = 0; i < 3; i++) {
 *             check(laminar_append_string(rows, 0, "ACME", 4, &error), error);
 *             check(laminar_append_double(rows, 1, 99.5 + i, &error), error);
 *             check(laminar_append_row(rows, &error), error);
 *         }
 *         check(laminar_appender_flush(rows, &error), error);
 *
 *         struct ArrowArray batch;
 *         laminar_status status;
 *         while ((status = laminar_poll(dear, 0, &batch, NULL, &error)) == LAMINAR_OK) {
 *             struct ArrowArray *price = batch.children[1];
 *             const double *prices = (const double *)price->buffers[1] + price->offset;
 *             for (int64_t row = 0; row < batch.length; row++) {
 *                 printf("epoch %" PRIu64 ": %.1f\n", laminar_subscription_epoch(dear), prices[row]);
 *             }
 *             batch.release(&batch);
 *         }
 *         if (status != LAMINAR_AGAIN) check(status, error);
 *
 *         laminar_appender_free(rows);
 *         laminar_source_free(trades);
 *         laminar_subscription_free(dear);
 *         laminar_close(db);
 *         return 0;
 *     }
 *
 * A program that has its rows in Arrow arrays needs no appender: laminar_open, laminar_execute,
 * laminar_push, laminar_poll and laminar_close are the whole way.
 *
 *
 * Ownership
 * ---------
 *
 * - Handles (laminar_db, laminar_source, laminar_query, laminar_subscription, laminar_appender,
 *   laminar_writer) are opaque. Each is freed once by its own function; freeing NULL does nothing. They may be freed in
 *   any order, since each holds what it needs of the others, and freeing never waits (laminar_close
 *   shuts the database down first). A handle may be freed while another thread is in a call on it:
 *   the call is cancelled, and the memory goes when it has left. No call may begin after the free.
 * - Texts that go in are UTF-8, end in NUL and are copied. Texts that come out as `const char *`
 *   are borrowed from their handle, never change, and are valid until it is freed. Texts that come
 *   out as `char **` are owned by the caller: laminar_string_free;
 *   bytes that come out as `uint8_t **` with their length: laminar_bytes_free.
 * - Out parameters are nulled on entry (Arrow structs: their `release` is) and written only when
 *   the call succeeds.
 * - Arrow arrays that go in are moved: afterwards the struct's `release` is NULL, whatever the call
 *   answered, except LAMINAR_AGAIN and LAMINAR_BUSY, which leave it as it was. The library keeps
 *   the buffers without copying them and calls the array's release callback when it needs them no
 *   more, at any time and on any thread, but never while the engine is locked. Schemas that go in
 *   are borrowed for the call.
 * - Arrow arrays, schemas and streams that come out belong to the caller, who calls their release
 *   callback, also after the handle that they came from was freed. Their text and binary columns
 *   have the plain layouts (format "u" and "z", or "U" and "Z"); dictionaries come out only where
 *   the schema has them.
 *
 *
 * Threads
 * -------
 *
 * - A parameter `const T *` may be used by any number of threads at once. A parameter `T *` is used
 *   exclusively: a call that finds another such call in the handle answers LAMINAR_BUSY and does
 *   nothing. Two exclusive handles of the same kind do not disturb each other: clone a source for
 *   each producing thread.
 * - A push runs everything downstream of it on the thread that pushes, and returns when that is
 *   done. There are no hidden threads between laminar_push and laminar_poll.
 * - Only laminar_poll waits by its `timeout_ms`; pushes wait for room by the configuration's
 *   `push_timeout_ms`; laminar_query_next waits for the query. laminar_*_cancel and laminar_shutdown
 *   wake whoever waits.
 * - Release callbacks, the callbacks of pushed streams and those of laminar_on_ready and
 *   laminar_log_callback run outside the engine's lock and may call the library. Registered functions
 *   run inside it: calls that would need the engine answer LAMINAR_BUSY there.
 * - After fork() the child must not use handles of the parent: calls on them answer
 *   LAMINAR_CONNECTION_FAILED with LDB-1003, and freeing them leaks on purpose.
 * - The library stays loaded once it was loaded; dlclose does not unmap it.
 *
 *
 * Errors
 * ------
 *
 * - Every function that can fail returns a laminar_status and takes a `laminar_error **` last, which
 *   may be NULL. LAMINAR_OK is 0. Statuses from 1 to 99 are outcomes, not errors: they write no
 *   laminar_error, and may be met in normal running. One of them does: LAMINAR_AGAIN of a push that
 *   finds no room before laminar_start is called, whose laminar_error (LDB-3302) says so; free it as
 *   any other. Those from 100 on are errors in bands: 1xx connection, 2xx schema, 3xx ingestion, 4xx
 *   query, 5xx subscription, 6xx stream, 7xx checkpoint, 8xx connector, 9xx internal. Numbers are
 *   never given a new meaning.
 * - A laminar_error holds a stable code ("LDB-2001"), a message that says what was wrong and what to
 *   do, and the place in the SQL text. There is no last error per thread.
 * - An argument that is NULL where it may not be, or text that is not UTF-8, is an error in the band
 *   of the function: LDB-1001, LDB-3001, LDB-4001 or LDB-5001. Accessors answer 0, NULL or "".
 * - No call ends the process: a panic inside the library is caught and answered as
 *   LAMINAR_INTERNAL_ERROR with LDB-9002.
 *
 *
 * Epochs
 * ------
 *
 * Every push, watermark call, timer and definition is one epoch, and all of them stand in one order.
 * Whatever is downstream of a push changes at the end of its epoch, all at once: a batch polled
 * holds the change that one epoch made (laminar_subscription_epoch), and a query sees the content
 * between two epochs. laminar_push_stream and laminar_appender_flush are one epoch however many
 * batches and rows they hold: all of them are taken, or none. Results never depend on how the input
 * was cut into batches.
 *
 * Where rows can cease to be, a batch has a weight for each row (laminar_subscription_weights).
 */


#ifndef LAMINAR_H
#define LAMINAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The version as text; see laminar_version(). */
#define LAMINAR_VERSION "0.1.0"

/*
 * The structs of the Arrow C data and C stream interfaces, as Arrow defines them:
 * https://arrow.apache.org/docs/format/CDataInterface.html
 */

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ARROW_C_DATA_INTERFACE
#define ARROW_C_DATA_INTERFACE

#define ARROW_FLAG_DICTIONARY_ORDERED 1
#define ARROW_FLAG_NULLABLE 2
#define ARROW_FLAG_MAP_KEYS_SORTED 4

struct ArrowSchema {
    const char *format;
    const char *name;
    const char *metadata;
    int64_t flags;
    int64_t n_children;
    struct ArrowSchema **children;
    struct ArrowSchema *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length;
    int64_t null_count;
    int64_t offset;
    int64_t n_buffers;
    int64_t n_children;
    const void **buffers;
    struct ArrowArray **children;
    struct ArrowArray *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

#endif /* ARROW_C_DATA_INTERFACE */

#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE

struct ArrowArrayStream {
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *out);
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *out);
    const char *(*get_last_error)(struct ArrowArrayStream *);
    void (*release)(struct ArrowArrayStream *);
    void *private_data;
};

#endif /* ARROW_C_STREAM_INTERFACE */

#ifdef __cplusplus
} /* extern "C" */
#endif


/**
 * Major version.
 */
#define LAMINAR_VERSION_MAJOR 0

/**
 * Minor version.
 */
#define LAMINAR_VERSION_MINOR 1

/**
 * Patch version.
 */
#define LAMINAR_VERSION_PATCH 0

/**
 * The version as one number that grows with every release: `major * 10000 + minor * 100 + patch`.
 */
#define LAMINAR_VERSION_NUMBER (((LAMINAR_VERSION_MAJOR * 10000) + (LAMINAR_VERSION_MINOR * 100)) + LAMINAR_VERSION_PATCH)

/**
 * The version of the binary interface. A library whose `laminar_abi_version()` differs from the
 * header that a program was compiled with must not be used by it.
 */
#define LAMINAR_ABI_VERSION 1

/**
 * Something stopped: a stream failed.
 */
#define LAMINAR_LOG_ERROR 1

/**
 * Rows are lost: the first dead letter and the first late row of a stream, the first miss of a
 * subscription.
 */
#define LAMINAR_LOG_WARN 2

/**
 * The database changed: definitions, the start, the shutdown.
 */
#define LAMINAR_LOG_INFO 3

/**
 * Every query that begins.
 */
#define LAMINAR_LOG_DEBUG 4

/**
 * Builds rows value by value and pushes them through the producer that it was opened on. Setting
 * a value allocates nothing in the steady state. All calls but the count of rows are exclusive.
 */
typedef struct laminar_appender laminar_appender;

/**
 * A database. All its calls may be used by several threads at once.
 */
typedef struct laminar_db laminar_db;

/**
 * An error, owned by whoever received it: free it with `laminar_error_free`. It belongs to no
 * other handle and may be read by several threads.
 */
typedef struct laminar_error laminar_error;

/**
 * The rows of one query over one consistent epoch: later pushes do not change them. Reading is
 * exclusive; cancelling is not.
 */
typedef struct laminar_query laminar_query;

/**
 * A producer of a source: rows are pushed through it, and it has a watermark of its own. Clone
 * it for every further producer. Its exclusive calls are the pushes and the watermark.
 */
typedef struct laminar_source laminar_source;

/**
 * A consumer of the changes of a stream, sink, source or query. Polling is exclusive; cancelling,
 * the accessors and `laminar_on_ready` are not.
 */
typedef struct laminar_subscription laminar_subscription;

/**
 * Gathers batches for a source, to be pushed as one epoch. It is a producer of its own, with a
 * watermark of its own.
 */
typedef struct laminar_writer laminar_writer;

/**
 * What a call answered: `LAMINAR_OK`, another outcome (1 to 99) or an error (100 and more).
 */
typedef int32_t laminar_status;

/**
 * Done.
 */
#define LAMINAR_OK 0

/**
 * Not now: nothing came within the time allowed, or there was no room for a push. Nothing was
 * moved; try again.
 */
#define LAMINAR_AGAIN 1

/**
 * There will be no more: the query or the subscription is at its end.
 */
#define LAMINAR_END 2

/**
 * The subscription missed rows (see `laminar_subscription_lagged`) and goes on with the oldest
 * one kept. Nothing was moved; poll again.
 */
#define LAMINAR_LAGGED 3

/**
 * Forget what this subscription has delivered: its next batch is the whole content. Nothing was
 * moved; poll again.
 */
#define LAMINAR_RESET 4

/**
 * The handle is in an exclusive call of another thread, or the call came from inside a function
 * that the engine is calling. Nothing was moved; try again.
 */
#define LAMINAR_BUSY 5

/**
 * The database could not be opened.
 */
#define LAMINAR_CONNECTION_FAILED 100

/**
 * The database was closed.
 */
#define LAMINAR_CONNECTION_CLOSED 101

/**
 * The handle is in use by another thread. The library answers `LAMINAR_BUSY` instead.
 */
#define LAMINAR_CONNECTION_IN_USE 102

/**
 * No source, table, stream or sink has this name.
 */
#define LAMINAR_TABLE_NOT_FOUND 200

/**
 * The name is taken.
 */
#define LAMINAR_TABLE_EXISTS 201

/**
 * A schema differs from the one expected.
 */
#define LAMINAR_SCHEMA_MISMATCH 202

/**
 * A schema cannot be used, or an object that others read was to be dropped.
 */
#define LAMINAR_INVALID_SCHEMA 203

/**
 * Rows were refused.
 */
#define LAMINAR_INGESTION_FAILED 300

/**
 * The source handle was closed, or its source was dropped.
 */
#define LAMINAR_WRITER_CLOSED 301

/**
 * A batch does not fit the schema of its source.
 */
#define LAMINAR_BATCH_SCHEMA_MISMATCH 302

/**
 * There was no room in time. The library answers `LAMINAR_AGAIN` instead; bindings raise this.
 */
#define LAMINAR_BACKPRESSURE 303

/**
 * A query failed.
 */
#define LAMINAR_QUERY_FAILED 400

/**
 * The SQL text could not be read.
 */
#define LAMINAR_SQL_PARSE_ERROR 401

/**
 * The query was cancelled.
 */
#define LAMINAR_QUERY_CANCELLED 402

/**
 * A construct that this version does not have.
 */
#define LAMINAR_UNSUPPORTED 403

/**
 * A subscription could not be made or read.
 */
#define LAMINAR_SUBSCRIPTION_FAILED 500

/**
 * The subscription ended. The library answers `LAMINAR_END` instead; bindings raise this.
 */
#define LAMINAR_SUBSCRIPTION_CLOSED 501

/**
 * Nothing came in time. The library answers `LAMINAR_AGAIN` instead; bindings raise this.
 */
#define LAMINAR_SUBSCRIPTION_TIMEOUT 502

/**
 * Changes were missed. The library answers `LAMINAR_LAGGED` instead; bindings raise this.
 */
#define LAMINAR_SUBSCRIPTION_LAGGED 503

/**
 * A stream failed.
 */
#define LAMINAR_STREAM_FAILED 600

/**
 * A checkpoint failed.
 */
#define LAMINAR_CHECKPOINT_FAILED 700

/**
 * Recovery failed.
 */
#define LAMINAR_RECOVERY_FAILED 701

/**
 * A connector failed.
 */
#define LAMINAR_CONNECTOR_FAILED 800

/**
 * A defect of the library, for example a panic that was caught.
 */
#define LAMINAR_INTERNAL_ERROR 900

/**
 * The database is shutting down.
 */
#define LAMINAR_SHUTDOWN 901

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library that runs, for example `"0.1.0"`; compare with `LAMINAR_VERSION`.
 *
 * @return a static string, never NULL
 */
const char *laminar_version(void);

/**
 * The version of the library that runs as one number: `major * 10000 + minor * 100 + patch`.
 */
uint32_t laminar_version_number(void);

/**
 * The version of the library's binary interface; compare with `LAMINAR_ABI_VERSION` after loading
 * the library at run time.
 */
uint32_t laminar_abi_version(void);

/**
 * Version, profile, compiler and main dependencies, for example
 * `"laminar 0.1.0 (profile release, rustc 1.95.0, datafusion 55.2.0, arrow 59.3.2)"`. For people
 * and bug reports: its form may change.
 *
 * @return a static string, never NULL
 */
const char *laminar_build_info(void);

/**
 * The name of a status without its `LAMINAR_` prefix, for example `"AGAIN"` or
 * `"SCHEMA_MISMATCH"`.
 *
 * @param status any number
 * @return a static string; `"UNKNOWN"` for a number that is no status. Never NULL.
 */
const char *laminar_status_name(laminar_status status);

/**
 * The status of an error: the same number that the failed call returned.
 *
 * @param error may be NULL
 * @return the status; `LAMINAR_OK` for NULL
 */
laminar_status laminar_error_status(const laminar_error *error);

/**
 * The full text: code, what was wrong, what to do, and the position in the SQL text, for example
 * `"LDB-2001: no source, table or stream is named `trades` (line 1, column 15)"`.
 *
 * @param error may be NULL
 * @return UTF-8, valid until the error is freed; `""` for NULL, never NULL
 */
const char *laminar_error_message(const laminar_error *error);

/**
 * The stable code of the error, for example `"LDB-2001"`. It is finer than the status and never
 * changes its meaning.
 *
 * @param error may be NULL
 * @return ASCII, valid until the error is freed; `""` for NULL, never NULL
 */
const char *laminar_error_code(const laminar_error *error);

/**
 * The line of the SQL text that the error is about, counted from 1.
 *
 * @param error may be NULL
 * @return the line; 0 when the error has no place in SQL text, and for NULL
 */
uint64_t laminar_error_line(const laminar_error *error);

/**
 * The column in that line, in characters counted from 1.
 *
 * @param error may be NULL
 * @return the column; 0 when the error has no place in SQL text, and for NULL
 */
uint64_t laminar_error_column(const laminar_error *error);

/**
 * Frees an error and the texts that it handed out.
 *
 * @param error may be NULL, which does nothing
 */
void laminar_error_free(laminar_error *error);

/**
 * Opens a database.
 *
 * @param config_json settings as a JSON object, or NULL for a database in memory with the
 *   defaults. Every key is optional, and unknown keys are refused:
 *
 *   | key | value |
 *   |---|---|
 *   | `path` | directory of a durable database; absent or `":memory:"` keeps all in memory |
 *   | `buffer_size` | rows that a subscription's ring holds, a power of two (65536) |
 *   | `max_queued_bytes` | bytes that wait before `laminar_start` (268435456) |
 *   | `retain_history` | rows of its past that a source keeps for queries, or a size as `"64 MB"` (65536) |
 *   | `push_timeout_ms` | how long a push waits for room (30000) |
 *   | `variables` | an object of strings: the values of `${NAME}` in the strings of definitions |
 *   | `wait_strategy` | `"spin"`, `"spin_yield"`, `"spin_yield(N)"` or `"park"` |
 *   | `core_affinity` | the processor core on which the threads of queries and of the timer stay |
 *   | `workers` | partitions of operators by keys, 1 to 64 (1) |
 *   | `worker_min_rows` | rows of a step from which on partitions have threads (512) |
 *   | `validate_input` | `"full"`, or `"trusted"` to skip checks of imported buffers' content |
 * @param[out] db the database, to be closed with `laminar_close`
 * @param[out] error optional
 * @return `LAMINAR_OK`, or an error: `LAMINAR_CONNECTION_FAILED`
 */
laminar_status laminar_open(const char *config_json,
                            laminar_db **db,
                            laminar_error **error);

/**
 * Starts the streams: what was pushed before is processed now. Idempotent.
 *
 * @param db the database
 * @param[out] error optional
 * @return `LAMINAR_OK`, or an error
 */
laminar_status laminar_start(const laminar_db *db, laminar_error **error);

/**
 * Shuts the database down and leaves the handle: whoever waits in a call wakes, subscriptions
 * end, and later calls answer `LAMINAR_CONNECTION_CLOSED`. Idempotent.
 *
 * @param db the database
 * @param[out] error optional
 * @return `LAMINAR_OK`, or an error
 */
laminar_status laminar_shutdown(const laminar_db *db, laminar_error **error);

/**
 * Shuts the database down and frees its handle. The handles made from it stay valid and answer
 * `LAMINAR_CONNECTION_CLOSED` or `LAMINAR_END` until they are freed, in any order.
 *
 * @param db may be NULL, which does nothing
 */
void laminar_close(laminar_db *db);

/**
 * Runs one SQL statement of any kind.
 *
 * @param db the database
 * @param sql one statement
 * @param[out] out NULL, or where to put the result as a stream that the caller releases: the rows
 *   of a query, or for any other statement one row with the columns `statement` (utf8, for
 *   example `CREATE SOURCE`), `object` (utf8, the object's name or NULL) and `rows_affected`
 *   (int64). The stream belongs to the caller, and errors in it carry the message with its code.
 * @param[out] error optional
 * @return `LAMINAR_OK`, `LAMINAR_AGAIN` (an INSERT that found no room), `LAMINAR_BUSY`, or an
 *   error: `LAMINAR_SQL_PARSE_ERROR`, `LAMINAR_QUERY_FAILED`, `LAMINAR_TABLE_NOT_FOUND`,
 *   `LAMINAR_TABLE_EXISTS`, `LAMINAR_UNSUPPORTED`, ...
 */
laminar_status laminar_execute(const laminar_db *db,
                               const char *sql,
                               struct ArrowArrayStream *out,
                               laminar_error **error);

/**
 * Takes a checkpoint now and waits for it.
 *
 * @param db the database
 * @param[out] id NULL, or where to put its number
 * @param[out] error optional
 * @return `LAMINAR_OK`, or an error: `LAMINAR_UNSUPPORTED` for a database in memory, which has
 *   none, `LAMINAR_CHECKPOINT_FAILED`, `LAMINAR_CONNECTION_CLOSED`
 */
laminar_status laminar_checkpoint(const laminar_db *db, uint64_t *id, laminar_error **error);

/**
 * The plan of a statement, or of a stream by its name, for people to read.
 *
 * @param db the database
 * @param sql a statement or a name
 * @param[out] text UTF-8, owned by the caller: free it with `laminar_string_free`
 * @param[out] error optional
 * @return `LAMINAR_OK`, or an error
 */
laminar_status laminar_explain(const laminar_db *db,
                               const char *sql,
                               char **text,
                               laminar_error **error);

/**
 * Frees a text that the library handed over.
 *
 * @param text may be NULL, which does nothing
 */
void laminar_string_free(char *text);

/**
 * Runs a query and reads its rows batch by batch.
 *
 * @param db the database
 * @param sql a statement that answers rows
 * @param[out] out the query, to be freed with `laminar_query_free`
 * @param[out] error optional
 * @return `LAMINAR_OK`, or an error: `LAMINAR_SQL_PARSE_ERROR`, `LAMINAR_QUERY_FAILED`,
 *   `LAMINAR_TABLE_NOT_FOUND`, `LAMINAR_UNSUPPORTED`
 */
laminar_status laminar_query_open(const laminar_db *db,
                                  const char *sql,
                                  laminar_query **out,
                                  laminar_error **error);

/**
 * The columns of the query's rows, as an Arrow schema of struct type.
 *
 * @param query the query
 * @param[out] schema owned by the caller: release it
 * @param[out] error optional
 * @return `LAMINAR_OK`, or an error
 */
laminar_status laminar_query_schema(const laminar_query *query,
                                    struct ArrowSchema *schema,
                                    laminar_error **error);

/**
 * The next batch of rows. Waits for it.
 *
 * @param query the query; exclusive
 * @param[out] array a struct array with one child per column, owned by the caller: release it
 * @param[out] schema NULL, or its schema, owned by the caller: release it
 * @param[out] error optional
 * @return `LAMINAR_OK` with a batch, `LAMINAR_END` without one, `LAMINAR_BUSY`, or an error:
 *   `LAMINAR_QUERY_CANCELLED`, `LAMINAR_QUERY_FAILED`, `LAMINAR_CONNECTION_CLOSED`
 */
laminar_status laminar_query_next(laminar_query *query,
                                  struct ArrowArray *array,
                                  struct ArrowSchema *schema,
                                  laminar_error **error);

/**
 * The rest of the rows as one Arrow IPC stream. Waits for all of them.
 *
 * @param query the query; exclusive
 * @param[out] data the bytes, owned by the caller: free them with `laminar_bytes_free`
 * @param[out] length how many there are
 * @param[out] error optional
 * @return `LAMINAR_OK`, without rows as well; `LAMINAR_BUSY`, or an error as for
 *   `laminar_query_next`
 */
laminar_status laminar_query_ipc(laminar_query *query,
                                 uint8_t **data,
                                 size_t *length,
                                 laminar_error **error);

/**
 * Cancels a query from any thread: the current and every later `laminar_query_next` answer
 * `LAMINAR_QUERY_CANCELLED`. Never waits.
 *
 * @param query may be NULL, which does nothing
 */
void laminar_query_cancel(const laminar_query *query);

/**
 * The number of a query, by which `laminar_cancel_query` and the SQL `CANCEL QUERY` find it, and
 * under which `laminar_queries` lists it.
 *
 * @param query may be NULL
 * @return the number; 0 for NULL and for rows that are not listed (those of `SHOW` and its like)
 */
uint64_t laminar_query_id(const laminar_query *query);

/**
 * Cancels the query of a number, whoever reads it, or ends the subscription of one: as
 * `laminar_queries` and `laminar_subscriptions` number them. Never waits.
 *
 * @param db the database
 * @param id the number
 * @param[out] found NULL, or where to put whether there was one
 * @param[out] error optional
 * @return `LAMINAR_OK`, or an error: `LAMINAR_CONNECTION_CLOSED`
 */
laminar_status laminar_cancel_query(const laminar_db *db,
                                    uint64_t id,
                                    bool *found,
                                    laminar_error **error);

/**
 * Frees a query, read to its end or not. A call that is in it on another thread is cancelled.
 * Never waits.
 *
 * @param query may be NULL, which does nothing
 */
void laminar_query_free(laminar_query *query);

/**
 * Makes a producer of a source that exists.
 *
 * @param db the database
 * @param name the source's name
 * @param[out] out the producer, to be freed with `laminar_source_free`
 * @param[out] error optional
 * @return `LAMINAR_OK`, or an error: `LAMINAR_TABLE_NOT_FOUND`, `LAMINAR_CONNECTION_CLOSED`
 */
laminar_status laminar_source_open(const laminar_db *db,
                                   const char *name,
                                   laminar_source **out,
                                   laminar_error **error);

/**
 * Makes one more producer of the same source, with a watermark of its own, for use by another
 * thread.
 *
 * @param source a producer
 * @param[out] out the new producer, to be freed with `laminar_source_free`
 * @param[out] error optional
 * @return `LAMINAR_OK`, or an error
 */
laminar_status laminar_source_clone(const laminar_source *source,
                                    laminar_source **out,
                                    laminar_error **error);

/**
 * The name of the source.
 *
 * @param source may be NULL
 * @return UTF-8, valid until the handle is freed; NULL for NULL
 */
const char *laminar_source_name(const laminar_source *source);

/**
 * The columns of the source, as an Arrow schema of struct type.
 *
 * @param source the producer
 * @param[out] schema owned by the caller: release it
 * @param[out] error optional
 * @return `LAMINAR_OK`, or an error
 */
laminar_status laminar_source_schema(const laminar_source *source,
                                     struct ArrowSchema *schema,
                                     laminar_error **error);

/**
 * Rows that this source holds back until `laminar_start`.
 *
 * @param source may be NULL
 * @return rows; 0 once the database is started, and for NULL
 */
uint64_t laminar_source_pending(const laminar_source *source);

/**
 * Rows that this source may hold back until `laminar_start`.
 *
 * @param source may be NULL
 * @return rows; 0 for NULL
 */
uint64_t laminar_source_capacity(const laminar_source *source);

/**
 * How long a push through this producer waits for room, where its source says so: `WITH
 * (push_timeout_ms = ...)`, or `backpressure = 'reject'`, which never waits.
 *
 * @param source may be NULL
 * @return milliseconds; -1 where it waits as the database is set, and for NULL
 */
int64_t laminar_source_push_timeout_ms(const laminar_source *source);

/**
 * Installs the one callback that tells when pushing is worth while; it replaces an earlier one.
 *
 * It is called at once if there is room; after that once, as soon as there is room after a push
 * through this handle or its appenders that answered `LAMINAR_AGAIN`; and when the source is
 * dropped or the database shut down, where the next push answers why. So: on `LAMINAR_AGAIN`, wait
 * for the call and push again. A `laminar_try_push` that met another push is told when that has
 * ended. It runs on the thread that made the room (one that polls, pushes or starts), never while
 * the engine is locked: it may push, poll and free, and should be short. Best is to set a flag and
 * wake an event loop.
 *
 * `drop(userdata)` is called exactly once, whatever this function answers: when the callback was
 * replaced or removed, when the producer was freed, or at once on an error; but never before a
 * call of the callback that has begun has returned.
 *
 * @param source the producer; need not be exclusive
 * @param callback NULL removes the one installed (and `userdata` is dropped at once)
 * @param userdata handed to both functions, not looked at
 * @param drop NULL when `userdata` needs none
 * @param[out] error optional
 * @return `LAMINAR_OK`, `LAMINAR_BUSY` while another call installs one, or an error
 */
laminar_status laminar_source_on_room(const laminar_source *source,
                                      void (*callback)(void *userdata),
                                      void *userdata,
                                      void (*drop)(void *userdata),
                                      laminar_error **error);

/**
 * Frees a producer. Its watermark no longer holds the source's back. Never waits.
 *
 * @param source may be NULL, which does nothing
 */
void laminar_source_free(laminar_source *source);

/**
 * Pushes one batch of rows as one epoch, and returns when everything downstream has it: a
 * `laminar_poll` on the same thread finds what it brought about.
 *
 * The batch is a struct array with one child per column. Without a schema its columns are those
 * of the source, in order. With a schema they are found by name, in any order: a missing column
 * that may be NULL is NULL; types that hold the same values are converted (integers to wider
 * ones, kinds of text and of binary into each other, dictionaries to their values, units of time
 * when no digit is lost); anything else is refused and the message names the column.
 *
 * Waits for room up to the `push_timeout_ms` of the source or of the configuration.
 * `laminar_source_on_room` tells when there is room again.
 *
 * @param source the producer; exclusive
 * @param array moved (its `release` becomes NULL) unless the answer is `LAMINAR_AGAIN` or
 *   `LAMINAR_BUSY`
 * @param schema borrowed, of struct type; NULL when it is the source's own
 * @param[out] error optional
 * @return `LAMINAR_OK`; `LAMINAR_AGAIN` when there was no room in time; `LAMINAR_BUSY`; or an
 *   error: `LAMINAR_INGESTION_FAILED` (malformed data, a NULL that may not be),
 *   `LAMINAR_BATCH_SCHEMA_MISMATCH`, `LAMINAR_WRITER_CLOSED`, `LAMINAR_CONNECTION_CLOSED`
 */
laminar_status laminar_push(laminar_source *source,
                            struct ArrowArray *array,
                            const struct ArrowSchema *schema,
                            laminar_error **error);

/**
 * Like `laminar_push`, but answers `LAMINAR_AGAIN` at once where that would wait.
 *
 * @param source the producer; exclusive
 * @param array moved unless the answer is `LAMINAR_AGAIN` or `LAMINAR_BUSY`
 * @param schema borrowed; NULL when it is the source's own
 * @param[out] error optional
 * @return as for `laminar_push`
 */
laminar_status laminar_try_push(laminar_source *source,
                                struct ArrowArray *array,
                                const struct ArrowSchema *schema,
                                laminar_error **error);

/**
 * Pushes all batches of a stream as one epoch: all of them are taken, or none.
 *
 * The stream is read to its end before the engine is entered; its callbacks may call the library.
 * Its columns are matched to the source's as `laminar_push` does.
 *
 * @param source the producer; exclusive
 * @param stream moved (its `release` becomes NULL). After `LAMINAR_AGAIN` and `LAMINAR_BUSY` the
 *   struct holds a stream of the same rows, to be pushed again or released.
 * @param[out] error optional
 * @return as for `laminar_push`; an error of the stream itself is `LAMINAR_INGESTION_FAILED` with
 *   the stream's own message
 */
laminar_status laminar_push_stream(laminar_source *source,
                                   struct ArrowArrayStream *stream,
                                   laminar_error **error);

/**
 * Pushes one batch into a source by its name, as one epoch, through the database's own producer
 * of that source. May be called by any number of threads.
 *
 * @param db the database
 * @param source the source's name
 * @param array moved unless the answer is `LAMINAR_AGAIN` or `LAMINAR_BUSY`
 * @param schema borrowed; NULL when it is the source's own
 * @param[out] error optional
 * @return as for `laminar_push`, and `LAMINAR_TABLE_NOT_FOUND`
 */
laminar_status laminar_insert(const laminar_db *db,
                              const char *source,
                              struct ArrowArray *array,
                              const struct ArrowSchema *schema,
                              laminar_error **error);

/**
 * Pushes all batches of a stream into a source by its name, as one epoch: all of them are taken,
 * or none. May be called by any number of threads.
 *
 * @param db the database
 * @param source the source's name
 * @param stream moved, as for `laminar_push_stream`
 * @param[out] error optional
 * @return as for `laminar_push_stream`, and `LAMINAR_TABLE_NOT_FOUND`
 */
laminar_status laminar_insert_stream(const laminar_db *db,
                                     const char *source,
                                     struct ArrowArrayStream *stream,
                                     laminar_error **error);

/**
 * Promises that this producer sends no event with a time of at most `ts_ms` any more. The
 * source's watermark is the least of its producers'. A promise behind an earlier one does
 * nothing. Returns when everything that the promise completes, windows above all, was delivered.
 *
 * @param source the producer; exclusive
 * @param ts_ms milliseconds since 1970-01-01 00:00:00 UTC
 * @param[out] error optional
 * @return `LAMINAR_OK`, `LAMINAR_AGAIN`, `LAMINAR_BUSY`, or an error
 */
laminar_status laminar_watermark(laminar_source *source, int64_t ts_ms, laminar_error **error);

/**
 * Says that this producer sends nothing any more; a later push through it is refused. When every
 * producer of the source has said so or was freed, the source's watermark is at the end of time:
 * all windows close, and results that wait for nothing else are final. Returns when everything
 * that this completes was delivered.
 *
 * @param source the producer; exclusive. It is still to be freed
 * @param[out] error optional
 * @return `LAMINAR_OK`, `LAMINAR_AGAIN`, `LAMINAR_BUSY`, or an error
 */
laminar_status laminar_end_of_input(laminar_source *source, laminar_error **error);

/**
 * Makes a row appender. Its rows go through the given producer and count for its watermark.
 *
 * A row is built by setting its columns in any order, the last value set counting, and ended by
 * `laminar_append_row`. When setting a value or ending a row fails, the values of that row are
 * forgotten and the next value begins a new row; rows that were ended before stay.
 *
 * @param source the producer; the appender holds what it needs of it
 * @param[out] out the appender, to be freed with `laminar_appender_free`
 * @param[out] error optional
 * @return `LAMINAR_OK`, or an error
 */
laminar_status laminar_appender_open(const laminar_source *source,
                                     laminar_appender **out,
                                     laminar_error **error);

/**
 * Sets a column of the current row to NULL.
 *
 * @param appender the appender; exclusive
 * @param column index of the column in the source's schema, from 0
 * @param[out] error optional
 * @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED`, whose message names the
 *   column, when there is no such column or it is NOT NULL
 */
laminar_status laminar_append_null(laminar_appender *appender,
                                   size_t column,
                                   laminar_error **error);

/**
 * Sets a column of type boolean.
 *
 * @param appender the appender; exclusive
 * @param column index of the column in the source's schema, from 0
 * @param value the value
 * @param[out] error optional
 * @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED`, whose message names the
 *   column, when there is no such column or it has another type
 */
laminar_status laminar_append_bool(laminar_appender *appender,
                                   size_t column,
                                   bool value,
                                   laminar_error **error);

/**
 * Sets a column of any integer, date, time, timestamp or duration type, in the column's own unit
 * (a date32 counts days, a timestamp in milliseconds counts milliseconds since 1970 UTC); also of
 * a floating-point or decimal type that holds the value exactly.
 *
 * @param appender the appender; exclusive
 * @param column index of the column in the source's schema, from 0
 * @param value the value
 * @param[out] error optional
 * @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED`, whose message names the
 *   column, when there is no such column, it has another type, or the value does not fit
 */
laminar_status laminar_append_int64(laminar_appender *appender,
                                    size_t column,
                                    int64_t value,
                                    laminar_error **error);

/**
 * Sets a column as `laminar_append_int64` does, from a value without sign.
 *
 * @param appender the appender; exclusive
 * @param column index of the column in the source's schema, from 0
 * @param value the value
 * @param[out] error optional
 * @return as for `laminar_append_int64`
 */
laminar_status laminar_append_uint64(laminar_appender *appender,
                                     size_t column,
                                     uint64_t value,
                                     laminar_error **error);

/**
 * Sets a column of a floating-point type; for a narrower one than double the value is rounded.
 *
 * @param appender the appender; exclusive
 * @param column index of the column in the source's schema, from 0
 * @param value the value
 * @param[out] error optional
 * @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED`, whose message names the
 *   column, when there is no such column, it has another type, or a finite value would become
 *   infinite
 */
laminar_status laminar_append_double(laminar_appender *appender,
                                     size_t column,
                                     double value,
                                     laminar_error **error);

/**
 * Sets a column of a text type, or of a decimal type from its digits (for example `"-12.50"`).
 *
 * @param appender the appender; exclusive
 * @param column index of the column in the source's schema, from 0
 * @param value UTF-8, copied; it needs no NUL at its end and may contain some; may be NULL when
 *   `length` is 0
 * @param length bytes of the value
 * @param[out] error optional
 * @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED`, whose message names the
 *   column, when there is no such column, it has another type, the text is not UTF-8, or the
 *   decimal does not fit
 */
laminar_status laminar_append_string(laminar_appender *appender,
                                     size_t column,
                                     const char *value,
                                     size_t length,
                                     laminar_error **error);

/**
 * Sets a column of a binary type.
 *
 * @param appender the appender; exclusive
 * @param column index of the column in the source's schema, from 0
 * @param value copied; may be NULL when `length` is 0
 * @param length bytes of the value
 * @param[out] error optional
 * @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED`, whose message names the
 *   column, when there is no such column, it has another type, or the length is not its width
 */
laminar_status laminar_append_binary(laminar_appender *appender,
                                     size_t column,
                                     const uint8_t *value,
                                     size_t length,
                                     laminar_error **error);

/**
 * Ends the current row. Columns that were not set are NULL.
 *
 * @param appender the appender; exclusive
 * @param[out] error optional
 * @return `LAMINAR_OK`, `LAMINAR_BUSY`, or `LAMINAR_INGESTION_FAILED` when a NOT NULL column was
 *   not set: its message names the column, and the row is forgotten
 */
laminar_status laminar_append_row(laminar_appender *appender, laminar_error **error);

/**
 * Rows that were ended and not flushed yet.
 *
 * @param appender may be NULL
 * @return rows; 0 for NULL
 */
size_t laminar_appender_rows(const laminar_appender *appender);

/**
 * Pushes the rows that were ended as one epoch, as `laminar_push` does. A row that was begun
 * stays. Without rows it does nothing.
 *
 * @param appender the appender; exclusive
 * @param[out] error optional
 * @return `LAMINAR_OK`; `LAMINAR_AGAIN` (no room in time) and `LAMINAR_BUSY`, which keep the rows
 *   for another flush; or an error as for `laminar_push`, which drops them
 */
laminar_status laminar_appender_flush(laminar_appender *appender, laminar_error **error);

/**
 * Like `laminar_appender_flush`, but answers `LAMINAR_AGAIN` at once where that would wait.
 *
 * @param appender the appender; exclusive
 * @param[out] error optional
 * @return as for `laminar_appender_flush`
 */
laminar_status laminar_appender_try_flush(laminar_appender *appender, laminar_error **error);

/**
 * Forgets the rows that were not flushed, and the row that was begun.
 *
 * @param appender exclusive; may be NULL, which does nothing, as does a call while another
 *   thread is in an exclusive one
 */
void laminar_appender_reset(laminar_appender *appender);

/**
 * Frees an appender. Rows that were not flushed are forgotten.
 *
 * @param appender may be NULL, which does nothing
 */
void laminar_appender_free(laminar_appender *appender);

/**
 * Pushes rows that are written as JSON as one epoch: all of them are taken, or none.
 *
 * The text is one object, an array of objects, or objects one after the other (NDJSON). Members
 * are found by name; one that is missing is NULL, and one that the source does not have is
 * refused. TIMESTAMP columns take ISO 8601 texts, or integers since 1970; integers and decimals
 * may stand in quotes; binary values are hexadecimal digits; lists are arrays, structs and maps
 * objects.
 *
 * @param source the producer; exclusive
 * @param text UTF-8; no NUL is needed at its end; borrowed for the call
 * @param length its bytes
 * @param options_json NULL, or `{"epoch": "ms"}`: the unit of times that are integers (`s`, `ms`, `us`, `ns`)
 * @param[out] rows NULL, or where to put how many rows were taken
 * @param[out] error optional
 * @return as for `laminar_push`; a value that does not fit its column is
 *   `LAMINAR_INGESTION_FAILED`, and the message names its row, counted from 0, and its column
 */
laminar_status laminar_push_json(laminar_source *source,
                                 const char *text,
                                 size_t length,
                                 const char *options_json,
                                 uint64_t *rows,
                                 laminar_error **error);

/**
 * Like `laminar_push_json`, into a source or table by its name, through the database's own
 * producer of it. May be called by any number of threads.
 *
 * @param db the database
 * @param source the name of the source or table
 * @param text UTF-8; no NUL is needed at its end; borrowed for the call
 * @param length its bytes
 * @param options_json NULL, or `{"epoch": "ms"}`: the unit of times that are integers (`s`, `ms`, `us`, `ns`)
 * @param[out] rows NULL, or where to put how many rows were taken
 * @param[out] error optional
 * @return as for `laminar_push_json`, and `LAMINAR_TABLE_NOT_FOUND`
 */
laminar_status laminar_insert_json(const laminar_db *db,
                                   const char *source,
                                   const char *text,
                                   size_t length,
                                   const char *options_json,
                                   uint64_t *rows,
                                   laminar_error **error);

/**
 * Pushes rows that are written as CSV as one epoch: all of them are taken, or none.
 *
 * Columns that are not in the header are NULL. Values are read as the texts of
 * `laminar_push_json` are. Columns of nested types cannot be read from CSV.
 *
 * @param source the producer; exclusive
 * @param text UTF-8; no NUL is needed at its end; borrowed for the call
 * @param length its bytes
 * @param options_json NULL, or an object with `header` (true: the first line names
 *   the columns, in any order; false: they are the source's), `delimiter` (`","`), `quote`
 *   (`"\""`), `null` (`""`: the text that is NULL) and `epoch` (`"ms"`, as for JSON)
 * @param[out] rows NULL, or where to put how many rows were taken
 * @param[out] error optional
 * @return as for `laminar_push`; a value that does not fit its column is
 *   `LAMINAR_INGESTION_FAILED`, and the message names its row, counted from 0, and its column
 */
laminar_status laminar_push_csv(laminar_source *source,
                                const char *text,
                                size_t length,
                                const char *options_json,
                                uint64_t *rows,
                                laminar_error **error);

/**
 * Like `laminar_push_csv`, into a source or table by its name, through the database's own
 * producer of it. May be called by any number of threads.
 *
 * @param db the database
 * @param source the name of the source or table
 * @param text UTF-8; no NUL is needed at its end; borrowed for the call
 * @param length its bytes
 * @param options_json NULL, or an object with `header` (true: the first line names
 *   the columns, in any order; false: they are the source's), `delimiter` (`","`), `quote`
 *   (`"\""`), `null` (`""`: the text that is NULL) and `epoch` (`"ms"`, as for JSON)
 * @param[out] rows NULL, or where to put how many rows were taken
 * @param[out] error optional
 * @return as for `laminar_push_csv`, and `LAMINAR_TABLE_NOT_FOUND`
 */
laminar_status laminar_insert_csv(const laminar_db *db,
                                  const char *source,
                                  const char *text,
                                  size_t length,
                                  const char *options_json,
                                  uint64_t *rows,
                                  laminar_error **error);

/**
 * Pushes rows that are written as an Arrow IPC stream or file as one epoch: all of them are taken, or none.
 *
 * Its columns are matched to the source's by name, as `laminar_push` does.
 *
 * @param source the producer; exclusive
 * @param data a stream, or a file; borrowed for the call
 * @param length its bytes
 * @param[out] rows NULL, or where to put how many rows were taken
 * @param[out] error optional
 * @return as for `laminar_push`; a value that does not fit its column is
 *   `LAMINAR_INGESTION_FAILED`, and the message names its row, counted from 0, and its column
 */
laminar_status laminar_push_ipc(laminar_source *source,
                                const uint8_t *data,
                                size_t length,
                                uint64_t *rows,
                                laminar_error **error);

/**
 * Like `laminar_push_ipc`, into a source or table by its name, through the database's own
 * producer of it. May be called by any number of threads.
 *
 * @param db the database
 * @param source the name of the source or table
 * @param data a stream, or a file; borrowed for the call
 * @param length its bytes
 * @param[out] rows NULL, or where to put how many rows were taken
 * @param[out] error optional
 * @return as for `laminar_push_ipc`, and `LAMINAR_TABLE_NOT_FOUND`
 */
laminar_status laminar_insert_ipc(const laminar_db *db,
                                  const char *source,
                                  const uint8_t *data,
                                  size_t length,
                                  uint64_t *rows,
                                  laminar_error **error);

/**
 * Frees bytes that the library handed over.
 *
 * @param data may be NULL, which does nothing
 * @param length as it came with them
 */
void laminar_bytes_free(uint8_t *data, size_t length);

/**
 * Makes a writer for a source or table that exists.
 *
 * @param db the database
 * @param name the name of the source or table
 * @param[out] out the writer, to be freed with `laminar_writer_free`
 * @param[out] error optional
 * @return `LAMINAR_OK`, or an error: `LAMINAR_TABLE_NOT_FOUND`, `LAMINAR_CONNECTION_CLOSED`
 */
laminar_status laminar_writer_open(const laminar_db *db,
                                   const char *name,
                                   laminar_writer **out,
                                   laminar_error **error);

/**
 * Adds a batch. It is checked and converted as by `laminar_push`; one that does not fit is
 * refused, and what was added before stays.
 *
 * @param writer the writer; exclusive
 * @param array moved (its `release` becomes NULL) unless the answer is `LAMINAR_BUSY`
 * @param schema borrowed, of struct type; NULL when it is the source's own
 * @param[out] error optional
 * @return `LAMINAR_OK`, `LAMINAR_BUSY`, or an error as for `laminar_push`;
 *   `LAMINAR_WRITER_CLOSED` after `laminar_writer_close`
 */
laminar_status laminar_writer_append(laminar_writer *writer,
                                     struct ArrowArray *array,
                                     const struct ArrowSchema *schema,
                                     laminar_error **error);

/**
 * Pushes what was added as one epoch: all of it is taken, or none.
 *
 * @param writer the writer; exclusive
 * @param[out] rows NULL, or where to put how many rows were pushed
 * @param[out] error optional
 * @return `LAMINAR_OK`, without rows as well; `LAMINAR_AGAIN` and `LAMINAR_BUSY` keep the rows; any
 *   error forgets them
 */
laminar_status laminar_writer_flush(laminar_writer *writer, uint64_t *rows, laminar_error **error);

/**
 * Flushes, then promises as `laminar_watermark` does.
 *
 * @param writer the writer; exclusive
 * @param ts_ms milliseconds since 1970-01-01 00:00:00 UTC
 * @param[out] error optional
 * @return `LAMINAR_OK`, `LAMINAR_AGAIN` (nothing was pushed or promised), `LAMINAR_BUSY`, or an
 *   error
 */
laminar_status laminar_writer_watermark(laminar_writer *writer,
                                        int64_t ts_ms,
                                        laminar_error **error);

/**
 * Flushes and gives the producer up: its watermark no longer holds the source's back. Every later
 * call but this one answers `LAMINAR_WRITER_CLOSED`. The handle is still to be freed.
 *
 * @param writer the writer; exclusive
 * @param[out] error optional
 * @return `LAMINAR_OK`; `LAMINAR_AGAIN` and `LAMINAR_BUSY` leave it open; or an error
 */
laminar_status laminar_writer_close(laminar_writer *writer, laminar_error **error);

/**
 * Frees a writer. Rows that were not flushed are forgotten. Never waits.
 *
 * @param writer may be NULL, which does nothing
 */
void laminar_writer_free(laminar_writer *writer);

/**
 * Subscribes to the changes of a stream, sink or source by its name, or of a query.
 *
 * @param db the database
 * @param name_or_query a name, a SELECT, or the statement `SUBSCRIBE name [WITH SNAPSHOT] [WHERE
 *   condition] [AS OF EPOCH n]`
 * @param options_json NULL, or a JSON object: `snapshot` (boolean) begins with the current
 *   content, which a query does unless told otherwise and a name does not; `capacity` (number of
 *   rows) is the size of the ring that holds changes not yet polled; `on_full` is `"tell"` (the
 *   default: `LAMINAR_LAGGED` or `LAMINAR_RESET`), `"block"` (pushes into the sources behind it wait
 *   for room, then answer `LAMINAR_AGAIN`) or `"drop_oldest"`; `predicate` (a condition in SQL, for a
 *   name) follows only the rows for which it is true; `as_of_epoch` (an epoch) begins with what
 *   changed after it, as far back as `retain_history` reaches
 * @param[out] out the subscription, to be freed with `laminar_subscription_free`
 * @param[out] error optional
 * @return `LAMINAR_OK`, or an error: `LAMINAR_TABLE_NOT_FOUND`, `LAMINAR_SUBSCRIPTION_FAILED`,
 *   `LAMINAR_SQL_PARSE_ERROR`, ...
 */
laminar_status laminar_subscribe(const laminar_db *db,
                                 const char *name_or_query,
                                 const char *options_json,
                                 laminar_subscription **out,
                                 laminar_error **error);

/**
 * The next change: the rows that one epoch brought.
 *
 * @param subscription the subscription; exclusive
 * @param timeout_ms how long to wait for a change: -1 for ever, 0 not at all
 * @param[out] array a struct array with one child per column, owned by the caller: release it
 * @param[out] schema NULL, or its schema, owned by the caller: release it. It is the same for
 *   every batch: ask once with `laminar_subscription_schema` and leave this NULL.
 * @param[out] error optional
 * @return `LAMINAR_OK` with a batch. Without one: `LAMINAR_AGAIN` (nothing came in time),
 *   `LAMINAR_LAGGED` (rows were missed: see `laminar_subscription_lagged`), `LAMINAR_RESET` (the
 *   next batch is the whole content), `LAMINAR_END` (cancelled, dropped or closed),
 *   `LAMINAR_BUSY`, or an error: `LAMINAR_STREAM_FAILED`, `LAMINAR_SUBSCRIPTION_FAILED`
 */
laminar_status laminar_poll(laminar_subscription *subscription,
                            int64_t timeout_ms,
                            struct ArrowArray *array,
                            struct ArrowSchema *schema,
                            laminar_error **error);

/**
 * Like `laminar_poll`, with the batch as an Arrow IPC stream of its own: its schema, then the one
 * batch.
 *
 * @param subscription the subscription; exclusive
 * @param timeout_ms how long to wait for a change: -1 for ever, 0 not at all
 * @param[out] data the bytes, owned by the caller: free them with `laminar_bytes_free`
 * @param[out] length how many there are
 * @param[out] error optional
 * @return as for `laminar_poll`
 */
laminar_status laminar_poll_ipc(laminar_subscription *subscription,
                                int64_t timeout_ms,
                                uint8_t **data,
                                size_t *length,
                                laminar_error **error);

/**
 * The columns of the subscription's batches, as an Arrow schema of struct type.
 *
 * @param subscription the subscription
 * @param[out] schema owned by the caller: release it
 * @param[out] error optional
 * @return `LAMINAR_OK`, or an error
 */
laminar_status laminar_subscription_schema(const laminar_subscription *subscription,
                                           struct ArrowSchema *schema,
                                           laminar_error **error);

/**
 * The epoch that made the batch polled last.
 *
 * @param subscription may be NULL
 * @return the epoch; 0 before the first batch, and for NULL
 */
uint64_t laminar_subscription_epoch(const laminar_subscription *subscription);

/**
 * The weights of the batch polled last, one per row: +1 for a row that came to be, -1 for one
 * that ceased to be.
 *
 * @param subscription may be NULL
 * @param[out] weights the first weight, valid until the next poll or free; NULL when there are
 *   none. The argument itself may be NULL.
 * @return how many there are; 0 when every row of the batch has the weight +1
 */
size_t laminar_subscription_weights(const laminar_subscription *subscription,
                                    const int64_t **weights);

/**
 * Rows that this subscription has missed since it was made.
 *
 * @param subscription may be NULL
 * @return rows; 0 for NULL
 */
uint64_t laminar_subscription_lagged(const laminar_subscription *subscription);

/**
 * Ends a subscription from any thread: whoever waits in `laminar_poll` wakes, and polls answer
 * `LAMINAR_END`. Never waits.
 *
 * @param subscription may be NULL, which does nothing
 */
void laminar_subscription_cancel(const laminar_subscription *subscription);

/**
 * Installs the one callback that tells when polling is worth while; it replaces an earlier one.
 *
 * It is called at once if something waits; after that once, as soon as something comes after a
 * poll that answered `LAMINAR_AGAIN`; and at the end or failure of the subscription. So: on a
 * call, poll with `timeout_ms` 0 until `LAMINAR_AGAIN`. It runs on the thread that pushed, never
 * while the engine is locked: it may push, poll and free, and should be short. Best is to set a
 * flag and wake an event loop.
 *
 * `drop(userdata)` is called exactly once, whatever this function answers: when the callback was
 * replaced or removed, when the subscription was freed, or at once on an error; but never before
 * a call of the callback that has begun has returned.
 *
 * @param subscription the subscription
 * @param callback NULL removes the one installed (and `userdata` is dropped at once)
 * @param userdata handed to both functions, not looked at
 * @param drop NULL when `userdata` needs none
 * @param[out] error optional
 * @return `LAMINAR_OK`, `LAMINAR_BUSY` while another call installs one, or an error
 */
laminar_status laminar_on_ready(const laminar_subscription *subscription,
                                void (*callback)(void *userdata),
                                void *userdata,
                                void (*drop)(void *userdata),
                                laminar_error **error);

/**
 * Frees a subscription. A poll that is in it on another thread is cancelled; after this returns
 * no new callback of `laminar_on_ready` starts. May be called from inside that callback. Never
 * waits.
 *
 * @param subscription may be NULL, which does nothing
 */
void laminar_subscription_free(laminar_subscription *subscription);

/**
 * Installs the one callback of a database that is told of its work, line by line; it replaces an
 * earlier one.
 *
 * It runs on the threads that call the library, and on those of the database's timer and queries;
 * several may be in it at once. It never runs while the engine is locked, so it may call the
 * library. The message is UTF-8 and valid during the call.
 *
 * `drop(userdata)` is called exactly once, whatever this function answers: when the callback was
 * replaced or removed, when the database went, or at once on an error; but never before a call of
 * the callback that has begun has returned. After a replacement no new call of the old one starts.
 *
 * @param db the database
 * @param level the least important level to hear, `LAMINAR_LOG_ERROR` to `LAMINAR_LOG_DEBUG`
 * @param callback NULL removes the one installed (and `userdata` is dropped at once)
 * @param userdata handed to both functions, not looked at
 * @param drop NULL when `userdata` needs none
 * @param[out] error optional
 * @return `LAMINAR_OK`, or an error: `LAMINAR_CONNECTION_FAILED`
 */
laminar_status laminar_log_callback(const laminar_db *db,
                                    int32_t level,
                                    void (*callback)(void *userdata,
                                                     int32_t level,
                                                     const char *message),
                                    void *userdata,
                                    void (*drop)(void *userdata),
                                    laminar_error **error);

/**
 * Registers a scalar function, for continuous and ad-hoc SQL.
 *
 * The callback gets `arguments`, a struct array with one child per argument, and puts the results
 * into `result`: an array of the type of `result`'s schema with as many values as `arguments` is
 * long. It owns both: it releases `arguments`, and the library releases `result`. It returns 0;
 * anything else refuses the rows, for a reason that it may write as a text into `message`, of at
 * most `message_size` bytes with its NUL. The library then calls it again for each row by itself:
 * those that it refuses are left out and become dead letters.
 *
 * It runs on the threads that push and query, several at once, while the engine is locked: a call
 * of the library that would have to wait for the engine answers `LAMINAR_BUSY` there. It must not
 * throw or unwind.
 *
 * `drop(userdata)` is called exactly once, whatever this function answers: when the database and
 * everything that uses the function are gone, or at once on an error.
 *
 * @param db the database
 * @param name what SQL calls it by, in lower case; letters, digits and `_`
 * @param arguments the types of the arguments: the children of a schema of struct type; borrowed
 * @param result the type of the result; borrowed
 * @param options_json NULL, or `{"volatility": "immutable"}`: `"immutable"` (equal arguments give
 *   equal results), `"stable"` (within a statement) or `"volatile"` (not even then: refused over
 *   rows that can change)
 * @param callback the function
 * @param userdata handed to it and to `drop`, not looked at
 * @param drop NULL when `userdata` needs none
 * @param[out] error optional
 * @return `LAMINAR_OK`, or an error: `LAMINAR_TABLE_EXISTS` when a function has this name,
 *   `LAMINAR_QUERY_FAILED` for arguments that cannot be used
 */
laminar_status laminar_register_scalar_udf(const laminar_db *db,
                                           const char *name,
                                           const struct ArrowSchema *arguments,
                                           const struct ArrowSchema *result,
                                           const char *options_json,
                                           int (*callback)(void *userdata,
                                                           struct ArrowArray *arguments,
                                                           struct ArrowArray *result,
                                                           char *message,
                                                           size_t message_size),
                                           void *userdata,
                                           void (*drop)(void *userdata),
                                           laminar_error **error);

/**
 * Registers an aggregate function, for continuous and ad-hoc SQL.
 *
 * The state of a group is a struct array of one row with the columns of `state`; the library keeps
 * it. A state whose columns are all NULL stands for no rows.
 *
 * | callback | gets | puts into its result |
 * |---|---|---|
 * | `update` | a state, or a released array (`release` is NULL) before the first row; the arguments of some rows, a struct array | the state after them |
 * | `merge` | two states | that of the rows of both |
 * | `evaluate` | a state, or a released array when there were no rows | an array of one value of the result's type |
 *
 * What they get is theirs to release, what they put out is the library's. They return 0; anything
 * else refuses, for a reason that may be written into `message`. An update that is refused is
 * tried again row by row, and the rows at fault become dead letters; otherwise the stream stops
 * with the error. Threads, `message` and `drop` are as for `laminar_register_scalar_udf`.
 *
 * @param db the database
 * @param name what SQL calls it by, in lower case; letters, digits and `_`
 * @param arguments the types of the arguments: the children of a schema of struct type; borrowed
 * @param state the columns of the state: the children of a schema of struct type; borrowed
 * @param result the type of the result; borrowed
 * @param options_json NULL, or `{"retractable": true}`: the result depends on nothing but which
 *   rows there are, so that it may stand over rows that change, where it is computed anew for a
 *   group of which a row ceased. Without it such a query is refused.
 * @param update the function that adds rows
 * @param merge the function that joins two states
 * @param evaluate the function that gives the result
 * @param userdata handed to them and to `drop`, not looked at
 * @param drop NULL when `userdata` needs none
 * @param[out] error optional
 * @return as for `laminar_register_scalar_udf`
 */
laminar_status laminar_register_aggregate_udf(const laminar_db *db,
                                              const char *name,
                                              const struct ArrowSchema *arguments,
                                              const struct ArrowSchema *state,
                                              const struct ArrowSchema *result,
                                              const char *options_json,
                                              int (*update)(void *userdata,
                                                            struct ArrowArray *state,
                                                            struct ArrowArray *arguments,
                                                            struct ArrowArray *result,
                                                            char *message,
                                                            size_t message_size),
                                              int (*merge)(void *userdata,
                                                           struct ArrowArray *state,
                                                           struct ArrowArray *other,
                                                           struct ArrowArray *result,
                                                           char *message,
                                                           size_t message_size),
                                              int (*evaluate)(void *userdata,
                                                              struct ArrowArray *state,
                                                              struct ArrowArray *result,
                                                              char *message,
                                                              size_t message_size),
                                              void *userdata,
                                              void (*drop)(void *userdata),
                                              laminar_error **error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LAMINAR_H */
