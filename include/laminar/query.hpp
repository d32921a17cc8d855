/** laminar/query.hpp: the rows of an ad-hoc query. */
#ifndef LAMINAR_QUERY_HPP
#define LAMINAR_QUERY_HPP

#include <laminar.h>
#include <laminar/arrow.hpp>
#include <laminar/bytes.hpp>
#include <laminar/error.hpp>
#include <laminar/handle.hpp>

#include <cstddef>
#include <cstdint>

namespace laminar {

/** The rows of one ad-hoc query over one consistent epoch. */
class Query {
public:
    using iterator = detail::Iterator<Query, Array>;

    explicit Query(laminar_query* handle) noexcept : handle_(handle) {}

    Schema schema() const {
        detail::Slot slot;
        Schema schema;
        slot.check(laminar_query_schema(capi(), schema.out(), slot));
        return schema;
    }

    /** The next batch; an empty Array at the end. Waits for it. */
    Array next() {
        detail::Slot slot;
        Array batch;
        const laminar_status status = laminar_query_next(capi(), batch.out(), nullptr, slot);
        if (status != LAMINAR_END) {
            slot.check(status);
        }
        return batch;
    }

    /** The rest of the rows as one Arrow IPC stream. Waits for all of them. */
    Bytes ipc() {
        detail::Slot slot;
        std::uint8_t* data = nullptr;
        std::size_t size = 0;
        slot.check(laminar_query_ipc(capi(), &data, &size, slot));
        return Bytes(data, size);
    }

    /** Its number in `laminar_queries`; 0 when it is not listed. */
    std::uint64_t id() const noexcept { return laminar_query_id(capi()); }

    /** Makes the current and every later `next` throw LAMINAR_QUERY_CANCELLED. Never waits. */
    void cancel() const noexcept { laminar_query_cancel(capi()); }

    /** `for (laminar::Array& batch : query)`; the query must not be moved meanwhile. */
    iterator begin() { return iterator(this); }
    iterator end() noexcept { return iterator(); }

    laminar_query* capi() const noexcept { return handle_.get(); }

private:
    friend iterator;

    bool advance() {
        current_ = next();
        return static_cast<bool>(current_);
    }

    detail::Handle<laminar_query, laminar_query_free> handle_;
    Array current_;
};

} // namespace laminar

#endif // LAMINAR_QUERY_HPP
