// The life of a serving process from outside: ports, health, reflection, metrics, drain.
#include "ops/process/server_process.h"

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/ops/process/http_get.h"
#include "tests/ops/process/metrics_table.h"

namespace coterie {
namespace {

using ::testing::HasSubstr;

// The answer bytes of one unary call with a request of `request_bytes`, made without generated
// code.
grpc::Status CallRaw(int port, const std::string& method, const std::string& request,
                     std::string* reply) {
  auto channel =
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials());
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  grpc::CompletionQueue queue;
  const grpc::Slice slice(request);
  const grpc::ByteBuffer request_buffer(&slice, 1);
  auto call = stub.PrepareUnaryCall(&context, method, request_buffer, &queue);
  call->StartCall();
  grpc::ByteBuffer reply_buffer;
  grpc::Status status;
  call->Finish(&reply_buffer, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  grpc::Slice reply_slice;
  if (status.ok() && reply_buffer.DumpToSingleSlice(&reply_slice).ok()) {
    reply->assign(reinterpret_cast<const char*>(reply_slice.begin()), reply_slice.size());
  }
  return status;
}

// HealthCheckResponse.status: 1 SERVING, 2 NOT_SERVING, as the two bytes of the message.
constexpr char kServing[] = "\x08\x01";
constexpr char kNotServing[] = "\x08\x02";

std::string Health(int port) {
  std::string reply;
  const grpc::Status status = CallRaw(port, "/grpc.health.v1.Health/Check", "", &reply);
  return status.ok() ? reply : status.error_message();
}

std::unique_ptr<ServerProcess> CreateOrDie(ServerOptions options) {
  auto process = ServerProcess::Create(std::move(options));
  EXPECT_TRUE(process.ok()) << process.status();
  return std::move(process).value();
}

int PortIn(const std::string& path) {
  std::ifstream file(path);
  int port = 0;
  file >> port;
  return port;
}

TEST(ServerProcessTest, WritesItsPortsToFiles) {
  ServerOptions options;
  options.port_file = ::testing::TempDir() + "/port";
  options.metrics_port_file = ::testing::TempDir() + "/metrics_port";
  auto process = CreateOrDie(options);
  EXPECT_EQ(PortIn(options.metrics_port_file), process->metrics_port());
  ASSERT_TRUE(process->Start({}).ok());
  EXPECT_GT(process->port(), 0);
  EXPECT_EQ(PortIn(options.port_file), process->port());
  process->Stop(absl::Now());
}

TEST(ServerProcessTest, SignalTurnsHealthAndLeadsOut) {
  auto process = CreateOrDie({});
  ASSERT_TRUE(process->Start({}).ok());
  EXPECT_EQ(Health(process->port()), kServing);
  process->SetServing(false);
  EXPECT_EQ(Health(process->port()), kNotServing);
  process->SetServing(true);
  EXPECT_EQ(Health(process->port()), kServing);
  kill(getpid(), SIGTERM);
  const absl::Time deadline = process->WaitForDrain();
  EXPECT_GT(deadline, absl::Now());
  EXPECT_EQ(Health(process->port()), kNotServing);
  process->Stop(deadline);
}

TEST(ServerProcessTest, ReflectionIsOn) {
  auto process = CreateOrDie({});
  ASSERT_TRUE(process->Start({}).ok());
  std::string reply;
  // A stream taken as a unary call: field 7 (list_services) with any text.
  const grpc::Status status =
      CallRaw(process->port(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
              std::string("\x3a\x01*"), &reply);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(reply, HasSubstr("grpc.health.v1.Health"));
  process->Stop(absl::Now());
}

TEST(ServerProcessTest, MetricsAnswerBeforeStart) {
  auto process = CreateOrDie({.name = "tester"});
  prometheus::BuildCounter()
      .Name("tester_rows_total")
      .Register(process->metrics())
      .Add({{"layer", "1"}})
      .Increment(2);
  auto body = HttpGet(process->metrics_port(), "/metrics");
  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_THAT(*body, HasSubstr("tester_rows_total{layer=\"1\"} 2"));
  EXPECT_THAT(*body, HasSubstr("coterie_build_info{process=\"tester\",version="));
  const MetricDescriptions metrics = ParseMetricsText(*body);
  for (const char* name :
       {"process_start_time_seconds", "process_cpu_seconds_total", "process_threads",
        "process_resident_memory_bytes", "process_open_fds"}) {
    EXPECT_TRUE(metrics.contains(name)) << name;
  }
}

TEST(ServerProcessTest, TakenPortsAreClearErrors) {
  auto first = CreateOrDie({});
  ASSERT_TRUE(first->Start({}).ok());
  auto metrics_taken = ServerProcess::Create({.metrics_port = first->metrics_port()});
  EXPECT_EQ(metrics_taken.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(metrics_taken.status().message()), HasSubstr("cannot serve metrics on"));
  auto second = CreateOrDie({.port = first->port()});
  const absl::Status status = second->Start({});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("cannot listen on"));
  first->Stop(absl::Now());
}

}  // namespace
}  // namespace coterie
