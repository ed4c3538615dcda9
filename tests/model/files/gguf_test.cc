// The GGUF reader. Goal: what is accepted lies inside the file; everything else is one clear
// message, and no count in a header makes us allocate beyond the file. Method: files written by
// hand.
#include "model/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/model/files/file_builders.h"

namespace coterie {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string Header(uint32_t version, uint64_t num_tensors, uint64_t num_keys) {
  return absl::StrCat("GGUF", Raw(version), Raw(num_tensors), Raw(num_keys));
}

std::string TensorEntry(const std::string& name, const std::vector<uint64_t>& dims, uint32_t type,
                        uint64_t offset) {
  std::string entry = absl::StrCat(GgufText(name), Raw(static_cast<uint32_t>(dims.size())));
  for (uint64_t dim : dims) entry += Raw(dim);
  return absl::StrCat(entry, Raw(type), Raw(offset));
}

// One tensor of this entry, and 64 bytes or more of data.
std::string OneTensor(const std::string& entry) {
  return absl::StrCat(Header(3, 1, 0), entry, std::string(96, '\0'));
}

TEST(GgufTest, ReadsVersionsTwoAndThree) {
  for (uint32_t version : {2u, 3u}) {
    const std::string file =
        GgufOf({.version = version,
                .metadata = {GgufInt("i", 7), GgufFloat("f", 0.5f), GgufString("s", "text"),
                             GgufInts("is", {1, -2}), GgufStrings("ss", {"a", ""})},
                .tensors = {F32Tensor("one", {2, 3}), F32Tensor("two", {5})}});
    const auto gguf = ReadGguf(BytesOf(file));
    ASSERT_TRUE(gguf.ok()) << gguf.status();
    EXPECT_EQ(*gguf->Int("i"), 7);
    EXPECT_EQ(*gguf->Float("f"), 0.5);
    EXPECT_EQ(*gguf->Float("i"), 7.0);
    EXPECT_EQ(*gguf->String("s"), "text");
    EXPECT_THAT(*gguf->Ints("is"), ElementsAre(1, -2));
    EXPECT_THAT(*gguf->Ints("i"), ElementsAre(7));
    EXPECT_THAT(*gguf->Strings("ss"), ElementsAre("a", ""));
    EXPECT_THAT(gguf->tensors[0].shape, ElementsAre(2, 3));
    EXPECT_EQ(gguf->tensors[1].bytes.size(), 20u);
  }
}

TEST(GgufTest, HonoursTheAlignmentOfTheFile) {
  const std::string file = GgufOf({.metadata = {GgufInt("general.alignment", 128)},
                                   .tensors = {F32Tensor("one", {3}), F32Tensor("two", {5})},
                                   .alignment = 128});
  const auto gguf = ReadGguf(BytesOf(file));
  ASSERT_TRUE(gguf.ok()) << gguf.status();
  EXPECT_EQ(gguf->tensors[1].bytes.data() - gguf->tensors[0].bytes.data(), 128);
  EXPECT_EQ(gguf->tensors[1].bytes.data() + 20, BytesOf(file).data() + file.size());
}

TEST(GgufTest, MessagesNameTheKey) {
  const std::string file = GgufOf({.metadata = {GgufString("s", "text")}});
  const auto gguf = ReadGguf(BytesOf(file));
  ASSERT_TRUE(gguf.ok()) << gguf.status();
  EXPECT_THAT(std::string(gguf->Int("s").status().message()), HasSubstr("key s is missing or"));
  EXPECT_FALSE(gguf->Float("s").ok());
  EXPECT_FALSE(gguf->String("t").ok());
  EXPECT_FALSE(gguf->Ints("s").ok());
  EXPECT_FALSE(gguf->Strings("s").ok());
}

TEST(GgufTest, RefusesEveryTruncation) {
  const std::string whole = GgufOf({.metadata = {GgufInt("i", 7), GgufStrings("ss", {"a", "b"})},
                                    .tensors = {F32Tensor("one", {2, 3})}});
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(ReadGguf(BytesOf(whole).first(size)).ok()) << size;
}

TEST(GgufTest, RefusesMalformedFiles) {
  const uint64_t huge = uint64_t{1} << 60, long_list = (uint64_t{1} << 24) + 1;
  const struct {
    std::string file;
    const char* message;
  } cases[] = {
      {"GGML" + std::string(64, '\0'), "does not begin with \"GGUF\""},
      {Header(1, 0, 0), "version 1 is not read"},
      {Header(0x03000000, 0, 0), "is not read"},
      {Header(3, huge, 0), "tensors and 0 keys in a file of"},
      {Header(3, 0, ~uint64_t{0}), "keys in a file of"},
      {Header(3, 0, 1) + Raw(huge) + "abc", "a string of"},
      {Header(3, 0, 1) + GgufText("k") + Raw<uint32_t>(77) + Raw(huge), "value type 77"},
      {Header(3, 0, 1) + GgufText("k") + Raw<uint32_t>(9) + Raw<uint32_t>(4) + Raw(huge),
       "a list of 1152921504606846976 values"},
      {Header(3, 0, 1) + GgufText("k") + Raw<uint32_t>(9) + Raw<uint32_t>(0) + Raw(long_list) +
           std::string(long_list, '\0'),
       "a list of 16777217 values, at most 16777216"},
      {Header(3, 0, 1) + GgufText("k") + Raw<uint32_t>(9) + Raw<uint32_t>(9) + Raw<uint64_t>(0),
       "a list of lists"},
      {Header(3, 0, 2) + GgufInt("k", 1) + GgufInt("k", 2), "key k is there twice"},
      {Header(3, 2, 0) + TensorEntry("t", {1}, 0, 0) + TensorEntry("t", {1}, 0, 32),
       "tensor t is there twice"},
      {Header(3, 2, 0) + TensorEntry("t", {16}, 0, 0) + TensorEntry("u", {1}, 0, 32) +
           std::string(128, '\0'),
       "tensors t and u overlap"},
      {OneTensor(TensorEntry("t", {}, 0, 0)), "has 0 dimensions"},
      {OneTensor(TensorEntry("t", {1, 1, 1, 1, 1}, 0, 0)), "has 5 dimensions"},
      {OneTensor(TensorEntry("t", {0}, 0, 0)), "a dimension of 0"},
      {OneTensor(TensorEntry("t", {huge}, 0, 0)), "a dimension of"},
      {OneTensor(TensorEntry("t", {huge >> 20, huge >> 20, huge >> 20}, 0, 0)),
       "do not lie within the file"},
      {OneTensor(TensorEntry("t", {16}, 0, 4096)), "do not lie within the file"},
      {OneTensor(TensorEntry("t", {1}, 0, ~uint64_t{0} - 31)), "do not lie within the file"},
      {OneTensor(TensorEntry("t", {1}, 0, 4)), "not aligned to 32"},
      {OneTensor(TensorEntry("t", {33}, 8, 0)), "not whole blocks of q8_0"},
      {OneTensor(TensorEntry("t", {256}, 12, 0)), "type q4_K; f32, f16, bf16"},
      {OneTensor(TensorEntry("t", {32}, 6, 0)), "type q5_0"},
      {OneTensor(TensorEntry("t", {32}, 39, 0)), "type mxfp4"},
      {OneTensor(TensorEntry("t", {32}, 999, 0)), "type number 999"},
      {GgufOf({.metadata = {GgufInt("general.alignment", 0)}}), "alignment is 0"},
      {GgufOf({.metadata = {GgufInt("general.alignment", 33)}}), "alignment is 33"},
      {GgufOf({.metadata = {GgufString("general.alignment", "x")}}), "general.alignment"},
  };
  for (const auto& c : cases) {
    const absl::Status status = ReadGguf(BytesOf(c.file)).status();
    EXPECT_FALSE(status.ok()) << c.message;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message));
  }
}

}  // namespace
}  // namespace coterie
