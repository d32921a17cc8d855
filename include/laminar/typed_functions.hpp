/** laminar/typed_functions.hpp: functions of SQL over C++ values instead of Arrow arrays. */
#ifndef LAMINAR_TYPED_FUNCTIONS_HPP
#define LAMINAR_TYPED_FUNCTIONS_HPP

#include <laminar/column.hpp>
#include <laminar/column_builder.hpp>
#include <laminar/functions.hpp>
#include <laminar/types.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace laminar::detail {

template <class T>
struct value_of {
    using type = std::conditional_t<std::is_convertible_v<const T&, std::string_view>,
                                    std::string_view, T>;
};
template <class T>
struct value_of<std::optional<T>> : value_of<T> {};

/** How a column holds a T: without its optional, text as a view. */
template <class T>
using value_of_t = typename value_of<T>::type;

/** One argument: what is not an optional must not be NULL, which `all_there` has seen to. */
template <class T>
T argument(const Column& column, std::int64_t row) {
    if constexpr (is_optional<T>::value) {
        if (column.is_null(row)) {
            return std::nullopt;
        }
    }
    return T(column.value<value_of_t<T>>(row));
}

/** A signature R(A...). */
template <class Signature>
struct Signed;

template <class R, class... A>
struct Signed<R(A...)> {
    using result = R;
    using columns = std::index_sequence_for<A...>;

    /** The arguments' schema: the columns are named by their places. */
    static Schema arguments() {
        std::vector<ColumnType> types;
        (types.push_back({"a" + std::to_string(types.size()), format_of<A>()}), ...);
        return rows_type(std::move(types));
    }

    /** Whether no argument is NULL that may not be. */
    template <std::size_t... I>
    static bool all_there([[maybe_unused]] const Rows& rows, [[maybe_unused]] std::int64_t row,
                          std::index_sequence<I...>) {
        return ((is_optional<A>::value || !rows[I].is_null(row)) && ...);
    }

    template <class F, std::size_t... I>
    static decltype(auto) call(F& function, [[maybe_unused]] const Rows& rows,
                               [[maybe_unused]] std::int64_t row, std::index_sequence<I...>) {
        return function(argument<A>(rows[I], row)...);
    }
};

/** Adds a result, or NULL for an optional without one. */
template <class T, class R>
void append(ColumnBuilder<T>& results, const R& result) {
    if constexpr (is_optional<R>::value) {
        if (!result) {
            results.append_null();
            return;
        }
        results.append(T(*result));
    } else {
        results.append(T(result));
    }
}

/** A function of values as one of rows. */
template <class Signature, class F>
ScalarFunction by_row(F function) {
    using Types = Signed<Signature>;
    return [function = std::move(function)](const Rows& rows) {
        ColumnBuilder<value_of_t<typename Types::result>> results;
        results.reserve(static_cast<std::size_t>(rows.size()));
        for (std::int64_t row = 0; row < rows.size(); ++row) {
            if (!Types::all_there(rows, row, typename Types::columns())) {
                results.append_null();
                continue;
            }
            append(results, Types::call(function, rows, row, typename Types::columns()));
        }
        return results.finish();
    };
}

/** A state kept as its bytes. */
template <class State>
State load(const Rows& rows) {
    State state{};
    if (rows) {
        const auto bytes = rows[0].get<std::string_view>(0);
        if (bytes) {
            std::memcpy(&state, bytes->data(), sizeof state);
        }
    }
    return state;
}

template <class State>
Array save(const State& state) {
    ColumnBuilder<std::string_view> bytes;
    bytes.append(std::string_view(reinterpret_cast<const char*>(&state), sizeof state));
    return rows_of(bytes.finish());
}

/** A class that takes rows in as an aggregate function. */
template <class State, class Signature>
AggregateFunction by_state() {
    using Types = Signed<Signature>;
    AggregateFunction function;
    function.update = [](const Rows& before, const Rows& rows) {
        State state = load<State>(before);
        const auto take = [&state](auto&&... values) { state.update(values...); };
        for (std::int64_t row = 0; row < rows.size(); ++row) {
            if (Types::all_there(rows, row, typename Types::columns())) {
                Types::call(take, rows, row, typename Types::columns());
            }
        }
        return save(state);
    };
    function.merge = [](const Rows& one, const Rows& two) {
        State state = load<State>(one);
        state.merge(load<State>(two));
        return save(state);
    };
    function.evaluate = [](const Rows& held) {
        const State state = load<State>(held);
        ColumnBuilder<value_of_t<typename Types::result>> result;
        append(result, state.evaluate());
        return result.finish();
    };
    return function;
}

} // namespace laminar::detail

#endif // LAMINAR_TYPED_FUNCTIONS_HPP
