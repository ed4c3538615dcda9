// How fast extents go to a kv_store and come back, on one machine, beside what could be used
// instead.
//
// Bytes of a payload cross: memory to socket (one copy by the kernel), socket to memory (one more),
// into one piece (one of ours), and each end reads them once for a checksum. So the best possible
// is the loopback limit, measured first: a socket that is written and read with nothing behind it.
//
// Rows: the limit; a gRPC echo of `bytes` by generated code (counted both ways); the same service
// as ours by generated code; Redis, if --redis names one; our node, by TCP and by a Unix socket.
// Each with one and with --clients clients, which share what is read. All servers are processes of
// their own.
//
//   redis-server --port 6399 --save '' --appendonly no &
//   speed_bench --redis=127.0.0.1:6399
#include <arpa/inet.h>
#include <grpcpp/grpcpp.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "kernels/check.h"
#include "kv_store/call_gate.h"
#include "kv_store/client/grpc_block_store.h"
#include "kv_store/client/wire.h"
#include "kv_store/objects_service.h"
#include "kv_store/service.h"
#include "kv_store/store_node.h"
#include "ops/process/flags.h"
#include "proto/kv.grpc.pb.h"

ABSL_FLAG(int, extent_bytes, 5 << 20, "Size of a payload.");
ABSL_FLAG(int, extents, 64, "How many are written and read by all clients together.");
ABSL_FLAG(int, rounds, 5, "Medians of so many.");
ABSL_FLAG(int, clients, 8, "Clients at once, beside one.");
ABSL_FLAG(std::string, redis, "", "HOST:PORT of a Redis; empty: none.");

namespace coterie {
namespace {

std::string Payload(int n) {
  return std::string(static_cast<size_t>(absl::GetFlag(FLAGS_extent_bytes)),
                     static_cast<char>('a' + n % 26));
}

ObjectKey KeyOf(int n) {
  const std::string name = absl::StrCat("extent ", n);
  const std::vector<absl::string_view> fields = {name};
  return {RootId(fields), BlockKind::kGlobal, 1};
}

// One way to move extents. A client is made by each of the clients' threads.
struct Contestant {
  struct Client {
    std::function<void(int from, int to)> write, read;
  };
  std::string name;
  std::function<Client()> connect;
  std::function<void()> forget = [] {};
  double ways = 1;  // how often an extent crosses in one read or write
};

double GigabytesPerSecond(const Contestant& contestant, int num_clients, bool is_read) {
  std::vector<double> rates;
  const int num = absl::GetFlag(FLAGS_extents);
  for (int round = 0; round < absl::GetFlag(FLAGS_rounds); ++round) {
    if (!is_read) contestant.forget();
    std::vector<Contestant::Client> clients;
    for (int c = 0; c < num_clients; ++c) clients.push_back(contestant.connect());
    const absl::Time start = absl::Now();
    std::vector<std::thread> threads;
    for (int c = 0; c < num_clients; ++c) {
      threads.emplace_back([&, c] {
        const int from = num * c / num_clients, to = num * (c + 1) / num_clients;
        (is_read ? clients[static_cast<size_t>(c)].read : clients[static_cast<size_t>(c)].write)(
            from, to);
      });
    }
    for (std::thread& thread : threads) thread.join();
    rates.push_back(contestant.ways * num * absl::GetFlag(FLAGS_extent_bytes) / 1e9 /
                    absl::ToDoubleSeconds(absl::Now() - start));
  }
  std::sort(rates.begin(), rates.end());
  return rates[rates.size() / 2];
}

// A server in a process of its own, forked before this one has any thread; it writes its port.
class Server {
 public:
  explicit Server(const std::function<void(int port_fd)>& serve) {
    int fds[2];
    CHECK_EQ(pipe(fds), 0);
    pid_ = fork();
    if (pid_ == 0) {
      close(fds[0]);
      serve(fds[1]);
      _exit(0);
    }
    close(fds[1]);
    CHECK_EQ(read(fds[0], &port_, sizeof(port_)), static_cast<ssize_t>(sizeof(port_)));
    close(fds[0]);
  }
  ~Server() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  int port() const { return port_; }
  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }

