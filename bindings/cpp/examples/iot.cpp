// Watches sensors: alerts as they come, and statistics for each device.
#include <laminar.hpp>

#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>

int main() {
    const auto db = laminar::Database::open();
    db.execute("CREATE SOURCE sensors (ts BIGINT, device VARCHAR, temp DOUBLE, humidity DOUBLE)");
    db.execute("CREATE STREAM temp_alerts AS"
               " SELECT ts, device, temp FROM sensors WHERE temp > 80.0 OR temp < -20.0");
    db.execute("CREATE STREAM device_stats AS"
               " SELECT device, count(*) AS readings, avg(temp) AS avg_temp, max(temp) AS max_temp"
               " FROM sensors GROUP BY device");
    db.start();

    auto alerts = db.subscribe("temp_alerts");
    auto sensors = db.source("sensors");
    auto rows = sensors.appender();
    for (int t = 0; t < 200; ++t) {
        rows.set(0, t * 1000)
            .set(1, "device_" + std::to_string(t % 5))
            .set(2, 20.0 + (t % 50) * 1.5) // some are past 80
            .set(3, 40.0 + t % 20)
            .end_row();
        if (t % 50 == 49) {
            rows.flush();
            sensors.watermark(t * 1000);
        }
    }

    int total = 0;
    const laminar::Schema alert = alerts.schema();
    while (const laminar::Change change = alerts.poll()) {
        const laminar::Rows found(alert, change.batch);
        for (std::int64_t row = 0; row < found.size(); ++row, ++total) {
            std::cout << "ALERT " << found[1].value<std::string_view>(row) << ": "
                      << found[2].value<double>(row) << " degrees\n";
        }
    }
    std::cout << total << " alerts\n";

    auto stats = db.query("SELECT * FROM device_stats ORDER BY device");
    const laminar::Schema stat = stats.schema();
    for (const laminar::Array& batch : stats) {
        const laminar::Rows found(stat, batch);
        for (std::int64_t row = 0; row < found.size(); ++row) {
            std::cout << found[0].value<std::string_view>(row) << ": "
                      << found[1].value<std::int64_t>(row) << " readings, "
                      << found[2].value<double>(row) << " on average, at most "
                      << found[3].value<double>(row) << '\n';
        }
    }
}
