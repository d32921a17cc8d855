/** laminar/error.hpp: errors as exceptions, and the texts that go in. */
#ifndef LAMINAR_ERROR_HPP
#define LAMINAR_ERROR_HPP

#include <laminar.h>

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>

namespace laminar {

/** What the library refused or failed to do. `what()` is the whole message, code included. */
class Error : public std::runtime_error {
public:
    Error(laminar_status code, const char* ldb_code, const char* message, std::uint64_t line = 0,
          std::uint64_t column = 0)
        : std::runtime_error(message), code_(code), line_(line), column_(column) {
        std::strncpy(ldb_code_, ldb_code, sizeof ldb_code_ - 1);
    }

    /** The status, one of the LAMINAR_* numbers from 100. */
    laminar_status code() const noexcept { return code_; }
    /** The name of that number, for example "SCHEMA_MISMATCH". */
    std::string_view name() const noexcept { return laminar_status_name(code_); }
    /** The stable code of the message, for example "LDB-2001". */
    const char* ldb_code() const noexcept { return ldb_code_; }
    /** The line in the SQL text, from 1; 0 when the error has no place in SQL. */
    std::uint64_t line() const noexcept { return line_; }
    /** The column in that line, from 1, in characters; 0 when there is none. */
    std::uint64_t column() const noexcept { return column_; }

private:
    laminar_status code_;
    std::uint64_t line_;
    std::uint64_t column_;
    char ldb_code_[16] = {};
};

/**
 * A NUL-terminated UTF-8 argument: a literal, a `const char*` or a `std::string`, not copied.
 */
class Text {
public:
    Text(const char* text) noexcept : text_(text) {}
    Text(const std::string& text) noexcept
        : text_(text.c_str()), has_nul_(text.find('\0') != std::string::npos) {}

    /** What C takes. Throws this error for a string with a NUL inside, which C would cut off. */
    const char* c_str(laminar_status code, const char* ldb_code) const {
        if (has_nul_) {
            const std::string reason = ": the text contains a NUL character: remove it";
            throw Error(code, ldb_code, (ldb_code + reason).c_str());
        }
        return text_;
    }
    /** The same, for SQL. */
    const char* sql() const { return c_str(LAMINAR_SQL_PARSE_ERROR, "LDB-4101"); }
    /** The same, for what a query is asked by. */
    const char* query() const { return c_str(LAMINAR_QUERY_FAILED, "LDB-4001"); }
    /** The same, for the name of a source. */
    const char* source() const { return c_str(LAMINAR_INGESTION_FAILED, "LDB-3001"); }

private:
    const char* text_;
    bool has_nul_ = false;
};

namespace detail {

/** The error slot of one call. */
class Slot {
public:
    Slot() = default;
    Slot(const Slot&) = delete;
    Slot& operator=(const Slot&) = delete;
    ~Slot() { laminar_error_free(error_); }

    operator laminar_error**() noexcept { return &error_; }

    /**
     * Throws unless the call answered LAMINAR_OK. Outcomes that mean "not now" leave no error
     * object, except where the database must be started first; as exceptions they have the codes
     * that every language gives them.
     */
    void check(laminar_status status) const {
        switch (status) {
        case LAMINAR_OK:
            return;
        case LAMINAR_AGAIN:
            if (error_ != nullptr) {
                throw Error(LAMINAR_BACKPRESSURE, laminar_error_code(error_),
                            laminar_error_message(error_));
            }
            throw Error(LAMINAR_BACKPRESSURE, "LDB-3301",
                        "LDB-3301: there was no room in time: poll what is full, or try again later");
        case LAMINAR_BUSY:
            throw Error(LAMINAR_CONNECTION_IN_USE, "LDB-1201",
                        "LDB-1201: the handle is in use by another thread, or the call came from "
                        "inside a function that the engine calls: give each thread its own, and "
                        "call from outside");
        default:
            throw Error(status, laminar_error_code(error_), laminar_error_message(error_),
                        laminar_error_line(error_), laminar_error_column(error_));
        }
    }

private:
    laminar_error* error_ = nullptr;
};

} // namespace detail

} // namespace laminar

#endif // LAMINAR_ERROR_HPP
