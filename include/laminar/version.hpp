/** laminar/version.hpp: which library runs. */
#ifndef LAMINAR_VERSION_HPP
#define LAMINAR_VERSION_HPP

#include <laminar.h>

#include <cstdint>
#include <string_view>

namespace laminar {

/** The version of the library that runs. */
inline std::string_view version() noexcept { return laminar_version(); }
/** The same as one number that grows with every release. */
inline std::uint32_t version_number() noexcept { return laminar_version_number(); }
/** Version, profile, compiler and engine versions, for people. */
inline std::string_view build_info() noexcept { return laminar_build_info(); }

} // namespace laminar

#endif // LAMINAR_VERSION_HPP