 private:
  pid_t pid_;
  int port_ = 0;
};

void ServeGrpc(const std::vector<grpc::Service*>& services, const std::string& unix_address,
               int port_fd) {
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(kFrameBytesMax);
  builder.SetMaxSendMessageSize(kFrameBytesMax);
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  if (!unix_address.empty())
    builder.AddListeningPort(unix_address, grpc::InsecureServerCredentials());
  for (grpc::Service* service : services) builder.RegisterService(service);
  const auto server = builder.BuildAndStart();
  CHECK(server != nullptr && write(port_fd, &port, sizeof(port)) == sizeof(port));
  server->Wait();
}

// Ours by generated code, and the echo.
class PlainObjects : public v1::KvObjects::Service {
 public:
  grpc::Status Put(grpc::ServerContext*, grpc::ServerReader<v1::ObjectFrame>* reader,
                   v1::PutReply*) override {
    v1::ObjectFrame frame;
    while (reader->Read(&frame)) {
      std::lock_guard<std::mutex> lock(mu_);
      payloads_[frame.key()] = std::make_shared<std::string>(std::move(*frame.mutable_payload()));
    }
    return grpc::Status::OK;
  }
  grpc::Status Get(grpc::ServerContext*, const v1::GetRequest* request,
                   grpc::ServerWriter<v1::ObjectFrame>* writer) override {
    for (size_t at = 0; at < request->keys().size(); at += kKeyBytes) {
      v1::ObjectFrame frame;
      std::shared_ptr<std::string> payload;
      {
        std::lock_guard<std::mutex> lock(mu_);
        payload = payloads_[request->keys().substr(at, kKeyBytes)];
      }
      frame.set_payload(*payload);
      writer->Write(frame);
    }
    return grpc::Status::OK;
  }

 private:
  std::mutex mu_;
  std::map<std::string, std::shared_ptr<std::string>> payloads_;  // guarded by mu_
};

class Echo : public v1::KvStore::Service {
 public:
  grpc::Status Find(grpc::ServerContext*, const v1::FindRequest* request,
                    v1::FindReply* reply) override {
    reply->set_present(request->keys());
    return grpc::Status::OK;
  }
};

std::shared_ptr<grpc::Channel> NewChannel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kFrameBytesMax);
  arguments.SetMaxSendMessageSize(kFrameBytesMax);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

std::string KeyBytes(int n) {
  std::string bytes;
  AppendKey(KeyOf(n), &bytes);
  return bytes;
}

Contestant EchoContestant(const std::string& address) {
  return {.name = "gRPC echo of bytes",
          .connect =
              [address] {
                const std::shared_ptr<v1::KvStore::Stub> stub =
                    v1::KvStore::NewStub(NewChannel(address));
                const auto run = [stub](int from, int to) {
                  v1::FindRequest request;
                  request.set_keys(Payload(from));
                  for (int n = from; n < to; ++n) {
                    grpc::ClientContext context;
                    v1::FindReply reply;
                    CHECK(stub->Find(&context, request, &reply).ok());
                  }
                };
                return Contestant::Client{run, run};
              },
          .ways = 2};
}

Contestant PlainContestant(const std::string& address) {
  return {.name = "same service, generated code", .connect = [address] {
            const std::shared_ptr<v1::KvObjects::Stub> stub =
                v1::KvObjects::NewStub(NewChannel(address));
            return Contestant::Client{[stub](int from, int to) {
                                        grpc::ClientContext context;
                                        v1::PutReply reply;
                                        const auto writer = stub->Put(&context, &reply);
                                        v1::ObjectFrame frame;
                                        frame.set_payload(Payload(from));
                                        for (int n = from; n < to; ++n) {
                                          frame.set_key(KeyBytes(n));
                                          CHECK(writer->Write(frame));
                                        }
                                        writer->WritesDone();
                                        CHECK(writer->Finish().ok());
                                      },
                                      [stub](int from, int to) {
                                        grpc::ClientContext context;
                                        v1::GetRequest request;
                                        for (int n = from; n < to; ++n)
                                          request.mutable_keys()->append(KeyBytes(n));
                                        const auto reader = stub->Get(&context, request);
                                        v1::ObjectFrame frame;
                                        for (int n = from; n < to; ++n) CHECK(reader->Read(&frame));
                                        CHECK(reader->Finish().ok());
                                      }};
          }};
}

