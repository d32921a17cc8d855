// Functions of SQL and the log in C++: over Arrow's arrays, over values, from inside the engine.
#include <laminar.hpp>

#include "arrow_build.h"
#include "cpp_fixture.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <thread>
#include <vector>

// twice(n), over arrays; refuses 13.
static laminar::Array twice(const laminar::Rows& arguments) {
    const laminar::Column n = arguments[0];
    laminar::ColumnBuilder<std::int64_t> results;
    for (std::int64_t row = 0; row < n.size(); ++row) {
        const auto value = n.get<std::int64_t>(row);
        if (value == 13) {
            throw std::runtime_error("no 13 here");
        }
        results.append(value ? std::optional(*value * 2) : std::nullopt);
    }
    return results.finish();
}

static void register_twice(const laminar::Database& db) {
    db.register_scalar("twice", laminar::rows_type({{"n", "l"}}), laminar::column_type("l"), twice);
}

static void scalar_functions_over_arrays() {
    auto db = laminar::Database::open();
    register_twice(db);
    db.execute("CREATE SOURCE numbers (k VARCHAR, n BIGINT)");
    db.execute("CREATE STREAM doubled AS SELECT k, twice(n) AS d FROM numbers");
    db.start();
    auto doubled = db.subscribe("doubled");
    db.insert_json("numbers", R"([{"k": "a", "n": 1}, {"k": "b", "n": 13}, {"k": "c"}])");
    CHECK_TEXT(text_of(doubled.schema(), doubled.poll().batch).c_str(), "a|2\nc|NULL\n");
    CHECK_TEXT(rows(db, "SELECT error FROM laminar_dead_letters").c_str(), "twice: no 13 here\n");
    CHECK_TEXT(rows(db, "SELECT twice(21)").c_str(), "42\n");
    throws(__LINE__, LAMINAR_QUERY_FAILED, "no 13 here", [&] { rows(db, "SELECT twice(13)"); });
    throws(__LINE__, LAMINAR_TABLE_EXISTS, "twice", [&] { register_twice(db); });
    throws(__LINE__, LAMINAR_QUERY_FAILED, "NUL", [&] {
        db.register_scalar(std::string("a\0b", 3), laminar::rows_type({}),
                           laminar::column_type("l"), twice);
    });
    db.register_scalar("nothing", laminar::rows_type({{"n", "l"}}), laminar::column_type("l"),
                       [](const laminar::Rows&) { return laminar::Array(); });
    throws(__LINE__, LAMINAR_QUERY_FAILED, "no array", [&] { rows(db, "SELECT nothing(1)"); });
    db.register_scalar("odd", laminar::rows_type({{"n", "l"}}), laminar::column_type("l"),
                       [](const laminar::Rows&) -> laminar::Array { throw 7; });
    throws(__LINE__, LAMINAR_QUERY_FAILED, "no std::exception", [&] { rows(db, "SELECT odd(1)"); });
    db.register_scalar("loud", laminar::rows_type({{"n", "l"}}), laminar::column_type("l"),
                       [](const laminar::Rows&) -> laminar::Array {
                           throw std::runtime_error(std::string(5000, 'x'));
                       });
    throws(__LINE__, LAMINAR_QUERY_FAILED, "loud: xxx", [&] { rows(db, "SELECT loud(1)"); });
}

static void scalar_functions_over_values() {
    auto db = laminar::Database::open();
    db.register_scalar<double(double, double)>(
        "hypotenuse", [](double a, double b) { return std::hypot(a, b); });
    db.register_scalar<std::string(std::string_view, std::int64_t)>(
        "repeated", [](std::string_view text, std::int64_t times) {
            std::string all;
            for (std::int64_t i = 0; i < times; ++i) {
                all += text;
            }
            return all;
        });
    db.register_scalar<bool(std::optional<std::int64_t>)>(
        "is_there", [](std::optional<std::int64_t> n) { return n.has_value(); });
    db.register_scalar<std::optional<std::int64_t>(std::int64_t)>(
        "even", [](std::int64_t n) { return n % 2 == 0 ? std::optional(n) : std::nullopt; });
    CHECK_TEXT(rows(db, "SELECT hypotenuse(3, 4), repeated('ab', 3)").c_str(), "5|ababab\n");
    CHECK_TEXT(rows(db, "SELECT is_there(n), even(n), even(n + 1) "
                        "FROM (VALUES (4), (NULL)) AS v(n)")
                   .c_str(),
               "0|NULL|NULL\n1|4|NULL\n");
    db.register_scalar<bool(bool, float)>("both", [](bool a, float b) { return a && b > 0; });
    CHECK_TEXT(rows(db, "SELECT both(true, x), both(true, -x), both(false, x) "
                        "FROM (SELECT CAST(1 AS REAL) AS x)").c_str(),
               "1|0|0\n");
    // What is volatile does not stand over rows that change.
    std::atomic<int> called{0};
    db.register_scalar<std::int64_t(std::int64_t)>(
        "ticket", [&called](std::int64_t n) { return n + ++called; },
        laminar::Volatility::volatile_);
    CHECK_TEXT(rows(db, "SELECT volatility FROM laminar_functions WHERE name = 'ticket'").c_str(),
               "volatile\n");
}

