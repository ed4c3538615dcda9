#include "model/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace coterie {

absl::StatusOr<std::unique_ptr<MappedFile>> MappedFile::Open(const std::string& path) {
  // Without O_NONBLOCK, a pipe of that name would be waited for.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    const std::string message = absl::StrCat(path, ": ", std::strerror(errno));
    return errno == ENOENT ? absl::NotFoundError(message) : absl::InvalidArgumentError(message);
  }
  struct stat info = {};
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size == 0) {
    close(fd);
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not a plain file with something in it"));
  }
  const auto size = static_cast<size_t>(info.st_size);
  void* data = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  const int error = errno;
  close(fd);
  if (data == MAP_FAILED)
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": cannot be mapped: ", std::strerror(error)));
  return std::unique_ptr<MappedFile>(new MappedFile({static_cast<const std::byte*>(data), size}));
}

MappedFile::~MappedFile() { munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size()); }

namespace {

// Less than a quarter of the memory is in no use at all. What was read then leaves the page cache
// too: where it fills the memory, no huge page is left for what was made of it (kernels/buffer.cc).
// Else it stays, for the next start.
bool MemoryIsShort() {
  struct sysinfo info = {};
  return sysinfo(&info) == 0 && info.freeram < info.totalram / 4;
}

}  // namespace

void AdvisePages(std::span<const std::byte> bytes, bool needed) {
  static const auto kPage = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  auto begin = reinterpret_cast<uintptr_t>(bytes.data()), end = begin + bytes.size();
  // Whole pages: outwards when they are needed, inwards when a neighbour may still need the rest.
  begin = needed ? begin / kPage * kPage : (begin + kPage - 1) / kPage * kPage;
  end = needed ? (end + kPage - 1) / kPage * kPage : end / kPage * kPage;
  if (begin >= end) return;
#ifdef MADV_POPULATE_READ
  constexpr int kWillNeed = MADV_POPULATE_READ;
#else
  constexpr int kWillNeed = MADV_WILLNEED;
#endif
#ifdef MADV_PAGEOUT
  // For the owner of the file, or who may write it; else it does nothing.
  if (!needed && MemoryIsShort())
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_PAGEOUT);
#endif
  const int advice = needed ? kWillNeed : MADV_DONTNEED;
  madvise(reinterpret_cast<void*>(begin), end - begin, advice);
}

}  // namespace coterie