Contestant StoreContestant(const std::string& name, const std::string& address) {
  const auto forget = [address] {
    const auto stub = v1::KvStore::NewStub(NewChannel(address));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(10)));
    context.AddMetadata(kVersionMetadata, absl::StrCat(kWireVersion));
    v1::EvictRequest request;
    request.set_tenant("bench");
    v1::EvictReply reply;
    CHECK(stub->Evict(&context, request, &reply).ok());
  };
  const auto connect = [address] {
    const std::shared_ptr<GrpcBlockStore> store =
        *GrpcBlockStore::Create({.members = {address},
                                 .put_queue_bytes = size_t{4} << 30,
                                 .put_timeout = absl::Seconds(60)});
    return Contestant::Client{[store](int from, int to) {
                                const auto payload =
                                    std::make_shared<const std::string>(Payload(from));
                                std::vector<StoredObject> objects;
                                for (int n = from; n < to; ++n)
                                  objects.push_back({KeyOf(n), payload});
                                CHECK(store->Put(std::move(objects), {.tenant = "bench"}));
                                CHECK(store->Flush(absl::Now() + absl::Seconds(60)));
                                CHECK_EQ(store->counts().put_dropped, 0u);
                              },
                              [store](int from, int to) {
                                std::vector<ObjectKey> keys;
                                for (int n = from; n < to; ++n) keys.push_back(KeyOf(n));
                                std::atomic<int> num_came = 0;
                                std::promise<void> ended;
                                store->Get(
                                    keys, absl::Now() + absl::Seconds(60),
                                    [&](size_t, const StoredObject& object) {
                                      num_came += object.bytes == nullptr ? 0 : 1;
                                    },
                                    [&](const absl::Status&) { ended.set_value(); });
                                ended.get_future().wait();
                                CHECK_EQ(num_came, to - from);
                              }};
  };
  return {.name = name, .connect = connect, .forget = forget};
}

// A connected socket, and its bytes.
class Socket {
 public:
  explicit Socket(const std::string& address) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    const std::vector<std::string> parts = absl::StrSplit(address, ':');
    int port = 0;
    sockaddr_in peer = {};
    peer.sin_family = AF_INET;
    CHECK(parts.size() == 2 && absl::SimpleAtoi(parts[1], &port)) << address;
    peer.sin_port = htons(static_cast<uint16_t>(port));
    CHECK_EQ(inet_pton(AF_INET, parts[0].c_str(), &peer.sin_addr), 1);
    CHECK_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)), 0) << address;
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  }
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void Send(absl::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      CHECK_GT(n, 0);
      bytes.remove_prefix(static_cast<size_t>(n));
    }
  }
  void Receive(char* bytes, size_t count) {
    while (count > 0) {
      const ssize_t n = recv(fd_, bytes, count, 0);
      CHECK_GT(n, 0);
      bytes += n;
      count -= static_cast<size_t>(n);
    }
  }
  std::string Line() {
    std::string line;
    char c = 0;
    while (!absl::EndsWith(line, "\r\n")) {
      Receive(&c, 1);
      line.push_back(c);
    }
    return line;
  }

 private:
  const int fd_;
};

Contestant RedisContestant(const std::string& address) {
  return {
      .name = "Redis", .connect = [address] {
        const auto socket = std::make_shared<Socket>(address);
        const auto payload = std::make_shared<std::string>(Payload(0));
        return Contestant::Client{
            [socket, payload](int from, int to) {
              for (int n = from; n < to; ++n) {
                const std::string key = absl::StrCat("extent:", n);
                socket->Send(absl::StrCat("*3\r\n$3\r\nSET\r\n$", key.size(), "\r\n", key, "\r\n$",
                                          payload->size(), "\r\n"));
                socket->Send(*payload);
                socket->Send("\r\n");
                CHECK_EQ(socket->Line(), "+OK\r\n");
              }
            },
            [socket, payload](int from, int to) {
              std::string got(payload->size() + 2, '\0');
              for (int n = from; n < to; ++n) {
                const std::string key = absl::StrCat("extent:", n);
                socket->Send(absl::StrCat("*2\r\n$3\r\nGET\r\n$", key.size(), "\r\n", key, "\r\n"));
                CHECK_EQ(socket->Line(), absl::StrCat("$", payload->size(), "\r\n"));
                socket->Receive(got.data(), got.size());
              }
            }};
      }};
}

// A socket on which whatever is asked for comes, and whatever is sent is taken.
void ServeLimit(int port_fd) {
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in own = {};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(own);
  CHECK_EQ(bind(listener, reinterpret_cast<sockaddr*>(&own), size), 0);
  CHECK_EQ(listen(listener, 64), 0);
  CHECK_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&own), &size), 0);
  const int port = ntohs(own.sin_port);
  CHECK_EQ(write(port_fd, &port, sizeof(port)), static_cast<ssize_t>(sizeof(port)));
  for (;;) {
    const int fd = accept(listener, nullptr, nullptr);
    std::thread([fd] {
      std::vector<char> bytes(1 << 20);
      char mode = 0;
      int64_t left = 0;
      while (recv(fd, &mode, 1, MSG_WAITALL) == 1 &&
             recv(fd, &left, sizeof(left), MSG_WAITALL) == sizeof(left)) {
        while (left > 0) {
          const size_t most = std::min<size_t>(bytes.size(), static_cast<size_t>(left));
          const ssize_t n = mode == 'r' ? send(fd, bytes.data(), most, MSG_NOSIGNAL)
                                        : recv(fd, bytes.data(), most, 0);
          if (n <= 0) break;
          left -= n;
        }
        if (mode == 'w') send(fd, &mode, 1, MSG_NOSIGNAL);
      }
      close(fd);
    }).detach();
  }
}

