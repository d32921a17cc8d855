// The C++ wrapper: ownership, errors as exceptions, ranges, callbacks; included twice.
#include <laminar.hpp>

#include <laminar.hpp> // the guard must hold

#include "arrow_build.h"
#include "cpp_fixture.hpp"

#include <thread>
#include <vector>

using std::chrono::milliseconds;

static_assert(!std::is_copy_constructible_v<laminar::Database>);
static_assert(!std::is_copy_constructible_v<laminar::Source>);
static_assert(!std::is_copy_constructible_v<laminar::Subscription>);
static_assert(!std::is_copy_constructible_v<laminar::Array>);
static_assert(std::is_nothrow_move_constructible_v<laminar::Database>);
static_assert(std::is_nothrow_move_constructible_v<laminar::Source>);
static_assert(std::is_nothrow_move_assignable_v<laminar::Subscription>);
static_assert(std::is_nothrow_move_assignable_v<laminar::Array>);
static_assert(std::is_base_of_v<std::runtime_error, laminar::Error>);

static laminar::Database open_started() {
    auto db = laminar::Database::open();
    db.execute("CREATE SOURCE readings (sensor VARCHAR NOT NULL, celsius DOUBLE, n BIGINT)");
    db.execute("CREATE STREAM alerts AS SELECT sensor, celsius FROM readings WHERE celsius > 90");
    db.execute("CREATE STREAM sums AS SELECT sensor, SUM(n) AS total FROM readings "
               "GROUP BY sensor EMIT CHANGES");
    db.start();
    return db;
}

static table readings(std::vector<const char*> sensors, std::vector<double> celsius) {
    std::vector<std::int64_t> n(sensors.size(), 1);
    table t = table_new(static_cast<std::int64_t>(sensors.size()));
    table_utf8(&t, "sensor", sensors.data());
    table_double(&t, "celsius", celsius.data(), nullptr);
    table_int64(&t, "n", n.data(), nullptr);
    return t;
}

static void five_calls() {
    auto db = open_started();
    auto alerts = db.subscribe("alerts");
    auto source = db.source("readings");
    table t = readings({"boiler", "hall"}, {91.5, 21});
    laminar::Array batch(&t.array);
    const laminar::Schema schema(&t.schema);
    CHECK(t.array.release == nullptr && t.schema.release == nullptr);
    source.push(std::move(batch), schema.get());
    CHECK(!batch);
    laminar::Change change = alerts.poll();
    CHECK(change && change.outcome == laminar::Outcome::batch);
    CHECK_INT(change.batch.rows(), 1);
    CHECK(change.epoch > 0 && change.epoch == alerts.epoch());
    CHECK(alerts.weights().empty() && alerts.weights()[0] == 1);
    CHECK_TEXT(text_of(alerts.schema(), change.batch).c_str(), "boiler|91.5\n");
    change = alerts.poll(milliseconds(1));
    CHECK(!change && change.outcome == laminar::Outcome::again && !change.batch);
    CHECK_INT(alerts.lagged(), 0);
}

static void the_appender_takes_values() {
    auto db = open_started();
    auto sums = db.subscribe("sums");
    auto rows = db.source("readings").appender(); // outlives its source
    rows.set(0, "a").set(1, 1.5f).set(2, 7).end_row();
    rows.set(0, std::string("b")).set(1, nullptr).set(2, std::optional<short>()).end_row();
    rows.set(0, std::string_view("a")).set(2, 8U).end_row();
    CHECK_INT(rows.rows(), 3);
    rows.flush();
    CHECK_INT(rows.rows(), 0);
    laminar::Change change = sums.poll();
    CHECK_TEXT(text_of(sums.schema(), change.batch).c_str(), "a|15|1\nb|NULL|1\n");
    rows.set(0, "a").set(2, std::optional<std::int64_t>(5)).end_row().flush();
    change = sums.poll();
    CHECK_TEXT(text_of(sums.schema(), change.batch).c_str(), "a|15|-1\na|20|1\n");
    const laminar::Weights weights = sums.weights();
    REQUIRE(weights.size() == 2);
    std::int64_t sum = 0;
    for (std::int64_t weight : weights) {
        sum += weight;
    }
    CHECK_INT(sum, 0);
    throws(__LINE__, LAMINAR_INGESTION_FAILED, "celsius", [&] { rows.set(1, "warm"); });
    rows.reset();
    throws(__LINE__, LAMINAR_INGESTION_FAILED, "sensor", [&] { rows.set(2, 1).end_row(); });
}

