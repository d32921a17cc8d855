// Two threads write events, each through a producer of its own; another counts windows of them.
#include <laminar.hpp>

#include <cstdint>
#include <iostream>
#include <string>
#include <thread>
#include <utility>

// Every second event from the first on, and a watermark behind each fifty.
static void produce(laminar::Source source, int first) {
    auto rows = source.appender();
    for (int ts = first; ts < 500; ts += 2) {
        rows.set(0, ts).set(1, "evt_" + std::to_string(ts % 3)).set(2, double(ts)).end_row();
        if (ts % 50 >= 48) {
            rows.flush();
            source.watermark(ts);
        }
    }
    source.end_of_input();
}

static void consume(laminar::Subscription windows) {
    const laminar::Schema columns = windows.schema();
    std::int64_t total = 0;
    for (const laminar::Change& change : windows) { // waits, and ends when the subscription does
        const laminar::Rows rows(columns, change.batch);
        for (std::int64_t row = 0; row < rows.size(); ++row) {
            const auto events = rows[1].value<std::int64_t>(row);
            total += events;
            std::cout << "window " << rows[0].value<std::int64_t>(row) << ": " << events
                      << " events\n";
        }
    }
    std::cout << "Consumed " << total << " events\n";
}

int main() {
    const auto db = laminar::Database::open();
    db.execute("CREATE SOURCE events (ts BIGINT, type VARCHAR, payload DOUBLE)");
    db.execute("CREATE STREAM per_window AS"
               " SELECT tumble(ts, 100) AS start, count(*) AS events"
               " FROM events GROUP BY tumble(ts, 100) EMIT ON WINDOW CLOSE");
    db.start();

    std::thread consumer(consume, db.subscribe("per_window"));
    auto even = db.source("events");
    auto odd = even.clone();
    std::thread first(produce, std::move(even), 0);
    std::thread second(produce, std::move(odd), 1);
    first.join();
    second.join();
    db.shutdown();
    consumer.join();
}
