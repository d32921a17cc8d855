// Joins two kinds of events by their user, and makes a stream of that join.
#include <laminar.hpp>

#include <cstdint>
#include <iostream>
#include <string_view>

int main() {
    const auto db = laminar::Database::open();
    db.execute("CREATE SOURCE logins (ts BIGINT, user_id VARCHAR, ip VARCHAR)");
    db.execute("CREATE SOURCE purchases (ts BIGINT, user_id VARCHAR, amount DOUBLE)");
    db.execute("CREATE STREAM user_activity AS"
               " SELECT l.user_id, l.ip, p.amount, p.ts AS purchase_ts"
               " FROM logins l JOIN purchases p ON l.user_id = p.user_id");
    db.execute("CREATE STREAM large_purchases AS"
               " SELECT user_id, amount FROM user_activity WHERE amount > 500.0");
    db.start();
    auto large = db.subscribe("large_purchases");

    db.insert_csv("logins", "ts,user_id,ip\n1,alice,1.2.3.4\n2,bob,5.6.7.8\n");
    db.insert_json("purchases", R"([{"ts": 3, "user_id": "alice", "amount": 29.99},
                                    {"ts": 4, "user_id": "bob", "amount": 999.0},
                                    {"ts": 5, "user_id": "alice", "amount": 750.0}])");

    auto activity = db.query("SELECT * FROM user_activity ORDER BY purchase_ts");
    const laminar::Schema columns = activity.schema();
    for (const laminar::Array& batch : activity) {
        const laminar::Rows rows(columns, batch);
        for (std::int64_t row = 0; row < rows.size(); ++row) {
            std::cout << rows[0].value<std::string_view>(row) << " at "
                      << rows[1].value<std::string_view>(row) << " paid "
                      << rows[2].value<double>(row) << '\n';
        }
    }
    const laminar::Schema purchase = large.schema();
    while (const laminar::Change change = large.poll()) {
        const laminar::Rows rows(purchase, change.batch);
        for (std::int64_t row = 0; row < rows.size(); ++row) {
            std::cout << "large: " << rows[0].value<std::string_view>(row) << ", "
                      << rows[1].value<double>(row) << '\n';
        }
    }
}
