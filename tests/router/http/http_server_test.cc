// Whole answers over real sockets. Goal: what HTTP promises a client that behaves, and a bounded,
// clear end to one that does not.
#include "router/http/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/router/http/http_client.h"
#include "tests/router/http/test_server.h"

namespace coterie {
namespace {

using ::testing::HasSubstr;

std::string Get(absl::string_view path, absl::string_view fields = "") {
  return absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: h\r\n", fields, "\r\n");
}
std::string Post(absl::string_view fields, absl::string_view body) {
  return absl::StrCat("POST /x HTTP/1.1\r\nHost: h\r\n", fields, "\r\n", body);
}

// Answers with what it was asked.
void Echo(const HttpRequest& request, const std::shared_ptr<HttpReply>& reply) {
  reply->Send({.content_type = "text/plain", .headers = {{"X-Peer", request.peer}}},
              absl::StrCat(request.method, " ", request.path, " ", request.body));
}

TEST(HttpServerTest, AnswersRequestAfterRequestOnOneConnection) {
  TestServer server(Echo);
  HttpClient client(server.port());
  for (int i = 0; i < 3; ++i) {
    const HttpResponse response = client.Ask(Get(absl::StrCat("/", i)));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, absl::StrCat("GET /", i, " "));
    EXPECT_EQ(response.headers.at("content-type"), "text/plain");
    EXPECT_THAT(response.headers.at("x-peer"), HasSubstr("127.0.0.1:"));
    EXPECT_THAT(response.headers.at("date"), HasSubstr(" GMT"));
    EXPECT_FALSE(response.headers.contains("connection"));
  }
  EXPECT_TRUE(Eventually([&] { return server.answered(200) == 3; }));
  EXPECT_EQ(server.open(), 1);
}

TEST(HttpServerTest, AnswersPipelinedRequestsInTheirOrder) {
  TestServer server(Echo);
  HttpClient client(server.port());
  std::string requests;
  for (int i = 0; i < 50; ++i) absl::StrAppend(&requests, Get(absl::StrCat("/", i)));
  client.Send(requests);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client.ReadResponse().body, absl::StrCat("GET /", i, " "));
}

TEST(HttpServerTest, ClosesWhenTheClientAsksForIt) {
  TestServer server(Echo);
  HttpClient client(server.port());
  const HttpResponse response = client.Ask(Get("/", "Connection: close\r\n"));
  EXPECT_EQ(response.headers.at("connection"), "close");
  EXPECT_TRUE(client.AtEnd());
  HttpClient old(server.port());
  EXPECT_EQ(old.Ask("GET /old HTTP/1.0\r\n\r\n").body, "GET /old ");
  EXPECT_TRUE(old.AtEnd());
}

