/** laminar/source.hpp: producers. */
#ifndef LAMINAR_SOURCE_HPP
#define LAMINAR_SOURCE_HPP

#include <laminar.h>
#include <laminar/appender.hpp>
#include <laminar/arrow.hpp>
#include <laminar/callback.hpp>
#include <laminar/error.hpp>
#include <laminar/handle.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <utility>

namespace laminar {

/** A producer of a source, with a watermark of its own. */
class Source {
public:
    explicit Source(laminar_source* handle) noexcept : handle_(handle) {}

    /** One more producer of the same source. */
    Source clone() const {
        detail::Slot slot;
        laminar_source* handle = nullptr;
        slot.check(laminar_source_clone(capi(), &handle, slot));
        return Source(handle);
    }

    /**
     * Pushes one batch as one epoch and returns once everything downstream has it. `schema` is
     * borrowed, and may be left out when it is the source's own. When there is no room in time it
     * throws LAMINAR_BACKPRESSURE and `batch` is kept; any other error releases it.
     */
    void push(Array& batch, const ArrowSchema* schema = nullptr) { push(batch.get(), schema); }
    void push(Array&& batch, const ArrowSchema* schema = nullptr) { push(batch.get(), schema); }
    void push(ArrowArray* batch, const ArrowSchema* schema = nullptr) {
        detail::Slot slot;
        slot.check(laminar_push(capi(), batch, schema, slot));
    }

    /** As `push`, and never waits: false when it would have to, with `batch` kept. */
    bool try_push(Array& batch, const ArrowSchema* schema = nullptr) {
        return try_push(batch.get(), schema);
    }
    bool try_push(ArrowArray* batch, const ArrowSchema* schema = nullptr) {
        detail::Slot slot;
        const laminar_status status = laminar_try_push(capi(), batch, schema, slot);
        if (status != LAMINAR_AGAIN) {
            slot.check(status);
        }
        return status == LAMINAR_OK;
    }

    /** Pushes every batch of a stream as one epoch: all are taken, or none. */
    void push_stream(Stream&& stream) { push_stream(stream.get()); }
    void push_stream(ArrowArrayStream* stream) {
        detail::Slot slot;
        slot.check(laminar_push_stream(capi(), stream, slot));
    }

    /** Pushes rows written as JSON as one epoch; how many. Options as in laminar_push_json. */
    std::uint64_t push_json(std::string_view text, const char* options_json = nullptr) {
        detail::Slot slot;
        std::uint64_t rows = 0;
        slot.check(laminar_push_json(capi(), text.data(), text.size(), options_json, &rows, slot));
        return rows;
    }

    /** Pushes rows written as CSV as one epoch; how many. Options as in laminar_push_csv. */
    std::uint64_t push_csv(std::string_view text, const char* options_json = nullptr) {
        detail::Slot slot;
        std::uint64_t rows = 0;
        slot.check(laminar_push_csv(capi(), text.data(), text.size(), options_json, &rows, slot));
        return rows;
    }

    /** Pushes an Arrow IPC stream or file as one epoch; how many rows it had. */
    std::uint64_t push_ipc(const std::uint8_t* data, std::size_t length) {
        detail::Slot slot;
        std::uint64_t rows = 0;
        slot.check(laminar_push_ipc(capi(), data, length, &rows, slot));
        return rows;
    }

    /** How long a push waits for room, in milliseconds; -1 where it waits as the database is set. */
    std::int64_t push_timeout_ms() const noexcept { return laminar_source_push_timeout_ms(capi()); }

    /**
     * Installs the one callback that tells when pushing is worth while: called at once if there is
     * room, then once each time there is room again after a push that found none (`try_push` answered
     * false, or LAMINAR_BACKPRESSURE was thrown), and when the source is no more. It runs on the thread
     * that made the room, and must not throw. An empty function removes it; once that, or the
     * destructor, has returned, no new call starts.
     */
    void on_room(std::function<void()> callback) const {
        detail::install_callback(laminar_source_on_room, capi(), std::move(callback));
    }

    /** Promises that this producer sends no event with a time of at most `ts_ms`. */
    void watermark(std::int64_t ts_ms) {
        detail::Slot slot;
        slot.check(laminar_watermark(capi(), ts_ms, slot));
    }

    /** Says that this producer sends nothing any more. */
    void end_of_input() {
        detail::Slot slot;
        slot.check(laminar_end_of_input(capi(), slot));
    }

    Schema schema() const {
        detail::Slot slot;
        Schema schema;
        slot.check(laminar_source_schema(capi(), schema.out(), slot));
        return schema;
    }

    /** The source's name, borrowed from this object. */
    std::string_view name() const noexcept { return laminar_source_name(capi()); }
    /** Rows that wait for `Database::start`. */
    std::uint64_t pending() const noexcept { return laminar_source_pending(capi()); }
    /** Rows that may wait. */
    std::uint64_t capacity() const noexcept { return laminar_source_capacity(capi()); }

    /** Writes rows value by value; they go through this producer. */
    Appender appender() const {
        detail::Slot slot;
        laminar_appender* handle = nullptr;
        slot.check(laminar_appender_open(capi(), &handle, slot));
        return Appender(handle);
    }

    laminar_source* capi() const noexcept { return handle_.get(); }

private:
    detail::Handle<laminar_source, laminar_source_free> handle_;
};

} // namespace laminar

#endif // LAMINAR_SOURCE_HPP
