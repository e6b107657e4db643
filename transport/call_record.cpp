#include <array>
#include <string>
#include <string_view>

#include "kernels/dtype.h"
#include "transport/transport.h"

namespace tutti {
namespace {

std::string collective_name(std::int32_t collective) {
  constexpr std::array<std::string_view, 3> kNames = {"all_reduce", "broadcast", "barrier"};
  if (collective < 0 || static_cast<std::size_t>(collective) >= kNames.size())
    return "collective " + std::to_string(collective);
  return std::string(kNames[static_cast<std::size_t>(collective)]);
}

std::string op_name(std::uint64_t op) {
  constexpr std::array<std::string_view, 9> kNames = {"",    "sum",  "prod", "min", "max",
                                                      "avg", "band", "bor",  "bxor"};
  if (op < kNames.size()) return std::string(kNames[op]);
  return "created op " + std::to_string(op);
}

}  // namespace

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
  if (call.root >= 0) add("root " + std::to_string(call.root));
  return details.empty() ? text : text + " (" + details + ")";
}

}  // namespace tutti