// The largest less the smallest.
struct Spread {
    std::int64_t rows = 0;
    double least = 0;
    double most = 0;

    void update(double value) {
        if (value < 0) {
            throw std::runtime_error("a spread of what is below zero");
        }
        least = rows == 0 ? value : std::min(least, value);
        most = rows == 0 ? value : std::max(most, value);
        rows += 1;
    }
    void merge(const Spread& other) {
        if (other.rows > 0) {
            least = rows == 0 ? other.least : std::min(least, other.least);
            most = rows == 0 ? other.most : std::max(most, other.most);
            rows += other.rows;
        }
    }
    std::optional<double> evaluate() const {
        return rows == 0 ? std::nullopt : std::optional(most - least);
    }
};

static void aggregate_functions_over_values() {
    auto db = laminar::Database::open();
    db.register_aggregate<Spread, double(double)>("spread", true);
    db.execute("CREATE SOURCE readings (ts BIGINT, sensor VARCHAR, celsius DOUBLE, "
               "WATERMARK FOR ts)");
    db.execute("CREATE STREAM spreads AS SELECT sensor, spread(celsius) AS s FROM readings "
               "GROUP BY sensor EMIT CHANGES");
    // Hopping windows merge the states of their panes.
    db.execute("CREATE STREAM hops AS SELECT spread(celsius) AS s FROM readings "
               "GROUP BY hop(ts, 1000, 2000) EMIT ON WINDOW CLOSE");
    db.start();
    auto spreads = db.subscribe("spreads");
    auto hops = db.subscribe("hops");
    auto source = db.source("readings");
    source.push_json(R"([{"ts": 100, "sensor": "a", "celsius": 3},
                         {"ts": 1100, "sensor": "a", "celsius": 10},
                         {"ts": 200, "sensor": "b", "celsius": null}])");
    CHECK_TEXT(text_of(spreads.schema(), spreads.poll().batch).c_str(), "a|7|1\nb|NULL|1\n");
    source.push_json(R"([{"ts": 1200, "sensor": "a", "celsius": 1},
                         {"ts": 1300, "sensor": "a", "celsius": -1}])");
    CHECK_TEXT(text_of(spreads.schema(), spreads.poll().batch).c_str(), "a|7|-1\na|9|1\n");
    CHECK_CONTAINS(rows(db, "SELECT error FROM laminar_dead_letters").c_str(), "below zero");
    // [-1000, 1000): 3; [0, 2000): 3, 10, 1; [1000, 3000): 10, 1.
    source.end_of_input();
    std::string all;
    for (laminar::Change change = hops.poll(); change; change = hops.poll()) {
        all += text_of(hops.schema(), change.batch);
    }
    CHECK_TEXT(sorted_lines(all).c_str(), "0\n9\n9\n");
    CHECK_TEXT(rows(db, "SELECT spread(x) FROM (VALUES (1.0), (2.5)) AS v(x)").c_str(), "1.5\n");
}

// The longest text, over arrays: a state of two columns.
static void aggregate_functions_over_arrays() {
    auto db = laminar::Database::open();
    const auto state_of = [](std::optional<std::string_view> text) {
        return laminar::rows_of(
            laminar::column_of<std::string_view>({text}),
            laminar::column_of<std::int64_t>({text ? std::optional<std::int64_t>(text->size())
                                                   : std::nullopt}));
    };
    const auto held = [](const laminar::Rows& state) {
        return state ? state[0].get<std::string_view>(0) : std::nullopt;
    };
    laminar::AggregateFunction longest;
    const auto longer = [](std::optional<std::string_view> a, std::optional<std::string_view> b) {
        return !a || (b && b->size() > a->size()) ? b : a;
    };
    longest.update = [=](const laminar::Rows& state, const laminar::Rows& arguments) {
        std::optional<std::string_view> best = held(state);
        for (std::int64_t row = 0; row < arguments.size(); ++row) {
            best = longer(best, arguments[0].get<std::string_view>(row));
        }
        return state_of(best);
    };
    longest.merge = [=](const laminar::Rows& state, const laminar::Rows& other) {
        return state_of(longer(held(state), held(other)));
    };
    longest.evaluate = [=](const laminar::Rows& state) {
        return laminar::column_of<std::string_view>({held(state)});
    };
    db.register_aggregate("longest", laminar::rows_type({{"t", "u"}}),
                          laminar::rows_type({{"text", "u"}, {"size", "l"}}),
                          laminar::column_type("u"), longest);
    db.execute("CREATE SOURCE words (k BIGINT, w VARCHAR)");
    db.execute("CREATE MATERIALIZED VIEW best AS SELECT k, longest(w) AS w FROM words GROUP BY k");
    db.start();
    db.insert_csv("words", "k,w\n1,a\n1,abc\n2,b\n1,de\n3,\n");
    db.insert_csv("words", "k,w\n2,four\n");
    CHECK_TEXT(rows(db, "SELECT k, w FROM best").c_str(), "1|abc\n2|four\n3|NULL\n");
    throws(__LINE__, LAMINAR_QUERY_FAILED, "column", [&] {
        db.register_aggregate("stateless", laminar::rows_type({{"t", "u"}}), laminar::rows_type({}),
                              laminar::column_type("u"), longest);
    });
}

