/**
 * laminar.hpp: Laminar for C++17, header-only, over laminar.h.
 *
 *     auto db = laminar::Database::open();
 *     db.execute("CREATE SOURCE readings (sensor VARCHAR, celsius DOUBLE)");
 *     db.execute("CREATE STREAM alerts AS SELECT * FROM readings WHERE celsius > 90");
 *     auto alerts = db.subscribe("alerts");
 *     db.start();
 *     auto rows = db.source("readings").appender();
 *     rows.set(0, "boiler").set(1, 91.5).end_row();
 *     rows.flush();
 *     for (laminar::Change& change : alerts) { ... change.batch ... }   // until the end
 *
 * The classes mirror the nouns of the C header, and its chapters on ownership, threads and errors
 * hold here too. What this header adds:
 *
 * - **Ownership.** Every class is move-only and frees its handle when it is destroyed, in any
 *   order. A moved-from object may only be assigned to or destroyed. `capi()` is the C handle,
 *   still owned by the object.
 * - **Errors.** Whatever the C function answers as an error is thrown as `laminar::Error`. Outcomes
 *   that are part of the work (nothing yet, the end, rows missed) are values.
 * - **Arrow.** `Array`, `Schema` and `Stream` own the structs of Arrow's C Data Interface and
 *   release them. Anything that speaks it (Arrow C++, nanoarrow, ...) takes `get()` or `move_to()`
 *   and fills `out()`.
 * - **Threads.** `const` member functions may run concurrently, the others are exclusive. A call
 *   into an exclusive object that another thread is using is `Outcome::busy` in a poll and an
 *   `Error` with code LAMINAR_CONNECTION_IN_USE elsewhere.
 */
#ifndef LAMINAR_HPP
#define LAMINAR_HPP

#include <laminar.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

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
                        "LDB-1201: the handle is in use by another thread: give each its own");
        default:
            throw Error(status, laminar_error_code(error_), laminar_error_message(error_),
                        laminar_error_line(error_), laminar_error_column(error_));
        }
    }

private:
    laminar_error* error_ = nullptr;
};

template <auto Free>
struct Deleter {
    template <class T>
    void operator()(T* handle) const noexcept {
        Free(handle);
    }
};

template <class T, auto Free>
using Handle = std::unique_ptr<T, Deleter<Free>>;

/** Owns one Arrow C struct: released on destruction, moved as Arrow moves (bitwise). */
template <class T>
class Owned {
public:
    Owned() noexcept = default;
    /** Takes the struct over; `from` is left released. */
    explicit Owned(T* from) noexcept : raw_(*from) { from->release = nullptr; }
    Owned(Owned&& other) noexcept : Owned(&other.raw_) {}
    Owned& operator=(Owned&& other) noexcept {
        if (this != &other) {
            reset();
            raw_ = other.raw_;
            other.raw_.release = nullptr;
        }
        return *this;
    }
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    ~Owned() { reset(); }

    /** Whether it holds something: not empty, not moved from, not released. */
    explicit operator bool() const noexcept { return raw_.release != nullptr; }
    T* get() noexcept { return &raw_; }
    const T* get() const noexcept { return &raw_; }
    T* operator->() noexcept { return &raw_; }
    const T* operator->() const noexcept { return &raw_; }

    /** Empties it and gives the struct to be filled in. */
    T* out() noexcept {
        reset();
        return &raw_;
    }

    /** Hands the struct to `to`, which must not hold anything, and is empty from then on. */
    void move_to(T* to) noexcept {
        *to = raw_;
        raw_.release = nullptr;
    }

    /** Releases what it holds, if anything. */
    void reset() noexcept {
        if (raw_.release != nullptr) {
            raw_.release(&raw_);
        }
        raw_ = T{};
    }

private:
    T raw_{};
};

/** An input iterator over whatever `Range::advance()` brings into `Range::current()`. */
template <class Range, class Value>
class Iterator {
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Value;
    using difference_type = std::ptrdiff_t;
    using pointer = Value*;
    using reference = Value&;

    Iterator() noexcept = default;
    explicit Iterator(Range* range) : range_(range) { ++*this; }

