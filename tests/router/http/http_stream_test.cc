// Streams over real sockets. Goal: thousands at once on two threads, little memory each, and nobody
// waits for a client that has gone or does not read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdio>
#include <fstream>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "router/http/http_server.h"
#include "router/openai/sse.h"
#include "tests/router/http/http_client.h"
#include "tests/router/http/test_server.h"

namespace coterie {
namespace {

using ::testing::HasSubstr;

constexpr absl::string_view kGet = "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n";

// A number of /proc/self/status.
int64_t ProcessStatus(absl::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    absl::string_view rest = line;
    if (absl::ConsumePrefix(&rest, absl::StrCat(name, ":"))) return std::stoll(std::string(rest));
  }
  return -1;
}

// A handler that begins a stream for each request and keeps the reply.
class Streams {
 public:
  TestServer::Function Handler() {
    return [this](const HttpRequest&, std::shared_ptr<HttpReply> reply) {
      reply->OnClosed([this] { ++num_closed_; });
      EXPECT_TRUE(reply->BeginStream({.content_type = "text/event-stream"}));
      std::lock_guard lock(mu_);
      replies_.push_back(std::move(reply));
    };
  }

  bool Await(size_t num_streams) {
    return Eventually([&] {
      std::lock_guard lock(mu_);
      return replies_.size() == num_streams;
    });
  }
  std::vector<std::shared_ptr<HttpReply>> replies() {
    std::lock_guard lock(mu_);
    return replies_;
  }
  std::shared_ptr<HttpReply> only() {
    EXPECT_TRUE(Await(1));
    return replies()[0];
  }
  int num_closed() const { return num_closed_; }
  void LetGo() {
    std::lock_guard lock(mu_);
    replies_.clear();
  }

