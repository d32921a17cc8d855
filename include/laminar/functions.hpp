/** laminar/functions.hpp: functions of SQL that are written in C++. */
#ifndef LAMINAR_FUNCTIONS_HPP
#define LAMINAR_FUNCTIONS_HPP

#include <laminar.h>
#include <laminar/arrow.hpp>
#include <laminar/column.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <exception>
#include <functional>
#include <string_view>
#include <utility>

namespace laminar {

/** What a scalar function depends on. */
enum class Volatility {
    immutable, ///< equal arguments give equal results
    stable,    ///< within one statement
    volatile_, ///< not even then; refused over rows that can change
};

/**
 * A scalar function over rows of arguments: as many results, in one array. It may be called on
 * several threads at once, while the engine is locked: what would need the engine throws
 * LAMINAR_CONNECTION_IN_USE there. An exception refuses the rows; each is then tried by itself, and
 * the rows that are refused alone become dead letters with its `what()`.
 */
using ScalarFunction = std::function<Array(const Rows& arguments)>;

/**
 * An aggregate function. A state is a struct array of one row, which the library keeps; an empty
 * view (`!state`), like a state whose columns are all NULL, is the state of no rows. Threads and
 * exceptions are as for a scalar function.
 */
struct AggregateFunction {
    /** The state after some more rows. */
    std::function<Array(const Rows& state, const Rows& arguments)> update;
    /** The state of the rows of both. */
    std::function<Array(const Rows& state, const Rows& other)> merge;
    /** The result, an array of one value. */
    std::function<Array(const Rows& state)> evaluate;
};

namespace detail {

/** Puts out what `work` makes; what it throws is the reason of a refusal. */
template <class Work>
int answer(ArrowArray* result, char* message, std::size_t message_size, Work work) noexcept {
    const auto refuse = [&](std::string_view reason) {
        const std::size_t size = std::min(reason.size(), message_size - 1);
        std::memcpy(message, reason.data(), size);
        message[size] = '\0';
        return 1;
    };
    try {
        Array made = work();
        made.move_to(result);
        return 0;
    } catch (const std::exception& thrown) {
        return refuse(thrown.what());
    } catch (...) {
        return refuse("the function threw something that is no std::exception");
    }
}

struct HostScalar {
    Schema arguments;
    ScalarFunction function;

    static int call(void* userdata, ArrowArray* arguments, ArrowArray* result, char* message,
                    std::size_t message_size) noexcept {
        const auto* self = static_cast<const HostScalar*>(userdata);
        const Array given(arguments);
        return answer(result, message, message_size,
                      [&] { return self->function(Rows(self->arguments, given)); });
    }
};

struct HostAggregate {
    Schema arguments;
    Schema state;
    AggregateFunction function;

    static int update(void* userdata, ArrowArray* state, ArrowArray* arguments, ArrowArray* result,
                      char* message, std::size_t message_size) noexcept {
        const auto* self = static_cast<const HostAggregate*>(userdata);
        const Array before(state);
        const Array given(arguments);
        return answer(result, message, message_size, [&] {
            return self->function.update(Rows(self->state, before), Rows(self->arguments, given));
        });
    }

    static int merge(void* userdata, ArrowArray* state, ArrowArray* other, ArrowArray* result,
                     char* message, std::size_t message_size) noexcept {
        const auto* self = static_cast<const HostAggregate*>(userdata);
        const Array one(state);
        const Array two(other);
        return answer(result, message, message_size, [&] {
            return self->function.merge(Rows(self->state, one), Rows(self->state, two));
        });
    }

    static int evaluate(void* userdata, ArrowArray* state, ArrowArray* result, char* message,
                        std::size_t message_size) noexcept {
        const auto* self = static_cast<const HostAggregate*>(userdata);
        const Array held(state);
        return answer(result, message, message_size,
                      [&] { return self->function.evaluate(Rows(self->state, held)); });
    }
};

} // namespace detail

} // namespace laminar

#endif // LAMINAR_FUNCTIONS_HPP
