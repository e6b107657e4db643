// What messages call the C API's ops and collectives: the one table of each.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "tutti/tutti.h"

namespace tutti {

/// By tutti_collective.
inline constexpr std::array<std::string_view, 11> kCollectiveNames = {
    "all_reduce", "broadcast", "barrier",    "reduce", "reduce_scatter", "all_gather",
    "gather",     "scatter",   "all_to_all", "scan",   "exclusive_scan"};

/// Of the predefined ops, by tutti_op; none has the value 0.
inline constexpr std::array<std::string_view, 11> kOpNames = {
    "", "sum", "prod", "min", "max", "avg", "band", "bor", "bxor", "min_index", "max_index"};

/// What a message's two ends are called, in place of a tutti_collective.
inline constexpr tutti_collective kSendCall = 1000, kRecvCall = 1001;

/// "all_reduce"; of a value that none has, "collective 7".
inline std::string collective_name(tutti_collective collective) {
  if (collective == kSendCall) return "send";
  if (collective == kRecvCall) return "recv";
  const auto index = static_cast<std::size_t>(collective);
  if (collective < 0 || index >= kCollectiveNames.size())
    return "collective " + std::to_string(collective);
  return std::string(kCollectiveNames[index]);
}

/// "sum"; of others, which were created, "created op 256".
inline std::string op_name(tutti_op op) {
  if (op < kOpNames.size()) return std::string(kOpNames[op]);
  return "created op " + std::to_string(op);
}

}  // namespace tutti
