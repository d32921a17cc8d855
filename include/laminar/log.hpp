/** laminar/log.hpp: what a database tells of its work. */
#ifndef LAMINAR_LOG_HPP
#define LAMINAR_LOG_HPP

#include <laminar.h>

#include <cstdint>
#include <functional>
#include <string_view>

namespace laminar {

/** How important a line is; each level hears those above it too. */
enum class LogLevel : std::int32_t {
    error = LAMINAR_LOG_ERROR, ///< a stream failed
    warn = LAMINAR_LOG_WARN,   ///< rows are lost: a first dead letter, late row or miss
    info = LAMINAR_LOG_INFO,   ///< definitions, the start, the shutdown
    debug = LAMINAR_LOG_DEBUG, ///< every query that begins
};

/** Told line by line, on any thread, several at once, outside of the engine. Must not throw. */
using LogListener = std::function<void(LogLevel level, std::string_view line)>;

} // namespace laminar

#endif // LAMINAR_LOG_HPP
