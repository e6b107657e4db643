#include "tools/output_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace tutti {
namespace {

/// Whether the path is something that must not be replaced: a device, a pipe, a socket.
bool is_special(const std::string& path) {
  struct stat found {};
  return stat(path.c_str(), &found) == 0 && !S_ISREG(found.st_mode);
}

/// Where a symbolic link leads, so that the file is replaced and not the link. A loop leads to one
/// of its links.
std::string resolved(const std::string& path) {
  constexpr int kMostLinks = 40;  // as the kernel
  std::filesystem::path file = path;
  std::error_code none;
  for (int links = 0; links < kMostLinks && std::filesystem::is_symlink(file, none); ++links)
    file = file.parent_path() / std::filesystem::read_symlink(file, none);
  return file.string();
}

/// That of the file which is replaced, or a new one's.
mode_t mode_of(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) == 0) return found.st_mode & 07777;
  const mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

}  // namespace

OutputFile::OutputFile(std::string option, std::string path)
    : option_(std::move(option)), path_(std::move(path)), target_(resolved(path_)) {
  if (path_ == "-") {
    fd_ = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
  } else if (is_special(path_)) {
    fd_ = open(path_.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    std::error_code none;
    if (std::filesystem::is_symlink(target_, none)) errno = ELOOP, fail("cannot write");
    // Only a look: the work may take long, and a signal that ends it must leave nothing behind.
    create_beside();
    remove_beside();
    return;
  }
  if (fd_ < 0) fail("cannot write");
}

void OutputFile::create_beside() {
  temporary_ = target_ + ".XXXXXX";
  fd_ = mkostemp(temporary_.data(), O_CLOEXEC);
  if (fd_ >= 0) return;
  temporary_.clear();
  fail("cannot write");
}

void OutputFile::remove_beside() {
  close(std::exchange(fd_, -1));
  unlink(std::exchange(temporary_, {}).c_str());
}

OutputFile::~OutputFile() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void OutputFile::fail(const char* what) const {
  throw std::runtime_error(
      fmt::format("{}: {} '{}': {}", option_, what, path_, std::strerror(errno)));
}

void OutputFile::write_all(const std::string& text) const {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t written = ::write(fd_, &text[done], text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("cannot write");
    done += static_cast<std::size_t>(written);
  }
}

void OutputFile::write(const std::string& text) {
  std::fflush(stdout);  // what was printed before comes before, also with "-"
  if (fd_ < 0) create_beside();
  write_all(text);
  if (!temporary_.empty()) {
    if (fchmod(fd_, mode_of(target_)) != 0 || fsync(fd_) != 0) fail("cannot write");
    if (std::rename(temporary_.c_str(), target_.c_str()) != 0) fail("cannot replace");
    temporary_.clear();
  }
  if (close(std::exchange(fd_, -1)) != 0) fail("cannot write");
}

}  // namespace tutti