// Calls from inside that would need the engine are told so; several threads at once end.
static void functions_call_the_library() {
    auto db = laminar::Database::open();
    std::atomic<int> calls{0};
    std::atomic<int> busy{0};
    db.register_scalar<std::int64_t(std::int64_t)>("inside", [&](std::int64_t n) {
        calls += 1;
        const auto told = [&](auto call) {
            try {
                call();
            } catch (const laminar::Error& error) {
                return error.code() == LAMINAR_CONNECTION_IN_USE;
            }
            return false;
        };
        const bool all = told([&] { db.execute("CREATE SOURCE more (n BIGINT)"); }) &&
                         told([&] { db.insert_csv("numbers", "n\n1\n"); }) &&
                         told([&] { rows(db, "SELECT 1"); });
        busy += all ? 1 : 0;
        return n;
    });
    db.execute("CREATE SOURCE numbers (n BIGINT)");
    db.execute("CREATE STREAM seen AS SELECT inside(n) AS n FROM numbers");
    db.start();
#ifdef RUNNING_SLOWLY
    constexpr int rounds = 4;
#else
    constexpr int rounds = 20;
#endif
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&db] {
            auto source = db.source("numbers");
            for (int i = 0; i < rounds; ++i) {
                source.push_csv("n\n1\n");
                rows(db, "SELECT inside(2)");
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(calls >= 4 * rounds * 2);
    CHECK_INT(busy, calls);
}

static void functions_live_as_long_as_they_are_used() {
    auto kept = std::make_shared<int>(0);
    {
        auto db = laminar::Database::open();
        db.register_scalar<std::int64_t(std::int64_t)>("kept",
                                                       [kept](std::int64_t n) { return n; });
        CHECK_INT(kept.use_count(), 2);
        try {
            db.register_scalar<std::int64_t(std::int64_t)>("kept",
                                                           [kept](std::int64_t n) { return n; });
        } catch (const laminar::Error&) {
        }
        CHECK_INT(kept.use_count(), 2); // what was refused is gone
        auto query = db.query("SELECT kept(1)");
        auto closed = std::move(db);
        closed.shutdown();
    }
    CHECK_INT(kept.use_count(), 1);
}

static void the_log_is_heard() {
    auto heard = std::make_shared<std::vector<std::pair<laminar::LogLevel, std::string>>>();
    std::mutex lock;
    auto db = laminar::Database::open();
    db.on_log(laminar::LogLevel::info, [&lock, &db, heard](laminar::LogLevel level,
                                                           std::string_view line) {
        const std::lock_guard<std::mutex> locked(lock);
        heard->emplace_back(level, line);
        if (heard->size() == 1) {
            db.execute("SELECT 1"); // outside of the engine
        }
    });
    CHECK_INT(heard.use_count(), 2);
    db.execute("CREATE SOURCE numbers (n BIGINT)");
    db.execute("CREATE STREAM inverse AS SELECT 10 / n AS n FROM numbers");
    db.start();
    db.insert_csv("numbers", "n\n0\n");
    REQUIRE(heard->size() >= 3);
    CHECK(heard->front().first == laminar::LogLevel::info);
    CHECK_CONTAINS(heard->front().second.c_str(), "numbers");
    CHECK(heard->back().first == laminar::LogLevel::warn);
    CHECK_CONTAINS(heard->back().second.c_str(), "inverse");
    const std::size_t lines = heard->size();
    db.on_log(laminar::LogLevel::error, [](laminar::LogLevel, std::string_view) {});
    CHECK_INT(heard.use_count(), 1); // replaced
    db.execute("CREATE SOURCE others (n BIGINT)");
    CHECK_INT(heard->size(), lines);
    db.on_log(laminar::LogLevel::debug, {});
    db.execute("SELECT 1");
    throws(__LINE__, LAMINAR_CONNECTION_FAILED, "level", [&] {
        db.on_log(static_cast<laminar::LogLevel>(9), [](laminar::LogLevel, std::string_view) {});
    });
}

int main() {
    RUN(scalar_functions_over_arrays);
    RUN(scalar_functions_over_values);
    RUN(aggregate_functions_over_values);
    RUN(aggregate_functions_over_arrays);
    RUN(functions_call_the_library);
    RUN(functions_live_as_long_as_they_are_used);
    RUN(the_log_is_heard);
    return report();
}
