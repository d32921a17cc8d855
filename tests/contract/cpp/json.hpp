// JSON as the scenarios need it: objects keep their order, numbers keep their digits.
#pragma once

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

struct Json {
    enum Kind { null, boolean, number, text, list, object };

    Kind kind = null;
    bool truth = false;
    std::string words; // of a text; the digits of a number
    std::vector<Json> items;
    std::vector<std::pair<std::string, Json>> members;

    static Json of_text(std::string words) {
        Json json;
        json.kind = text;
        json.words = std::move(words);
        return json;
    }
    static Json of_number(std::string digits) {
        Json json = of_text(std::move(digits));
        json.kind = number;
        return json;
    }
    static Json of_bool(bool truth) {
        Json json;
        json.kind = boolean;
        json.truth = truth;
        return json;
    }

    const Json* find(const std::string& name) const {
        for (const auto& [key, value] : members) {
            if (key == name) return &value;
        }
        return nullptr;
    }
    const Json& operator[](const std::string& name) const {
        const Json* found = find(name);
        if (found == nullptr) throw std::runtime_error("the step lacks `" + name + "`");
        return *found;
    }
    long long integer() const { return std::strtoll(words.c_str(), nullptr, 10); }
    double real() const { return std::strtod(words.c_str(), nullptr); }

    std::string dump() const {
        std::string out;
        switch (kind) {
            case null: return "null";
            case boolean: return truth ? "true" : "false";
            case number: return words;
            case text: return quoted(words);
            case list:
                for (const Json& item : items) out += (out.empty() ? "" : ",") + item.dump();
                return "[" + out + "]";
            case object:
                for (const auto& [key, value] : members) {
                    out += (out.empty() ? "" : ",") + quoted(key) + ":" + value.dump();
                }
                return "{" + out + "}";
        }
        return out;
    }

    static Json parse(const std::string& source) {
        Reader reader{source};
        Json json = reader.value();
        reader.space();
        if (reader.at != source.size()) throw std::runtime_error("text behind the JSON");
        return json;
    }

private:
    static std::string quoted(const std::string& words) {
        std::string out = "\"";
        for (const char c : words) {
            if (c == '"' || c == '\\') out += '\\';
            if (c == '\n')
                out += "\\n";
            else
                out += c;
        }
        return out + '"';
    }

    struct Reader {
        const std::string& source;
        std::size_t at = 0;

        void space() {
            while (at < source.size() &&
                   std::string(" \t\r\n").find(source[at]) != std::string::npos)
                ++at;
        }
        char peek() {
            space();
            if (at == source.size()) throw std::runtime_error("the JSON ends too early");
            return source[at];
        }
        bool take(char wanted) {
            if (peek() != wanted) return false;
            ++at;
            return true;
        }
        void must(char wanted) {
            if (!take(wanted))
                throw std::runtime_error("JSON wants " + std::string(1, wanted) + " at " +
                                         std::to_string(at));
        }

        Json value() {
            Json json;
            switch (peek()) {
                case '{':
                    json.kind = object;
                    for (++at; !take('}'); take(',')) {
                        peek();
                        std::string key = string();
                        must(':');
                        json.members.emplace_back(std::move(key), value());
                    }
                    return json;
                case '[':
                    json.kind = list;
                    for (++at; !take(']'); take(',')) json.items.push_back(value());
                    return json;
                case '"': return of_text(string());
                case 't': at += 4; return of_bool(true);
                case 'f': at += 5; return of_bool(false);
                case 'n': at += 4; return json;
                default: {
                    const std::size_t end = source.find_first_not_of("+-.0123456789eE", at);
                    Json digits = of_number(source.substr(at, end - at));
                    if (digits.words.empty())
                        throw std::runtime_error("no JSON at " + std::to_string(at));
                    at = end == std::string::npos ? source.size() : end;
                    return digits;
                }
            }
        }

        std::string string() {
            must('"');
            std::string out;
            while (source.at(at) != '"') {
                if (source[at] != '\\') {
                    out += source[at++];
                    continue;
                }
                const char escaped = source.at(at + 1);
                at += 2;
                switch (escaped) {
                    case 'n': out += '\n'; break;
                    case 't': out += '\t'; break;
                    case 'r': out += '\r'; break;
                    case 'u': // the scenarios escape ASCII only
                        out += static_cast<char>(std::stoi(source.substr(at, 4), nullptr, 16));
                        at += 4;
                        break;
                    default: out += escaped;
                }
            }
            ++at;
            return out;
        }
    };
};
