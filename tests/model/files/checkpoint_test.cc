// Checkpoints as a whole. Goal: the committed ones open in every form and agree; one that is
// incomplete, wrong or of another model is refused with a message that names what was found.
// Method: a small whole checkpoint with one thing broken.
#include "model/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <functional>

#include "tests/model/files/mini_checkpoint.h"
#include "tests/testing/goldens.h"

namespace coterie {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Tensors = std::vector<FileTensor>;
const std::string kPrefix = "model.language_model.";

std::unique_ptr<Checkpoint> MustOpen(const std::string& path) {
  auto checkpoint = Checkpoint::Open(path);
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  return checkpoint.ok() ? *std::move(checkpoint) : nullptr;
}

void Erase(const std::string& name, Tensors* tensors) {
  std::erase_if(*tensors, [&](const FileTensor& t) { return t.name == name; });
}

TEST(CheckpointTest, OpensTheCommittedOnes) {
  for (const char* name : {"tiny_f32", "tiny_bf16", "tiny_bf16.gguf", "tiny_q8_0.gguf",
                           "tiny_q4_0.gguf", "tiny_q4_0_split.gguf", "tiny256_q4_0_q6_k.gguf"}) {
    const auto checkpoint = MustOpen(kCheckpoints + name);
    ASSERT_NE(checkpoint, nullptr) << name;
    EXPECT_EQ(checkpoint->digest().size(), 32u);
    EXPECT_EQ(checkpoint->config().num_experts, 8);
    EXPECT_TRUE(checkpoint->ReadVocabulary().ok());
    EXPECT_EQ(checkpoint->Matrices(TensorRole::kExpertDown, 0, 1).size(), 1u);
  }
  EXPECT_EQ(MustOpen(kCheckpoints + "tiny_q4_0_split.gguf")
                ->Matrices(TensorRole::kExpertGateUp, 0, 7)
                .size(),
            2u);
}

TEST(CheckpointTest, BothFormatsGiveOneConfiguration) {
  const auto directory = MustOpen(kCheckpoints + "tiny_bf16"),
             gguf = MustOpen(kCheckpoints + "tiny_bf16.gguf");
  const ModelConfig &a = directory->config(), &b = gguf->config();
  EXPECT_EQ(a.layer_is_global, b.layer_is_global);
  EXPECT_EQ(a.head_dim_global, b.head_dim_global);
  EXPECT_EQ(a.num_kv_heads_global, b.num_kv_heads_global);
  EXPECT_EQ(a.rope_partial_global, b.rope_partial_global);
  EXPECT_EQ(a.vocab_size, b.vocab_size);
  EXPECT_EQ(a.norm_eps, b.norm_eps);
  EXPECT_EQ(a.InverseFrequencies(5), b.InverseFrequencies(5));
}

TEST(CheckpointTest, ExpertsAreSlicesOfOneTensor) {
  Tensors tensors = MiniTensors();
  const auto checkpoint = MustOpen(WriteMini(tensors));
  const std::string& all = Named(kPrefix + "layers.1.experts.down_proj", &tensors).bytes;
  for (int64_t expert : {0, 1}) {
    const RawMatrix m = checkpoint->Matrices(TensorRole::kExpertDown, 1, expert).front();
    EXPECT_EQ(m.num_rows, 32);
    EXPECT_EQ(m.num_cols, 32);
    EXPECT_TRUE(std::ranges::equal(m.bytes,
                                   BytesOf(all).subspan(static_cast<size_t>(expert) * 4096, 4096)));
  }
}

TEST(CheckpointTest, BothPrefixesAreRead) {
  EXPECT_EQ(MustOpen(WriteMini(MiniTensors("model.")))->digest(),
            MustOpen(WriteMini(MiniTensors(kPrefix)))->digest());
}

TEST(CheckpointTest, VisionTensorsAreNotOursToJudge) {
  Tensors tensors = MiniTensors();
  tensors.push_back({"model.vision_tower.patch.weight", {4}, "1234", "I8"});
  tensors.push_back({"model.embed_vision.embedding_projection.weight", {4}, "1234", "F8_E4M3"});
  EXPECT_NE(MustOpen(WriteMini(tensors)), nullptr);
}

TEST(CheckpointTest, EndTokensAreTheUnionOfBothFiles) {
  const std::string folder = WriteMini(MiniTensors());
  WriteFile(folder + "/generation_config.json", R"({"eos_token_id": [1, 5]})");
  EXPECT_THAT(MustOpen(folder)->config().eos_ids, ElementsAre(1, 5, 6));
  EXPECT_THAT(MustOpen(WriteGguf(MiniGguf()))->config().eos_ids, ElementsAre(1, 6));
}

TEST(CheckpointTest, DigestChangesWithAWeightAndWithTheConfiguration) {
  Tensors tensors = MiniTensors();
  const std::string digest = MustOpen(WriteMini(tensors))->digest();
  EXPECT_EQ(MustOpen(WriteMini(tensors))->digest(), digest);
  EXPECT_NE(MustOpen(WriteMini(tensors, Replaced(MiniConfigJson(), "\"sliding_window\": 4",
                                                 "\"sliding_window\": 5")))
                ->digest(),
            digest);
  // A difference in the seventh digit.
  EXPECT_NE(MustOpen(WriteMini(tensors, Replaced(MiniConfigJson(), "\"rope_theta\": 1000000.0",
                                                 "\"rope_theta\": 1000001.0")))
                ->digest(),
            digest);
  Named(kPrefix + "layers.0.layer_scalar", &tensors).bytes = Raw(0.75f);
  EXPECT_NE(MustOpen(WriteMini(tensors))->digest(), digest);
}

struct Breakage {
  const char* what;
  std::function<void(Tensors*)> apply;
  const char* message;
};

TEST(CheckpointTest, RefusesDirectoriesWithWrongTensors) {
  const Breakage cases[] = {
      {"missing", [](Tensors* t) { Erase(kPrefix + "layers.0.input_layernorm.weight", t); },
       "tensor layers.0.input_layernorm.weight [32] is missing"},
      {"missing experts", [](Tensors* t) { Erase(kPrefix + "layers.1.experts.down_proj", t); },
       "export that splits its experts"},
      {"too few experts",
       [](Tensors* t) {
         const std::string name = kPrefix + "layers.1.experts.down_proj";
         Named(name, t) = F32Tensor(name, {1, 32, 32});
       },
       "has shape [1, 32, 32], the configuration asks for [2, 32, 32]"},
      {"wrong shape",
       [](Tensors* t) {
         const std::string name = kPrefix + "embed_tokens.weight";
         Named(name, t) = F32Tensor(name, {32, 8});
       },
       "has shape [32, 8], the configuration asks for [8, 32]"},
      {"both prefixes", [](Tensors* t) { t->push_back(F32Tensor("model.norm.weight", {32})); },
       "norm.weight is there twice"},
      {"bias",
       [](Tensors* t) {
         t->push_back(F32Tensor(kPrefix + "layers.0.self_attn.q_proj.bias", {32}));
       },
       "q_proj.bias [32] is none of this model's"},
      {"untied head",
       [](Tensors* t) {
         t->push_back(F32Tensor("lm_head.weight", {8, 32}));
       },
       "lm_head.weight [8, 32] is none of this model's"},
      {"value in a global layer",
       [](Tensors* t) {
         t->push_back(F32Tensor(kPrefix + "layers.1.self_attn.v_proj.weight", {32, 32}));
       },
       "is none of this model's"},
      {"split experts",
       [](Tensors* t) {
         t->push_back(F32Tensor(kPrefix + "layers.0.experts.0.gate_proj.weight", {32, 32}));
       },
       "re-exported"},
      {"fp8", [](Tensors* t) { Named(kPrefix + "norm.weight", t).type = "F8_E4M3"; },
       "type F8_E4M3 is not read"},
      {"mixed experts",
       [](Tensors* t) {
         FileTensor& tensor = Named(kPrefix + "layers.1.experts.down_proj", t);
         tensor.type = "BF16";
         tensor.bytes.resize(tensor.bytes.size() / 2);
       },
       "other experts are f32"},
  };
  for (const Breakage& c : cases) {
    Tensors tensors = MiniTensors();
    c.apply(&tensors);
    const std::string folder = WriteMini(tensors);
    const absl::Status status = Checkpoint::Open(folder).status();
    EXPECT_FALSE(status.ok()) << c.what;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message)) << c.what;
    EXPECT_THAT(std::string(status.message()), HasSubstr(folder)) << c.what;
  }
}

