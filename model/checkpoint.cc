#include "model/checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "kernels/status_macros.h"
#include "model/checkpoint_digest.h"
#include "model/config_gguf.h"
#include "model/gguf.h"
#include "model/gguf_tokenizer.h"
#include "model/mapped_file.h"
#include "model/safetensors.h"

namespace coterie {
namespace {

// Text weights carry one of these; vision tower and projector do not and are not ours to serve.
constexpr absl::string_view kPrefixes[] = {"model.language_model.", "model."};

absl::string_view TextName(absl::string_view name) {
  for (absl::string_view other :
       {"model.vision_tower.", "model.embed_vision.", "model.audio_tower.", "model.embed_audio."}) {
    if (absl::StartsWith(name, other)) return {};
  }
  // An untied head is no part of this model: it is shown, so that it is refused.
  if (absl::StartsWith(name, "lm_head.")) return name;
  for (absl::string_view prefix : kPrefixes) {
    if (absl::ConsumePrefix(&name, prefix)) return name;
  }
  return {};
}

bool IsTextTensor(absl::string_view name) { return !TextName(name).empty(); }

std::string ShapeText(const std::vector<int64_t>& shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

// GGUF drops leading dimensions of one; a vector of one is the same as a scalar.
bool SameShape(std::vector<int64_t> a, std::vector<int64_t> b) {
  const auto trim = [](std::vector<int64_t>& shape) {
    while (shape.size() > 1 && shape.front() == 1) shape.erase(shape.begin());
  };
  trim(a);
  trim(b);
  return a == b || (a.empty() && b == std::vector<int64_t>{1});
}

// Null when there is no such file; one that is there must be readable.
absl::StatusOr<std::unique_ptr<MappedFile>> OpenIfThere(const std::string& path) {
  auto file = MappedFile::Open(path);
  if (absl::IsNotFound(file.status())) return nullptr;
  return file;
}

// The parts of one tensor of the table: itself, or the two that a file splits it into.
struct Parts {
  std::vector<const RawTensor*> tensors;
};

}  // namespace

class FileCheckpoint : public Checkpoint {
 public:
  absl::Status OpenDirectory(const std::string& path);
  absl::Status OpenGguf(const std::string& path);

  std::vector<RawMatrix> FindMatrices(TensorRole role, int64_t layer, int64_t expert) const;
  absl::StatusOr<Vocabulary> ReadVocabularyFiles() const;
  const Parts* Find(TensorRole role, int64_t layer) const {
    const auto found = parts_.find({role, layer});
    return found == parts_.end() ? nullptr : &found->second;
  }

 private:
  // Finds every tensor of the table among tensors_ by `name_of` and judges it.
  absl::Status Index(const std::map<std::string, const RawTensor*, std::less<>>& by_name,
                     bool gguf);
  absl::Status AddPart(const TensorSpec& spec, const std::string& name,
                       const std::vector<int64_t>& shape,
                       const std::map<std::string, const RawTensor*, std::less<>>& by_name,
                       Parts* parts);
  absl::Status CheckAllUsed(
      const std::map<std::string, const RawTensor*, std::less<>>& by_name) const;
  absl::Status CheckTypes() const;
  void ComputeDigest();

  std::vector<std::unique_ptr<MappedFile>> files_;
  std::vector<RawTensor> tensors_;
  std::map<std::pair<TensorRole, int64_t>, Parts> parts_;
  bool is_gguf_ = false;
  GgufTokenizer gguf_tokenizer_;
};

absl::Status FileCheckpoint::AddPart(
    const TensorSpec& spec, const std::string& name, const std::vector<int64_t>& shape,
    const std::map<std::string, const RawTensor*, std::less<>>& by_name, Parts* parts) {
  const auto found = by_name.find(name);
  if (found == by_name.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", name, " ", ShapeText(spec.shape),
                     " is missing; the checkpoint is incomplete, of another architecture, or an "
                     "export that splits its experts (FP8, NVFP4, AWQ)"));
  }
  if (!SameShape(found->second->shape, shape)) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", name, " has shape ", ShapeText(found->second->shape),
                     ", the configuration asks for ", ShapeText(shape)));
  }
  parts->tensors.push_back(found->second);
  return absl::OkStatus();
}

