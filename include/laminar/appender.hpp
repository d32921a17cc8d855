/** laminar/appender.hpp: rows written value by value. */
#ifndef LAMINAR_APPENDER_HPP
#define LAMINAR_APPENDER_HPP

#include <laminar.h>
#include <laminar/error.hpp>
#include <laminar/handle.hpp>
#include <laminar/types.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

namespace laminar {

/** Rows of a source written one value at a time, pushed together as one epoch. */
class Appender {
public:
    explicit Appender(laminar_appender* handle) noexcept : handle_(handle) {}

    /**
     * Sets a column of the row begun: `bool`, any integer, `float`, `double`, anything that is a
     * `std::string_view`, `nullptr` for NULL, or a `std::optional` of those. Integers serve date,
     * time and timestamp columns in the column's unit; decimals go as strings. Throws when the
     * value does not fit its column, naming it.
     */
    template <class T>
    Appender& set(std::size_t column, const T& value) {
        detail::Slot slot;
        if constexpr (std::is_same_v<T, std::nullptr_t> || std::is_same_v<T, std::nullopt_t>) {
            slot.check(laminar_append_null(capi(), column, slot));
        } else if constexpr (detail::is_optional<T>::value) {
            return value ? set(column, *value) : set(column, nullptr);
        } else if constexpr (std::is_same_v<T, bool>) {
            slot.check(laminar_append_bool(capi(), column, value, slot));
        } else if constexpr (std::is_integral_v<T> && std::is_signed_v<T>) {
            slot.check(laminar_append_int64(capi(), column, value, slot));
        } else if constexpr (std::is_integral_v<T>) {
            slot.check(laminar_append_uint64(capi(), column, value, slot));
        } else if constexpr (std::is_floating_point_v<T>) {
            slot.check(laminar_append_double(capi(), column, static_cast<double>(value), slot));
        } else {
            static_assert(std::is_convertible_v<const T&, std::string_view>,
                          "a column takes bool, numbers, text, nullptr or an optional of those");
            const std::string_view text = value;
            slot.check(laminar_append_string(capi(), column, text.data(), text.size(), slot));
        }
        return *this;
    }

    /** Sets a binary column. */
    Appender& set_binary(std::size_t column, const void* bytes, std::size_t size) {
        detail::Slot slot;
        slot.check(laminar_append_binary(capi(), column, static_cast<const std::uint8_t*>(bytes),
                                         size, slot));
        return *this;
    }

    /** Ends the row; columns not set are NULL, which throws where the column is NOT NULL. */
    Appender& end_row() {
        detail::Slot slot;
        slot.check(laminar_append_row(capi(), slot));
        return *this;
    }

    /**
     * Pushes the rows as one epoch. When there is no room in time it throws LAMINAR_BACKPRESSURE
     * and keeps the rows; any other error drops them.
     */
    void flush() {
        detail::Slot slot;
        slot.check(laminar_appender_flush(capi(), slot));
    }

    /** Pushes the rows if nothing has to be waited for; else answers false and keeps them. */
    bool try_flush() {
        detail::Slot slot;
        const laminar_status status = laminar_appender_try_flush(capi(), slot);
        if (status == LAMINAR_AGAIN) {
            return false;
        }
        slot.check(status);
        return true;
    }

    /** Forgets what was not flushed. */
    void reset() noexcept { laminar_appender_reset(capi()); }
    /** Rows ended and not flushed. */
    std::size_t rows() const noexcept { return laminar_appender_rows(capi()); }

    laminar_appender* capi() const noexcept { return handle_.get(); }

private:
    detail::Handle<laminar_appender, laminar_appender_free> handle_;
};

} // namespace laminar

#endif // LAMINAR_APPENDER_HPP
