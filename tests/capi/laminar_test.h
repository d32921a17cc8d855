/*
 * The test frame of the C ABI: checks that name their file and line, and one closing line.
 *
 *     static void adds(void) { CHECK_INT(1 + 1, 2); }
 *     int main(void) { RUN(adds); return report(); }
 *
 * A failed CHECK is printed and the test goes on; a failed REQUIRE ends the test (the program, when
 * it fails in a thread that a test made). Calls of the library go through OK, STATUS and FAILS,
 * with `ERR` as their last argument: the thread's error slot, emptied before the call and looked at
 * after it.
 */
#ifndef LAMINAR_TEST_H
#define LAMINAR_TEST_H

#include <laminar.h>

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
#define TEST_THREAD_LOCAL thread_local
#else
#define TEST_THREAD_LOCAL _Thread_local
#endif

/* Some programs use only a part of what the headers of this folder define. */
#define TEST_HELPER __attribute__((unused)) static

TEST_HELPER int test_passed = 0;
TEST_HELPER int test_failed = 0;
TEST_HELPER int test_checks_failed = 0; /* within the running test; several threads add to it */
TEST_HELPER TEST_THREAD_LOCAL laminar_error *test_error = NULL;
TEST_HELPER TEST_THREAD_LOCAL bool test_running = false; /* this thread runs the test itself */

/* Where a test is left when it cannot go on: destructors must run in C++. */
#ifdef __cplusplus
struct test_abandoned {};
#define TEST_RUN(test) \
    do { \
        try { \
            test(); \
        } catch (const test_abandoned&) { \
        } \
    } while (0)
#define TEST_ABANDON() throw test_abandoned()
#else
TEST_HELPER jmp_buf test_exit;
#define TEST_RUN(test) \
    do { \
        if (setjmp(test_exit) == 0) { \
            test(); \
        } \
    } while (0)
#define TEST_ABANDON() longjmp(test_exit, 1)
#endif

/* Prints the closing line; the exit status of the program. */
TEST_HELPER int report(void) {
    laminar_error_free(test_error);
    test_error = NULL;
    printf("%d passed, %d failed\n", test_passed, test_failed);
    fflush(stdout);
    return test_failed == 0 ? 0 : 1;
}

TEST_HELPER void test_fail(const char *file, int line, const char *what, const char *detail) {
    __atomic_add_fetch(&test_checks_failed, 1, __ATOMIC_SEQ_CST);
    fprintf(stderr, "%s:%d: %s%s%s\n", file, line, what, detail[0] ? ": " : "", detail);
}

TEST_HELPER void test_run(const char *name, void (*test)(void)) {
    test_checks_failed = 0;
    test_running = true;
    TEST_RUN(test);
    test_running = false;
    const bool passed = __atomic_load_n(&test_checks_failed, __ATOMIC_SEQ_CST) == 0;
    printf("%s %s\n", passed ? "ok    " : "FAILED", name);
    fflush(stdout);
    *(passed ? &test_passed : &test_failed) += 1;
}

#define RUN(test) test_run(#test, test)

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            test_fail(__FILE__, __LINE__, #condition, ""); \
        } \
    } while (0)

