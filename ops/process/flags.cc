#include "ops/process/flags.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <vector>

#include "absl/flags/commandlineflag.h"
#include "absl/flags/reflection.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ops/process/log.h"
#include "ops/process/version.h"

namespace coterie {
namespace {

constexpr size_t kHelpColumns = 100;
constexpr char kHelpIndent[] = "      ";

// The name the program was started by, for ExitWithUsageError.
std::string& ProgramName() {
  static std::string name = "coterie";
  return name;
}

bool IsOurs(const absl::CommandLineFlag& flag) {
  return !absl::StrContains(flag.Filename(), "absl/flags/");
}

absl::string_view TypeName(const absl::CommandLineFlag& flag) {
  if (flag.IsOfType<bool>()) return "true or false";
  if (flag.IsOfType<std::string>()) return "text";
  if (flag.IsOfType<double>() || flag.IsOfType<float>()) return "number";
  if (flag.IsOfType<int32_t>() || flag.IsOfType<int64_t>()) return "whole number";
  if (flag.IsOfType<uint32_t>() || flag.IsOfType<uint64_t>()) return "whole number, not negative";
  return "";
}

std::string Wrap(absl::string_view text) {
  std::string out;
  std::string line = kHelpIndent;
  for (const absl::string_view word :
       absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty())) {
    if (line.size() + word.size() + 1 > kHelpColumns) {
      absl::StrAppend(&out, line, "\n");
      line = kHelpIndent;
    }
    absl::StrAppend(&line, line.size() > sizeof(kHelpIndent) - 1 ? " " : "", word);
  }
  absl::StrAppend(&out, line, "\n");
  return out;
}

std::string FlagHelp(const absl::CommandLineFlag& flag) {
  const absl::string_view type = TypeName(flag);
  const std::string default_value = flag.DefaultValue();
  std::string notes;
  if (!type.empty()) absl::StrAppend(&notes, type);
  if (!default_value.empty()) {
    absl::StrAppend(&notes, notes.empty() ? "" : "; ", "default ", default_value);
  }
  return absl::StrCat("  --", flag.Name(), notes.empty() ? "" : "  (", notes,
                      notes.empty() ? "" : ")", "\n", Wrap(flag.Help()));
}

absl::CommandLineFlag* FindOurs(absl::string_view name) {
  absl::CommandLineFlag* flag = absl::FindCommandLineFlag(name);
  return flag != nullptr && IsOurs(*flag) ? flag : nullptr;
}

absl::Status UnknownFlag(absl::string_view argument) {
  return absl::InvalidArgumentError(absl::StrCat("unknown flag ", argument));
}

absl::Status SetFlag(absl::CommandLineFlag* flag, absl::string_view value) {
  std::string error;
  if (flag->ParseFrom(value, &error)) return absl::OkStatus();
  const absl::string_view type = TypeName(*flag);
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag->Name(), " cannot be '", value, "'",
                   type.empty() ? "" : absl::StrCat(": expected ", type)));
}

// `--name` without a value: true for a boolean, otherwise the next argument, which `next` then
// passes over.
absl::Status SetFlagWithoutValue(absl::string_view name, std::span<char* const> arguments,
                                 size_t* next) {
  if (absl::CommandLineFlag* flag = FindOurs(name); flag != nullptr) {
    if (flag->IsOfType<bool>()) return SetFlag(flag, "true");
    if (*next < arguments.size()) return SetFlag(flag, arguments[(*next)++]);
    return absl::InvalidArgumentError(absl::StrCat("--", name, " needs a value"));
  }
  if (absl::StartsWith(name, "no")) {
    absl::CommandLineFlag* flag = FindOurs(name.substr(2));
    if (flag != nullptr && flag->IsOfType<bool>()) return SetFlag(flag, "false");
  }
  return UnknownFlag(absl::StrCat("--", name));
}

}  // namespace

absl::Status ParseFlags(std::span<char* const> arguments) {
  for (size_t next = 0; next < arguments.size();) {
    const absl::string_view argument = arguments[next++];
    if (!absl::StartsWith(argument, "--") || argument == "--") {
      return absl::InvalidArgumentError(
          absl::StrCat("unexpected argument '", argument, "': every argument is a --flag"));
    }
    const absl::string_view body = argument.substr(2);
    const size_t equals = body.find('=');
    absl::Status status;
    if (equals == absl::string_view::npos) {
      status = SetFlagWithoutValue(body, arguments, &next);
    } else {
      absl::CommandLineFlag* flag = FindOurs(body.substr(0, equals));
      status = flag == nullptr ? UnknownFlag(argument.substr(0, equals + 2))
                               : SetFlag(flag, body.substr(equals + 1));
    }
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

std::string HelpText(absl::string_view program_name, absl::string_view description) {
  std::map<std::string, const absl::CommandLineFlag*> flags;
  for (const auto& [name, flag] : absl::GetAllFlags()) {
    if (IsOurs(*flag)) flags[std::string(name)] = flag;
  }
  std::string out = absl::StrCat(program_name, ": ", description, "\n\nFlags:\n");
  for (const auto& [name, flag] : flags) absl::StrAppend(&out, FlagHelp(*flag));
  absl::StrAppend(&out, "  --help\n", Wrap("Prints this and exits."), "  --version\n",
                  Wrap("Prints the version and exits."));
  return out;
}

void ParseFlagsOrExit(int argc, char** argv, absl::string_view description) {
  const std::vector<std::string> path = absl::StrSplit(argv[0], '/');
  ProgramName() = path.back();
  const std::span<char* const> arguments(argv + 1, static_cast<size_t>(argc) - 1);
  for (const absl::string_view argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      std::printf("%s", HelpText(ProgramName(), description).c_str());
      std::exit(0);
    }
    if (argument == "--version") {
      std::printf("%s %s\n", ProgramName().c_str(), kVersion);
      std::exit(0);
    }
  }
  const absl::Status status = ParseFlags(arguments);
  if (!status.ok()) ExitWithUsageError(status.message());
}

void ExitWithUsageError(absl::string_view message) {
  std::fprintf(stderr, "%s: %s (--help explains every flag)\n", ProgramName().c_str(),
               std::string(message).c_str());
  std::exit(2);
}

int ExitCodeFor(const absl::Status& status) {
  if (status.ok()) return 0;
  LogError("cannot go on",
           {{"code", absl::StatusCodeToString(status.code())}, {"error", status.message()}});
  return 1;
}

}  // namespace coterie
