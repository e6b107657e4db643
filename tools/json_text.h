// JSON as it is written. What came from outside (a variable, a path) need not be UTF-8: what is not
// is replaced, since measurements must not be lost for it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace tutti {

/// `indent` -1: in one line.
inline std::string json_text(const nlohmann::json& json, int indent = -1) {
  return json.dump(indent, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace tutti
