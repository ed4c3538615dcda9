#include "tests/ops/process/metrics_table.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace coterie {
namespace {

// The names of the labels in `{a="1",b="x,y"}`; values may hold anything, escaped quotes included.
std::set<std::string> LabelNames(absl::string_view braces) {
  std::set<std::string> names;
  std::string name;
  bool in_value = false;
  for (size_t i = 0; i < braces.size(); ++i) {
    const char c = braces[i];
    if (in_value) {
      if (c == '\\') ++i;
      if (c == '"') in_value = false;
    } else if (c == '"') {
      in_value = true;
    } else if (c == '=') {
      if (name != "le" && name != "quantile") names.insert(name);
      name.clear();
    } else if (c != ',' && c != '{' && c != ' ') {
      name.push_back(c);
    }
  }
  return names;
}

// The family that a sample belongs to: of a histogram, `x_bucket`, `x_sum` and `x_count` belong to
// `x`.
MetricDescription* FindFamily(MetricDescriptions* families, absl::string_view sample) {
  for (const absl::string_view suffix : {"", "_bucket", "_sum", "_count"}) {
    if (!absl::EndsWith(sample, suffix)) continue;
    const auto it = families->find(std::string(sample.substr(0, sample.size() - suffix.size())));
    if (it != families->end()) return &it->second;
  }
  return nullptr;
}

std::string Cell(absl::string_view text) {
  return std::string(absl::StripAsciiWhitespace(absl::StrJoin(absl::StrSplit(text, '`'), "")));
}

std::set<std::string> LabelCell(absl::string_view cell) {
  std::set<std::string> labels;
  for (const absl::string_view label : absl::StrSplit(cell, ',')) {
    const std::string name(absl::StripAsciiWhitespace(label));
    if (!name.empty() && name != "-" && name != "–" && name != "none") labels.insert(name);
  }
  return labels;
}

std::string Describe(const MetricDescription& metric) {
  return absl::StrCat(metric.type, " with labels {", absl::StrJoin(metric.labels, ", "), "}");
}

bool HasOneOf(const std::vector<std::string>& prefixes, absl::string_view name) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [name](const std::string& prefix) { return absl::StartsWith(name, prefix); });
}

}  // namespace

MetricDescriptions ParseMetricsText(absl::string_view text) {
  MetricDescriptions families;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, "# TYPE ")) {
      const std::vector<std::string> words = absl::StrSplit(line, ' ');
      if (words.size() == 4) families[words[2]].type = words[3];
    } else if (!line.empty() && line[0] != '#') {
      const size_t name_end = std::min(line.find_first_of("{ "), line.size());
      MetricDescription* family = FindFamily(&families, line.substr(0, name_end));
      if (family != nullptr && name_end < line.size() && line[name_end] == '{') {
        family->labels.merge(LabelNames(line.substr(name_end, line.rfind('}') - name_end)));
      }
    }
  }
  return families;
}

MetricDescriptions ParseMetricsTable(absl::string_view markdown) {
  MetricDescriptions metrics;
  bool in_table = false;
  for (const absl::string_view line : absl::StrSplit(markdown, '\n')) {
    const std::vector<std::string> cells = absl::StrSplit(line, '|');
    if (cells.size() < 6 || !absl::StartsWith(line, "|")) {
      in_table = false;
    } else if (Cell(cells[1]) == "metric") {
      in_table = true;
    } else if (in_table && !absl::StartsWith(Cell(cells[1]), "-")) {
      metrics[Cell(cells[1])] = {Cell(cells[2]), LabelCell(Cell(cells[4]))};
    }
  }
  return metrics;
}

std::vector<std::string> CompareMetrics(const MetricDescriptions& exposed,
                                        const MetricDescriptions& documented,
                                        const std::vector<std::string>& prefixes) {
  std::vector<std::string> differences;
  for (const auto& [name, metric] : exposed) {
    const auto it = documented.find(name);
    if (it == documented.end()) {
      differences.push_back(
          absl::StrCat(name, " is exposed (", Describe(metric), ") but has no row"));
    } else if (!(it->second == metric)) {
      differences.push_back(
          absl::StrCat(name, " is a ", Describe(metric), ", its row says ", Describe(it->second)));
    }
  }
  for (const auto& [name, metric] : documented) {
    if (HasOneOf(prefixes, name) && !exposed.contains(name)) {
      differences.push_back(absl::StrCat(name, " has a row but is not exposed"));
    }
  }
  return differences;
}

}  // namespace coterie