absl::Status FileCheckpoint::Index(
    const std::map<std::string, const RawTensor*, std::less<>>& by_name, bool gguf) {
  for (const TensorSpec& spec : TensorTable(config_)) {
    Parts& parts = parts_[{spec.role, spec.layer}];
    const std::string& name = gguf ? spec.gguf_name : spec.safetensors_name;
    if (gguf && spec.role == TensorRole::kExpertGateUp && !by_name.contains(name)) {
      const std::vector<int64_t> half = {spec.shape[0], spec.shape[1] / 2, spec.shape[2]};
      RETURN_IF_ERROR(AddPart(spec, absl::StrCat("blk.", spec.layer, ".ffn_gate_exps.weight"), half,
                              by_name, &parts));
      RETURN_IF_ERROR(AddPart(spec, absl::StrCat("blk.", spec.layer, ".ffn_up_exps.weight"), half,
                              by_name, &parts));
    } else {
      RETURN_IF_ERROR(AddPart(spec, name, spec.shape, by_name, &parts));
    }
  }
  RETURN_IF_ERROR(CheckAllUsed(by_name));
  RETURN_IF_ERROR(CheckTypes());
  ComputeDigest();
  return absl::OkStatus();
}

// A text tensor that the table does not know changes the result when it is left out: a bias, an
// untied head, an adapter. Vision and audio never get here.
absl::Status FileCheckpoint::CheckAllUsed(
    const std::map<std::string, const RawTensor*, std::less<>>& by_name) const {
  std::set<const RawTensor*> used;
  for (const auto& [key, parts] : parts_) used.insert(parts.tensors.begin(), parts.tensors.end());
  for (const auto& [name, tensor] : by_name) {
    // Read with the configuration.
    if (used.contains(tensor) || (is_gguf_ && name == "rope_freqs.weight")) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("tensor ", tensor->name, " ", ShapeText(tensor->shape),
                     " is none of this model's; the checkpoint is of another architecture, adapted "
                     "or re-exported: take the published one"));
  }
  return absl::OkStatus();
}

// Vectors are read as plain numbers; experts have one type, so that one row format serves them all.
absl::Status FileCheckpoint::CheckTypes() const {
  const DType expert = parts_.at({TensorRole::kExpertGateUp, 0}).tensors.front()->dtype;
  for (const auto& [key, parts] : parts_) {
    for (const RawTensor* tensor : parts.tensors) {
      const bool is_expert =
          key.first == TensorRole::kExpertGateUp || key.first == TensorRole::kExpertDown;
      if (is_expert && tensor->dtype != expert) {
        return absl::UnimplementedError(absl::StrCat(
            "tensor ", tensor->name, " is ", DTypeName(tensor->dtype), ", other experts are ",
            DTypeName(expert), "; experts of one type are served"));
      }
      if ((tensor->shape.size() < 2 || key.first == TensorRole::kGate) &&
          IsQuantised(tensor->dtype)) {
        return absl::InvalidArgumentError(
            absl::StrCat("tensor ", tensor->name, " is ", DTypeName(tensor->dtype),
                         "; norms, scales and the gate are f32, f16 or bf16"));
      }
    }
  }
  return absl::OkStatus();
}

void FileCheckpoint::ComputeDigest() {
  CheckpointDigest digest(config_);
  for (const auto& [key, parts] : parts_) {
    for (const RawTensor* tensor : parts.tensors)
      digest.Add(static_cast<int>(key.first), key.second, *tensor);
  }
  digest_ = digest.Text();
}

absl::Status FileCheckpoint::OpenDirectory(const std::string& path) {
  path_ = path;
  ASSIGN_OR_RETURN(const auto config_file, MappedFile::Open(path + "/config.json"));
  ASSIGN_OR_RETURN(config_, ModelConfigFromJson(config_file->text()));
  ASSIGN_OR_RETURN(const auto generation, OpenIfThere(path + "/generation_config.json"));
  if (generation != nullptr) {
    ASSIGN_OR_RETURN(const std::vector<int32_t> ids, EosIdsFromJson(generation->text()));
    config_.eos_ids.insert(config_.eos_ids.end(), ids.begin(), ids.end());
    std::sort(config_.eos_ids.begin(), config_.eos_ids.end());
    config_.eos_ids.erase(std::unique(config_.eos_ids.begin(), config_.eos_ids.end()),
                          config_.eos_ids.end());
    RETURN_IF_ERROR(config_.Validate());
  }
  std::vector<std::string> names = {"model.safetensors"};
  ASSIGN_OR_RETURN(const auto index, OpenIfThere(path + "/model.safetensors.index.json"));
  if (index != nullptr) {
    ASSIGN_OR_RETURN(names, ReadSafetensorsIndex(index->text()));
  }
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(auto file, MappedFile::Open(absl::StrCat(path, "/", name)));
    absl::StatusOr<std::vector<RawTensor>> tensors = ReadSafetensors(file->bytes(), IsTextTensor);
    if (!tensors.ok()) return Annotate(tensors.status(), name);
    for (RawTensor& tensor : *tensors) tensors_.push_back(std::move(tensor));
    files_.push_back(std::move(file));
  }
  std::map<std::string, const RawTensor*, std::less<>> by_name;
  for (const RawTensor& tensor : tensors_) {
    if (!by_name.emplace(TextName(tensor.name), &tensor).second)
      return absl::InvalidArgumentError(absl::StrCat("tensor ", tensor.name, " is there twice"));
  }
  return Index(by_name, /*gguf=*/false);
}