 private:
  std::atomic<int> num_closed_ = 0;
  std::mutex mu_;
  std::vector<std::shared_ptr<HttpReply>> replies_;  // guarded by mu_
};

TEST(HttpStreamTest, ChunksArriveAsTheyAreWritten) {
  Streams streams;
  TestServer server(streams.Handler());
  HttpClient client(server.port());
  client.Send(kGet);
  EXPECT_THAT(client.ReadThrough("\r\n\r\n"), HasSubstr("Transfer-Encoding: chunked"));
  const auto reply = streams.only();
  EXPECT_TRUE(reply->Write(SseData(R"({"a":1})")));
  EXPECT_EQ(client.ReadThrough("\n\n\r\n"), "f\r\ndata: {\"a\":1}\n\n\r\n");
  EXPECT_TRUE(reply->Write(""));
  EXPECT_TRUE(reply->EndStream());
  EXPECT_EQ(client.ReadThrough("0\r\n\r\n"), "0\r\n\r\n");
  EXPECT_FALSE(reply->Write("late"));
  EXPECT_TRUE(Eventually([&] { return reply->buffered_bytes() == 0; }));
  // The connection goes on, and its next stream does not hear of the last one's writer.
  client.Send(kGet);
  ASSERT_TRUE(streams.Await(2));
  EXPECT_FALSE(reply->Write("late"));
  EXPECT_TRUE(streams.replies()[1]->EndStream());
  EXPECT_EQ(client.ReadResponse().body, "");
  EXPECT_EQ(streams.num_closed(), 0);
}

TEST(HttpStreamTest, AnOldClientReadsUntilTheConnectionCloses) {
  Streams streams;
  TestServer server(streams.Handler());
  HttpClient client(server.port());
  client.Send("GET / HTTP/1.0\r\n\r\n");
  const auto reply = streams.only();
  reply->Write("one ");
  reply->Write("two");
  reply->EndStream();
  const HttpResponse response = client.ReadResponse();
  EXPECT_EQ(response.headers.at("connection"), "close");
  EXPECT_EQ(response.body, "one two");
}

TEST(HttpStreamTest, AHeadRequestIsNotStreamedTo) {
  Streams streams;
  TestServer server(streams.Handler());
  HttpClient client(server.port());
  client.Send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  const auto reply = streams.only();
  EXPECT_TRUE(reply->Write("nothing"));
  EXPECT_TRUE(reply->EndStream());
  EXPECT_EQ(client.ReadResponse(/*to_head=*/true).status, 200);
  client.Send("HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_TRUE(streams.Await(2));
}

TEST(HttpStreamTest, AClientThatGoesIsNoticedWithoutAWrite) {
  Streams streams;
  TestServer server(streams.Handler());
  HttpClient client(server.port());
  client.Send(kGet);
  const auto reply = streams.only();
  EXPECT_EQ(streams.num_closed(), 0);
  client.Close();
  EXPECT_TRUE(Eventually([&] { return streams.num_closed() == 1; }));
  EXPECT_FALSE(reply->Write("x"));
  EXPECT_FALSE(reply->EndStream());
  EXPECT_FALSE(reply->Post([] { ADD_FAILURE(); }));
  EXPECT_EQ(server.clients_gone(), 1);
  bool called = false;
  reply->OnClosed([&] { called = true; });
  EXPECT_TRUE(called);
}

TEST(HttpStreamTest, AClientThatPipelinesAndGoesIsNoticed) {
  Streams streams;
  TestServer server(streams.Handler());
  HttpClient client(server.port());
  client.Send(absl::StrCat(kGet, kGet));
  const auto reply = streams.only();
  client.Send(kGet);
  client.Close();
  EXPECT_TRUE(Eventually([&] { return streams.num_closed() == 1; }));
  EXPECT_EQ(streams.replies().size(), 1u);
}

// Its bytes are not read meanwhile, but when their turn comes.
TEST(HttpStreamTest, AClientThatPipelinesALotIsServedInTheEnd) {
  Streams streams;
  TestServer server(streams.Handler());
  HttpClient client(server.port());
  constexpr size_t kNum = 2000;
  std::string requests;
  for (size_t i = 0; i < kNum; ++i) absl::StrAppend(&requests, kGet);
  std::thread sender([&] { client.Send(requests); });
  for (size_t i = 1; i <= kNum; ++i) {
    ASSERT_TRUE(streams.Await(i));
    streams.replies().back()->EndStream();
    ASSERT_EQ(client.ReadResponse().status, 200);
  }
  sender.join();
}

TEST(HttpStreamTest, AStreamThatIsLetGoOfIsCut) {
  Streams streams;
  TestServer server(streams.Handler());
  HttpClient client(server.port());
  client.Send(kGet);
  streams.only();
  client.ReadThrough("\r\n\r\n");
  streams.LetGo();
  EXPECT_EQ(client.ReadThrough("\r\n"), "");
  EXPECT_TRUE(Eventually([&] { return server.open() == 0; }));
  EXPECT_EQ(server.slow_readers(), 0);
}

TEST(HttpStreamTest, ASlowReaderIsDroppedAtTheBoundAndOthersGoOn) {
  Streams streams;
  HttpServerOptions options;
  options.stream_buffer_bytes = 64 << 10;
  TestServer server(streams.Handler(), options);
  HttpClient slow(server.port(), /*receive_buffer_bytes=*/4096);
  slow.Send(kGet);
  const auto to_slow = streams.only();
  HttpClient quick(server.port());
  quick.Send(kGet);
  ASSERT_TRUE(streams.Await(2));
  const auto to_quick = streams.replies()[1];
  EXPECT_THAT(quick.ReadThrough("\r\n\r\n"), HasSubstr("200 OK"));
  const std::string kilobyte(1024, 'x');
  int num_written = 0;
  while (to_slow->Write(kilobyte) && num_written < 100000) {
    EXPECT_LE(to_slow->buffered_bytes(), options.stream_buffer_bytes);
    EXPECT_TRUE(to_quick->Write(absl::StrCat(++num_written, "\n")));
    EXPECT_THAT(quick.ReadThrough("\n\r\n"), HasSubstr(absl::StrCat("\n", num_written, "\n")));
  }
  EXPECT_LT(num_written, 10000);
  EXPECT_TRUE(Eventually([&] { return streams.num_closed() == 1; }));
  EXPECT_EQ(server.slow_readers(), 1);
  EXPECT_EQ(server.clients_gone(), 0);
  EXPECT_TRUE(to_quick->Write("still here"));
}

TEST(HttpStreamTest, AReaderThatStopsIsDroppedAfterTheWriteTimeout) {
  Streams streams;
  HttpServerOptions options;
  options.stream_buffer_bytes = 64 << 20;
  options.write_timeout = absl::Milliseconds(100);
  TestServer server(streams.Handler(), options);
  HttpClient slow(server.port(), 4096);
  slow.Send(kGet);
  const auto reply = streams.only();
  EXPECT_TRUE(reply->Write(std::string(32 << 20, 'x')));
  EXPECT_TRUE(Eventually([&] { return streams.num_closed() == 1; }));
  EXPECT_EQ(server.slow_readers(), 1);
}

TEST(HttpStreamTest, WorkIsDoneInOrderOnTheConnectionsThread) {
  std::vector<int> order;
  TestServer server([&](const HttpRequest&, const std::shared_ptr<HttpReply>& reply) {
    for (int i = 0; i < 100; ++i) reply->Post([&order, i] { order.push_back(i); });
    reply->Post([reply] { reply->Send({}, "done"); });
  });
  HttpClient client(server.port());
  EXPECT_EQ(client.Ask(kGet).body, "done");
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST(HttpStreamTest, ManyStreamsAreWrittenByManyThreads) {
  constexpr int kStreams = 200, kEvents = 50, kThreads = 4;
  Streams streams;
  TestServer server(streams.Handler());
  std::vector<HttpClient> clients;
  for (int i = 0; i < kStreams; ++i) {
    clients.emplace_back(server.port());
    clients.back().Send(kGet);
  }
  ASSERT_TRUE(streams.Await(kStreams));
  const auto replies = streams.replies();
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int e = 0; e < kEvents; ++e) {
        for (int i = t; i < kStreams; i += kThreads)
          EXPECT_TRUE(replies[i]->Write(SseData(absl::StrCat(e))));
      }
      for (int i = t; i < kStreams; i += kThreads) EXPECT_TRUE(replies[i]->EndStream());
    });
  }
  std::string expected;
  for (int e = 0; e < kEvents; ++e) expected += SseData(absl::StrCat(e));
  for (HttpClient& client : clients) {
    const HttpResponse response = client.ReadResponse();
    EXPECT_TRUE(response.whole);
    EXPECT_EQ(response.body, expected);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(streams.num_closed(), 0);
}

