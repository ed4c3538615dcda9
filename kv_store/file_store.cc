#include "kv_store/file_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/status_macros.h"

namespace coterie {
namespace {

namespace fs = std::filesystem;

constexpr char kLockName[] = "lock";

absl::Status FromErrno(int error, const std::string& path, absl::string_view what) {
  const std::string message = absl::StrCat(path, ": ", what, ": ", std::strerror(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return absl::ResourceExhaustedError(message);
    case EEXIST:
      return absl::AlreadyExistsError(message);
    case ENOENT:
      return absl::NotFoundError(message);
    default:
      return absl::UnavailableError(message);
  }
}

class PosixFile : public StoredFile {
 public:
  PosixFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~PosixFile() override { close(fd_); }
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;

  absl::Status WriteAt(uint64_t offset, std::span<const std::span<const char>> parts) override {
    for (std::span<const char> part : parts) {
      while (!part.empty()) {
        const ssize_t n = pwrite(fd_, part.data(), part.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return FromErrno(errno, path_, "cannot be written");
        part = part.subspan(static_cast<size_t>(n));
        offset += static_cast<uint64_t>(n);
      }
    }
    return absl::OkStatus();
  }
  absl::StatusOr<size_t> ReadAt(uint64_t offset, std::span<char> bytes) const override {
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n =
          pread(fd_, bytes.data() + done, bytes.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return FromErrno(errno, path_, "cannot be read");
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }
  absl::StatusOr<uint64_t> Size() const override {
    struct stat status;
    if (fstat(fd_, &status) != 0) return FromErrno(errno, path_, "cannot be asked for its size");
    return static_cast<uint64_t>(status.st_size);
  }
  absl::Status Truncate(uint64_t size) override {
    if (ftruncate(fd_, static_cast<off_t>(size)) != 0)
      return FromErrno(errno, path_, "cannot be truncated");
    return absl::OkStatus();
  }

 private:
  const int fd_;
  const std::string path_;
};

class PosixFolder : public FileStore {
 public:
  PosixFolder(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}
  ~PosixFolder() override { close(lock_fd_); }
  PosixFolder(const PosixFolder&) = delete;
  PosixFolder& operator=(const PosixFolder&) = delete;

  absl::StatusOr<std::vector<std::string>> List() override {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator it(path_, error), end; !error && it != end; it.increment(error)) {
      const std::string name = it->path().filename().string();
      if (name != kLockName) names.push_back(name);
    }
    if (error) return absl::UnavailableError(absl::StrCat(path_, ": ", error.message()));
    std::sort(names.begin(), names.end());
    return names;
  }
  absl::StatusOr<std::shared_ptr<StoredFile>> Create(const std::string& name) override {
    return OpenFile(name, O_RDWR | O_CREAT | O_EXCL);
  }
  absl::StatusOr<std::shared_ptr<StoredFile>> Open(const std::string& name) override {
    return OpenFile(name, O_RDWR);
  }
  absl::Status Remove(const std::string& name) override {
    if (unlink(Path(name).c_str()) != 0) return FromErrno(errno, Path(name), "cannot be removed");
    return absl::OkStatus();
  }

 private:
  std::string Path(const std::string& name) const { return absl::StrCat(path_, "/", name); }

  absl::StatusOr<std::shared_ptr<StoredFile>> OpenFile(const std::string& name, int flags) {
    const int fd = open(Path(name).c_str(), flags | O_CLOEXEC, 0644);
    if (fd < 0) return FromErrno(errno, Path(name), "cannot be opened");
    return std::make_shared<PosixFile>(fd, Path(name));
  }

  const std::string path_;
  const int lock_fd_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<FileStore>> OpenFolder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return absl::UnavailableError(absl::StrCat(path, ": ", error.message()));
  const std::string lock = absl::StrCat(path, "/", kLockName);
  const int fd = open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return FromErrno(errno, lock, "cannot be opened");
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    close(fd);
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": another kv_store uses it; give each its own folder"));
  }
  return std::make_unique<PosixFolder>(path, fd);
}

}  // namespace coterie