TEST(CheckpointTest, RefusesGgufOfOtherModels) {
  const struct {
    const char* what;
    std::function<void(GgufParts*)> apply;
    const char* message;
  } cases[] = {
      {"architecture",
       [](GgufParts* p) { p->metadata[0] = GgufString("general.architecture", "llama"); },
       "architecture is \"llama\"; this program serves Gemma 4"},
      {"no architecture", [](GgufParts* p) { p->metadata.erase(p->metadata.begin()); },
       "key general.architecture is missing"},
      {"no experts", [](GgufParts* p) { p->metadata[9] = GgufInt("gemma4.other", 2); },
       "a Gemma 4 without experts"},
      {"head dimension that overflows",
       [](GgufParts* p) {
         p->metadata[5] =
             GgufText("gemma4.attention.key_length") + Raw<uint32_t>(11) + Raw<int64_t>(INT64_MAX);
       },
       "rope_freqs.weight is not one f32"},
      {"layers beyond bounds",
       [](GgufParts* p) { p->metadata[1] = GgufInt("gemma4.block_count", ~0u); },
       "gemma4.block_count is 4294967295"},
      {"scaled rotation",
       [](GgufParts* p) { p->metadata.push_back(GgufString("gemma4.rope.scaling.type", "yarn")); },
       "scaled rotation"},
      {"part of a split file",
       [](GgufParts* p) { p->metadata.push_back(GgufInt("split.count", 2)); },
       "split over 2 files"},
      {"no rope_freqs", [](GgufParts* p) { p->tensors.pop_back(); },
       "rope_freqs.weight is missing"},
      {"odd rope_freqs", [](GgufParts* p) { p->tensors.back().bytes.replace(60, 4, Raw(8.0f)); },
       "divisor of 8"},
      {"head of its own",
       [](GgufParts* p) {
         p->tensors.push_back(F32Tensor("output.weight", {8, 32}));
       },
       "output.weight [8, 32] is none of this model's"},
      {"K-quants", [](GgufParts* p) { Named("blk.0.attn_q.weight", &p->tensors).ggml_type = 12; },
       "blk.0.attn_q.weight has type q4_K"},
      {"missing", [](GgufParts* p) { Erase("blk.1.ffn_down_exps.scale", &p->tensors); },
       "tensor blk.1.ffn_down_exps.scale [2] is missing"},
      {"end token beyond the vocabulary",
       [](GgufParts* p) {
         p->metadata.back() = GgufInt("tokenizer.ggml.eos_token_id", 0x80000001);
       },
       "eos token id"},
  };
  for (const auto& c : cases) {
    GgufParts parts = MiniGguf();
    c.apply(&parts);
    const absl::Status status = Checkpoint::Open(WriteGguf(parts)).status();
    EXPECT_FALSE(status.ok()) << c.what;
    EXPECT_THAT(std::string(status.message()), HasSubstr(c.message)) << c.what;
  }
}