    Value& operator*() const noexcept { return range_->current_; }
    Value* operator->() const noexcept { return &range_->current_; }
    Iterator& operator++() {
        if (!range_->advance()) {
            range_ = nullptr;
        }
        return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(const Iterator& other) const noexcept { return range_ == other.range_; }
    bool operator!=(const Iterator& other) const noexcept { return range_ != other.range_; }

private:
    Range* range_ = nullptr;
};

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};

} // namespace detail

/** An ArrowSchema, released on destruction. */
class Schema : public detail::Owned<ArrowSchema> {
public:
    using Owned::Owned;

    /** The number of columns. */
    std::int64_t columns() const noexcept { return get()->n_children; }
    /** The name of a column, borrowed. */
    std::string_view name(std::int64_t column) const { return get()->children[column]->name; }
    /** The Arrow format string of a column, borrowed. */
    std::string_view format(std::int64_t column) const { return get()->children[column]->format; }
};

/** An ArrowArray, released on destruction: for a batch, a struct array of its columns. */
class Array : public detail::Owned<ArrowArray> {
public:
    using Owned::Owned;

    /** The number of rows. */
    std::int64_t rows() const noexcept { return get()->length; }
};

/** An ArrowArrayStream, released on destruction. */
class Stream : public detail::Owned<ArrowArrayStream> {
public:
    using Owned::Owned;

    Schema schema() {
        Schema schema;
        check(get()->get_schema(get(), schema.out()));
        return schema;
    }

    /** The next batch; an empty Array at the end. */
    Array next() {
        Array batch;
        check(get()->get_next(get(), batch.out()));
        return batch;
    }

private:
    void check(int error) {
        if (error != 0) {
            const char* message = get()->get_last_error(get());
            throw Error(LAMINAR_QUERY_FAILED, "",
                        message == nullptr ? std::strerror(error) : message);
        }
    }
};

/** The rows of one ad-hoc query over one consistent epoch. */
class Query {
public:
    using iterator = detail::Iterator<Query, Array>;

    explicit Query(laminar_query* handle) noexcept : handle_(handle) {}

    Schema schema() const {
        detail::Slot slot;
        Schema schema;
        slot.check(laminar_query_schema(capi(), schema.out(), slot));
        return schema;
    }

    /** The next batch; an empty Array at the end. Waits for it. */
    Array next() {
        detail::Slot slot;
        Array batch;
        const laminar_status status = laminar_query_next(capi(), batch.out(), nullptr, slot);
        if (status != LAMINAR_END) {
            slot.check(status);
        }
        return batch;
    }

    /** Its number in `laminar_queries`; 0 when it is not listed. */
    std::uint64_t id() const noexcept { return laminar_query_id(capi()); }

    /** Makes the current and every later `next` throw LAMINAR_QUERY_CANCELLED. Never waits. */
    void cancel() const noexcept { laminar_query_cancel(capi()); }

    /** `for (laminar::Array& batch : query)`; the query must not be moved meanwhile. */
    iterator begin() { return iterator(this); }
    iterator end() noexcept { return iterator(); }

    laminar_query* capi() const noexcept { return handle_.get(); }

private:
    friend iterator;

    bool advance() {
        current_ = next();
        return static_cast<bool>(current_);
    }

    detail::Handle<laminar_query, laminar_query_free> handle_;
    Array current_;
};

/** Rows of a source written one value at a time, pushed together as one epoch. */
class Appender {
public:
    explicit Appender(laminar_appender* handle) noexcept : handle_(handle) {}