TEST(HttpStreamTest, AThousandIdleStreamsCostNoThreadsAndLittleMemory) {
  constexpr int kStreams = 1000;
  rlimit files = {};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < 2 * kStreams + 100) GTEST_SKIP() << "too few file descriptors";
  Streams streams;
  TestServer server(streams.Handler());
  std::vector<HttpClient> clients;
  clients.reserve(kStreams);
  const auto connect = [&] {
    clients.emplace_back(server.port());
    clients.back().Send(kGet);
    EXPECT_NE(clients.back().ReadThrough("\r\n\r\n"), "");
    streams.replies().back()->Write(SseData("first"));
    EXPECT_NE(clients.back().ReadThrough("\n\n\r\n"), "");
  };
  for (int i = 0; i < 10; ++i) connect();
  const int64_t threads = ProcessStatus("Threads"), before_kib = ProcessStatus("VmRSS");
  while (clients.size() < kStreams) connect();
  const double kib = static_cast<double>(ProcessStatus("VmRSS") - before_kib) / (kStreams - 10);
  std::printf("%.1f KiB a stream, both ends\n", kib);
  EXPECT_EQ(ProcessStatus("Threads"), threads);
  EXPECT_EQ(server.open(), kStreams);
  if (!UnderSanitizer()) {
    EXPECT_LT(kib, 16);
  }
  clients.clear();
  EXPECT_TRUE(Eventually([&] { return streams.num_closed() == kStreams; }));
}

TEST(HttpStreamTest, StopLetsAStreamEnd) {
  Streams streams;
  TestServer server(streams.Handler());
  HttpClient idle(server.port()), client(server.port());
  client.Send(kGet);
  const auto reply = streams.only();
  std::thread stopper([&] { server.Stop(absl::Seconds(20)); });
  EXPECT_TRUE(idle.AtEnd());
  EXPECT_TRUE(reply->Write("the last words"));
  EXPECT_TRUE(reply->EndStream());
  const HttpResponse response = client.ReadResponse();
  EXPECT_TRUE(response.whole);
  EXPECT_EQ(response.body, "the last words");
  EXPECT_TRUE(client.AtEnd());
  stopper.join();
  EXPECT_EQ(streams.num_closed(), 0);
  EXPECT_LT(HttpClient(server.port()).fd(), 0);
}

TEST(HttpStreamTest, StopCutsWhatDoesNotEnd) {
  Streams streams;
  TestServer server(streams.Handler());
  HttpClient client(server.port());
  client.Send(kGet);
  const auto reply = streams.only();
  client.ReadThrough("\r\n\r\n");
  server.Stop(absl::Milliseconds(20));
  EXPECT_EQ(streams.num_closed(), 1);
  EXPECT_FALSE(reply->Write("x"));
  EXPECT_FALSE(reply->Post([] { ADD_FAILURE(); }));
  EXPECT_FALSE(client.ReadResponse().whole);
}

}  // namespace
}  // namespace coterie
