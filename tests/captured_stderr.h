// What is said on standard error while it lives, by this process and those that it starts.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace tutti::test {

class CapturedStderr {
 public:
  CapturedStderr() : file_(memfd_create("stderr", MFD_CLOEXEC)), before_(dup(STDERR_FILENO)) {
    std::fflush(stderr);
    if (file_ < 0 || before_ < 0 || dup2(file_, STDERR_FILENO) < 0)
      throw std::runtime_error("cannot capture standard error");
  }
  ~CapturedStderr() {
    dup2(before_, STDERR_FILENO);
    close(before_);
    close(file_);
  }
  CapturedStderr(const CapturedStderr&) = delete;
  CapturedStderr& operator=(const CapturedStderr&) = delete;

  std::string text() const {
    std::string all;
    char buffer[4096];
    for (ssize_t n; (n = pread(file_, buffer, sizeof buffer, static_cast<off_t>(all.size()))) > 0;)
      all.append(buffer, static_cast<std::size_t>(n));
    return all;
  }

  /// How often `words` were said.
  int count(const std::string& words) const {
    const std::string all = text();
    int times = 0;
    for (std::size_t at = 0; (at = all.find(words, at)) != std::string::npos; at += words.size())
      ++times;
    return times;
  }

 private:
  const int file_, before_;
};

}  // namespace tutti::test