    /**
     * Sets a column of the row begun: `bool`, any integer, `float`, `double`, anything that is a
     * `std::string_view`, `nullptr` for NULL, or a `std::optional` of those. Integers serve date,
     * time and timestamp columns in the column's unit; decimals go as strings. Throws when the
     * value does not fit its column, naming it.
     */
    template <class T>
    Appender& set(std::size_t column, const T& value) {
        detail::Slot slot;
        if constexpr (std::is_same_v<T, std::nullptr_t> || std::is_same_v<T, std::nullopt_t>) {
            slot.check(laminar_append_null(capi(), column, slot));
        } else if constexpr (detail::is_optional<T>::value) {
            return value ? set(column, *value) : set(column, nullptr);
        } else if constexpr (std::is_same_v<T, bool>) {
            slot.check(laminar_append_bool(capi(), column, value, slot));
        } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
            slot.check(laminar_append_int64(capi(), column, value, slot));
        } else if constexpr (std::is_integral_v<T>) {
            slot.check(laminar_append_uint64(capi(), column, value, slot));
        } else if constexpr (std::is_floating_point_v<T>) {
            slot.check(laminar_append_double(capi(), column, static_cast<double>(value), slot));
        } else {
            static_assert(std::is_convertible_v<const T&, std::string_view>,
                          "a column takes bool, numbers, text, nullptr or an optional of those");
            const std::string_view text = value;
            slot.check(laminar_append_string(capi(), column, text.data(), text.size(), slot));
        }
        return *this;
    }

    /** Sets a binary column. */
    Appender& set_binary(std::size_t column, const void* bytes, std::size_t size) {
        detail::Slot slot;
        slot.check(laminar_append_binary(capi(), column, static_cast<const std::uint8_t*>(bytes),
                                         size, slot));
        return *this;
    }

    /** Ends the row; columns not set are NULL, which throws where the column is NOT NULL. */
    Appender& end_row() {
        detail::Slot slot;
        slot.check(laminar_append_row(capi(), slot));
        return *this;
    }

    /**
     * Pushes the rows as one epoch. When there is no room in time it throws LAMINAR_BACKPRESSURE
     * and keeps the rows; any other error drops them.
     */
    void flush() {
        detail::Slot slot;
        slot.check(laminar_appender_flush(capi(), slot));
    }

    /** Forgets what was not flushed. */
    void reset() noexcept { laminar_appender_reset(capi()); }
    /** Rows ended and not flushed. */
    std::size_t rows() const noexcept { return laminar_appender_rows(capi()); }

    laminar_appender* capi() const noexcept { return handle_.get(); }

private:
    detail::Handle<laminar_appender, laminar_appender_free> handle_;
};

/** A producer of a source, with a watermark of its own. */
class Source {
public:
    explicit Source(laminar_source* handle) noexcept : handle_(handle) {}

    /** One more producer of the same source. */
    Source clone() const {
        detail::Slot slot;
        laminar_source* handle = nullptr;
        slot.check(laminar_source_clone(capi(), &handle, slot));
        return Source(handle);
    }

    /**
     * Pushes one batch as one epoch and returns once everything downstream has it. `schema` is
     * borrowed, and may be left out when it is the source's own. When there is no room in time it
     * throws LAMINAR_BACKPRESSURE and `batch` is kept; any other error releases it.
     */
    void push(Array& batch, const ArrowSchema* schema = nullptr) { push(batch.get(), schema); }
    void push(Array&& batch, const ArrowSchema* schema = nullptr) { push(batch.get(), schema); }
    void push(ArrowArray* batch, const ArrowSchema* schema = nullptr) {
        detail::Slot slot;
        slot.check(laminar_push(capi(), batch, schema, slot));
    }

    /** As `push`, and never waits: false when it would have to, with `batch` kept. */
    bool try_push(Array& batch, const ArrowSchema* schema = nullptr) {
        return try_push(batch.get(), schema);
    }
    bool try_push(ArrowArray* batch, const ArrowSchema* schema = nullptr) {
        detail::Slot slot;
        const laminar_status status = laminar_try_push(capi(), batch, schema, slot);
        if (status != LAMINAR_AGAIN) {
            slot.check(status);
        }
        return status == LAMINAR_OK;
    }

    /** Pushes every batch of a stream as one epoch: all are taken, or none. */
    void push_stream(Stream&& stream) { push_stream(stream.get()); }
    void push_stream(ArrowArrayStream* stream) {
        detail::Slot slot;
        slot.check(laminar_push_stream(capi(), stream, slot));
    }

    /** Pushes rows written as JSON as one epoch; how many. Options as in laminar_push_json. */
    std::uint64_t push_json(std::string_view text, const char* options_json = nullptr) {
        detail::Slot slot;
        std::uint64_t rows = 0;
        slot.check(laminar_push_json(capi(), text.data(), text.size(), options_json, &rows, slot));
        return rows;
    }

