// What functions of SQL cost in C++, beside which `Throughput.java` prints the same in Java: 8,192
// rows a push, in microseconds of the thread's processor time.
#include <laminar.hpp>

#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>

namespace {

constexpr int rows_per_push = 8192;
constexpr double measured_us = 2e6;

struct Total {
    double sum = 0;
    void update(double price) { sum += price + 1; }
    void merge(const Total& other) { sum += other.sum; }
    double evaluate() const { return sum; }
};

double processor_us() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

laminar::Array trades() {
    laminar::ColumnBuilder<std::string_view> symbol;
    laminar::ColumnBuilder<double> price;
    laminar::ColumnBuilder<std::int64_t> ts;
    for (int row = 0; row < rows_per_push; ++row) {
        symbol.append("S" + std::to_string(row % 100));
        price.append(row % 2 * 100);
        ts.append(row);
    }
    return laminar::rows_of(symbol.finish(), price.finish(), ts.finish());
}

void measure(const char* what, const char* query) {
    auto db = laminar::Database::open();
    db.register_scalar<std::int64_t(std::int64_t)>("twice", [](std::int64_t n) { return 2 * n; });
    db.register_aggregate<Total, double(double)>("total");
    db.execute("CREATE SOURCE trades (symbol VARCHAR, price DOUBLE, ts BIGINT)");
    db.execute(std::string("CREATE STREAM out AS ") + query);
    db.start();
    auto source = db.source("trades");
    auto out = db.subscribe("out");
    double spent = 0;
    int pushes = 0;
    for (; spent < measured_us; ++pushes) {
        laminar::Array batch = trades();
        const double begun = processor_us();
        source.push(batch);
        while (out.poll()) {
        }
        spent += processor_us() - begun;
    }
    std::printf("%-46s %8.3f M rows/s %9.2f us/push\n", what,
                pushes * static_cast<double>(rows_per_push) / spent, spent / pushes);
}

} // namespace

int main() {
    const std::string grouped = " AS x FROM trades GROUP BY symbol EMIT CHANGES";
    measure("8192 rows, ts * 2", "SELECT ts * 2 AS n FROM trades WHERE price >= 50");
    measure("8192 rows, twice(ts)", "SELECT twice(ts) AS n FROM trades WHERE price >= 50");
    measure("8192 rows, sum(price + 1) of 100 groups",
            ("SELECT symbol, sum(price + 1)" + grouped).c_str());
    measure("8192 rows, total(price) of 100 groups",
            ("SELECT symbol, total(price)" + grouped).c_str());
}