static void queries_are_ranges() {
    auto db = open_started();
    table t = readings({"a", "b", "c"}, {1, 2, 3});
    const laminar::Schema schema(&t.schema);
    db.insert("readings", laminar::Array(&t.array), schema.get());
    auto query = db.query("SELECT sensor, celsius FROM readings ORDER BY sensor");
    const laminar::Schema columns = query.schema();
    CHECK_INT(columns.columns(), 2);
    CHECK(columns.name(1) == "celsius" && columns.format(1) == "g");
    std::string all;
    for (laminar::Array& batch : query) {
        all += text_of(columns, batch);
    }
    CHECK_TEXT(all.c_str(), "a|1\nb|2\nc|3\n");
    CHECK(!query.next()); // the end, again and again

    laminar::Stream stream;
    db.execute("SELECT COUNT(*) AS n FROM readings", stream);
    const laminar::Schema one = stream.schema();
    laminar::Array batch = stream.next();
    CHECK_TEXT(text_of(one, batch).c_str(), "3\n");
    CHECK(!stream.next());
    CHECK(db.explain("SELECT sensor FROM readings").find("readings") != std::string::npos);

    auto cancelled = db.query("SELECT 1");
    cancelled.cancel();
    throws(__LINE__, LAMINAR_QUERY_CANCELLED, "LDB-4201", [&] { cancelled.next(); });
}

static void subscriptions_are_ranges() {
    auto db = open_started();
    auto alerts = db.subscribe("alerts");
    auto source = db.source("readings");
    auto second = source.clone();
    std::thread producer([&second] {
        for (int i = 0; i < 10; ++i) {
            table t = readings({"a", "b"}, {99, 1});
            const laminar::Schema schema(&t.schema);
            laminar::Array batch(&t.array);
            CHECK(second.try_push(batch, schema.get()) || (second.push(batch, schema.get()), true));
        }
    });
    std::int64_t rows = 0;
    for (laminar::Change& change : alerts) {
        CHECK(change.outcome == laminar::Outcome::batch);
        rows += change.batch.rows();
        if (rows == 10) {
            alerts.cancel(); // ends the range
        }
    }
    producer.join();
    CHECK_INT(rows, 10);
    CHECK(!alerts.next());
    CHECK(alerts.poll(milliseconds(-1)).outcome == laminar::Outcome::end);
}

static void callbacks_are_functions() {
    auto db = open_started();
    auto source = db.source("readings");
    auto counted = std::make_shared<int>(0);
    {
        auto alerts = db.subscribe("SELECT sensor FROM readings WHERE celsius > 90");
        alerts.on_ready([counted] { *counted += 1; });
        CHECK_INT(counted.use_count(), 2);
        table t = readings({"a"}, {91});
        const laminar::Schema schema(&t.schema);
        source.push(&t.array, schema.get());
        CHECK_INT(*counted, 1);
        alerts.on_ready({});
        CHECK_INT(counted.use_count(), 1);
        alerts.on_ready([counted] { *counted += 1; }); // something waits: at once
        CHECK_INT(*counted, 2);
    }
    CHECK_INT(counted.use_count(), 1); // dropped with its subscription
}

static void errors_are_exceptions() {
    throws(__LINE__, LAMINAR_CONNECTION_FAILED, "LDB-1002",
           [] { laminar::Database::open("{\"typo\": 1}"); });
    auto db = open_started();
    try {
        db.execute("CREATE SOURCE x (\n a BIGINT,,\n b BIGINT)");
        test_fail(__FILE__, __LINE__, "threw nothing", "");
    } catch (const laminar::Error& error) {
        CHECK_INT(error.code(), LAMINAR_SQL_PARSE_ERROR);
        CHECK_TEXT(error.ldb_code(), "LDB-4101");
        CHECK_INT(error.line(), 2);
        CHECK_INT(error.column(), 11);
        const laminar::Error copy = error;
        CHECK_TEXT(copy.what(), error.what());
        CHECK_TEXT(copy.ldb_code(), "LDB-4101");
    }
    throws(__LINE__, LAMINAR_TABLE_NOT_FOUND, "ghost", [&] { db.source("ghost"); });
    throws(__LINE__, LAMINAR_TABLE_NOT_FOUND, "ghost", [&] { db.subscribe("ghost"); });
    throws(__LINE__, LAMINAR_SQL_PARSE_ERROR, "NUL",
           [&] { db.execute(std::string("SELECT 1\0 + 1", 13)); });
    throws(__LINE__, LAMINAR_INGESTION_FAILED, "NUL",
           [&] { db.source(std::string("readings\0", 9)); });
    throws(__LINE__, LAMINAR_SUBSCRIPTION_FAILED, "NUL",
           [&] { db.subscribe(std::string("readings\0", 9)); });
    auto source = db.source("readings");
    CHECK(source.name() == "readings" && source.capacity() > 0 && source.pending() == 0);
    CHECK_INT(source.schema().columns(), 3);
    table t = table_new(1);
    const std::int64_t value = 1;
    table_int64(&t, "other", &value, nullptr);
    const laminar::Schema schema(&t.schema);
    laminar::Array batch(&t.array);
    throws(__LINE__, LAMINAR_BATCH_SCHEMA_MISMATCH, "other",
           [&] { source.push(batch, schema.get()); });
    CHECK(!batch); // an error consumes the batch
    db.shutdown();
    throws(__LINE__, LAMINAR_CONNECTION_CLOSED, "closed", [&] { db.execute("SELECT 1"); });
    throws(__LINE__, LAMINAR_CONNECTION_CLOSED, "closed", [&] { source.watermark(1); });
}

