#include "ops/process/metrics_exposer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <prometheus/exposer.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <future>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "ops/process/process_metrics.h"

namespace coterie {
namespace {

// Opens a connection and closes it: the HTTP server looks whether it shall stop only when it is
// called, or every two seconds.
void Knock(const std::string& address, int port) {
  sockaddr_in peer = {};
  peer.sin_family = AF_INET;
  peer.sin_port = htons(static_cast<uint16_t>(port));
  if (inet_pton(AF_INET, address.c_str(), &peer.sin_addr) != 1) return;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  // Whether it succeeds does not matter.
  (void)connect(fd, reinterpret_cast<const sockaddr*>(&peer), sizeof(peer));
  close(fd);
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsExposer>> MetricsExposer::Create(
    absl::string_view process_name, const std::string& address, int port) {
  std::unique_ptr<MetricsExposer> result(new MetricsExposer);
  result->address_ = address;
  const std::string endpoint = absl::StrCat(address, ":", port);
  try {
    // Two threads: a scraper that does not read its answer must not keep the next one waiting.
    result->exposer_ = std::make_unique<prometheus::Exposer>(endpoint, 2);
    result->port_ = result->exposer_->GetListeningPorts().at(0);
  } catch (const std::exception& error) {
    return absl::UnavailableError(
        absl::StrCat("cannot serve metrics on ", endpoint, ": ", error.what(),
                     "; is the port taken? --metrics_port=0 takes a free one"));
  }
  result->registry_ = std::make_shared<prometheus::Registry>();
  result->process_metrics_ = std::make_shared<ProcessMetrics>(process_name);
  result->exposer_->RegisterCollectable(result->registry_);
  result->exposer_->RegisterCollectable(result->process_metrics_);
  return result;
}

void MetricsExposer::Add(const std::shared_ptr<prometheus::Collectable>& collectable) {
  exposer_->RegisterCollectable(collectable);
}

std::string MetricsExposer::Text() const {
  std::vector<prometheus::MetricFamily> families = registry_->Collect();
  for (prometheus::MetricFamily& family : process_metrics_->Collect())
    families.push_back(std::move(family));
  return prometheus::TextSerializer().Serialize(families);
}

MetricsExposer::~MetricsExposer() {
  if (exposer_ == nullptr) return;
  std::future<void> stopped = std::async(std::launch::async, [this] { exposer_ = nullptr; });
  while (stopped.wait_for(std::chrono::milliseconds(10)) != std::future_status::ready) {
    Knock(address_, port_);
  }
}

}  // namespace coterie
