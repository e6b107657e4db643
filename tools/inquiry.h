// What `tutti perf` asks the layers below before it starts ranks; the sweep itself uses the C API
// alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tutti {

/// Bytes that this process could have now; none if nobody says.
std::optional<double> memory_to_be_had();

/// Why an algorithm of that name serves no call at any of the rank counts; empty if it serves some.
/// The collective is one that exists.
std::string why_never_served(std::string_view collective, const std::string& algorithm,
                             const std::vector<int>& rank_counts);

}  // namespace tutti