TEST(HttpServerTest, SendsHeadOnlyTheHead) {
  TestServer server(Echo);
  HttpClient client(server.port());
  client.Send("HEAD /h HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(client.ReadResponse(/*to_head=*/true).headers.at("content-length"), "8");
  EXPECT_EQ(client.Ask(Get("/next")).body, "GET /next ");
}

TEST(HttpServerTest, AnswersWithoutABodyWhenTheStatusSaysSo) {
  TestServer server([](const HttpRequest&, const std::shared_ptr<HttpReply>& reply) {
    reply->Send({.status = 204, .headers = {{"Allow", "GET\r\nX-Injected: 1"}}}, "");
  });
  HttpClient client(server.port());
  const HttpResponse response = client.Ask("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(response.status, 204);
  EXPECT_FALSE(response.headers.contains("content-length"));
  EXPECT_FALSE(response.headers.contains("x-injected"));
  EXPECT_EQ(client.Ask(Get("/")).status, 204);
}

TEST(HttpServerTest, ReadsBodiesWithALengthAndInChunks) {
  TestServer server(Echo);
  HttpClient client(server.port());
  EXPECT_EQ(client.Ask(Post("Content-Length: 3\r\n", "abc")).body, "POST /x abc");
  EXPECT_EQ(
      client.Ask(Post("Transfer-Encoding: chunked\r\n", "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")).body,
      "POST /x abc");
  const std::string large(20 << 20, 'x');
  EXPECT_EQ(client.Ask(Post(absl::StrCat("Content-Length: ", large.size(), "\r\n"), large)).body,
            absl::StrCat("POST /x ", large));
}

TEST(HttpServerTest, TellsAClientThatWaitsToContinue) {
  TestServer server(Echo);
  HttpClient client(server.port());
  for (int i = 0; i < 2; ++i) {
    client.Send(Post("Expect: 100-continue\r\nContent-Length: 3\r\n", ""));
    EXPECT_EQ(client.ReadThrough("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_EQ(client.Ask("abc").body, "POST /x abc");
  }
}

TEST(HttpServerTest, RefusesALongBodyBeforeReadingIt) {
  HttpServerOptions options;
  options.limits.body_bytes = 1000;
  TestServer server(Echo, options);
  HttpClient client(server.port());
  const HttpResponse response =
      client.Ask(Post("Expect: 100-continue\r\nContent-Length: 1001\r\n", ""));
  EXPECT_EQ(response.status, 413);
  EXPECT_EQ(response.body,
            R"({"error":{"message":"the body is too large","type":"invalid_request_error",)"
            R"("param":null,"code":null}})");
  EXPECT_TRUE(client.AtEnd());
  EXPECT_EQ(server.answered(413), 1);
}

// A client that sends on while it is refused still reads why.
TEST(HttpServerTest, ARefusalReachesAClientThatIsStillSending) {
  HttpServerOptions options;
  options.limits.body_bytes = 1000;
  TestServer server(Echo, options);
  HttpClient client(server.port());
  client.Send(Post("Content-Length: 8000000\r\n", std::string(8000000, 'x')));
  EXPECT_EQ(client.ReadResponse().status, 413);
}

TEST(HttpServerTest, RefusesWhatIsMalformedAndCloses) {
  TestServer server(Echo);
  const std::pair<std::string, int> cases[] = {
      {"GET / HTTP/1.1\nHost: h\n\n", 400},
      {Post("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"), 400},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
      {Get("/" + std::string(9000, 'x')), 414},
      {Get("/", absl::StrCat("A: ", std::string(17000, 'x'), "\r\n")), 431}};
  for (const auto& [request, status] : cases) {
    HttpClient client(server.port());
    const HttpResponse response = client.Ask(request);
    EXPECT_EQ(response.status, status) << request.substr(0, 50);
    EXPECT_EQ(response.headers.at("connection"), "close");
    EXPECT_TRUE(client.AtEnd());
  }
}

// The client must have sent something in this time, on a busy machine as well.
TEST(HttpServerTest, AHeadThatTricklesInTimesOut) {
  HttpServerOptions options;
  options.head_timeout = absl::Milliseconds(400);
  TestServer server(Echo, options);
  HttpClient client(server.port());
  client.Send("GET / HTTP/1.1\r\nHost:");
  EXPECT_EQ(client.ReadResponse().status, 408);
  EXPECT_TRUE(client.AtEnd());
}

TEST(HttpServerTest, ABodyThatTricklesInTimesOut) {
  HttpServerOptions options;
  options.body_timeout = absl::Milliseconds(20);
  TestServer server(Echo, options);
  HttpClient client(server.port());
  EXPECT_EQ(client.Ask(Post("Content-Length: 10\r\n", "abc")).status, 408);
}

TEST(HttpServerTest, ASilentClientIsClosedSilently) {
  HttpServerOptions options;
  options.head_timeout = absl::Milliseconds(20);
  TestServer server(Echo, options);
  EXPECT_TRUE(HttpClient(server.port()).AtEnd());
  EXPECT_TRUE(Eventually([&] { return server.open() == 0; }));
}

TEST(HttpServerTest, AnIdleClientIsClosedSilently) {
  HttpServerOptions options;
  options.idle_timeout = absl::Milliseconds(20);
  TestServer server(Echo, options);
  HttpClient client(server.port());
  EXPECT_EQ(client.Ask(Get("/")).status, 200);
  EXPECT_TRUE(client.AtEnd());
}

// Whoever does not close after the last answer is closed.
TEST(HttpServerTest, AClientThatLingersIsClosed) {
  HttpServerOptions options;
  options.linger_timeout = absl::Milliseconds(20);
  TestServer server(Echo, options);
  HttpClient client(server.port());
  EXPECT_EQ(client.Ask(Get("/", "Connection: close\r\n")).status, 200);
  EXPECT_TRUE(Eventually([&] { return server.open() == 0; }));
}

TEST(HttpServerTest, OneConnectionTooManyIsToldSo) {
  HttpServerOptions options;
  options.connections_max = 2;
  TestServer server(Echo, options);
  HttpClient a(server.port()), b(server.port());
  EXPECT_EQ(a.Ask(Get("/")).status, 200);
  EXPECT_EQ(b.Ask(Get("/")).status, 200);
  HttpClient c(server.port());
  const HttpResponse response = c.ReadResponse();
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.headers.at("retry-after"), "1");
  c.Close();
  a.Close();
  ASSERT_TRUE(Eventually([&] { return server.open() == 1; }));
  HttpClient d(server.port());
  EXPECT_EQ(d.Ask(Get("/")).status, 200);
}

TEST(HttpServerTest, BodiesOfAllConnectionsAreBoundedTogether) {
  HttpServerOptions options;
  options.body_bytes_total = 150000;
  TestServer server(Echo, options);
  HttpClient a(server.port()), b(server.port());
  const std::string part(100000, 'x');
  const std::string request = Post("Content-Length: 100001\r\n", part);
  a.Send(request);
  b.Send(request);
  // One of them is refused; the other is served.
  const auto finish = [](HttpClient& client) {
    client.Send("x");
    return client.ReadResponse().status;
  };
  ASSERT_TRUE(Eventually([&] { return server.answered(503) == 1; }));
  EXPECT_EQ(finish(a) + finish(b), 200 + 503);
}

TEST(HttpServerTest, ACompleteAnswerReachesAClientThatHasEndedSending) {
  TestServer server(Echo);
  HttpClient client(server.port());
  client.Send(Get("/1") + Get("/2"));
  client.EndSending();
  EXPECT_EQ(client.ReadResponse().body, "GET /1 ");
  EXPECT_EQ(client.ReadResponse().body, "GET /2 ");
  EXPECT_TRUE(client.AtEnd());
}

TEST(HttpServerTest, AReplyThatIsLetGoOfIsAnError) {
  TestServer server([](const HttpRequest&, const std::shared_ptr<HttpReply>&) {});
  HttpClient client(server.port());
  const HttpResponse response = client.Ask(Get("/"));
  EXPECT_EQ(response.status, 500);
  EXPECT_THAT(response.body, HasSubstr("server_error"));
}

TEST(HttpServerTest, OnlyTheFirstAnswerCounts) {
  TestServer server([](const HttpRequest&, const std::shared_ptr<HttpReply>& reply) {
    EXPECT_TRUE(reply->Send({}, "first"));
    EXPECT_FALSE(reply->Send({}, "second"));
    EXPECT_FALSE(reply->BeginStream({}));
    EXPECT_FALSE(reply->Write("third"));
    EXPECT_FALSE(reply->EndStream());
  });
  HttpClient client(server.port());
  EXPECT_EQ(client.Ask(Get("/")).body, "first");
  EXPECT_EQ(client.Ask(Get("/")).body, "first");
}

TEST(HttpServerTest, RunningOutOfFileDescriptorsIsAPause) {
  if (UnderSanitizer()) GTEST_SKIP() << "UBSan opens pipes to look at memory";
  TestServer server(Echo);
  HttpClient before(server.port());
  EXPECT_EQ(before.Ask(Get("/")).status, 200);
  rlimit files = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &files), 0);
  // One more, for the client; none for the server's end.
  const int next = dup(before.fd());
  close(next);
  const rlimit tight = {static_cast<rlim_t>(next) + 1, files.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  HttpClient waiting(server.port());
  EXPECT_TRUE(waiting.Send(Get("/waiting")));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(before.Ask(Get("/")).status, 200);
  EXPECT_EQ(server.open(), 1);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
  EXPECT_EQ(waiting.ReadResponse().body, "GET /waiting ");
}

TEST(HttpServerTest, SaysWhyItCannotStart) {
  TestServer server(Echo);
  HttpServerOptions options;
  options.port = server.port();
  EXPECT_EQ(HttpServer::Start(options, &server).status().code(), absl::StatusCode::kUnavailable);
  options.listen_address = "nowhere";
  EXPECT_EQ(HttpServer::Start(options, &server).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace coterie
