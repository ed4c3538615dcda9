// What malloc does with memory that is freed. Memory that comes from the kernel anew is cleared
// first, page by page, which takes longer than to copy something into it.
#ifndef COTERIE_OPS_PROCESS_ALLOCATOR_H_
#define COTERIE_OPS_PROCESS_ALLOCATOR_H_

namespace coterie {

// gRPC allocates per message, and glibc gives blocks of 128 KiB and more back to the kernel, so
// that every large message would fault its pages in again. Keeping them is worth a factor of 4 to
// 13 on large messages.
void KeepLargeMessages();

// Nothing is given back, and all threads share one heap: what one frees, any other can use. For a
// process whose memory has a bound and is full most of the time. To be called before it has
// threads.
void KeepFreedMemory();

}  // namespace coterie

#endif  // COTERIE_OPS_PROCESS_ALLOCATOR_H_
