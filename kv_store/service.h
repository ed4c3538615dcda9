// KvStoreService: v1.KvStore: what is here, hints, journals, and an operator's wishes.
//
// Thread-safe: gRPC calls it from its own threads.
#ifndef COTERIE_KV_STORE_SERVICE_H_
#define COTERIE_KV_STORE_SERVICE_H_

#include <string>

#include "kv_store/call_gate.h"
#include "kv_store/objects_service.h"
#include "kv_store/store_node.h"
#include "proto/kv.grpc.pb.h"

namespace coterie {

class KvStoreService final : public v1::KvStore::Service {
 public:
  // Not owned, outlive this.
  KvStoreService(StoreNode* node, ObjectsService* objects, CallGate* gate);

  grpc::Status Describe(grpc::ServerContext* context, const v1::DescribeStoreRequest* request,
                        v1::StoreDescription* reply) override;
  grpc::Status Find(grpc::ServerContext* context, const v1::FindRequest* request,
                    v1::FindReply* reply) override;
  grpc::Status Hint(grpc::ServerContext* context, const v1::HintRequest* request,
                    v1::HintReply* reply) override;
  grpc::Status PutJournal(grpc::ServerContext* context, const v1::PutJournalRequest* request,
                          v1::PutJournalReply* reply) override;
  grpc::Status GetJournal(grpc::ServerContext* context, const v1::GetJournalRequest* request,
                          v1::GetJournalReply* reply) override;
  grpc::Status Scan(grpc::ServerContext* context, const v1::ScanRequest* request,
                    grpc::ServerWriter<v1::ScanReply>* writer) override;
  grpc::Status Verify(grpc::ServerContext* context, const v1::VerifyRequest* request,
                      v1::VerifyReply* reply) override;
  grpc::Status Evict(grpc::ServerContext* context, const v1::EvictRequest* request,
                     v1::EvictReply* reply) override;
  grpc::Status Seal(grpc::ServerContext* context, const v1::SealRequest* request,
                    v1::SealReply* reply) override;

 private:
  StoreNode* const node_;
  ObjectsService* const objects_;
  CallGate* const gate_;
  const std::string instance_id_;
};

}  // namespace coterie

#endif  // COTERIE_KV_STORE_SERVICE_H_
