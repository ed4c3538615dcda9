// MappedFile: a file's bytes, read-only, paged in as they are touched.
//
// Thread rule: immutable. A file that shrinks while mapped kills the process with SIGBUS: model
// files are not to be edited in place.
#ifndef COTERIE_MODEL_MAPPED_FILE_H_
#define COTERIE_MODEL_MAPPED_FILE_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace coterie {

class MappedFile {
 public:
  // NotFound, or InvalidArgument for what is no plain file or is empty; names the path.
  static absl::StatusOr<std::unique_ptr<MappedFile>> Open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }
  absl::string_view text() const {
    return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()};
  }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  const std::span<const std::byte> bytes_;
};

// Tells the kernel that the bytes will be read soon (true) or are no longer needed (false). Advice
// only.
void AdvisePages(std::span<const std::byte> bytes, bool needed);

}  // namespace coterie

#endif  // COTERIE_MODEL_MAPPED_FILE_H_
