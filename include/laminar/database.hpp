/** laminar/database.hpp: the database, from which all else is made. */
#ifndef LAMINAR_DATABASE_HPP
#define LAMINAR_DATABASE_HPP

#include <laminar.h>
#include <laminar/arrow.hpp>
#include <laminar/error.hpp>
#include <laminar/functions.hpp>
#include <laminar/handle.hpp>
#include <laminar/log.hpp>
#include <laminar/query.hpp>
#include <laminar/source.hpp>
#include <laminar/subscribe_options.hpp>
#include <laminar/subscription.hpp>
#include <laminar/typed_functions.hpp>
#include <laminar/types.hpp>
#include <laminar/writer.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace laminar {

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

    /** Pushes rows written as JSON by the source's name; how many. See `Source::push_json`. */
    std::uint64_t insert_json(Text source, std::string_view text,
                              const char* options_json = nullptr) const {
        detail::Slot slot;
        std::uint64_t rows = 0;
        slot.check(laminar_insert_json(capi(), source.source(), text.data(), text.size(),
                                       options_json, &rows, slot));
        return rows;
    }

    /** Pushes rows written as CSV by the source's name; how many. See `Source::push_csv`. */
    std::uint64_t insert_csv(Text source, std::string_view text,
                             const char* options_json = nullptr) const {
        detail::Slot slot;
        std::uint64_t rows = 0;
        slot.check(laminar_insert_csv(capi(), source.source(), text.data(), text.size(),
                                      options_json, &rows, slot));
        return rows;
    }

    /** Pushes an Arrow IPC stream or file by the source's name; how many rows it had. */
    std::uint64_t insert_ipc(Text source, const std::uint8_t* data, std::size_t length) const {
        detail::Slot slot;
        std::uint64_t rows = 0;
        slot.check(laminar_insert_ipc(capi(), source.source(), data, length, &rows, slot));
        return rows;
    }

    /** Gathers batches for a source or table, and pushes them as one epoch. */
    Writer writer(Text name) const {
        detail::Slot slot;
        laminar_writer* handle = nullptr;
        slot.check(laminar_writer_open(capi(), name.source(), &handle, slot));
        return Writer(handle);
    }

    /** The queries that are open: the rows of `laminar_queries`, with their numbers. */
    Query queries() const { return query("SELECT * FROM laminar_queries"); }
    /** The subscriptions that are open: the rows of `laminar_subscriptions`. */
    Query subscriptions() const { return query("SELECT * FROM laminar_subscriptions"); }
    /** What the database has done, and holds: the row of `laminar_metrics`. */
    Query metrics() const { return query("SELECT * FROM laminar_metrics"); }

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
        const std::string json = options.json();
        const char* name = name_or_query.c_str(LAMINAR_SUBSCRIPTION_FAILED, "LDB-5001");
        slot.check(laminar_subscribe(capi(), name, json.empty() ? nullptr : json.c_str(), &handle,
                                     slot));
        return Subscription(handle);
    }

    /**
     * Adds a scalar function to SQL, over Arrow's arrays. `arguments` has a column per argument
     * (`rows_type`), `result` is the type of the results (`column_type`).
     */
    void register_scalar(Text name, Schema arguments, const Schema& result,
                         ScalarFunction function,
                         Volatility volatility = Volatility::immutable) const {
        static constexpr const char* options[] = {
            "{\"volatility\":\"immutable\"}", "{\"volatility\":\"stable\"}",
            "{\"volatility\":\"volatile\"}"};
        detail::Slot slot;
        const char* called = name.query();
        // Whatever the call answers, it drops the function exactly once.
        auto* host = new detail::HostScalar{std::move(arguments), std::move(function)};
        slot.check(laminar_register_scalar_udf(
            capi(), called, host->arguments.get(), result.get(),
            options[static_cast<int>(volatility)], detail::HostScalar::call, host,
            detail::drop<detail::HostScalar>, slot));
    }

    /**
     * Adds a scalar function to SQL, over values: `register_scalar<double(double, double)>("hypot",
     * ...)`. Arguments and result are `bool`, numbers, text (`std::string_view` in, `std::string`
     * out), or `std::optional` of those. Where an argument that is no optional is NULL, so is the
     * result.
     */
    template <class Signature, class Function>
    void register_scalar(Text name, Function function,
                         Volatility volatility = Volatility::immutable) const {
        using Types = detail::Signed<Signature>;
        register_scalar(name, Types::arguments(),
                        column_type(format_of<typename Types::result>()),
                        detail::by_row<Signature>(std::move(function)), volatility);
    }

    /**
     * Adds an aggregate function to SQL, over Arrow's arrays. One that is `retractable`, whose
     * result depends on nothing but which rows there are, may stand over rows that change.
     */
    void register_aggregate(Text name, Schema arguments, Schema state, const Schema& result,
                            AggregateFunction function, bool retractable = false) const {
        detail::Slot slot;
        const char* called = name.query();
        auto* host = new detail::HostAggregate{std::move(arguments), std::move(state),
                                               std::move(function)};
        slot.check(laminar_register_aggregate_udf(
            capi(), called, host->arguments.get(), host->state.get(), result.get(),
            retractable ? "{\"retractable\":true}" : nullptr, detail::HostAggregate::update,
            detail::HostAggregate::merge, detail::HostAggregate::evaluate, host,
            detail::drop<detail::HostAggregate>, slot));
    }

    /**
     * Adds an aggregate function to SQL, over values:
     * `register_aggregate<Spread, double(double)>("spread")`. A `State` is trivially copyable, and
     * as it is made it stands for no rows. It has `update(arguments...)`, `merge(const State&)` and
     * `evaluate() const`, which answers the result or an optional of it. Rows in which an argument
     * that is no optional is NULL are left out.
     */
    template <class State, class Signature>
    void register_aggregate(Text name, bool retractable = false) const {
        static_assert(std::is_trivially_copyable_v<State>, "a state is kept as its bytes");
        using Types = detail::Signed<Signature>;
        register_aggregate(name, Types::arguments(), rows_type({{"state", "z"}}),
                           column_type(format_of<typename Types::result>()),
                           detail::by_state<State, Signature>(), retractable);
    }

    /**
     * Installs the one listener that is told of the database's work, from `level` on; it replaces
     * an earlier one, and an empty function removes it. Once that has returned, no new call of the
     * earlier one starts.
     */
    void on_log(LogLevel level, LogListener listener) const {
        detail::Slot slot;
        const auto number = static_cast<std::int32_t>(level);
        if (!listener) {
            slot.check(laminar_log_callback(capi(), number, nullptr, nullptr, nullptr, slot));
            return;
        }
        auto* owned = new LogListener(std::move(listener));
        slot.check(laminar_log_callback(
            capi(), number,
            [](void* userdata, std::int32_t said, const char* line) noexcept {
                (*static_cast<LogListener*>(userdata))(static_cast<LogLevel>(said), line);
            },
            owned, detail::drop<LogListener>, slot));
    }

    laminar_db* capi() const noexcept { return handle_.get(); }

private:
    detail::Handle<laminar_db, laminar_close> handle_;
};

} // namespace laminar

#endif // LAMINAR_DATABASE_HPP
