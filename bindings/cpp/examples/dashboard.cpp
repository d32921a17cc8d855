// Shows slow requests as they happen, while a thread measures: the display waits in poll(2) for a
// descriptor, as any event loop does.
#include <laminar.hpp>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <iostream>
#include <string_view>
#include <thread>

int main() {
    const auto db = laminar::Database::open();
    db.execute("CREATE SOURCE metrics (ts BIGINT, service VARCHAR, latency_ms DOUBLE)");
    db.execute("CREATE STREAM slow_requests AS SELECT * FROM metrics WHERE latency_ms > 500.0");
    db.start();
    auto slow = db.subscribe("slow_requests");
    const laminar::Schema columns = slow.schema();

    const int ready = eventfd(0, EFD_NONBLOCK);
    slow.on_ready([ready] { eventfd_write(ready, 1); });

    std::atomic<bool> done = false;
    std::thread measuring([&db, &done] {
        constexpr std::string_view services[] = {"api", "web", "worker"};
        auto rows = db.source("metrics").appender();
        for (int t = 0; !done; ++t) {
            rows.set(0, t).set(1, services[t % 3]).set(2, double(t * 173 % 700)).end_row();
            rows.flush();
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    });

    int seen = 0;
    while (seen < 5) {
        pollfd waiting{ready, POLLIN, 0};
        ::poll(&waiting, 1, -1);
        eventfd_t told;
        eventfd_read(ready, &told);
        // The callback comes again after a poll that found nothing: read until then.
        while (const laminar::Change change = slow.poll()) {
            const laminar::Rows rows(columns, change.batch);
            for (std::int64_t row = 0; row < rows.size() && seen < 5; ++row, ++seen) {
                std::cout << "Slow request: " << rows[1].value<std::string_view>(row) << " took "
                          << rows[2].value<double>(row) << " ms\n";
            }
        }
    }
    done = true;
    measuring.join();
    slow.on_ready(nullptr); // no call of it starts after this
    close(ready);
    std::cout << "Detected " << seen << " slow requests\n";
}
