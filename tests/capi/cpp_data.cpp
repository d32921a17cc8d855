// Data in and out of C++: writers, JSON, CSV, IPC, columns read and built; subscriptions by
// condition and epoch; what is open, listed and cancelled.
#include <laminar.hpp>

#include "arrow_build.h"
#include "cpp_fixture.hpp"

#include <cmath>
#include <vector>

static laminar::Database open_started() {
    auto db = laminar::Database::open();
    db.execute("CREATE SOURCE readings (ts BIGINT, sensor VARCHAR NOT NULL, celsius DOUBLE, "
               "WATERMARK FOR ts)");
    db.execute("CREATE STREAM sums AS SELECT sensor, SUM(celsius) AS total FROM readings "
               "GROUP BY sensor EMIT CHANGES");
    db.execute("CREATE STREAM hours AS SELECT count(*) AS n "
               "FROM readings GROUP BY tumble(ts, 3600000) EMIT ON WINDOW CLOSE");
    db.start();
    return db;
}

static laminar::Array readings(std::vector<std::optional<std::int64_t>> ts,
                               std::vector<std::optional<std::string_view>> sensors,
                               std::vector<std::optional<double>> celsius) {
    return laminar::rows_of(laminar::column_of(ts), laminar::column_of(sensors),
                            laminar::column_of(celsius));
}

static void writers_gather_batches() {
    auto db = open_started();
    auto sums = db.subscribe("sums");
    auto hours = db.subscribe("hours");
    auto writer = db.writer("readings");
    writer.append(readings({1, 2}, {"a", "b"}, {1.5, 2.0}));
    laminar::Array second = readings({3}, {"a"}, {2.5});
    writer.append(second);
    CHECK(!second);
    CHECK(!sums.poll());
    throws(__LINE__, LAMINAR_INGESTION_FAILED, "sensor",
           [&] { writer.append(readings({4}, {std::nullopt}, {9.0})); });
    CHECK_INT(writer.flush(), 3);
    CHECK_INT(writer.flush(), 0);
    CHECK_TEXT(text_of(sums.schema(), sums.poll().batch).c_str(), "a|4|1\nb|2|1\n");
    const laminar::Schema narrow = laminar::rows_type({{"sensor", "u"}, {"ts", "i"}});
    writer.append(laminar::rows_of(laminar::column_of<std::string_view>({"c"}),
                                   laminar::column_of<std::int32_t>({5})),
                  narrow.get());
    writer.watermark(3'600'000); // the first hour is over
    CHECK_TEXT(text_of(hours.schema(), hours.poll().batch).c_str(), "4\n");
    writer.append(readings({3'600'001}, {"d"}, {1.0}));
    writer.close();
    CHECK_TEXT(rows(db, "SELECT count(*) FROM readings").c_str(), "5\n");
    throws(__LINE__, LAMINAR_WRITER_CLOSED, "LDB-3101", [&] { writer.flush(); });
    throws(__LINE__, LAMINAR_TABLE_NOT_FOUND, "ghost", [&] { db.writer("ghost"); });
    auto forgotten = db.writer("readings");
    forgotten.append(readings({3'600'002}, {"e"}, {1.0}));
}

static void rows_come_as_text_and_ipc() {
    auto db = open_started();
    auto all = db.subscribe("readings");
    CHECK_INT(db.insert_json("readings", R"({"ts": 1, "sensor": "j", "celsius": 0.5})"), 1);
    CHECK_INT(db.insert_csv("readings", "ts;sensor\n2;c\n3;d\n", R"({"delimiter": ";"})"), 2);
    const laminar::IpcChange change = all.poll_ipc();
    REQUIRE(change && !change.ipc.empty() && change.epoch > 0);
    const laminar::Bytes rest = db.query("SELECT * FROM readings WHERE ts > 1").ipc();
    auto copy = laminar::Database::open();
    copy.execute("CREATE TABLE readings (ts BIGINT, sensor VARCHAR, celsius DOUBLE)");
    copy.start();
    CHECK_INT(copy.insert_ipc("readings", change.ipc.data(), change.ipc.size()), 1);
    CHECK_INT(copy.insert_ipc("readings", rest.data(), rest.size()), 2);
    CHECK_TEXT(rows(copy, "SELECT * FROM readings").c_str(), "1|j|0.5\n2|c|NULL\n3|d|NULL\n");
    auto source = db.source("readings");
    CHECK_INT(source.push_ipc(rest.data(), rest.size()), 2);
    throws(__LINE__, LAMINAR_INGESTION_FAILED, "LDB-3005",
           [&] { db.insert_ipc("readings", rest.data() + 8, rest.size() - 8); });
    throws(__LINE__, LAMINAR_INGESTION_FAILED, "row 0", [&] { db.insert_json("readings", "{}"); });
    all.cancel();
    laminar::IpcChange last = all.poll_ipc(std::chrono::milliseconds(-1));
    while (last) {
        last = all.poll_ipc(std::chrono::milliseconds(-1));
    }
    CHECK(last.outcome == laminar::Outcome::end && last.ipc.empty());
    laminar::Bytes moved = db.query("SELECT 1").ipc();
    laminar::Bytes taken = std::move(moved);
    CHECK(moved.empty() && taken.end() - taken.begin() > 0);
}

