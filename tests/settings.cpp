#include "tests/settings.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace tutti::test {

std::uint64_t setting(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  if (text == nullptr) return otherwise;
  const std::uint64_t number = std::stoull(text);
  std::printf("%s=%s\n", variable, text);
  return number;
}

}  // namespace tutti::test