static void no_room_keeps_the_batch() {
    auto db = laminar::Database::open("{\"max_queued_bytes\": 64, \"push_timeout_ms\": 0}");
    db.execute("CREATE SOURCE numbers (n BIGINT)");
    db.execute("CREATE STREAM copy AS SELECT n FROM numbers");
    auto source = db.source("numbers");
    std::vector<std::int64_t> values(128, 1);
    bool room = true;
    for (int i = 0; i < 100 && room; ++i) {
        table t = table_new(128);
        table_int64(&t, "n", values.data(), nullptr);
        const laminar::Schema schema(&t.schema);
        laminar::Array batch(&t.array);
        room = source.try_push(batch, schema.get());
        CHECK(static_cast<bool>(batch) != room);
        if (!room) {
            throws(__LINE__, LAMINAR_BACKPRESSURE, "",
                   [&] { source.push(batch, schema.get()); });
            db.start();
            source.push(batch, schema.get());
            CHECK(!batch);
        }
    }
    CHECK(!room);
}

static void objects_move_and_die_in_any_order() {
    auto db = std::make_unique<laminar::Database>(open_started());
    laminar::Subscription alerts = db->subscribe("alerts", {true, 16});
    laminar::Source source = db->source("readings");
    laminar::Subscription moved = std::move(alerts);
    alerts = db->subscribe("alerts");
    table tables[2] = {readings({"a"}, {95}), readings({"b"}, {96})};
    ArrowArrayStream raw = table_stream(tables, 2, -1);
    source.push_stream(laminar::Stream(&raw));
    CHECK(raw.release == nullptr);
    laminar::Change change = moved.poll();
    const laminar::Schema schema = moved.schema();
    db.reset();
    CHECK(moved.poll().outcome == laminar::Outcome::end);
    CHECK_TEXT(text_of(schema, change.batch).c_str(), "a|95\nb|96\n");
    throws(__LINE__, LAMINAR_CONNECTION_CLOSED, "closed", [&] { source.watermark(1); });
    ArrowArray out;
    change.batch.move_to(&out);
    CHECK(!change.batch && out.release != nullptr);
    const laminar::Array back(&out);
    CHECK_INT(back.rows(), 2);
}

static void texts_epochs_and_numbers() {
    auto db = open_started();
    auto source = db.source("readings");
    CHECK_INT(source.push_json("[{\"sensor\": \"a\", \"celsius\": 91}, {\"sensor\": \"b\"}]"), 2);
    auto alerts = db.subscribe("alerts");
    CHECK_INT(source.push_csv("celsius;sensor\n92;c\n", "{\"delimiter\": \";\"}"), 1);
    const std::uint64_t epoch = alerts.poll().epoch;
    CHECK(epoch > 0);
    laminar::SubscribeOptions options;
    options.as_of_epoch = epoch - 1;
    auto again = db.subscribe("alerts", options);
    const laminar::Change change = again.poll();
    CHECK_TEXT(text_of(again.schema(), change.batch).c_str(), "c|92\n");
    CHECK(change.epoch == epoch);
    throws(__LINE__, LAMINAR_INGESTION_FAILED, "row 0, column `celsius`",
           [&] { source.push_json("{\"sensor\": \"d\", \"celsius\": \"hot\"}"); });
    throws(__LINE__, LAMINAR_UNSUPPORTED, "in memory", [&] { db.checkpoint(); });
}

int main() {
    RUN(five_calls);
    RUN(the_appender_takes_values);
    RUN(queries_are_ranges);
    RUN(subscriptions_are_ranges);
    RUN(callbacks_are_functions);
    RUN(errors_are_exceptions);
    RUN(no_room_keeps_the_batch);
    RUN(objects_move_and_die_in_any_order);
    RUN(texts_epochs_and_numbers);
    if (arrays_live() != 0) {
        test_fail(__FILE__, __LINE__, "arrays_live() == 0", "at the end");
        test_failed += 1;
    }
    return report();
}
