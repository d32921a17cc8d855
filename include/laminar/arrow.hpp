/** laminar/arrow.hpp: owners of the structs of Arrow's C data and stream interfaces. */
#ifndef LAMINAR_ARROW_HPP
#define LAMINAR_ARROW_HPP

#include <laminar.h>
#include <laminar/error.hpp>

#include <cstdint>
#include <cstring>
#include <string_view>

namespace laminar {

namespace detail {

/** Owns one Arrow C struct: released on destruction, moved as Arrow moves (bitwise). */
template <class T>
class Owned {
public:
    Owned() noexcept = default;
    /** Takes the struct over; `from` is left released. */
    explicit Owned(T* from) noexcept : raw_(*from) { from->release = nullptr; }
    Owned(Owned&& other) noexcept : Owned(&other.raw_) {}
    Owned& operator=(Owned&& other) noexcept {
        if (this != &other) {
            reset();
            raw_ = other.raw_;
            other.raw_.release = nullptr;
        }
        return *this;
    }
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    ~Owned() { reset(); }

    /** Whether it holds something: not empty, not moved from, not released. */
    explicit operator bool() const noexcept { return raw_.release != nullptr; }
    T* get() noexcept { return &raw_; }
    const T* get() const noexcept { return &raw_; }
    T* operator->() noexcept { return &raw_; }
    const T* operator->() const noexcept { return &raw_; }

    /** Empties it and gives the struct to be filled in. */
    T* out() noexcept {
        reset();
        return &raw_;
    }

    /** Hands the struct to `to`, which must not hold anything, and is empty from then on. */
    void move_to(T* to) noexcept {
        *to = raw_;
        raw_.release = nullptr;
    }

    /** Releases what it holds, if anything. */
    void reset() noexcept {
        if (raw_.release != nullptr) {
            raw_.release(&raw_);
        }
        raw_ = T{};
    }

private:
    T raw_{};
};

} // namespace detail

/** An ArrowSchema, released on destruction. */
class Schema : public detail::Owned<ArrowSchema> {
public:
    using Owned::Owned;

    /** The number of columns. */
    std::int64_t columns() const noexcept { return get()->n_children; }
    /** The name of a column, borrowed. */
    std::string_view name(std::int64_t column) const { return get()->children[column]->name; }
    /** The Arrow format string of a column, borrowed. */
    std::string_view format(std::int64_t column) const { return get()->children[column]->format; }
};

/** An ArrowArray, released on destruction: for a batch, a struct array of its columns. */
class Array : public detail::Owned<ArrowArray> {
public:
    using Owned::Owned;

    /** The number of rows. */
    std::int64_t rows() const noexcept { return get()->length; }
};

/** An ArrowArrayStream, released on destruction. */
class Stream : public detail::Owned<ArrowArrayStream> {
public:
    using Owned::Owned;

    Schema schema() {
        Schema schema;
        check(get()->get_schema(get(), schema.out()));
        return schema;
    }

    /** The next batch; an empty Array at the end. */
    Array next() {
        Array batch;
        check(get()->get_next(get(), batch.out()));
        return batch;
    }

private:
    void check(int error) {
        if (error != 0) {
            const char* message = get()->get_last_error(get());
            throw Error(LAMINAR_QUERY_FAILED, "",
                        message == nullptr ? std::strerror(error) : message);
        }
    }
};

} // namespace laminar

#endif // LAMINAR_ARROW_HPP
