// A file that is there whole or not at all.
#pragma once

#include <string>

namespace tutti {

/// Looks at once whether the path can be written, before the work; write() puts the
/// text in place in one step. "-" is standard output; devices and pipes are written directly.
class OutputFile {
 public:
  /// Throws std::runtime_error naming `option` and the path.
  OutputFile(std::string option, std::string path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// Once. Throws std::runtime_error naming option, path and cause, e.g. a full disk.
  void write(const std::string& text);

 private:
  [[noreturn]] void fail(const char* what) const;
  void create_beside();
  void remove_beside();
  void write_all(const std::string& text) const;

  const std::string option_, path_, target_;
  std::string temporary_;  // empty where there is none to rename or remove
  int fd_ = -1;
};

}  // namespace tutti
