#include <string>

#include "kernels/dtype.h"
#include "kernels/names.h"
#include "transport/transport.h"

namespace tutti {
std::string describe(const CallRecord& call) {
  std::string text = collective_name(call.collective) + " #" + std::to_string(call.sequence);
  std::string details;
  const auto add = [&](const std::string& detail) {
    details += (details.empty() ? "" : ", ") + detail;
  };
  if (call.op != 0) add(op_name(call.op));
  if (const auto dtype = dtype_of(call.dtype)) {
    add(std::string(name_of(*dtype)));
    add("count " + std::to_string(call.count));
  }
  const char* const root = call.collective == kSendCall   ? "to rank "
                           : call.collective == kRecvCall ? "from rank "
                                                          : "root ";
  if (call.root >= 0) add(root + std::to_string(call.root));
  if (call.reproducible) add("reproducible");
  return details.empty() ? text : text + " (" + details + ")";
}

}  // namespace tutti