TEST(CheckpointTest, RefusesPathsThatAreNoCheckpoint) {
  const std::string folder = NewFolder();
  EXPECT_TRUE(absl::IsNotFound(Checkpoint::Open(folder + "/none.gguf").status()));
  EXPECT_TRUE(absl::IsNotFound(Checkpoint::Open(folder).status()));
  WriteFile(folder + "/empty.gguf", "");
  EXPECT_THAT(std::string(Checkpoint::Open(folder + "/empty.gguf").status().message()),
              HasSubstr("not a plain file with something in it"));
  WriteFile(folder + "/text.gguf", "hello, hello");
  EXPECT_THAT(std::string(Checkpoint::Open(folder + "/text.gguf").status().message()),
              HasSubstr("a .gguf file or a directory"));
  // A pipe is refused and not waited for.
  ASSERT_EQ(mkfifo((folder + "/pipe.gguf").c_str(), 0600), 0);
  EXPECT_FALSE(Checkpoint::Open(folder + "/pipe.gguf").ok());
}

TEST(CheckpointTest, FilesBesideTheWeightsAreReadOrRefusedNeverSkipped) {
  const std::string folder = WriteMini(MiniTensors());
  WriteFile(folder + "/model.safetensors.index.json", "");
  EXPECT_FALSE(Checkpoint::Open(folder).ok());
  WriteFile(folder + "/model.safetensors.index.json",
            R"({"weight_map": {"a": "model-1.safetensors"}})");
  EXPECT_THAT(std::string(Checkpoint::Open(folder).status().message()),
              HasSubstr("model-1.safetensors: No such file"));
  std::filesystem::remove(folder + "/model.safetensors.index.json");
  WriteFile(folder + "/generation_config.json", R"({"eos_token_id": 999})");
  EXPECT_THAT(std::string(Checkpoint::Open(folder).status().message()),
              HasSubstr("eos token id is 999"));
}

TEST(CheckpointTest, ShardsWithOneTensorTwiceAreRefused) {
  const std::string folder = WriteMini(MiniTensors());
  std::filesystem::rename(folder + "/model.safetensors", folder + "/a.safetensors");
  WriteFile(folder + "/b.safetensors", SafetensorsOf({F32Tensor(kPrefix + "norm.weight", {32})}));
  WriteFile(folder + "/model.safetensors.index.json",
            R"({"weight_map": {"a": "a.safetensors", "b": "b.safetensors"}})");
  EXPECT_THAT(std::string(Checkpoint::Open(folder).status().message()),
              HasSubstr("norm.weight is there twice"));
}

}  // namespace
}  // namespace coterie
