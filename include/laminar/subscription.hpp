/** laminar/subscription.hpp: consumers of changes. */
#ifndef LAMINAR_SUBSCRIPTION_HPP
#define LAMINAR_SUBSCRIPTION_HPP

#include <laminar.h>
#include <laminar/arrow.hpp>
#include <laminar/bytes.hpp>
#include <laminar/callback.hpp>
#include <laminar/error.hpp>
#include <laminar/handle.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

namespace laminar {

/** What a poll found. */
enum class Outcome : laminar_status {
    batch = LAMINAR_OK,     ///< rows
    again = LAMINAR_AGAIN,  ///< nothing within the time allowed
    end = LAMINAR_END,      ///< there will be no more
    lagged = LAMINAR_LAGGED, ///< rows were missed: see `Subscription::lagged`
    reset = LAMINAR_RESET,  ///< forget what was received: the next batch is the whole content
    busy = LAMINAR_BUSY,    ///< another thread is using the subscription
};

/** One step of a subscription; `batch` holds rows when the outcome is `Outcome::batch`. */
struct Change {
    Outcome outcome = Outcome::again;
    Array batch;
    std::uint64_t epoch = 0;

    /** Whether there are rows. */
    explicit operator bool() const noexcept { return outcome == Outcome::batch; }
};

/** The same with the rows as an Arrow IPC stream of their own: the schema, then one batch. */
struct IpcChange {
    Outcome outcome = Outcome::again;
    Bytes ipc;
    std::uint64_t epoch = 0;

    /** Whether there are rows. */
    explicit operator bool() const noexcept { return outcome == Outcome::batch; }
};

/** The weights of a batch's rows: -1 for what ceased, +1 for what is new. */
class Weights {
public:
    Weights(const std::int64_t* data, std::size_t size) noexcept : data_(data), size_(size) {}

    /** Whether every row is +1. */
    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }
    std::int64_t operator[](std::size_t row) const noexcept { return size_ == 0 ? 1 : data_[row]; }
    const std::int64_t* begin() const noexcept { return data_; }
    const std::int64_t* end() const noexcept { return data_ + size_; }

private:
    const std::int64_t* data_;
    std::size_t size_;
};

/** A consumer of a stream's changes. */
class Subscription {
public:
    using iterator = detail::Iterator<Subscription, Change>;

    explicit Subscription(laminar_subscription* handle) noexcept : handle_(handle) {}

    /** What comes next within `timeout`: zero never waits, a negative one waits for ever. */
    Change poll(std::chrono::milliseconds timeout = std::chrono::milliseconds(0)) {
        detail::Slot slot;
        Change change;
        const laminar_status status =
            laminar_poll(capi(), timeout.count(), change.batch.out(), nullptr, slot);
        settle(change, status, slot);
        return change;
    }

    /** As `poll`, with the rows as Arrow IPC. */
    IpcChange poll_ipc(std::chrono::milliseconds timeout = std::chrono::milliseconds(0)) {
        detail::Slot slot;
        IpcChange change;
        std::uint8_t* data = nullptr;
        std::size_t size = 0;
        const laminar_status status =
            laminar_poll_ipc(capi(), timeout.count(), &data, &size, slot);
        change.ipc = Bytes(data, size);
        settle(change, status, slot);
        return change;
    }

    /** Waits for what comes next: rows, `lagged` or `reset`; nothing at the end. */
    std::optional<Change> next() {
        for (;;) {
            Change change = poll(std::chrono::milliseconds(-1));
            switch (change.outcome) {
            case Outcome::end:
                return std::nullopt;
            case Outcome::busy:
                detail::Slot().check(LAMINAR_BUSY);
                break;
            case Outcome::again:
                break;
            default:
                return change;
            }
        }
    }

    /**
     * `for (laminar::Change& change : subscription)`, until the end. Look at `change.outcome`
     * where rows may be missed. The subscription must not be moved meanwhile.
     */
    iterator begin() { return iterator(this); }
    iterator end() noexcept { return iterator(); }

    Schema schema() const {
        detail::Slot slot;
        Schema schema;
        slot.check(laminar_subscription_schema(capi(), schema.out(), slot));
        return schema;
    }

    /** The epoch of the last batch. */
    std::uint64_t epoch() const noexcept { return laminar_subscription_epoch(capi()); }

    /** The weights of the last batch, borrowed until the next poll. */
    Weights weights() const noexcept {
        const std::int64_t* data = nullptr;
        const std::size_t size = laminar_subscription_weights(capi(), &data);
        return Weights(data, size);
    }

    /** Rows missed so far. */
    std::uint64_t lagged() const noexcept { return laminar_subscription_lagged(capi()); }
    /** Ends the subscription and wakes whoever waits. */
    void cancel() const noexcept { laminar_subscription_cancel(capi()); }

    /**
     * Installs the one callback: called at once if something waits, then once after each poll that
     * found nothing as soon as something comes, and at the end. It may run on any thread that
     * pushes, and must not throw. An empty function removes it; once that, or the destructor, has
     * returned, no new call starts.
     */
    void on_ready(std::function<void()> callback) const {
        detail::install_callback(laminar_on_ready, capi(), std::move(callback));
    }

    laminar_subscription* capi() const noexcept { return handle_.get(); }

private:
    friend iterator;

    /** Throws an error, and notes an outcome. */
    template <class Polled>
    void settle(Polled& change, laminar_status status, const detail::Slot& slot) const {
        if (status >= 100) {
            slot.check(status);
        }
        change.outcome = static_cast<Outcome>(status);
        if (change) {
            change.epoch = laminar_subscription_epoch(capi());
        }
    }

    bool advance() {
        current_ = Change();
        std::optional<Change> change = next();
        if (change) {
            current_ = std::move(*change);
        }
        return change.has_value();
    }

    detail::Handle<laminar_subscription, laminar_subscription_free> handle_;
    Change current_;
};

} // namespace laminar

#endif // LAMINAR_SUBSCRIPTION_HPP
