#include "tools/terminal_input.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace tutti {

bool TerminalInput::needed() { return isatty(STDIN_FILENO) == 1; }

int TerminalInput::readable() const {
  const bool open = static_cast<bool>(pipe_.write_end);
  const bool foreground = tcgetpgrp(STDIN_FILENO) == getpgrp();
  return open && foreground && typed_.empty() ? STDIN_FILENO : -1;
}

void TerminalInput::read_some() {
  std::array<char, 4096> buffer;
  const ssize_t got = read(STDIN_FILENO, buffer.data(), buffer.size());
  if (got > 0) typed_.assign(buffer.data(), static_cast<std::size_t>(got));
  if (got == 0) pipe_.write_end = UniqueFd();  // the end of input, for rank 0 too
}

void TerminalInput::write_some() {
  fcntl(pipe_.write_end.get(), F_SETFL, O_NONBLOCK);
  const ssize_t written = write(pipe_.write_end.get(), typed_.data(), typed_.size());
  if (written > 0) typed_.erase(0, static_cast<std::size_t>(written));
  if (written >= 0 || errno == EAGAIN) return;
  typed_.clear();  // rank 0 has closed its input
  pipe_.write_end = UniqueFd();
}

}  // namespace tutti
