/* What each consumer project builds: one event in, one result out. */
#include <laminar.h>

#include <stdio.h>
#include <string.h>

static int fail(const char *what, laminar_error *error) {
    fprintf(stderr, "%s: %s\n", what, laminar_error_message(error));
    laminar_error_free(error);
    return 1;
}

int main(void) {
    laminar_error *error = NULL;
    laminar_db *db = NULL;
    struct ArrowArrayStream rows;
    struct ArrowArray batch;
    if (strcmp(laminar_version(), LAMINAR_VERSION) != 0 ||
        laminar_abi_version() != LAMINAR_ABI_VERSION) {
        return fprintf(stderr, "header and library differ\n"), 1;
    }
    if (laminar_open(NULL, &db, &error) != LAMINAR_OK) {
        return fail("laminar_open", error);
    }
    if (laminar_execute(db, "SELECT 6 * 7 AS answer", &rows, &error) != LAMINAR_OK) {
        return fail("laminar_execute", error);
    }
    if (rows.get_next(&rows, &batch) != 0 || batch.release == NULL) {
        return fprintf(stderr, "no rows\n"), 1;
    }
    const long long answer = ((const int64_t *)batch.children[0]->buffers[1])[0];
    batch.release(&batch);
    rows.release(&rows);
    laminar_close(db);
    printf("%s: the answer is %lld\n", laminar_build_info(), answer);
    return answer == 42 ? 0 : 1;
}
