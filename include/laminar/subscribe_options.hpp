/** laminar/subscribe_options.hpp: how to subscribe. */
#ifndef LAMINAR_SUBSCRIBE_OPTIONS_HPP
#define LAMINAR_SUBSCRIBE_OPTIONS_HPP

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace laminar {

namespace detail {

/** A text as JSON writes it. */
inline std::string json_text(std::string_view text) {
    constexpr char digits[] = "0123456789abcdef";
    std::string json = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            json += '\\';
            json += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            json += "\\u00";
            json += digits[c >> 4];
            json += digits[c & 15];
        } else {
            json += c;
        }
    }
    return json + '"';
}

} // namespace detail

/** What happens when changes come faster than they are polled. */
enum class OnFull {
    tell,        ///< the consumer is told: `Outcome::lagged`, or `Outcome::reset`
    block,       ///< pushes into the sources behind it wait for room
    drop_oldest, ///< the oldest epochs are forgotten and counted
};

/** How to subscribe; what is left out is the library's default. */
struct SubscribeOptions {
    /** Begin with the current content. Default: yes for a query, no for a name. */
    std::optional<bool> snapshot;
    /** Rows that the subscription holds before it is full. */
    std::optional<std::uint64_t> capacity;
    /** Begin with what changed after this epoch. */
    std::optional<std::uint64_t> as_of_epoch = std::nullopt;
    /** What happens then. Default: the consumer is told. */
    std::optional<OnFull> on_full = std::nullopt;
    /** For a name: follow only the rows for which this condition in SQL is true. */
    std::optional<std::string> predicate = std::nullopt;

    /** As the C function takes them; empty when nothing was set. */
    std::string json() const {
        std::string json;
        const auto add = [&json](std::string_view key, std::string_view value) {
            json.append(json.empty() ? "{\"" : ",\"").append(key).append("\":").append(value);
        };
        if (snapshot) {
            add("snapshot", *snapshot ? "true" : "false");
        }
        if (capacity) {
            add("capacity", std::to_string(*capacity));
        }
        if (as_of_epoch) {
            add("as_of_epoch", std::to_string(*as_of_epoch));
        }
        if (on_full) {
            constexpr const char* names[] = {"\"tell\"", "\"block\"", "\"drop_oldest\""};
            add("on_full", names[static_cast<int>(*on_full)]);
        }
        if (predicate) {
            add("predicate", detail::json_text(*predicate));
        }
        return json.empty() ? json : json + "}";
    }
};

} // namespace laminar

#endif // LAMINAR_SUBSCRIBE_OPTIONS_HPP
