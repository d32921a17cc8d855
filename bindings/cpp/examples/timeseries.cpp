// A morning of trades: bars of a minute as they close, and the large trades.
#include <laminar.hpp>

#include <cstdint>
#include <iostream>
#include <string_view>

int main() {
    const auto db = laminar::Database::open();
    db.execute("CREATE SOURCE trades (ts TIMESTAMP(3) NOT NULL, symbol VARCHAR, price DOUBLE,"
               " volume BIGINT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND)");
    db.execute("CREATE STREAM bars AS"
               " SELECT symbol, tumble(ts, INTERVAL '1' MINUTE) AS minute,"
               "   first_value(price ORDER BY ts) AS open, max(price) AS high,"
               "   min(price) AS low, last_value(price ORDER BY ts) AS close"
               " FROM trades GROUP BY symbol, tumble(ts, INTERVAL '1' MINUTE)");
    db.execute("CREATE STREAM whale_trades AS"
               " SELECT ts, symbol, price, volume FROM trades WHERE volume > 10000");
    db.start();
    auto bars = db.subscribe("bars");

    constexpr std::int64_t opening = 1'699'972'200'000; // 2023-11-14 14:30 UTC
    constexpr std::string_view symbols[] = {"AAPL", "GOOGL", "MSFT", "AMZN"};
    auto rows = db.source("trades").appender();
    for (int t = 0; t < 1000; ++t) {
        rows.set(0, opening + t * 1000)
            .set(1, symbols[t % 4])
            .set(2, 100.0 + (t * 37 % 200) / 10.0)
            .set(3, 100 + t * 7919 % 15'000)
            .end_row();
        if (t % 100 == 99) {
            rows.flush();
        }
    }

    auto whales = db.query("SELECT count(*) FROM whale_trades");
    const laminar::Schema count = whales.schema();
    for (const laminar::Array& batch : whales) {
        std::cout << laminar::Rows(count, batch)[0].value<std::int64_t>(0) << " large trades\n";
    }

    int closed = 0;
    const laminar::Schema bar = bars.schema();
    while (const laminar::Change change = bars.poll()) {
        const laminar::Rows found(bar, change.batch);
        for (std::int64_t row = 0; row < found.size(); ++row) {
            if (closed++ < 4) {
                const std::int64_t minute = found[1].value<std::int64_t>(row) / 60'000 % 1440;
                std::cout << minute / 60 << ':' << minute % 60 << ' '
                          << found[0].value<std::string_view>(row) << ": open "
                          << found[2].value<double>(row) << ", high "
                          << found[3].value<double>(row) << ", low "
                          << found[4].value<double>(row) << ", close "
                          << found[5].value<double>(row) << '\n';
            }
        }
    }
    std::cout << closed << " bars are final\n";
}
