// What the programs in C++ share: rows as text, and what must throw.
#ifndef LAMINAR_CPP_FIXTURE_HPP
#define LAMINAR_CPP_FIXTURE_HPP

#include <laminar.hpp>

#include "arrow_read.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

// Runs the body and checks that it throws laminar::Error with this code and words.
template <class Body>
inline void throws(int line, laminar_status code, const char* part, Body body) {
    try {
        body();
        test_fail(__FILE__, line, "threw nothing", "");
    } catch (const laminar::Error& error) {
        test_int(__FILE__, line, "code()", error.code(), code);
        test_text(__FILE__, line, "what()", error.what(), part, false);
    }
}

// A batch as lines, sorted; the last column is the weight where there is one.
inline std::string text_of(const laminar::Schema& schema, const laminar::Array& batch) {
    if (!batch) {
        return "(no batch)";
    }
    char* text = batch_text(schema.get(), batch.get(), true);
    std::string copy(text);
    std::free(text);
    return copy;
}

// Lines of several batches in one order.
inline std::string sorted_lines(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line);
    }
    std::sort(lines.begin(), lines.end());
    std::string all;
    for (const std::string& line : lines) {
        all += line + "\n";
    }
    return all;
}

// The rows of a query, sorted.
inline std::string rows(const laminar::Database& db, laminar::Text sql) {
    auto query = db.query(sql);
    const laminar::Schema schema = query.schema();
    std::string all;
    for (laminar::Array& batch : query) {
        all += text_of(schema, batch);
    }
    return sorted_lines(all);
}

#endif