    /** Pushes rows written as CSV as one epoch; how many. Options as in laminar_push_csv. */
    std::uint64_t push_csv(std::string_view text, const char* options_json = nullptr) {
        detail::Slot slot;
        std::uint64_t rows = 0;
        slot.check(laminar_push_csv(capi(), text.data(), text.size(), options_json, &rows, slot));
        return rows;
    }

    /** Pushes an Arrow IPC stream or file as one epoch; how many rows it had. */
    std::uint64_t push_ipc(const std::uint8_t* data, std::size_t length) {
        detail::Slot slot;
        std::uint64_t rows = 0;
        slot.check(laminar_push_ipc(capi(), data, length, &rows, slot));
        return rows;
    }

    /** Promises that this producer sends no event with a time of at most `ts_ms`. */
    void watermark(std::int64_t ts_ms) {
        detail::Slot slot;
        slot.check(laminar_watermark(capi(), ts_ms, slot));
    }

    /** Says that this producer sends nothing any more. */
    void end_of_input() {
        detail::Slot slot;
        slot.check(laminar_end_of_input(capi(), slot));
    }

    Schema schema() const {
        detail::Slot slot;
        Schema schema;
        slot.check(laminar_source_schema(capi(), schema.out(), slot));
        return schema;
    }

    /** The source's name, borrowed from this object. */
    std::string_view name() const noexcept { return laminar_source_name(capi()); }
    /** Rows that wait for `Database::start`. */
    std::uint64_t pending() const noexcept { return laminar_source_pending(capi()); }
    /** Rows that may wait. */
    std::uint64_t capacity() const noexcept { return laminar_source_capacity(capi()); }

    /** Writes rows value by value; they go through this producer. */
    Appender appender() const {
        detail::Slot slot;
        laminar_appender* handle = nullptr;
        slot.check(laminar_appender_open(capi(), &handle, slot));
        return Appender(handle);
    }

    laminar_source* capi() const noexcept { return handle_.get(); }

private:
    detail::Handle<laminar_source, laminar_source_free> handle_;
};

/** What a poll found. */
enum class Outcome : laminar_status {
    batch = LAMINAR_OK,     ///< rows
    again = LAMINAR_AGAIN,  ///< nothing within the time allowed
    end = LAMINAR_END,      ///< there will be no more
    lagged = LAMINAR_LAGGED, ///< rows were missed: see `Subscription::lagged`
    reset = LAMINAR_RESET,  ///< forget what was received: the next batch is the whole content
    busy = LAMINAR_BUSY,    ///< another thread is using the subscription
};

/** One step of a subscription; `batch` holds rows when the outcome is `Outcome::batch`. */
struct Change {
    Outcome outcome = Outcome::again;
    Array batch;
    std::uint64_t epoch = 0;

    /** Whether there are rows. */
    explicit operator bool() const noexcept { return outcome == Outcome::batch; }
};

/** The weights of a batch's rows: -1 for what ceased, +1 for what is new. */
class Weights {
public:
    Weights(const std::int64_t* data, std::size_t size) noexcept : data_(data), size_(size) {}

    /** Whether every row is +1. */
    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }
    std::int64_t operator[](std::size_t row) const noexcept { return size_ == 0 ? 1 : data_[row]; }
    const std::int64_t* begin() const noexcept { return data_; }
    const std::int64_t* end() const noexcept { return data_ + size_; }

private:
    const std::int64_t* data_;
    std::size_t size_;
};

/** A consumer of a stream's changes. */
class Subscription {
public:
    using iterator = detail::Iterator<Subscription, Change>;

    explicit Subscription(laminar_subscription* handle) noexcept : handle_(handle) {}

    /** What comes next within `timeout`: zero never waits, a negative one waits for ever. */
    Change poll(std::chrono::milliseconds timeout = std::chrono::milliseconds(0)) {
        detail::Slot slot;
        Change change;
        const laminar_status status =
            laminar_poll(capi(), timeout.count(), change.batch.out(), nullptr, slot);
        if (status >= 100) {
            slot.check(status);
        }
        change.outcome = static_cast<Outcome>(status);
        if (change) {
            change.epoch = laminar_subscription_epoch(capi());
        }
        return change;
    }

