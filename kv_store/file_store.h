// FileStore: the folder of a disk tier, as it sees it. A test can be the disk.
//
// Thread-safe; of a file, reads at any time, writes by one thread.
#ifndef COTERIE_KV_STORE_FILE_STORE_H_
#define COTERIE_KV_STORE_FILE_STORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace coterie {

class StoredFile {
 public:
  virtual ~StoredFile() = default;
  // All of `parts`, one after another. ResourceExhausted: the disk is full; some may be written.
  virtual absl::Status WriteAt(uint64_t offset, std::span<const std::span<const char>> parts) = 0;
  // How many bytes there were, fewer than asked at the end of the file.
  virtual absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<char> bytes) const = 0;
  virtual absl::StatusOr<uint64_t> Size() const = 0;
  virtual absl::Status Truncate(uint64_t size) = 0;
};

class FileStore {
 public:
  virtual ~FileStore() = default;
  // The names of the files in it, sorted.
  virtual absl::StatusOr<std::vector<std::string>> List() = 0;
  // AlreadyExists when there is one of that name.
  virtual absl::StatusOr<std::shared_ptr<StoredFile>> Create(const std::string& name) = 0;
  virtual absl::StatusOr<std::shared_ptr<StoredFile>> Open(const std::string& name) = 0;
  // Who reads it may go on.
  virtual absl::Status Remove(const std::string& name) = 0;
};

// A real folder, which is made if it is not there. FailedPrecondition when another process of ours
// uses it.
absl::StatusOr<std::unique_ptr<FileStore>> OpenFolder(const std::string& path);

}  // namespace coterie

#endif  // COTERIE_KV_STORE_FILE_STORE_H_
