#include "bench/kv/servers.h"

#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "kernels/check.h"
#include "kv_store/call_gate.h"
#include "kv_store/client/wire.h"
#include "kv_store/object.h"
#include "kv_store/objects_service.h"
#include "kv_store/service.h"
#include "kv_store/shared_windows.h"
#include "kv_store/store_node.h"
#include "ops/process/allocator.h"
#include "proto/kv.grpc.pb.h"

namespace coterie {
namespace {

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

}  // namespace

Server::Server(const std::function<void(int port_fd)>& serve) {
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

Server::~Server() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

std::string Server::address() const { return absl::StrCat("127.0.0.1:", port_); }

void ServePlain(int port_fd) {
  PlainObjects objects;
  Echo echo;
  ServeGrpc({&objects, &echo}, "", port_fd);
}

void ServeStore(const std::string& unix_address, bool shares_memory, int port_fd) {
  KeepFreedMemory();
  const auto node =
      *StoreNode::Create({.memory = {.capacity_bytes = size_t{4} << 30}}, nullptr, absl::Now());
  CallGate gate(256);
  std::unique_ptr<SharedWindows> windows;
  if (shares_memory) windows = *SharedWindows::Start();
  ObjectsService objects(node.get(), &gate, windows.get());
  KvStoreService service(node.get(), &objects, &gate);
  ServeGrpc({&service, &objects}, unix_address, port_fd);
}

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

}  // namespace coterie
