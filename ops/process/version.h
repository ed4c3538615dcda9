// The version of the source, in --version, in the log and in the metric `coterie_build_info`.
#ifndef COTERIE_OPS_PROCESS_VERSION_H_
#define COTERIE_OPS_PROCESS_VERSION_H_

namespace coterie {

inline constexpr char kVersion[] = "0.1.0";

}  // namespace coterie

#endif  // COTERIE_OPS_PROCESS_VERSION_H_
