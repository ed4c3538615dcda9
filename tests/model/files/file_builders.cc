#include "tests/model/files/file_builders.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kernels/check.h"

namespace coterie {
namespace {

void PadTo(uint64_t alignment, std::string* bytes) {
  bytes->resize((bytes->size() + alignment - 1) / alignment * alignment);
}

std::string GgufKey(const std::string& key, uint32_t type) {
  return absl::StrCat(GgufText(key), Raw(type));
}

}  // namespace

FileTensor F32Tensor(std::string name, std::vector<int64_t> shape) {
  int64_t count = 1;
  for (int64_t size : shape) count *= size;
  FileTensor tensor{.name = std::move(name), .shape = std::move(shape)};
  for (int64_t i = 0; i < count; ++i)
    tensor.bytes += Raw(0.5f - 0.001f * static_cast<float>(i % 997));
  return tensor;
}

std::string SafetensorsOf(uint64_t size, const std::string& header, const std::string& data) {
  return absl::StrCat(Raw(size), header, data);
}

std::string SafetensorsOf(const std::vector<FileTensor>& tensors) {
  std::string data;
  std::vector<std::string> entries;
  for (const FileTensor& t : tensors) {
    const size_t begin = data.size();
    data += t.bytes;
    entries.push_back(absl::StrCat("\"", t.name, "\":{\"dtype\":\"", t.type, "\",\"shape\":[",
                                   absl::StrJoin(t.shape, ","), "],\"data_offsets\":[", begin, ",",
                                   data.size(), "]}"));
  }
  const std::string header = absl::StrCat("{", absl::StrJoin(entries, ","), "}");
  return SafetensorsOf(header.size(), header, data);
}

std::string GgufText(const std::string& text) {
  return absl::StrCat(Raw<uint64_t>(text.size()), text);
}

std::string GgufInt(const std::string& key, uint32_t value) {
  return absl::StrCat(GgufKey(key, 4), Raw(value));
}

std::string GgufFloat(const std::string& key, float value) {
  return absl::StrCat(GgufKey(key, 6), Raw(value));
}

std::string GgufString(const std::string& key, const std::string& value) {
  return absl::StrCat(GgufKey(key, 8), GgufText(value));
}

std::string GgufInts(const std::string& key, const std::vector<int32_t>& values) {
  std::string bytes = absl::StrCat(GgufKey(key, 9), Raw<uint32_t>(5), Raw<uint64_t>(values.size()));
  for (int32_t value : values) bytes += Raw(value);
  return bytes;
}

std::string GgufStrings(const std::string& key, const std::vector<std::string>& values) {
  std::string bytes = absl::StrCat(GgufKey(key, 9), Raw<uint32_t>(8), Raw<uint64_t>(values.size()));
  for (const std::string& value : values) bytes += GgufText(value);
  return bytes;
}

std::string GgufOf(const GgufParts& parts) {
  std::string file =
      absl::StrCat("GGUF", Raw(parts.version), Raw<uint64_t>(parts.tensors.size()),
                   Raw<uint64_t>(parts.metadata.size()), absl::StrJoin(parts.metadata, ""));
  std::string data;
  for (const FileTensor& t : parts.tensors) {
    PadTo(parts.alignment, &data);
    file += absl::StrCat(GgufText(t.name), Raw(static_cast<uint32_t>(t.shape.size())));
    for (auto size = t.shape.rbegin(); size != t.shape.rend(); ++size) file += Raw(*size);
    file += absl::StrCat(Raw(t.ggml_type), Raw<uint64_t>(data.size()));
    data += t.bytes;
  }
  PadTo(parts.alignment, &file);
  return file + data;
}

std::string NewFolder() {
  static int count = 0;
  const char* base = std::getenv("TEST_TMPDIR");
  CHECK(base != nullptr) << "TEST_TMPDIR is not set";
  std::string path = absl::StrCat(base, "/folder", count++);
  std::filesystem::create_directories(path);
  return path;
}

void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
  file.close();
  CHECK(file.good()) << path;
}

}  // namespace coterie