absl::Status FileCheckpoint::OpenGguf(const std::string& path) {
  path_ = path;
  is_gguf_ = true;
  ASSIGN_OR_RETURN(auto file, MappedFile::Open(path));
  ASSIGN_OR_RETURN(GgufFile gguf, ReadGguf(file->bytes()));
  if (const auto files = gguf.Int("split.count"); files.ok() && *files > 1) {
    return absl::UnimplementedError(absl::StrCat("gguf: the model is split over ", *files,
                                                 " files; merge them with llama-gguf-split"));
  }
  ASSIGN_OR_RETURN(config_, ModelConfigFromGguf(gguf));
  ASSIGN_OR_RETURN(gguf_tokenizer_, ReadGgufTokenizer(gguf));
  files_.push_back(std::move(file));
  tensors_ = std::move(gguf.tensors);
  std::map<std::string, const RawTensor*, std::less<>> by_name;
  for (const RawTensor& tensor : tensors_) by_name.emplace(tensor.name, &tensor);
  return Index(by_name, /*gguf=*/true);
}

std::vector<RawMatrix> FileCheckpoint::FindMatrices(TensorRole role, int64_t layer,
                                                    int64_t expert) const {
  const Parts* parts = Find(role, layer);
  CHECK(parts != nullptr) << "no tensor of role " << static_cast<int>(role) << " in layer "
                          << layer;
  std::vector<RawMatrix> matrices;
  for (const RawTensor* tensor : parts->tensors) {
    RawMatrix matrix{.dtype = tensor->dtype,
                     .num_rows = 1,
                     .num_cols = tensor->shape.empty() ? 1 : tensor->shape.back(),
                     .bytes = tensor->bytes};
    if (tensor->shape.size() >= 2) matrix.num_rows = tensor->shape[tensor->shape.size() - 2];
    if (tensor->shape.size() >= 3) {
      const size_t expert_bytes =
          static_cast<size_t>(matrix.num_rows * RowBytes(matrix.dtype, matrix.num_cols));
      matrix.bytes =
          tensor->bytes.subspan(static_cast<size_t>(expert) * expert_bytes, expert_bytes);
    }
    matrices.push_back(matrix);
  }
  return matrices;
}

absl::StatusOr<Vocabulary> FileCheckpoint::ReadVocabularyFiles() const {
  if (is_gguf_) return VocabularyFromGguf(gguf_tokenizer_);
  ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path_ + "/tokenizer.json"));
  return VocabularyFromTokenizerJson(file->text());
}

absl::StatusOr<std::unique_ptr<Checkpoint>> Checkpoint::Open(absl::string_view path_view) {
  const std::string path(path_view);
  auto checkpoint = std::make_unique<FileCheckpoint>();
  std::error_code error;
  const bool directory = std::filesystem::is_directory(path, error);
  const absl::Status status =
      directory ? checkpoint->OpenDirectory(path) : checkpoint->OpenGguf(path);
  if (!status.ok())
    return absl::StrContains(status.message(), path) ? status : Annotate(status, path);
  return checkpoint;
}

std::vector<RawMatrix> Checkpoint::Matrices(TensorRole role, int64_t layer, int64_t expert) const {
  return static_cast<const FileCheckpoint*>(this)->FindMatrices(role, layer, expert);
}

DType Checkpoint::expert_dtype() const {
  return Matrices(TensorRole::kExpertGateUp, 0, 0).front().dtype;
}

std::string Checkpoint::TensorName(TensorRole role, int64_t layer) const {
  const Parts* parts = static_cast<const FileCheckpoint*>(this)->Find(role, layer);
  CHECK(parts != nullptr) << static_cast<int>(role) << " in layer " << layer;
  return parts->tensors.front()->name;
}

absl::StatusOr<Vocabulary> Checkpoint::ReadVocabulary() const {
  return static_cast<const FileCheckpoint*>(this)->ReadVocabularyFiles();
}

}  // namespace coterie
