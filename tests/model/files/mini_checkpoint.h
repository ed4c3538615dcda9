// The smallest checkpoint that has everything: one sliding and one global layer, two experts. As
// plain lists, so that a test breaks one thing and writes the rest.
#ifndef COTERIE_TESTS_MODEL_FILES_MINI_CHECKPOINT_H_
#define COTERIE_TESTS_MODEL_FILES_MINI_CHECKPOINT_H_

#include <string>
#include <vector>

#include "tests/model/files/file_builders.h"

namespace coterie {

// config.json with flat global shapes.
std::string MiniConfigJson();

// All its tensors under `prefix`.
std::vector<FileTensor> MiniTensors(const std::string& prefix = "model.language_model.");

// The same model as one GGUF file, experts fused.
GgufParts MiniGguf();

// A checkpoint directory of these files; model.safetensors holds `tensors`.
std::string WriteMini(const std::vector<FileTensor>& tensors,
                      const std::string& config_json = MiniConfigJson());

// Writes `parts` as model.gguf and returns its path.
std::string WriteGguf(const GgufParts& parts);

// The tensor of that name. Aborts when there is none.
FileTensor& Named(const std::string& name, std::vector<FileTensor>* tensors);

// `text` with the one place that says `from` saying `to`. Aborts unless there is exactly one.
std::string Replaced(std::string text, const std::string& from, const std::string& to);

}  // namespace coterie

#endif  // COTERIE_TESTS_MODEL_FILES_MINI_CHECKPOINT_H_
