/** laminar/types.hpp: the types of columns, where a program writes them down itself. */
#ifndef LAMINAR_TYPES_HPP
#define LAMINAR_TYPES_HPP

#include <laminar/arrow.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace laminar {

/** A column's name and type. */
struct ColumnType {
    std::string name;
    /** As Arrow writes it: "l" is int64, "g" double, "u" text, "z" binary, "tsm:" a timestamp. */
    std::string format;
};

namespace detail {

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};

/** What a schema made here owns; its children are released by whoever holds them. */
struct OwnedSchema {
    ColumnType type;
    std::vector<std::unique_ptr<ArrowSchema>> children;
    std::vector<ArrowSchema*> pointers;

    static void fill(ArrowSchema* out, ColumnType type, std::vector<ColumnType> children) {
        auto owned = std::make_unique<OwnedSchema>();
        owned->type = std::move(type);
        for (ColumnType& child : children) {
            owned->children.push_back(std::make_unique<ArrowSchema>());
            fill(owned->children.back().get(), std::move(child), {});
            owned->pointers.push_back(owned->children.back().get());
        }
        *out = ArrowSchema{};
        out->format = owned->type.format.c_str();
        out->name = owned->type.name.c_str();
        out->flags = ARROW_FLAG_NULLABLE;
        out->n_children = static_cast<std::int64_t>(owned->pointers.size());
        out->children = owned->pointers.data();
        out->release = release;
        out->private_data = owned.release();
    }

    static void release(ArrowSchema* schema) noexcept {
        const std::unique_ptr<OwnedSchema> owned(static_cast<OwnedSchema*>(schema->private_data));
        for (ArrowSchema* child : owned->pointers) {
            if (child->release != nullptr) {
                child->release(child);
            }
        }
        schema->release = nullptr;
    }
};

} // namespace detail

/** The schema of rows with these columns, all of which may be NULL. */
inline Schema rows_type(std::vector<ColumnType> columns) {
    Schema schema;
    detail::OwnedSchema::fill(schema.out(), {"", "+s"}, std::move(columns));
    return schema;
}

/** The schema of one column. */
inline Schema column_type(std::string format, std::string name = "") {
    Schema schema;
    detail::OwnedSchema::fill(schema.out(), {std::move(name), std::move(format)}, {});
    return schema;
}

/**
 * The Arrow format of a C++ type: `bool`, integers, `float`, `double`, and what is text
 * (`std::string`, `std::string_view`); for a `std::optional`, that of what it holds.
 */
template <class T>
constexpr const char* format_of() {
    if constexpr (std::is_same_v<T, bool>) {
        return "b";
    } else if constexpr (std::is_same_v<T, float>) {
        return "f";
    } else if constexpr (std::is_same_v<T, double>) {
        return "g";
    } else if constexpr (std::is_integral_v<T>) {
        constexpr const char* formats[2][4] = {{"C", "S", "I", "L"}, {"c", "s", "i", "l"}};
        constexpr std::size_t width = sizeof(T) == 8 ? 3 : sizeof(T) / 2;
        return formats[std::is_signed_v<T>][width];
    } else if constexpr (detail::is_optional<T>::value) {
        return format_of<typename T::value_type>();
    } else {
        static_assert(std::is_convertible_v<const T&, std::string_view>,
                      "a column holds bool, numbers or text");
        return "u";
    }
}

} // namespace laminar

#endif // LAMINAR_TYPES_HPP
