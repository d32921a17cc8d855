// The functions of SQL that there are to register.
#pragma once

#include <laminar.hpp>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

// The sum of what is not NULL.
struct Total {
    std::int64_t sum = 0;
    bool any = false;

    void update(std::int64_t number) {
        sum += number;
        any = true;
    }

    void merge(const Total& other) {
        sum += other.sum;
        any = any || other.any;
    }

    std::optional<std::int64_t> evaluate() const {
        return any ? std::optional(sum) : std::nullopt;
    }
};

// `db` stays where it is.
inline void register_function(const laminar::Database& db, const std::string& name) {
    if (name == "twice") {
        db.register_scalar<std::int64_t(std::int64_t)>("twice", [](std::int64_t number) {
            if (number == 13) throw std::invalid_argument("no 13 here");
            return 2 * number;
        });
    } else if (name == "seven") {
        db.register_scalar<std::int64_t()>("seven", [] { return std::int64_t(7); });
    } else if (name == "total") {
        db.register_aggregate<Total, std::int64_t(std::int64_t)>("total", true);
    } else if (name == "intruder") {
        db.register_scalar<std::int64_t(std::int64_t)>("intruder", [&db](std::int64_t number) {
            try {
                db.insert_json("other", "{\"a\": " + std::to_string(number) + "}");
            } catch (const laminar::Error& error) {
                return static_cast<std::int64_t>(error.code());
            }
            return std::int64_t(0);
        });
    } else {
        throw std::runtime_error("there is no function " + name);
    }
}
