// Cells of Arrow arrays as the plain values of scenarios, and the other way round.
#pragma once

#include "json.hpp"

#include <laminar.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <string>

inline std::int64_t units_per_second(char unit) {
    return unit == 's' ? 1 : unit == 'm' ? 1'000 : unit == 'u' ? 1'000'000 : 1'000'000'000;
}

// Days from 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
inline std::int64_t days_of(std::int64_t year, unsigned month, unsigned day) {
    year -= month <= 2;
    const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
    const unsigned of_era = static_cast<unsigned>(year - era * 400);
    const unsigned of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

inline std::string date_text(std::int64_t days) {
    days += 719468;
    const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    const auto of_era = static_cast<unsigned>(days - era * 146097);
    const unsigned years = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const unsigned of_year = of_era - (365 * years + years / 4 - years / 100);
    const unsigned shifted = (5 * of_year + 2) / 153;
    const unsigned month = shifted < 10 ? shifted + 3 : shifted - 9;
    char text[32];
    std::snprintf(text, sizeof text, "%04lld-%02u-%02u",
                  static_cast<long long>(years + era * 400 + (month <= 2)), month,
                  of_year - (153 * shifted + 2) / 5 + 1);
    return text;
}

inline std::string time_text(std::int64_t count, std::int64_t per_second) {
    const std::int64_t seconds = count / per_second;
    char text[48];
    std::snprintf(text, sizeof text, "%02d:%02d:%02d", static_cast<int>(seconds / 3600),
                  static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
    std::string out = text;
    if (count % per_second != 0) {
        std::string digits = std::to_string(per_second + count % per_second).substr(1);
        digits.erase(digits.find_last_not_of('0') + 1);
        out += "." + digits;
    }
    return out;
}

// "2026-01-02", "03:04:05.006" or both with a T between, counted in units.
inline std::int64_t count_of(const std::string& text, std::int64_t per_second) {
    std::int64_t seconds = 0;
    std::size_t at = 0;
    if (text.size() > 4 && text[4] == '-') {
        seconds = 86400 * days_of(std::stoi(text), static_cast<unsigned>(std::stoi(text.substr(5))),
                                  static_cast<unsigned>(std::stoi(text.substr(8))));
        at = 11;
    }
    std::int64_t fraction = 0;
    if (at < text.size()) {
        seconds += 3600 * std::stoi(text.substr(at)) + 60 * std::stoi(text.substr(at + 3)) +
                   std::stoi(text.substr(at + 6));
        const std::string digits =
            at + 9 < text.size() ? (text.substr(at + 9) + "000000000").substr(0, 9) : "0";
        fraction = std::stoll(digits) / (1'000'000'000 / per_second);
    }
    return seconds * per_second + fraction;
}

inline std::string decimal_text(const std::uint8_t* bytes, int scale) {
    __extension__ __int128 value;
    std::memcpy(&value, bytes, sizeof value);
    const bool negative = value < 0;
    std::string digits;
    for (; value != 0; value /= 10) {
        digits.insert(digits.begin(),
                      static_cast<char>('0' + std::abs(static_cast<int>(value % 10))));
    }
    while (static_cast<int>(digits.size()) <= scale) digits.insert(digits.begin(), '0');
    if (scale > 0) digits.insert(digits.size() - static_cast<std::size_t>(scale), ".");
    return (negative ? "-" : "") + digits;
}

inline Json real_json(double value) {
    if (std::isnan(value)) return Json::of_text("NaN");
    if (std::isinf(value)) return Json::of_text(value < 0 ? "-Infinity" : "Infinity");
    char text[40];
    std::snprintf(text, sizeof text, "%.17g", value);
    return Json::of_number(text);
}

inline std::string hexadecimal(const std::string& bytes) {
    std::string out;
    for (const char c : bytes) {
        char digits[3];
        std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(c));
        out += digits;
    }
    return out;
}

inline Json cell(const ArrowSchema* schema, const ArrowArray* array, std::int64_t row) {
    const std::int64_t at = array->offset + row;
    const auto* valid =
        array->n_buffers > 0 ? static_cast<const std::uint8_t*>(array->buffers[0]) : nullptr;
    const std::string format = schema->format;
    if (format == "n" || (valid != nullptr && (valid[at / 8] >> (at % 8) & 1) == 0)) return {};
    if (schema->dictionary != nullptr) {
        const ArrowSchema plain_keys = [&] {
            ArrowSchema keys = *schema;
            keys.dictionary = nullptr;
            return keys;
        }();
        return cell(schema->dictionary, array->dictionary, cell(&plain_keys, array, row).integer());
    }
    const void* data = array->n_buffers > 1 ? array->buffers[1] : nullptr;
    const auto number = [&](auto type) { return static_cast<const decltype(type)*>(data)[at]; };
    const auto integer = [&](auto type) { return Json::of_number(std::to_string(number(type))); };
    const auto bounds = [&](bool wide) {
        return wide ? std::pair{number(std::int64_t{}),
                                static_cast<const std::int64_t*>(data)[at + 1]}
                    : std::pair<std::int64_t, std::int64_t>{
                          number(std::int32_t{}), static_cast<const std::int32_t*>(data)[at + 1]};
    };
    const auto bytes = [&](bool wide) {
        const auto [from, to] = bounds(wide);
        return std::string(static_cast<const char*>(array->buffers[2]) + from,
                           static_cast<std::size_t>(to - from));
    };
    switch (format[0]) {
        case 'b':
            return Json::of_bool(static_cast<const std::uint8_t*>(data)[at / 8] >> (at % 8) & 1);
        case 'c': return integer(std::int8_t{});
        case 'C': return integer(std::uint8_t{});
        case 's': return integer(std::int16_t{});
        case 'S': return integer(std::uint16_t{});
        case 'i': return integer(std::int32_t{});
        case 'I': return integer(std::uint32_t{});
        case 'l': return integer(std::int64_t{});
        case 'L': return integer(std::uint64_t{});
        case 'f': return real_json(number(float{}));
        case 'g': return real_json(number(double{}));
        case 'u': return Json::of_text(bytes(false));
        case 'U': return Json::of_text(bytes(true));
        case 'z': return Json::of_text(hexadecimal(bytes(false)));
        case 'Z': return Json::of_text(hexadecimal(bytes(true)));
        case 'd': {
            const int scale = std::stoi(format.substr(format.find(',') + 1));
            return Json::of_text(
                decimal_text(static_cast<const std::uint8_t*>(data) + 16 * at, scale));
        }
        case 't': {
            if (format == "tdD") return Json::of_text(date_text(number(std::int32_t{})));
            if (format == "tin") {
            const auto* interval = static_cast<const std::uint8_t*>(data) + 16 * at;
            std::int32_t months_and_days[2];
            std::int64_t nanoseconds;
            std::memcpy(months_and_days, interval, sizeof months_and_days);
            std::memcpy(&nanoseconds, interval + 8, sizeof nanoseconds);
            Json json;
            json.kind = Json::object;
            json.members = {{"months", Json::of_number(std::to_string(months_and_days[0]))},
                            {"days", Json::of_number(std::to_string(months_and_days[1]))},
                            {"nanoseconds", Json::of_number(std::to_string(nanoseconds))}};
            return json;
        }
        const std::int64_t per_second = units_per_second(format[2]);
            if (format[1] == 't') {
                const std::int64_t count = format[2] == 's' || format[2] == 'm'
                                               ? number(std::int32_t{})
                                               : number(std::int64_t{});
                return Json::of_text(time_text(count, per_second));
            }
            if (format[1] == 's') {
                const std::int64_t count = number(std::int64_t{});
                const std::int64_t per_day = 86400 * per_second;
                const std::int64_t days = count / per_day - (count % per_day < 0);
                return Json::of_text(date_text(days) + "T" +
                                     time_text(count - days * per_day, per_second));
            }
            break;
        }
        case '+': {
            Json json;
            if (format == "+s") {
                json.kind = Json::object;
                for (std::int64_t i = 0; i < schema->n_children; ++i) {
                    json.members.emplace_back(schema->children[i]->name,
                                              cell(schema->children[i], array->children[i], at));
                }
                return json;
            }
            const auto [from, to] = bounds(format == "+L");
            json.kind = format == "+m" ? Json::object : Json::list;
            for (std::int64_t i = from; i < to; ++i) {
                Json item = cell(schema->children[0], array->children[0], i);
                if (format == "+m")
                    json.members.emplace_back(item.members[0].second.words, item.members[1].second);
                else
                    json.items.push_back(std::move(item));
            }
            return json;
        }
        default: break;
    }
    throw std::runtime_error("this driver does not read the Arrow format " + format);
}

// Whether a value is as expected: numbers by value, everything else by its text.
inline bool equal(const Json& wanted, const Json& got) {
    if (wanted.kind == Json::number && got.kind == Json::number) {
        return wanted.words == got.words || wanted.real() == got.real();
    }
    if (wanted.kind == Json::text && (got.kind == Json::text || got.kind == Json::number)) {
        return wanted.words == got.words;
    }
    if (wanted.kind != got.kind || wanted.items.size() != got.items.size() ||
        wanted.members.size() != got.members.size() || wanted.truth != got.truth) {
        return false;
    }
    for (std::size_t i = 0; i < wanted.items.size(); ++i) {
        if (!equal(wanted.items[i], got.items[i])) return false;
    }
    for (const auto& [name, value] : wanted.members) {
        const Json* other = got.find(name);
        if (other == nullptr || !equal(value, *other)) return false;
    }
    return true;
}

// Sets one column of the row that an appender builds.
inline void set_cell(laminar::Appender& rows, std::size_t column, const ArrowSchema* schema,
                     const Json& value) {
    const std::string format = schema->format;
    if (value.kind == Json::null) {
        rows.set(column, nullptr);
    } else if (value.kind == Json::boolean) {
        rows.set(column, value.truth);
    } else if (value.kind == Json::text) {
        rows.set(column, value.words);
    } else if (value.kind == Json::number) {
        if (value.words.find_first_of(".eE") == std::string::npos)
            rows.set(column, static_cast<std::int64_t>(value.integer()));
        else
            rows.set(column, value.real());
    } else {
        const auto& [tag, tagged] = value.members.at(0);
        const std::string& words = tagged.words;
        if (tag == "@decimal")
            rows.set(column, words);
        else if (tag == "@float")
            rows.set(column, std::strtod(words.c_str(), nullptr));
        else if (tag == "@int" && words[0] == '-')
            rows.set(column, static_cast<std::int64_t>(std::stoll(words)));
        else if (tag == "@int")
            rows.set(column, static_cast<std::uint64_t>(std::stoull(words)));
        else if (tag == "@date")
            rows.set(column, count_of(words, 1) / 86400);
        else if (tag == "@time" || tag == "@timestamp" || tag == "@instant")
            rows.set(column, count_of(words, units_per_second(format[2])));
        else if (tag == "@bytes") {
            std::string bytes;
            for (std::size_t i = 0; i < words.size(); i += 2)
                bytes += static_cast<char>(std::stoi(words.substr(i, 2), nullptr, 16));
            rows.set_binary(column, bytes.data(), bytes.size());
        } else
            throw std::runtime_error("there is no value " + tag);
    }
}
