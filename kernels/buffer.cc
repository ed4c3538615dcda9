#include "kernels/buffer.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <mutex>

#include "kernels/check.h"

namespace coterie {
namespace {

constexpr size_t kHugePageBytes = size_t{2} << 20;
// A model's experts are thousands of matrices of one to four megabytes: rounding each up to huge
// pages would take half as much memory again, so buffers below kSharedBytesMax share slabs.
constexpr size_t kSlabBytes = size_t{64} << 20;
constexpr size_t kSharedBytesMax = size_t{16} << 20;
constexpr size_t kAlignment = 64;

size_t RoundedUp(size_t num_bytes, size_t unit) { return (num_bytes + unit - 1) / unit * unit; }

size_t MappingBytes(size_t num_bytes) {
  return RoundedUp(num_bytes, num_bytes >= kHugePageBytes ? kHugePageBytes : 4096);
}

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25  // Linux 6.1; older kernels refuse it
#endif

// Huge pages now. A page fault takes a huge page only where one is at hand, and there is none when
// files that were read fill the memory; MADV_COLLAPSE makes room for one. It wants a page that is
// there already: one is touched, of 4 KiB or 2 MiB. Where it fails, small pages come as ever.
void TakeHugePages(std::byte* start, size_t length) {
  madvise(start, length, MADV_HUGEPAGE);
  for (size_t at = 0; at < length; at += kHugePageBytes) {
    *reinterpret_cast<volatile std::byte*>(start + at) = std::byte{0};
    if (madvise(start + at, kHugePageBytes, MADV_COLLAPSE) != 0 && errno == EINVAL) return;
  }
}

// Zeroed memory in huge pages where it is large enough for them.
std::byte* Map(size_t num_bytes) {
  const size_t length = MappingBytes(num_bytes),
               slack = length >= kHugePageBytes ? kHugePageBytes : 0;
  void* mapping =
      mmap(nullptr, length + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(mapping != MAP_FAILED) << "out of memory: " << num_bytes
                               << " bytes: " << std::strerror(errno);
  auto* start = static_cast<std::byte*>(mapping);
  if (slack == 0) return start;
  const size_t head = RoundedUp(reinterpret_cast<uintptr_t>(start), kHugePageBytes) -
                      reinterpret_cast<uintptr_t>(start);
  if (head != 0) munmap(start, head);
  start += head;
  if (slack != head) munmap(start + length, slack - head);
  TakeHugePages(start, length);
  return start;
}

}  // namespace

// Memory that several buffers share. Bytes are handed out once, so they are zero; the slab goes
// when the last buffer has.
struct BufferSlab {
  std::byte* data = nullptr;
  size_t used = 0;
  size_t num_buffers = 0;
};

namespace {

std::mutex g_slab_mu;
BufferSlab* g_slab = nullptr;  // where buffers are taken from now; guarded by g_slab_mu

}  // namespace

Buffer::Buffer(size_t num_bytes) : size_bytes_(num_bytes) {
  if (num_bytes == 0) return;
  if (num_bytes >= kSharedBytesMax) {
    data_ = Map(num_bytes);
    return;
  }
  const size_t length = RoundedUp(num_bytes, kAlignment);
  std::lock_guard<std::mutex> lock(g_slab_mu);
  if (g_slab == nullptr || g_slab->used + length > kSlabBytes)
    g_slab = new BufferSlab{Map(kSlabBytes), 0, 0};
  slab_ = g_slab;
  data_ = slab_->data + slab_->used;
  slab_->used += length;
  ++slab_->num_buffers;
}

Buffer::~Buffer() {
  if (data_ == nullptr) return;
  if (slab_ == nullptr) {
    munmap(data_, MappingBytes(size_bytes_));
    return;
  }
  std::lock_guard<std::mutex> lock(g_slab_mu);
  if (--slab_->num_buffers != 0) return;
  munmap(slab_->data, kSlabBytes);
  if (g_slab == slab_) g_slab = nullptr;
  delete slab_;
}

}  // namespace coterie
