// A folder in memory whose disk can be full, be damaged, and lose what was not yet written when the
// process died. Thread-safe.
#ifndef COTERIE_TESTS_KV_STORE_FAULT_FOLDER_H_
#define COTERIE_TESTS_KV_STORE_FAULT_FOLDER_H_

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kv_store/file_store.h"

namespace coterie {

// What outlives a node: the disk.
struct FaultDisk {
  std::mutex mu;  // guards what follows
  std::map<std::string, std::shared_ptr<std::string>> files;
  uint64_t capacity = UINT64_MAX;  // of all files together
  bool broken_reads = false;

  uint64_t used() const {
    uint64_t bytes = 0;
    for (const auto& [_, file] : files) bytes += file->size();
    return bytes;
  }
};

class FaultFolder : public FileStore {
 public:
  explicit FaultFolder(std::shared_ptr<FaultDisk> disk) : disk_(std::move(disk)) {}

  absl::StatusOr<std::vector<std::string>> List() override {
    std::lock_guard<std::mutex> lock(disk_->mu);
    std::vector<std::string> names;
    for (const auto& [name, _] : disk_->files) names.push_back(name);
    return names;
  }
  absl::StatusOr<std::shared_ptr<StoredFile>> Create(const std::string& name) override {
    std::lock_guard<std::mutex> lock(disk_->mu);
    if (disk_->files.contains(name)) return absl::AlreadyExistsError(name);
    auto bytes = std::make_shared<std::string>();
    disk_->files[name] = bytes;
    return std::make_shared<File>(disk_, std::move(bytes));
  }
  absl::StatusOr<std::shared_ptr<StoredFile>> Open(const std::string& name) override {
    std::lock_guard<std::mutex> lock(disk_->mu);
    const auto it = disk_->files.find(name);
    if (it == disk_->files.end()) return absl::NotFoundError(name);
    return std::make_shared<File>(disk_, it->second);
  }
  absl::Status Remove(const std::string& name) override {
    std::lock_guard<std::mutex> lock(disk_->mu);
    return disk_->files.erase(name) == 1 ? absl::OkStatus() : absl::NotFoundError(name);
  }

 private:
  class File : public StoredFile {
   public:
    File(std::shared_ptr<FaultDisk> disk, std::shared_ptr<std::string> bytes)
        : disk_(std::move(disk)), bytes_(std::move(bytes)) {}

    absl::Status WriteAt(uint64_t offset, std::span<const std::span<const char>> parts) override {
      std::lock_guard<std::mutex> lock(disk_->mu);
      for (const std::span<const char> part : parts) {
        for (const char c : part) {
          if (offset >= bytes_->size()) {
            if (disk_->used() + offset + 1 - bytes_->size() > disk_->capacity)
              return absl::ResourceExhaustedError("the disk is full");
            // By as much as fits, which makes this quick.
            const uint64_t room = disk_->capacity - disk_->used();
            bytes_->resize(std::min(offset + part.size(), bytes_->size() + room));
          }
          (*bytes_)[offset++] = c;
        }
      }
      return absl::OkStatus();
    }
    absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<char> bytes) const override {
      std::lock_guard<std::mutex> lock(disk_->mu);
      if (disk_->broken_reads) return absl::UnavailableError("the disk does not answer");
      if (offset >= bytes_->size()) return 0;
      const size_t n = std::min(bytes.size(), bytes_->size() - offset);
      std::copy_n(bytes_->begin() + static_cast<std::ptrdiff_t>(offset), n, bytes.begin());
      return n;
    }
    absl::StatusOr<uint64_t> Size() const override {
      std::lock_guard<std::mutex> lock(disk_->mu);
      return bytes_->size();
    }
    absl::Status Truncate(uint64_t size) override {
      std::lock_guard<std::mutex> lock(disk_->mu);
      bytes_->resize(size);
      return absl::OkStatus();
    }

   private:
    const std::shared_ptr<FaultDisk> disk_;
    const std::shared_ptr<std::string> bytes_;
  };

  const std::shared_ptr<FaultDisk> disk_;
};

}  // namespace coterie

#endif  // COTERIE_TESTS_KV_STORE_FAULT_FOLDER_H_
