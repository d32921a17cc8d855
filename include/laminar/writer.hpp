/** laminar/writer.hpp: batches gathered and pushed as one epoch. */
#ifndef LAMINAR_WRITER_HPP
#define LAMINAR_WRITER_HPP

#include <laminar.h>
#include <laminar/arrow.hpp>
#include <laminar/error.hpp>
#include <laminar/handle.hpp>

#include <cstdint>

namespace laminar {

/**
 * Gathers batches for a source. It is a producer of its own, with a watermark of its own; rows that
 * were not flushed when it is destroyed are forgotten.
 */
class Writer {
public:
    explicit Writer(laminar_writer* handle) noexcept : handle_(handle) {}

    /** Adds a batch, checked and converted as by `Source::push`; an error leaves earlier ones. */
    void append(Array& batch, const ArrowSchema* schema = nullptr) { append(batch.get(), schema); }
    void append(Array&& batch, const ArrowSchema* schema = nullptr) { append(batch.get(), schema); }
    void append(ArrowArray* batch, const ArrowSchema* schema = nullptr) {
        detail::Slot slot;
        slot.check(laminar_writer_append(capi(), batch, schema, slot));
    }

    /**
     * Pushes what was added as one epoch; how many rows. When there is no room in time it throws
     * LAMINAR_BACKPRESSURE and keeps the rows; any other error forgets them.
     */
    std::uint64_t flush() {
        detail::Slot slot;
        std::uint64_t rows = 0;
        slot.check(laminar_writer_flush(capi(), &rows, slot));
        return rows;
    }

    /** Flushes, then promises that no event with a time of at most `ts_ms` follows. */
    void watermark(std::int64_t ts_ms) {
        detail::Slot slot;
        slot.check(laminar_writer_watermark(capi(), ts_ms, slot));
    }

    /** Flushes and gives the producer up; later calls throw LAMINAR_WRITER_CLOSED. */
    void close() {
        detail::Slot slot;
        slot.check(laminar_writer_close(capi(), slot));
    }

    laminar_writer* capi() const noexcept { return handle_.get(); }

private:
    detail::Handle<laminar_writer, laminar_writer_free> handle_;
};

} // namespace laminar

#endif // LAMINAR_WRITER_HPP