Contestant LimitContestant(const std::string& address) {
  return {.name = "loopback limit", .connect = [address] {
            const auto socket = std::make_shared<Socket>(address);
            const auto payload = std::make_shared<std::string>(Payload(0));
            const auto ask = [socket](char mode, size_t bytes) {
              const auto count = static_cast<int64_t>(bytes);
              socket->Send(absl::string_view(&mode, 1));
              socket->Send(absl::string_view(reinterpret_cast<const char*>(&count), sizeof(count)));
            };
            return Contestant::Client{[=](int from, int to) {
                                        for (int n = from; n < to; ++n) {
                                          ask('w', payload->size());
                                          socket->Send(*payload);
                                          char answer;
                                          socket->Receive(&answer, 1);
                                        }
                                      },
                                      [=](int from, int to) {
                                        std::string got(payload->size(), '\0');
                                        for (int n = from; n < to; ++n) {
                                          ask('r', got.size());
                                          socket->Receive(got.data(), got.size());
                                        }
                                      }};
          }};
}

// Lookups of a long context, one after another.
void FindLatency(const std::string& address) {
  const auto store = *GrpcBlockStore::Create({.members = {address}});
  std::vector<ObjectKey> keys;
  for (int n = 0; n < 2048; ++n) keys.push_back(KeyOf(n));
  std::vector<double> took;
  for (int i = 0; i < 1000; ++i) {
    std::promise<bool> found;
    const absl::Time start = absl::Now();
    store->Find(keys, start + absl::Seconds(10),
                [&](const absl::StatusOr<std::vector<bool>>& p) { found.set_value(p.ok()); });
    CHECK(found.get_future().get());
    took.push_back(absl::ToDoubleMicroseconds(absl::Now() - start));
  }
  std::sort(took.begin(), took.end());
  std::printf("lookup of 2,048 keys: median %.0f us, p99 %.0f us\n", took[took.size() / 2],
              took[took.size() * 99 / 100]);
}

int Run() {
  // As every process of ours does (ServerProcess); the others gain by it too.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 512 << 20);
  const std::string unix_address = absl::StrCat("unix-abstract:coterie-kv-bench-", getpid());
  const Server limit(ServeLimit);
  const Server plain([](int port_fd) {
    PlainObjects objects;
    Echo echo;
    ServeGrpc({&objects, &echo}, "", port_fd);
  });
  const Server store([&](int port_fd) {
    const auto node =
        *StoreNode::Create({.memory = {.capacity_bytes = size_t{4} << 30}}, nullptr, absl::Now());
    CallGate gate(256);
    ObjectsService objects(node.get(), &gate);
    KvStoreService service(node.get(), &objects, &gate);
    ServeGrpc({&service, &objects}, unix_address, port_fd);
  });
  std::vector<Contestant> contestants = {LimitContestant(limit.address()),
                                         EchoContestant(plain.address()),
                                         PlainContestant(plain.address())};
  if (const std::string redis = absl::GetFlag(FLAGS_redis); !redis.empty())
    contestants.push_back(RedisContestant(redis));
  contestants.push_back(StoreContestant("kv_store", store.address()));
  contestants.push_back(StoreContestant("kv_store, Unix socket", unix_address));
  const int many = absl::GetFlag(FLAGS_clients);
  std::printf("GB/s of extents of %d bytes\nwhat,write 1,read 1,write %d,read %d\n",
              absl::GetFlag(FLAGS_extent_bytes), many, many);
  for (const Contestant& contestant : contestants) {
    std::printf("%s", contestant.name.c_str());
    for (const int clients : {1, many}) {
      for (const bool is_read : {false, true})
        std::printf(",%.2f", GigabytesPerSecond(contestant, clients, is_read));
    }
    std::printf("\n");
    std::fflush(stdout);
  }
  FindLatency(store.address());
  return 0;
}

}  // namespace
}  // namespace coterie

int main(int argc, char** argv) {
  coterie::ParseFlagsOrExit(argc, argv, "Times reads and writes of extents.");
  return coterie::Run();
}
