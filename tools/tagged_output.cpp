#include "tools/tagged_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <system_error>

namespace tutti {
namespace {

constexpr std::size_t kMostQueued = std::size_t{256} << 10;
// A line without an end is cut here, so that memory stays bounded.
constexpr std::size_t kLongestLine = std::size_t{1} << 20;

constexpr std::size_t kReadBytes = std::size_t{16} << 10;
// As much as the largest pipe holds, in case somebody still writes when nobody should.
constexpr int kMostLastReads = 64;

}  // namespace

void TaggedOutput::add(int rank, UniqueFd from) {
  fcntl(from.get(), F_SETFL, O_NONBLOCK);  // our end of the pipe; the rank's own is not touched
  sources_.push_back(
      {.tag = "[" + std::to_string(rank) + "] ", .from = std::move(from), .line = {}});
}

void TaggedOutput::say(const std::string& line) { queue_ += line + "\n"; }

std::vector<int> TaggedOutput::readable() const {
  std::vector<int> fds;
  if (queue_.size() > kMostQueued) return fds;
  for (const Source& source : sources_) fds.push_back(source.from.get());
  return fds;
}

void TaggedOutput::read_some() {
  if (queue_.size() > kMostQueued) return;
  for (auto source = sources_.begin(); source != sources_.end();)
    source = read_from(*source) == Heard::kEnd ? sources_.erase(source) : source + 1;
}

TaggedOutput::Heard TaggedOutput::read_from(Source& source) {
  std::array<char, kReadBytes> buffer;
  const ssize_t got = read(source.from.get(), buffer.data(), buffer.size());
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return Heard::kNothing;
  if (got <= 0) {
    end_line(source);
    return Heard::kEnd;
  }
  std::size_t searched = source.line.size();
  source.line.append(buffer.data(), static_cast<std::size_t>(got));
  for (std::size_t at; (at = source.line.find('\n', searched)) != std::string::npos; searched = 0)
    put_line(source, at + 1);
  if (source.line.size() > kLongestLine) end_line(source);
  return Heard::kSomething;
}

void TaggedOutput::put_line(Source& source, std::size_t length) {
  if (!lost_) queue_ += source.tag;
  if (!lost_) queue_.append(source.line, 0, length);
  source.line.erase(0, length);
}

void TaggedOutput::end_line(Source& source) {
  if (source.line.empty()) return;
  source.line += '\n';
  put_line(source, source.line.size());
}

void TaggedOutput::write_some() {
  // A pipe or socket that polls as writable takes this much at once.
  const std::size_t piece = std::min<std::size_t>(queue_.size(), PIPE_BUF);
  const ssize_t written = write(to_, queue_.data(), piece);
  if (written > 0) queue_.erase(0, static_cast<std::size_t>(written));
  if (written >= 0 || errno == EAGAIN || errno == EINTR) return;
  queue_.clear();
  if (errno == EPIPE) {
    sources_.clear();  // closes the pipes
    return;
  }
  lost_ = true;
  failure_ = std::string(name_) + ": " + std::generic_category().message(errno);
}

void TaggedOutput::close() {
  for (Source& source : sources_) {
    for (int i = 0; i < kMostLastReads && read_from(source) == Heard::kSomething; ++i) {
    }
    end_line(source);
  }
  sources_.clear();
}

}  // namespace tutti
