// Writes small model files byte by byte, whole or broken as a test asks. Nothing here is judged: a
// header may lie about everything.
#ifndef COTERIE_TESTS_MODEL_FILES_FILE_BUILDERS_H_
#define COTERIE_TESTS_MODEL_FILES_FILE_BUILDERS_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace coterie {

// `type` is the word of a safetensors header; GGUF files take f32 or `ggml_type`.
struct FileTensor {
  std::string name;
  std::vector<int64_t> shape;  // outermost first
  std::string bytes;
  std::string type = "F32";
  uint32_t ggml_type = 0;
};

// f32 values: 0.5 for a tensor's first, falling slowly, so that no two rows are alike.
FileTensor F32Tensor(std::string name, std::vector<int64_t> shape);

std::string SafetensorsOf(const std::vector<FileTensor>& tensors);
// 8 bytes of `size`, the header, the data.
std::string SafetensorsOf(uint64_t size, const std::string& header, const std::string& data);

// One metadata key, type and value as GGUF stores them.
std::string GgufInt(const std::string& key, uint32_t value);
std::string GgufFloat(const std::string& key, float value);
std::string GgufString(const std::string& key, const std::string& value);
std::string GgufInts(const std::string& key, const std::vector<int32_t>& values);
std::string GgufStrings(const std::string& key, const std::vector<std::string>& values);

struct GgufParts {
  uint32_t version = 3;
  std::vector<std::string> metadata;  // of the functions above
  std::vector<FileTensor> tensors;
  uint64_t alignment = 32;  // of the bytes; written into the metadata only where a test does so
};
std::string GgufOf(const GgufParts& parts);

// The bytes of `value`, little-endian.
template <typename T>
std::string Raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}
std::string GgufText(const std::string& text);  // length, then bytes

inline std::span<const std::byte> BytesOf(const std::string& text) {
  return std::as_bytes(std::span(text));
}

// A fresh folder under TEST_TMPDIR.
std::string NewFolder();
void WriteFile(const std::string& path, const std::string& bytes);

}  // namespace coterie

#endif  // COTERIE_TESTS_MODEL_FILES_FILE_BUILDERS_H_
