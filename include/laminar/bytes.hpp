/** laminar/bytes.hpp: bytes that the library made. */
#ifndef LAMINAR_BYTES_HPP
#define LAMINAR_BYTES_HPP

#include <laminar.h>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace laminar {

/** Bytes that the library made, an Arrow IPC stream for example; freed on destruction. */
class Bytes {
public:
    Bytes() noexcept = default;
    /** Takes over what a C function put out. */
    Bytes(std::uint8_t* data, std::size_t size) noexcept : data_(data), size_(size) {}
    Bytes(Bytes&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    Bytes& operator=(Bytes&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        return *this;
    }
    Bytes(const Bytes&) = delete;
    Bytes& operator=(const Bytes&) = delete;
    ~Bytes() { laminar_bytes_free(data_, size_); }

    const std::uint8_t* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    const std::uint8_t* begin() const noexcept { return data_; }
    const std::uint8_t* end() const noexcept { return data_ + size_; }

private:
    std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace laminar

#endif // LAMINAR_BYTES_HPP
