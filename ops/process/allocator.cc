#include "ops/process/allocator.h"

#include <malloc.h>

namespace coterie {

void KeepLargeMessages() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
}

void KeepFreedMemory() {
  // Heaps of threads are small, and unmapped when they are empty.
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, -1);
}

}  // namespace coterie
