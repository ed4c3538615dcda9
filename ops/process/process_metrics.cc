#include "ops/process/process_metrics.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "ops/process/version.h"

namespace coterie {
namespace {

prometheus::MetricFamily OneValue(std::string name, std::string help, prometheus::MetricType type,
                                  double value) {
  prometheus::ClientMetric metric;
  if (type == prometheus::MetricType::Counter) {
    metric.counter.value = value;
  } else {
    metric.gauge.value = value;
  }
  return {std::move(name), std::move(help), type, {std::move(metric)}};
}

prometheus::MetricFamily Gauge(std::string name, std::string help, double value) {
  return OneValue(std::move(name), std::move(help), prometheus::MetricType::Gauge, value);
}

double CpuSeconds() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         1e-6 * static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

double ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total_pages = 0;
  int64_t resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return static_cast<double>(resident_pages * sysconf(_SC_PAGESIZE));
}

int NumEntries(const char* directory) {
  DIR* dir = opendir(directory);
  if (dir == nullptr) return 0;
  int num_entries = 0;
  while (const dirent* entry = readdir(dir)) num_entries += entry->d_name[0] != '.';
  closedir(dir);
  return num_entries;
}

}  // namespace

ProcessMetrics::ProcessMetrics(absl::string_view process_name)
    : process_name_(process_name),
      start_time_seconds_(absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch())) {}

std::vector<prometheus::MetricFamily> ProcessMetrics::Collect() const {
  prometheus::MetricFamily build = Gauge("coterie_build_info", "1; the labels say what runs.", 1);
  build.metric[0].label = {{"process", process_name_}, {"version", kVersion}};
  return {
      std::move(build),
      Gauge("process_start_time_seconds", "When the process started, since 1970.",
            start_time_seconds_),
      OneValue("process_cpu_seconds_total", "CPU time used, user and system.",
               prometheus::MetricType::Counter, CpuSeconds()),
      Gauge("process_resident_memory_bytes", "Memory in RAM, mapped files included.",
            ResidentBytes()),
      Gauge("process_threads", "Threads.", NumEntries("/proc/self/task")),
      Gauge("process_open_fds", "Open file descriptors.", NumEntries("/proc/self/fd")),
  };
}

}  // namespace coterie
