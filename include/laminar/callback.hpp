/** laminar/callback.hpp: a std::function as the callback of a C handle. */
#ifndef LAMINAR_CALLBACK_HPP
#define LAMINAR_CALLBACK_HPP

#include <laminar.h>
#include <laminar/error.hpp>
#include <laminar/handle.hpp>

#include <functional>
#include <utility>

namespace laminar {

namespace detail {

/** Installs a callback by the C function that does so for `handle`; an empty one removes it. */
template <class Install, class T>
void install_callback(Install install, T* handle, std::function<void()> callback) {
    using Callback = std::function<void()>;
    Slot slot;
    if (!callback) {
        slot.check(install(handle, nullptr, nullptr, nullptr, slot));
        return;
    }
    // Whatever the function answers, it drops the callback exactly once.
    auto* owned = new Callback(std::move(callback));
    slot.check(install(
        handle, [](void* userdata) noexcept { (*static_cast<Callback*>(userdata))(); }, owned,
        drop<Callback>, slot));
}

} // namespace detail

} // namespace laminar

#endif // LAMINAR_CALLBACK_HPP
