// Buffer: owned memory for tensors, 64-byte aligned, zeroed, in huge pages. A fresh 4 KiB page
// costs microseconds, so memory for a step is taken once at start and reused.
#ifndef COTERIE_KERNELS_BUFFER_H_
#define COTERIE_KERNELS_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <utility>

namespace coterie {

struct BufferSlab;

// Thread-safe to make and destroy; what it holds is the owner's.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(size_t num_bytes);  // aborts when the machine has no memory
  ~Buffer();
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_bytes_(std::exchange(other.size_bytes_, 0)),
        slab_(std::exchange(other.slab_, nullptr)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_bytes_, other.size_bytes_);
    std::swap(slab_, other.slab_);
    return *this;
  }

  std::byte* data() const { return data_; }
  size_t size_bytes() const { return size_bytes_; }
  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }
  // Makes the buffer hold at least `num_bytes`; contents are lost when it grows.
  void Reserve(size_t num_bytes) {
    if (num_bytes > size_bytes_) *this = Buffer(num_bytes + num_bytes / 2);
  }

 private:
  std::byte* data_ = nullptr;
  size_t size_bytes_ = 0;
  BufferSlab* slab_ = nullptr;  // shared memory, or null for a mapping of its own
};

}  // namespace coterie

#endif  // COTERIE_KERNELS_BUFFER_H_
