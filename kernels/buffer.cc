#include "kernels/buffer.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

#include "kernels/check.h"

namespace coterie {
namespace {

constexpr size_t kHugePageBytes = size_t{2} << 20;

size_t RoundedUp(size_t num_bytes) {
  const size_t unit = num_bytes >= kHugePageBytes / 2 ? kHugePageBytes : 4096;
  return (num_bytes + unit - 1) / unit * unit;
}

}  // namespace

Buffer::Buffer(size_t num_bytes) : size_bytes_(num_bytes) {
  if (num_bytes == 0) return;
  // mmap gives zeroed pages; over-mapping by a huge page lets the start be aligned so that the kernel can use huge pages.
  const size_t length = RoundedUp(num_bytes);
  const size_t slack = length >= kHugePageBytes ? kHugePageBytes : 0;
  void* mapping = mmap(nullptr, length + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(mapping != MAP_FAILED) << "out of memory: " << num_bytes << " bytes: " << std::strerror(errno);
  auto* start = static_cast<std::byte*>(mapping);
  if (slack != 0) {
    const size_t misalignment = reinterpret_cast<uintptr_t>(start) % kHugePageBytes;
    const size_t head = misalignment == 0 ? 0 : kHugePageBytes - misalignment;
    if (head != 0) munmap(start, head);
    start += head;
    if (slack != head) munmap(start + length, slack - head);
    madvise(start, length, MADV_HUGEPAGE);
  }
  data_ = start;
}

Buffer::~Buffer() {
  if (data_ != nullptr) munmap(data_, RoundedUp(size_bytes_));
}

}  // namespace coterie