    /** Waits for what comes next: rows, `lagged` or `reset`; nothing at the end. */
    std::optional<Change> next() {
        for (;;) {
            Change change = poll(std::chrono::milliseconds(-1));
            switch (change.outcome) {
            case Outcome::end:
                return std::nullopt;
            case Outcome::busy:
                detail::Slot().check(LAMINAR_BUSY);
                break;
            case Outcome::again:
                break;
            default:
                return change;
            }
        }
    }

    /**
     * `for (laminar::Change& change : subscription)`, until the end. Look at `change.outcome`
     * where rows may be missed. The subscription must not be moved meanwhile.
     */
    iterator begin() { return iterator(this); }
    iterator end() noexcept { return iterator(); }

    Schema schema() const {
        detail::Slot slot;
        Schema schema;
        slot.check(laminar_subscription_schema(capi(), schema.out(), slot));
        return schema;
    }

    /** The epoch of the last batch. */
    std::uint64_t epoch() const noexcept { return laminar_subscription_epoch(capi()); }

    /** The weights of the last batch, borrowed until the next poll. */
    Weights weights() const noexcept {
        const std::int64_t* data = nullptr;
        const std::size_t size = laminar_subscription_weights(capi(), &data);
        return Weights(data, size);
    }

    /** Rows missed so far. */
    std::uint64_t lagged() const noexcept { return laminar_subscription_lagged(capi()); }
    /** Ends the subscription and wakes whoever waits. */
    void cancel() const noexcept { laminar_subscription_cancel(capi()); }

    /**
     * Installs the one callback: called at once if something waits, then once after each poll that
     * found nothing as soon as something comes, and at the end. It may run on any thread that
     * pushes, and must not throw. An empty function removes it; once that, or the destructor, has
     * returned, no new call starts.
     */
    void on_ready(std::function<void()> callback) const {
        using Callback = std::function<void()>;
        detail::Slot slot;
        if (!callback) {
            slot.check(laminar_on_ready(capi(), nullptr, nullptr, nullptr, slot));
            return;
        }
        // Whatever laminar_on_ready answers, it drops the callback exactly once.
        auto* owned = new Callback(std::move(callback));
        slot.check(laminar_on_ready(
            capi(), [](void* userdata) noexcept { (*static_cast<Callback*>(userdata))(); }, owned,
            [](void* userdata) noexcept { delete static_cast<Callback*>(userdata); }, slot));
    }

    laminar_subscription* capi() const noexcept { return handle_.get(); }

private:
    friend iterator;

    bool advance() {
        current_ = Change();
        std::optional<Change> change = next();
        if (change) {
            current_ = std::move(*change);
        }
        return change.has_value();
    }

    detail::Handle<laminar_subscription, laminar_subscription_free> handle_;
    Change current_;
};

/** How to subscribe; what is left out is the library's default. */
struct SubscribeOptions {
    /** Begin with the current content. Default: yes for a query, no for a name. */
    std::optional<bool> snapshot;
    /** Rows that the subscription holds before it lags. */
    std::optional<std::uint64_t> capacity;
    /** Begin with what changed after this epoch. */
    std::optional<std::uint64_t> as_of_epoch = std::nullopt;
};

/** A database. Destroying it shuts it down; other objects stay valid and say that it is closed. */
class Database {
public:
    explicit Database(laminar_db* handle) noexcept : handle_(handle) {}

    /** Opens a database; an empty object is one in memory. The keys are in laminar.h. */
    static Database open(Text config_json = "{}") {
        if (laminar_abi_version() != LAMINAR_ABI_VERSION) {
            throw Error(LAMINAR_CONNECTION_FAILED, "LDB-1001",
                        "LDB-1001: the laminar library loaded does not have the ABI of the header "
                        "this program was compiled with: install the matching one");
        }
        detail::Slot slot;
        laminar_db* handle = nullptr;
        const char* config = config_json.c_str(LAMINAR_CONNECTION_FAILED, "LDB-1001");
        slot.check(laminar_open(config, &handle, slot));
        return Database(handle);
    }

    /** Runs one statement of any kind; rows it has are dropped. */
    void execute(Text sql) const {
        detail::Slot slot;
        slot.check(laminar_execute(capi(), sql.sql(), nullptr, slot));
    }

