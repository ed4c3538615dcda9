// The command line of every process: absl flags, parsed by us so that a mistake is one clear line
// and exit code 2, and so that `--help` shows our flags and nothing else.
//
//   ABSL_FLAG(std::string, model, "", "Directory or .gguf file of the model.");
//   int main(int argc, char** argv) {
//     coterie::ParseFlagsOrExit(argc, argv, "Serves expert shards of a model.");
//     if (absl::GetFlag(FLAGS_model).empty()) coterie::ExitWithUsageError("--model is required");
#ifndef COTERIE_OPS_PROCESS_FLAGS_H_
#define COTERIE_OPS_PROCESS_FLAGS_H_

#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace coterie {

// Sets flags from `--name=value`, `--name value`, `--name` and `--noname` (booleans). Stops at the
// first argument that is not a flag of this program, has a bad value, or is not a flag at all, with
// InvalidArgument naming it.
absl::Status ParseFlags(std::span<char* const> arguments);

// What --help prints: the description, then each flag with type, default and meaning.
std::string HelpText(absl::string_view program_name, absl::string_view description);

// Parses argv[1..]. --help and --version print and exit with 0; a mistake prints one line and exits
// with 2.
void ParseFlagsOrExit(int argc, char** argv, absl::string_view description);

// For what ParseFlagsOrExit cannot know: "--model is required". Prints one line and exits with 2.
[[noreturn]] void ExitWithUsageError(absl::string_view message);

// The exit code of a main: 0 for OK; otherwise `status` is logged and the code is 1.
int ExitCodeFor(const absl::Status& status);

}  // namespace coterie

#endif  // COTERIE_OPS_PROCESS_FLAGS_H_
