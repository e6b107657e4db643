#include "transport/bootstrap/channel.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "transport/system_error.h"

namespace tutti {
namespace {

constexpr std::uint64_t kMagic = 0x7475747469207276;  // "tutti rv"

/// What goes before each payload. Magic and version keep their places for ever.
struct Header {
  std::uint64_t magic = kMagic;
  std::int32_t version = TUTTI_VERSION;
  Kind kind{};
  std::int32_t rank = -1;
  std::uint32_t fds = 0;
  std::int64_t value = 0;
};

constexpr std::size_t kGreetingBytes = offsetof(Header, kind);

/// Room for the descriptors of one message, aligned as the kernel wants it.
struct alignas(cmsghdr) Ancillary {
  std::array<char, CMSG_SPACE(kMostFds * sizeof(int))> bytes{};
};

void attach(const std::vector<UniqueFd>& fds, Ancillary& ancillary, msghdr& header) {
  if (fds.empty()) return;
  header.msg_control = ancillary.bytes.data();
  header.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
  cmsghdr* part = CMSG_FIRSTHDR(&header);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
  unsigned char* to = CMSG_DATA(part);
  for (const UniqueFd& fd : fds) {
    const int number = fd.get();
    std::memcpy(to, &number, sizeof number);
    to += sizeof number;
  }
}

/// Owns whatever came, before anything is checked.
std::vector<UniqueFd> detach(msghdr& header) {
  std::vector<UniqueFd> fds;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int number = -1;
      std::memcpy(&number, CMSG_DATA(part) + i * sizeof number, sizeof number);
      fds.emplace_back(number);
    }
  }
  return fds;
}

/// recvmsg() past interruptions. The end is believed when it is seen twice: a peer that closed with
/// our bytes unread gives ECONNRESET once, before what it said last, and a socket that does not
/// block reports the end although the peer sent something just before it closed, when both fall
/// between the kernel's looks at the queue and at the peer (Linux 6.18, net/unix/af_unix.c).
ssize_t receive_some(int fd, msghdr& header) {
  bool end_seen = false;
  for (;;) {
    const msghdr blank = header;
    const ssize_t got = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
    const bool end = got == 0 || (got < 0 && errno == ECONNRESET);
    if (!(end && !end_seen) && !(got < 0 && errno == EINTR)) return got;
    end_seen = end_seen || end;
    if (got == 0) detach(header);  // an empty message may carry some, too: they are closed
    header = blank;
  }
}

std::uint64_t hash(const std::string& text, std::uint64_t state, std::uint64_t factor) {
  for (const char c : text) state = (state ^ static_cast<unsigned char>(c)) * factor;
  return state ^ (state >> 32);
}

}  // namespace

Message error_message(const Error& error) {
  const std::string text = std::string(error.what()).substr(0, kMostPayload);
  const auto* bytes = reinterpret_cast<const std::byte*>(text.data());
  return {.kind = Kind::kError, .value = error.status(), .payload = {bytes, bytes + text.size()}};
}

Error error_of(const Message& message) {
  const bool known = message.value >= TUTTI_INVALID && message.value <= TUTTI_OP_FAILED;
  const auto* text = reinterpret_cast<const char*>(message.payload.data());
  return Error(known ? static_cast<tutti_status>(message.value) : TUTTI_INTERNAL,
               std::string(text, message.payload.size()));
}

Sent Channel::send(const Message& message, bool with_fds) const {
  Header head;
  head.kind = message.kind;
  head.rank = message.rank;
  head.value = message.value;
  if (with_fds) head.fds = static_cast<std::uint32_t>(message.fds.size());
  std::array<iovec, 2> parts{
      iovec{&head, sizeof head},
      iovec{const_cast<std::byte*>(message.payload.data()), message.payload.size()}};
  msghdr header{};
  header.msg_iov = parts.data();
  header.msg_iovlen = parts.size();
  Ancillary ancillary;
  if (with_fds) attach(message.fds, ancillary, header);
  for (;;) {
    if (sendmsg(fd(), &header, MSG_NOSIGNAL) >= 0) return Sent::kDone;
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return Sent::kFull;
    if (errno == ETOOMANYREFS) return Sent::kTooManyInFlight;
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) return Sent::kClosed;
    throw system_error("cannot send to a rank", errno);
  }
}

Received Channel::receive(Message& message, bool with_fds) const {
  Header head;
  std::array<std::byte, kMostPayload> payload;
  std::array<iovec, 2> parts{iovec{&head, sizeof head}, iovec{payload.data(), payload.size()}};
  Ancillary ancillary;
  msghdr header{};
  header.msg_iov = parts.data();
  header.msg_iovlen = parts.size();
  if (with_fds) {
    header.msg_control = ancillary.bytes.data();
    header.msg_controllen = ancillary.bytes.size();
  }
  const ssize_t got = receive_some(fd(), header);
  if (got < 0 && errno == EAGAIN) return Received::kNothing;
  if (got < 0) return Received::kClosed;
  message.fds = detach(header);
  if (got == 0) return Received::kClosed;

  const auto bytes = static_cast<std::size_t>(got);
  if (bytes < kGreetingBytes || head.magic != kMagic) return Received::kMalformed;
  message.version = head.version;
  if (head.version != TUTTI_VERSION) return Received::kMessage;
  if (bytes < sizeof head || (header.msg_flags & MSG_TRUNC) != 0 || head.fds > kMostFds)
    return Received::kMalformed;
  if (message.fds.size() < head.fds && with_fds) return Received::kOutOfDescriptors;
  if (message.fds.size() != head.fds) return Received::kMalformed;
  message.kind = head.kind;
  message.rank = head.rank;
  message.value = head.value;
  message.payload.assign(payload.begin(),
                         payload.begin() + static_cast<std::ptrdiff_t>(bytes - sizeof head));
  return Received::kMessage;
}

Credentials Channel::peer() const {
  ucred known{};
  socklen_t bytes = sizeof known;
  if (getsockopt(fd(), SOL_SOCKET, SO_PEERCRED, &known, &bytes) != 0)
    throw system_error("cannot ask who connected", errno);
  return {.pid = known.pid, .uid = known.uid};
}

void wait_for(std::span<pollfd> fds, Clock::time_point until) {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    const auto ms = std::clamp<std::int64_t>(left.count(), 0, 60'000);
    const int ready = poll(fds.data(), fds.size(), static_cast<int>(ms));
    if (ready > 0 || (ready == 0 && Clock::now() >= until)) return;
    if (ready < 0 && errno != EINTR) throw system_error("cannot wait for ranks", errno);
  }
}

UniqueFd open_socket() {
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) throw system_error("cannot open a socket", errno);
  return fd;
}

std::string socket_name(const std::string& address) {
  // FNV-1a in two lanes: against accidents only; the credentials are what keeps strangers out.
  const std::uint64_t high = hash(address, 0xcbf29ce484222325, 0x100000001b3);
  const std::uint64_t low = hash(address, 0x9e3779b97f4a7c15, 0xd6e8feb86659fd93);
  std::array<char, 80> text{};
  const int length =
      std::snprintf(text.data(), text.size(), "tutti-%u-%016llx%016llx", geteuid(),
                    static_cast<unsigned long long>(high), static_cast<unsigned long long>(low));
  return std::string(1, '\0') + std::string(text.data(), static_cast<std::size_t>(length));
}

}  // namespace tutti
