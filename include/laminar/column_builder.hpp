/** laminar/column_builder.hpp: Arrow arrays out of values, without an Arrow library. */
#ifndef LAMINAR_COLUMN_BUILDER_HPP
#define LAMINAR_COLUMN_BUILDER_HPP

#include <laminar/arrow.hpp>
#include <laminar/error.hpp>
#include <laminar/types.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace laminar {

namespace detail {

/** What an array made here owns. */
struct OwnedArray {
    std::vector<std::uint8_t> validity;
    std::vector<std::uint8_t> values;
    std::vector<std::int32_t> offsets;
    const void* buffers[3] = {};
    std::vector<Array> children;
    std::vector<ArrowArray*> pointers;

    static Array give(std::unique_ptr<OwnedArray> owned, std::int64_t length,
                      std::int64_t null_count, std::int64_t n_buffers) {
        for (Array& child : owned->children) {
            owned->pointers.push_back(child.get());
        }
        ArrowArray out{};
        out.length = length;
        out.null_count = null_count;
        out.n_buffers = n_buffers;
        out.buffers = owned->buffers;
        out.n_children = static_cast<std::int64_t>(owned->pointers.size());
        out.children = owned->pointers.data();
        out.release = [](ArrowArray* array) noexcept {
            delete static_cast<OwnedArray*>(array->private_data);
            array->release = nullptr;
        };
        out.private_data = owned.release();
        return Array(&out);
    }
};

} // namespace detail

/**
 * Gathers values of one type: `bool`, a number (dates and times go by their counts), or
 * `std::string_view` for text and binary columns.
 */
template <class T>
class ColumnBuilder {
public:
    ColumnBuilder() {
        if constexpr (is_text) {
            owned_->offsets.push_back(0);
        }
    }

    /** Room for so many values. */
    void reserve(std::size_t rows) {
        owned_->validity.reserve(rows / 8 + 1);
        if constexpr (is_text) {
            owned_->offsets.reserve(rows + 1);
        } else {
            owned_->values.reserve(is_bool ? rows / 8 + 1 : rows * sizeof(T));
        }
    }

    ColumnBuilder& append(T value) {
        set_bit(owned_->validity, true);
        if constexpr (is_bool) {
            set_bit(owned_->values, value);
        } else if constexpr (is_text) {
            append_bytes(value.data(), value.size());
            end_text();
        } else {
            append_bytes(&value, sizeof value);
        }
        ++rows_;
        return *this;
    }

    ColumnBuilder& append_null() {
        set_bit(owned_->validity, false);
        if constexpr (is_bool) {
            set_bit(owned_->values, false);
        } else if constexpr (is_text) {
            end_text();
        } else {
            const T zero{};
            append_bytes(&zero, sizeof zero);
        }
        ++rows_;
        ++nulls_;
        return *this;
    }

    /** A value, or NULL for an optional without one. */
    template <class Optional, class = std::enable_if_t<detail::is_optional<Optional>::value>>
    ColumnBuilder& append(const Optional& value) {
        return value ? append(T(*value)) : append_null();
    }

    /** The array of the values so far; the builder begins anew. */
    Array finish() {
        ColumnBuilder done;
        std::swap(*this, done);
        detail::OwnedArray& owned = *done.owned_;
        owned.buffers[0] = done.nulls_ == 0 ? nullptr : owned.validity.data();
        owned.buffers[1] = is_text ? static_cast<const void*>(owned.offsets.data())
                                   : static_cast<const void*>(owned.values.data());
        owned.buffers[2] = is_text ? owned.values.data() : nullptr;
        return detail::OwnedArray::give(std::move(done.owned_), done.rows_, done.nulls_,
                                        is_text ? 3 : 2);
    }

private:
    static constexpr bool is_bool = std::is_same_v<T, bool>;
    static constexpr bool is_text = std::is_same_v<T, std::string_view>;
    static_assert(is_text || std::is_arithmetic_v<T>,
                  "columns are built of bool, numbers or std::string_view");

    void set_bit(std::vector<std::uint8_t>& bits, bool bit) {
        if (rows_ % 8 == 0) {
            bits.push_back(0);
        }
        bits.back() = static_cast<std::uint8_t>(bits.back() | (bit ? 1U : 0U) << (rows_ % 8));
    }

    void append_bytes(const void* from, std::size_t size) {
        const auto* bytes = static_cast<const std::uint8_t*>(from);
        owned_->values.insert(owned_->values.end(), bytes, bytes + size);
    }

    void end_text() {
        constexpr std::size_t most = std::numeric_limits<std::int32_t>::max();
        if (owned_->values.size() > most) {
            throw Error(LAMINAR_INGESTION_FAILED, "LDB-3001",
                        "LDB-3001: the texts of one column take up more than 2 GiB: build several");
        }
        owned_->offsets.push_back(static_cast<std::int32_t>(owned_->values.size()));
    }

    std::unique_ptr<detail::OwnedArray> owned_ = std::make_unique<detail::OwnedArray>();
    std::int64_t rows_ = 0;
    std::int64_t nulls_ = 0;
};

/** An array of some values; those that are nothing are NULL. */
template <class T>
Array column_of(const std::vector<std::optional<T>>& values) {
    ColumnBuilder<T> builder;
    builder.reserve(values.size());
    for (const std::optional<T>& value : values) {
        builder.append(value);
    }
    return builder.finish();
}

/** Columns of equal length as the struct array of their rows: a batch, or a state. */
inline Array rows_of(std::vector<Array> columns) {
    const std::int64_t rows = columns.empty() ? 0 : columns.front().rows();
    auto owned = std::make_unique<detail::OwnedArray>();
    owned->children = std::move(columns);
    return detail::OwnedArray::give(std::move(owned), rows, 0, 1);
}

/** The same for columns given one by one. */
template <class... More>
Array rows_of(Array first, More... more) {
    std::vector<Array> columns;
    columns.push_back(std::move(first));
    (columns.push_back(std::move(more)), ...);
    return rows_of(std::move(columns));
}

} // namespace laminar

#endif // LAMINAR_COLUMN_BUILDER_HPP
