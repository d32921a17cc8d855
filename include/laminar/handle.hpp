/** laminar/handle.hpp: owning a C handle, and ranges over what handles give. */
#ifndef LAMINAR_HANDLE_HPP
#define LAMINAR_HANDLE_HPP

#include <cstddef>
#include <iterator>
#include <memory>

namespace laminar {

namespace detail {

template <auto Free>
struct Deleter {
    template <class T>
    void operator()(T* handle) const noexcept {
        Free(handle);
    }
};

template <class T, auto Free>
using Handle = std::unique_ptr<T, Deleter<Free>>;

/** The `drop` of userdata that was made with `new T`. */
template <class T>
void drop(void* userdata) noexcept {
    delete static_cast<T*>(userdata);
}

/** An input iterator over whatever `Range::advance()` brings into `Range::current()`. */
template <class Range, class Value>
class Iterator {
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Value;
    using difference_type = std::ptrdiff_t;
    using pointer = Value*;
    using reference = Value&;

    Iterator() noexcept = default;
    explicit Iterator(Range* range) : range_(range) { ++*this; }

    Value& operator*() const noexcept { return range_->current_; }
    Value* operator->() const noexcept { return &range_->current_; }
    Iterator& operator++() {
        if (!range_->advance()) {
            range_ = nullptr;
        }
        return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(const Iterator& other) const noexcept { return range_ == other.range_; }
    bool operator!=(const Iterator& other) const noexcept { return range_ != other.range_; }

private:
    Range* range_ = nullptr;
};

} // namespace detail

} // namespace laminar

#endif // LAMINAR_HANDLE_HPP