static void subscriptions_choose() {
    auto db = open_started();
    laminar::SubscribeOptions options;
    options.predicate = "sensor <> 'it\"s' AND total > 1";
    options.snapshot = true;
    options.capacity = 64;
    options.on_full = laminar::OnFull::tell;
    CHECK_TEXT(options.json().c_str(),
               "{\"snapshot\":true,\"capacity\":64,\"on_full\":\"tell\","
               "\"predicate\":\"sensor <> 'it\\\"s' AND total > 1\"}");
    auto source = db.source("readings");
    source.push(readings({1, 2}, {"a", "it\"s"}, {3.0, 4.0}));
    auto chosen = db.subscribe("sums", options);
    CHECK_TEXT(text_of(chosen.schema(), chosen.poll().batch).c_str(), "a|3|1\n");
    const std::uint64_t epoch = chosen.epoch();
    source.push(readings({3, 4}, {"b", "c"}, {0.5, 2.0}));
    CHECK_TEXT(text_of(chosen.schema(), chosen.poll().batch).c_str(), "c|2|1\n");
    laminar::SubscribeOptions later;
    later.as_of_epoch = epoch;
    auto since = db.subscribe("readings", later);
    CHECK_TEXT(text_of(since.schema(), since.poll().batch).c_str(), "3|b|0.5\n4|c|2\n");
    laminar::SubscribeOptions wrong;
    wrong.predicate = "no_column > 1\n";
    throws(__LINE__, LAMINAR_QUERY_FAILED, "no_column", [&] { db.subscribe("sums", wrong); });
    CHECK(laminar::SubscribeOptions().json().empty());

    // A full ring that drops its oldest counts what it forgets.
    laminar::SubscribeOptions small;
    small.capacity = 2;
    small.on_full = laminar::OnFull::drop_oldest;
    auto dropping = db.subscribe("readings", small);
    for (std::int64_t ts = 10; ts < 20; ++ts) {
        source.push(readings({ts}, {"x"}, {1.0}));
    }
    CHECK(dropping.lagged() > 0);
    std::uint64_t got = 0;
    while (const laminar::Change change = dropping.poll()) {
        got += static_cast<std::uint64_t>(change.batch.rows());
    }
    CHECK_INT(got + dropping.lagged(), 10);
}

static void what_is_open_is_listed_and_cancelled() {
    auto db = open_started();
    auto query = db.query("SELECT sensor FROM readings");
    auto sums = db.subscribe("sums");
    auto listed = db.queries();
    const laminar::Schema columns = listed.schema();
    std::int64_t id = 0;
    std::int64_t sql = 0;
    for (std::int64_t column = 0; column < columns.columns(); ++column) {
        id = columns.name(column) == "id" ? column : id;
        sql = columns.name(column) == "sql" ? column : sql;
    }
    CHECK(columns.name(id) == "id" && columns.name(sql) == "sql");
    bool found = false;
    for (laminar::Array& batch : listed) {
        const laminar::Rows open(columns, batch);
        for (std::int64_t row = 0; row < open.size(); ++row) {
            found |= open[id].value<std::uint64_t>(row) == query.id() &&
                     open[sql].value<std::string_view>(row) == "SELECT sensor FROM readings";
        }
    }
    CHECK(found);
    CHECK(query.id() > 0 && db.cancel_query(query.id()) && !db.cancel_query(999999));
    throws(__LINE__, LAMINAR_QUERY_CANCELLED, "LDB-4201", [&] { query.next(); });
    CHECK_INT(db.subscriptions().next().rows(), 1);
    CHECK_INT(db.metrics().next().rows(), 1);
}