#define REQUIRE(condition) \
    do { \
        if (!(condition)) { \
            test_fail(__FILE__, __LINE__, #condition, "cannot go on"); \
            if (test_running) { \
                TEST_ABANDON(); \
            } \
            test_failed += 1; \
            exit(report()); \
        } \
    } while (0)

TEST_HELPER bool test_int(const char *file, int line, const char *what, int64_t got,
                          int64_t wanted) {
    if (got != wanted) {
        char detail[96];
        snprintf(detail, sizeof detail, "is %lld, not %lld", (long long)got, (long long)wanted);
        test_fail(file, line, what, detail);
    }
    return got == wanted;
}

#define CHECK_INT(got, wanted) \
    test_int(__FILE__, __LINE__, #got, (int64_t)(got), (int64_t)(wanted))

TEST_HELPER bool test_text(const char *file, int line, const char *what, const char *got,
                           const char *wanted, bool whole) {
    const bool good =
        got != NULL && (whole ? strcmp(got, wanted) == 0 : strstr(got, wanted) != NULL);
    if (!good) {
        char detail[2048];
        snprintf(detail, sizeof detail, "is\n%s\nand %s\n%s", got == NULL ? "(null)" : got,
                 whole ? "should be" : "should contain", wanted);
        test_fail(file, line, what, detail);
    }
    return good;
}

#define CHECK_TEXT(got, wanted) test_text(__FILE__, __LINE__, #got, got, wanted, true)
#define CHECK_CONTAINS(got, part) test_text(__FILE__, __LINE__, #got, got, part, false)

/* The thread's error slot, emptied. */
TEST_HELPER laminar_error **test_error_slot(void) {
    laminar_error_free(test_error);
    test_error = NULL;
    return &test_error;
}

#define ERR test_error_slot()

/* What the last call with ERR said, or "". */
TEST_HELPER const char *last_message(void) {
    return test_error == NULL ? "" : laminar_error_message(test_error);
}

TEST_HELPER bool test_status(const char *file, int line, const char *what, laminar_status got,
                             laminar_status wanted) {
    if (got != wanted) {
        char detail[1024];
        snprintf(detail, sizeof detail, "answers %s (%d), not %s (%d)\n    %s",
                 laminar_status_name(got), (int)got, laminar_status_name(wanted), (int)wanted,
                 last_message());
        test_fail(file, line, what, detail);
    }
    return got == wanted;
}

/* The call answers exactly this status. */
#define STATUS(wanted, call) test_status(__FILE__, __LINE__, #call, (call), (wanted))
#define OK(call) STATUS(LAMINAR_OK, call)
#define MUST(call) REQUIRE(STATUS(LAMINAR_OK, call))

/* An error object is whole: its code's band is its status' band, and it says something. */
TEST_HELPER void test_error_whole(const char *file, int line, const char *what,
                                  laminar_status status) {
    if (test_error == NULL) {
        test_fail(file, line, what, "left no error object");
        return;
    }
    const char *code = laminar_error_code(test_error);
    const char *message = laminar_error_message(test_error);
    test_int(file, line, "laminar_error_status", laminar_error_status(test_error), status);
    if (code == NULL || strlen(code) != 8 || strncmp(code, "LDB-", 4) != 0 ||
        code[4] - '0' != status / 100) {
        test_fail(file, line, what, code == NULL ? "no code" : code);
    }
    if (message == NULL || code == NULL || strncmp(message, code, strlen(code)) != 0 ||
        strlen(message) < strlen(code) + 4) {
        test_fail(file, line, what, message == NULL ? "no message" : message);
    }
}

/* The call fails with this status, and its message contains `part`. */
#define FAILS(wanted, part, call) \
    do { \
        if (STATUS(wanted, call)) { \
            test_error_whole(__FILE__, __LINE__, #call, wanted); \
            if (test_error != NULL) { \
                test_text(__FILE__, __LINE__, #call, last_message(), part, false); \
            } \
        } \
    } while (0)

/* The call fails with some error of the caller's (not an outcome, not a defect of the library). */
TEST_HELPER void test_refused(const char *file, int line, const char *what,
                              laminar_status status) {
    if (status < 100 || status == LAMINAR_INTERNAL_ERROR) {
        char detail[1024];
        snprintf(detail, sizeof detail, "answers %s (%d)\n    %s", laminar_status_name(status),
                 (int)status, last_message());
        test_fail(file, line, what, detail);
    } else {
        test_error_whole(file, line, what, status);
    }
}

#define REFUSED(call) test_refused(__FILE__, __LINE__, #call, (call))

#endif
