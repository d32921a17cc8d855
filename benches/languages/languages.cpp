// The same as languages.c through laminar.hpp: rows by the appender, read by name of column and row,
// and batches whose columns are built from vectors.
//
//     languages SECONDS

#include <laminar.hpp>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct Trade {
    std::string symbol;
    double price;
    std::int64_t ts;
};

std::int64_t processor_ns() {
    std::timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<std::int64_t>(now.tv_sec) * 1000000000 + now.tv_nsec;
}

// Every other row passes the filter; a row on its own does.
std::vector<Trade> trades_of(std::int64_t rows) {
    std::vector<Trade> trades;
    for (std::int64_t row = 0; row < rows; ++row) {
        trades.push_back({"S" + std::to_string(row % 100), rows == 1 || row % 2 == 1 ? 100.0 : 0.0, row});
    }
    return trades;
}

class Languages {
public:
    explicit Languages(double seconds) : seconds_(seconds), db_(laminar::Database::open()) {
        db_.execute("CREATE SOURCE trades (symbol VARCHAR, price DOUBLE, ts BIGINT)");
        db_.execute("CREATE STREAM dear AS SELECT * FROM trades WHERE price >= 50");
        db_.start();
    }

    void run() {
        auto source = db_.source("trades");
        auto appender = source.appender();
        auto changes = db_.subscribe("dear");
        const laminar::Schema columns = changes.schema();
        double read = 0;
        for (const std::int64_t rows : {1, 1000}) {
            const auto trades = trades_of(rows);
            measure(rows == 1 ? "1 row" : "1,000 rows", rows, [&] {
                for (const Trade& trade : trades) {
                    appender.set(0, trade.symbol).set(1, trade.price).set(2, trade.ts).end_row();
                }
                appender.flush();
                std::int64_t passed = 0;
                while (laminar::Change change = changes.poll()) {
                    const laminar::Rows found(columns, change.batch);
                    const auto symbol = found[0], price = found[1], ts = found[2];
                    for (std::int64_t row = 0; row < found.size(); ++row) {
                        read += price.value<double>(row) + static_cast<double>(ts.value<std::int64_t>(row)) +
                                static_cast<double>(symbol.value<std::string_view>(row).size());
                    }
                    passed += found.size();
                }
                return passed;
            });
        }
        for (const std::int64_t rows : {1000, 8192}) {
            const auto trades = trades_of(rows);
            measure(rows == 1000 ? "Arrow, 1,000" : "Arrow, 8,192", rows, [&] {
                laminar::ColumnBuilder<std::string_view> symbols;
                laminar::ColumnBuilder<double> prices;
                laminar::ColumnBuilder<std::int64_t> times;
                for (const Trade& trade : trades) {
                    symbols.append(trade.symbol);
                    prices.append(trade.price);
                    times.append(trade.ts);
                }
                source.push(laminar::rows_of(symbols.finish(), prices.finish(), times.finish()));
                std::int64_t passed = 0;
                while (laminar::Change change = changes.poll()) {
                    passed += change.batch.rows();
                }
                return passed;
            });
        }
        if (read <= 0) {
            throw std::logic_error("nothing was read");
        }
    }

private:
    double seconds_;
    laminar::Database db_;

    // The first of two rounds warms up.
    template <class Push>
    void measure(const char* name, std::int64_t rows, Push push) {
        std::int64_t pushes = 0, used = 0;
        for (int round = 0; round < 2; ++round) {
            const std::int64_t begun = processor_ns();
            pushes = 0;
            do {
                for (int i = 0; i < 16; ++i, ++pushes) {
                    if (push() != (rows + 1) / 2) {
                        throw std::logic_error("half of the rows pass");
                    }
                }
                used = processor_ns() - begun;
            } while (static_cast<double>(used) < seconds_ * 1e9);
        }
        std::printf("{\"bench\":\"languages\",\"language\":\"C++\",\"name\":\"%s\",\"cpu_ns_per_row\":%.1f}\n",
                    name, static_cast<double>(used) / static_cast<double>(pushes * rows));
        std::fflush(stdout);
    }
};

} // namespace

int main(int argc, char** argv) { Languages(argc > 1 ? std::atof(argv[1]) : 1.0).run(); }