static void columns_are_read_in_place() {
    auto db = laminar::Database::open();
    auto query = db.query(
        "SELECT * FROM (VALUES (CAST(1 AS SMALLINT), true, CAST(1.5 AS REAL), 'text', "
        "CAST('1970-01-03' AS DATE), CAST('1970-01-01 00:00:01.5' AS TIMESTAMP), "
        "arrow_cast(decode('6162', 'hex'), 'FixedSizeBinary(2)'), "
        "arrow_cast('large', 'LargeUtf8')), "
        "(NULL, NULL, NULL, '', NULL, NULL, NULL, '')) AS v(a, b, c, d, e, f, g, h)");
    const laminar::Schema schema = query.schema();
    const laminar::Array batch = query.next();
    const laminar::Rows rows(schema, batch);
    REQUIRE(rows && rows.size() == 2 && rows.columns() == 8);
    CHECK_INT(rows[0].value<std::int16_t>(0), 1);
    CHECK_INT(rows[0].value<std::int64_t>(0), 1);
    CHECK_INT(rows[0].values<std::int16_t>()[0], 1);
    CHECK(rows[0].is_null(1) && !rows[0].get<std::int64_t>(1));
    CHECK(rows[1].value<bool>(0));
    CHECK(rows[2].value<double>(0) == 1.5 && rows[2].value<float>(0) == 1.5F);
    CHECK(rows[3].value<std::string_view>(0) == "text");
    CHECK(rows[3].value<std::string_view>(1).empty() && !rows[3].is_null(1));
    CHECK_INT(rows[4].value<std::int32_t>(0), 2);
    CHECK(rows[5].value<std::int64_t>(0) > 0);
    CHECK(rows[6].value<std::string_view>(0) == "ab");
    CHECK(rows[7].value<std::string_view>(0) == "large");
    throws(__LINE__, LAMINAR_SCHEMA_MISMATCH, "`s`", [&] { rows[0].value<std::int8_t>(0); });
    throws(__LINE__, LAMINAR_SCHEMA_MISMATCH, "`s`", [&] { rows[0].value<std::uint64_t>(0); });
    throws(__LINE__, LAMINAR_SCHEMA_MISMATCH, "`u`", [&] { rows[3].value<std::int64_t>(0); });
    throws(__LINE__, LAMINAR_SCHEMA_MISMATCH, "`f`", [&] { rows[2].value<bool>(0); });
    throws(__LINE__, LAMINAR_SCHEMA_MISMATCH, "text", [&] { rows[1].value<std::string_view>(0); });
}

// Every kind of column that can be built, through a table and back.
static void columns_are_built() {
    auto db = laminar::Database::open();
    db.execute("CREATE TABLE t (b BOOLEAN, i TINYINT, j BIGINT UNSIGNED, f REAL, d DOUBLE, "
               "s VARCHAR, x BYTEA, day DATE)");
    laminar::ColumnBuilder<bool> flags;
    laminar::ColumnBuilder<std::uint64_t> counts;
    for (int row = 0; row < 20; ++row) {
        row % 3 == 0 ? flags.append_null() : flags.append(row % 2 == 0);
        counts.append(static_cast<std::uint64_t>(row));
    }
    const auto same = [](auto value) {
        return std::vector<std::optional<decltype(value)>>(20, value);
    };
    db.insert("t", laminar::rows_of(
                       flags.finish(), laminar::column_of(same(std::int8_t{-1})), counts.finish(),
                       laminar::column_of(same(0.5F)), laminar::column_of(same(0.25)),
                       laminar::column_of(same(std::string_view("ü\0ü", 5))),
                       laminar::column_of(same(std::string_view("\x00\xff", 2))),
                       laminar::column_of(same(std::int32_t{1}))));
    CHECK_TEXT(rows(db, "SELECT count(b), sum(CAST(b AS INT)), sum(i), sum(j), sum(f), sum(d), "
                        "max(length(s)), max(encode(x, 'hex')), max(CAST(day AS VARCHAR)) FROM t")
                   .c_str(),
               // Of 0..19 seven are multiples of three; of the others six are even.
               "13|6|-20|190|10|5|3|00ff|1970-01-02\n");
    CHECK_INT(flags.finish().rows(), 0); // begins anew
    laminar::ColumnBuilder<std::string_view> texts;
    texts.append("literal").append(std::string("string")).append(std::optional<std::string>());
    CHECK_INT(texts.finish().rows(), 3);
    CHECK_INT(laminar::rows_of(std::vector<laminar::Array>()).rows(), 0);
}

static void the_library_says_which_it_is() {
    CHECK(laminar::version() == LAMINAR_VERSION);
    CHECK_INT(laminar::version_number(), LAMINAR_VERSION_NUMBER);
    CHECK_CONTAINS(laminar::build_info().data(), LAMINAR_VERSION);
    auto db = open_started();
    try {
        db.execute("SELECT * FROM ghost");
        test_fail(__FILE__, __LINE__, "threw nothing", "");
    } catch (const laminar::Error& error) {
        CHECK(error.name() == "TABLE_NOT_FOUND");
    }
}

int main() {
    RUN(writers_gather_batches);
    RUN(rows_come_as_text_and_ipc);
    RUN(subscriptions_choose);
    RUN(what_is_open_is_listed_and_cancelled);
    RUN(columns_are_read_in_place);
    RUN(columns_are_built);
    RUN(the_library_says_which_it_is);
    return report();
}
