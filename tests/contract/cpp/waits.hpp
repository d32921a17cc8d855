// What callbacks have told, for the thread that waits for it.
#pragma once

#include "json.hpp"

#include <laminar.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

// How long something is waited for that is to come.
constexpr std::chrono::seconds most_wait(10);

// Calls of a callback.
class Wake {
public:
    void tell() {
        const std::lock_guard<std::mutex> lock(mutex_);
        ++count_;
        told_ = true;
        changed_.notify_all();
    }

    // Waits for a call after the last that was waited for; whether there was one.
    bool wait() {
        std::unique_lock<std::mutex> lock(mutex_);
        const bool told = changed_.wait_for(lock, most_wait, [this] { return told_; });
        told_ = false;
        return told;
    }

    std::uint64_t count() {
        const std::lock_guard<std::mutex> lock(mutex_);
        return count_;
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t count_ = 0;
    bool told_ = false;
};

// Lines of the log, as they come.
class Log {
public:
    void listen(const laminar::Database& db, const std::string& level) {
        db.on_log(level_of(level), [this](laminar::LogLevel own, std::string_view line) {
            const std::lock_guard<std::mutex> lock(mutex_);
            lines_.emplace_back(own, line);
            changed_.notify_all();
        });
    }

    void find(const std::string& level, const std::vector<Json>& says) {
        std::unique_lock<std::mutex> lock(mutex_);
        const auto has = [&](const std::pair<laminar::LogLevel, std::string>& line) {
            return line.first == level_of(level) &&
                   std::all_of(says.begin(), says.end(), [&](const Json& part) {
                       return line.second.find(part.words) != std::string::npos;
                   });
        };
        if (!changed_.wait_for(lock, most_wait,
                               [&] { return std::any_of(lines_.begin(), lines_.end(), has); }))
            throw std::runtime_error("the log has no such line");
    }

private:
    static laminar::LogLevel level_of(const std::string& name) {
        return name == "error"  ? laminar::LogLevel::error
               : name == "warn" ? laminar::LogLevel::warn
               : name == "info" ? laminar::LogLevel::info
                                : laminar::LogLevel::debug;
    }

    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::pair<laminar::LogLevel, std::string>> lines_;
};
