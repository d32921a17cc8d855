/** laminar/column.hpp: reading Arrow's columns in place. */
#ifndef LAMINAR_COLUMN_HPP
#define LAMINAR_COLUMN_HPP

#include <laminar/arrow.hpp>
#include <laminar/error.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace laminar {

/** A view of one column; what it views must outlive it. */
class Column {
public:
    /** `size` values of `array` from `from` on, on top of the array's own offset. */
    Column(const ArrowSchema* schema, const ArrowArray* array, std::int64_t from,
           std::int64_t size) noexcept
        : schema_(schema), array_(array), from_(from + array->offset), size_(size) {}
    Column(const ArrowSchema* schema, const ArrowArray* array) noexcept
        : Column(schema, array, 0, array->length) {}

    std::int64_t size() const noexcept { return size_; }
    /** The Arrow format string of its type. */
    std::string_view format() const noexcept { return schema_->format; }
    /** The structs behind it. */
    const ArrowSchema* schema() const noexcept { return schema_; }
    const ArrowArray* array() const noexcept { return array_; }

    bool is_null(std::int64_t row) const noexcept {
        if (format() == "n") {
            return true;
        }
        const auto* bits = static_cast<const std::uint8_t*>(array_->buffers[0]);
        return bits != nullptr && !bit(bits, row);
    }

    /**
     * A value that is not NULL: as `bool`; as an integer of any type that holds all those of the
     * column (also the count of a date, time, timestamp or duration, in the column's unit); as
     * `float` or `double`; or as `std::string_view`, for text and binary columns. Throws
     * LAMINAR_SCHEMA_MISMATCH for a column of another type.
     */
    template <class T>
    T value(std::int64_t row) const {
        if constexpr (std::is_same_v<T, bool>) {
            require(format() == "b", "bool");
            return bit(static_cast<const std::uint8_t*>(array_->buffers[1]), row);
        } else if constexpr (std::is_integral_v<T>) {
            return integer<T>(row);
        } else if constexpr (std::is_floating_point_v<T>) {
            return floating<T>(row);
        } else {
            static_assert(std::is_same_v<T, std::string_view>,
                          "a value is read as bool, a number or std::string_view");
            return text(row);
        }
    }

    /** The same, and nothing for NULL. */
    template <class T>
    std::optional<T> get(std::int64_t row) const {
        return is_null(row) ? std::nullopt : std::optional<T>(value<T>(row));
    }

    /** All values in a row, NULL ones included, of a column that holds exactly this number type. */
    template <class T>
    const T* values() const noexcept {
        static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>, "of numbers alone");
        return static_cast<const T*>(array_->buffers[1]) + from_;
    }

private:
    bool bit(const std::uint8_t* bits, std::int64_t row) const noexcept {
        const std::int64_t at = from_ + row;
        return (bits[at / 8] >> (at % 8) & 1) != 0;
    }

    void require(bool fits, const char* wanted) const {
        if (!fits || schema_->dictionary != nullptr) {
            const std::string reason = "LDB-2201: a column of the Arrow format `" +
                                       std::string(format()) + "` cannot be read as " + wanted;
            throw Error(LAMINAR_SCHEMA_MISMATCH, "LDB-2201", reason.c_str());
        }
    }

    /** The value, when a T holds everything that a From can be. */
    template <class T, class From>
    T widened(std::int64_t row) const {
        using Limits = std::numeric_limits<T>;
        constexpr bool fits = (std::is_signed_v<T> || !std::is_signed_v<From>) &&
                              Limits::digits >= std::numeric_limits<From>::digits;
        require(fits, "a narrower number");
        return static_cast<T>(values<From>()[row]);
    }

    template <class T>
    T integer(std::int64_t row) const {
        const std::string_view f = format();
        switch (f.empty() ? '\0' : f[0]) {
        case 'c':
            return widened<T, std::int8_t>(row);
        case 'C':
            return widened<T, std::uint8_t>(row);
        case 's':
            return widened<T, std::int16_t>(row);
        case 'S':
            return widened<T, std::uint16_t>(row);
        case 'i':
            return widened<T, std::int32_t>(row);
        case 'I':
            return widened<T, std::uint32_t>(row);
        case 'l':
            return widened<T, std::int64_t>(row);
        case 'L':
            return widened<T, std::uint64_t>(row);
        case 't':
            // Days, and times of a day in seconds or milliseconds, have 32 bits; "ti" is intervals.
            require(f[1] != 'i', "an integer");
            return f == "tdD" || f == "tts" || f == "ttm" ? widened<T, std::int32_t>(row)
                                                          : widened<T, std::int64_t>(row);
        default:
            require(false, "an integer");
            return T();
        }
    }

    template <class T>
    T floating(std::int64_t row) const {
        if (format() == "f") {
            return static_cast<T>(values<float>()[row]);
        }
        require(format() == "g" && sizeof(T) >= sizeof(double), "a floating-point number");
        return static_cast<T>(values<double>()[row]);
    }

    std::string_view text(std::int64_t row) const {
        const std::string_view f = format();
        if (f == "u" || f == "z") {
            return slice(values<std::int32_t>() + row);
        }
        if (f == "U" || f == "Z") {
            return slice(values<std::int64_t>() + row);
        }
        require(f.substr(0, 2) == "w:", "text");
        const auto width = std::stoul(std::string(f.substr(2)));
        const auto* data = static_cast<const char*>(array_->buffers[1]);
        return {data + static_cast<std::size_t>(from_ + row) * width, width};
    }

    template <class Offset>
    std::string_view slice(const Offset* offsets) const noexcept {
        const auto* data = static_cast<const char*>(array_->buffers[2]);
        const auto size = static_cast<std::size_t>(offsets[1] - offsets[0]);
        // Where all texts are empty there need not be any data.
        return size == 0 ? std::string_view() : std::string_view(data + offsets[0], size);
    }

    const ArrowSchema* schema_;
    const ArrowArray* array_;
    std::int64_t from_;
    std::int64_t size_;
};

/** A view of rows: a struct array and its schema, both of which must outlive it. */
class Rows {
public:
    Rows(const ArrowSchema* schema, const ArrowArray* array) noexcept
        : schema_(schema), array_(array) {}
    Rows(const Schema& schema, const Array& array) noexcept : Rows(schema.get(), array.get()) {}

    /** Whether there are any rows to speak of: false for a released array. */
    explicit operator bool() const noexcept { return array_->release != nullptr; }
    std::int64_t size() const noexcept { return array_->length; }
    std::int64_t columns() const noexcept { return schema_->n_children; }
    Column operator[](std::int64_t column) const noexcept {
        return Column(schema_->children[column], array_->children[column], array_->offset,
                      array_->length);
    }
    const ArrowSchema* schema() const noexcept { return schema_; }
    const ArrowArray* array() const noexcept { return array_; }

private:
    const ArrowSchema* schema_;
    const ArrowArray* array_;
};

} // namespace laminar

#endif // LAMINAR_COLUMN_HPP