    /** Runs one statement of any kind: the rows of a query, or one row that says what was done. */
    void execute(Text sql, Stream& out) const {
        detail::Slot slot;
        slot.check(laminar_execute(capi(), sql.sql(), out.out(), slot));
    }

    /** Runs a query over one consistent epoch. */
    Query query(Text sql) const {
        detail::Slot slot;
        laminar_query* handle = nullptr;
        slot.check(laminar_query_open(capi(), sql.sql(), &handle, slot));
        return Query(handle);
    }

    /** The plan of a statement or of a stream's name, for people. */
    std::string explain(Text sql) const {
        detail::Slot slot;
        char* text = nullptr;
        slot.check(laminar_explain(capi(), sql.sql(), &text, slot));
        const detail::Handle<char, laminar_string_free> owned(text);
        return std::string(text);
    }

    /** Starts the streams. */
    void start() const {
        detail::Slot slot;
        slot.check(laminar_start(capi(), slot));
    }

    /** Ends every subscription and refuses every later call. Twice is once. */
    void shutdown() const {
        detail::Slot slot;
        slot.check(laminar_shutdown(capi(), slot));
    }

    /** A new producer of a source. */
    Source source(Text name) const {
        detail::Slot slot;
        laminar_source* handle = nullptr;
        slot.check(laminar_source_open(capi(), name.source(), &handle, slot));
        return Source(handle);
    }

    /** Pushes one batch by the source's name, from any thread; see `Source::push`. */
    void insert(Text source, Array& batch, const ArrowSchema* schema = nullptr) const {
        insert(source, batch.get(), schema);
    }
    void insert(Text source, Array&& batch, const ArrowSchema* schema = nullptr) const {
        insert(source, batch.get(), schema);
    }
    void insert(Text source, ArrowArray* batch, const ArrowSchema* schema = nullptr) const {
        detail::Slot slot;
        slot.check(laminar_insert(capi(), source.source(), batch, schema, slot));
    }

    /** Pushes every batch of a stream as one epoch by the source's name. */
    void insert(Text source, Stream&& stream) const {
        detail::Slot slot;
        slot.check(laminar_insert_stream(capi(), source.source(), stream.get(), slot));
    }

    /** Cancels the query of a number, or ends the subscription of one; whether there was one. */
    bool cancel_query(std::uint64_t id) const {
        detail::Slot slot;
        bool found = false;
        slot.check(laminar_cancel_query(capi(), id, &found, slot));
        return found;
    }

    /** Takes a checkpoint; its number. Throws LAMINAR_UNSUPPORTED for a database in memory. */
    std::uint64_t checkpoint() const {
        detail::Slot slot;
        std::uint64_t id = 0;
        slot.check(laminar_checkpoint(capi(), &id, slot));
        return id;
    }

    /** Subscribes to a stream, sink or source by name, or to a query. */
    Subscription subscribe(Text name_or_query, const SubscribeOptions& options = {}) const {
        detail::Slot slot;
        laminar_subscription* handle = nullptr;
        const std::string json = options_json(options);
        const char* name = name_or_query.c_str(LAMINAR_SUBSCRIPTION_FAILED, "LDB-5001");
        slot.check(laminar_subscribe(capi(), name, json.empty() ? nullptr : json.c_str(), &handle,
                                     slot));
        return Subscription(handle);
    }

    laminar_db* capi() const noexcept { return handle_.get(); }

private:
    static std::string options_json(const SubscribeOptions& options) {
        std::string json;
        if (options.snapshot) {
            json += *options.snapshot ? "\"snapshot\":true" : "\"snapshot\":false";
        }
        if (options.capacity) {
            json += json.empty() ? "" : ",";
            json += "\"capacity\":" + std::to_string(*options.capacity);
        }
        if (options.as_of_epoch) {
            json += json.empty() ? "" : ",";
            json += "\"as_of_epoch\":" + std::to_string(*options.as_of_epoch);
        }
        return json.empty() ? json : "{" + json + "}";
    }

    detail::Handle<laminar_db, laminar_close> handle_;
};

/** The version of the library that runs. */
inline std::string_view version() noexcept { return laminar_version(); }
/** Version, profile, compiler and engine versions, for people. */
inline std::string_view build_info() noexcept { return laminar_build_info(); }

} // namespace laminar

#endif // LAMINAR_HPP
