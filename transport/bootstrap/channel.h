// Messages between rank 0 and another rank while a world starts, over a Unix socket that keeps
// message boundaries (SOCK_SEQPACKET). Descriptors travel with them.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "kernels/error.h"
#include "transport/unique_fd.h"

namespace tutti {

inline constexpr std::size_t kMostPayload = 4096;  // bytes of a card's blob or an error's text
inline constexpr std::size_t kMostFds = 4;

/// "I am here", "all are here", "come again", "it failed", "my card", "I reached the barrier", "all
/// did".
enum class Kind : std::uint32_t { kHello = 1, kWelcome, kBusy, kError, kCard, kReached, kGo };

struct Message {
  Kind kind{};
  std::int32_t version = 0;  // of the sender's Tutti; set by receive()
  std::int32_t rank = -1;
  std::int64_t value = 0;  // kHello: size of the world; kCard: pid; kError: status
  std::vector<std::byte> payload = {};
  std::vector<UniqueFd> fds = {};
};

Message error_message(const Error& error);
/// The error of a kError message; its fields are checked.
Error error_of(const Message& message);

/// Who is at the other end, as the kernel knows it.
struct Credentials {
  pid_t pid = 0;
  uid_t uid = 0;
};

enum class Sent { kDone, kFull, kTooManyInFlight, kClosed };
enum class Received { kMessage, kNothing, kClosed, kMalformed, kOutOfDescriptors };

/// One end of a connection. Never blocks, and a dead peer raises no SIGPIPE.
class Channel {
 public:
  Channel() = default;
  explicit Channel(UniqueFd socket) : socket_(std::move(socket)) {}

  /// kFull: poll for POLLOUT. kTooManyInFlight: this user's sockets hold too many descriptors that
  /// nobody has received yet; try again soon. Without `with_fds` they stay here. Throws
  /// TUTTI_SYSTEM.
  Sent send(const Message& message, bool with_fds = true) const;

  /// Reads the next message. Without `with_fds`, descriptors that come along are dropped by the
  /// kernel, and the message is malformed. A message of another version may carry anything.
  Received receive(Message& message, bool with_fds) const;

  Credentials peer() const;
  int fd() const { return socket_.get(); }
  explicit operator bool() const { return static_cast<bool>(socket_); }

 private:
  UniqueFd socket_;
};

using Clock = std::chrono::steady_clock;

/// poll() until something happens or `until`; signals are no event. Throws TUTTI_SYSTEM.
void wait_for(std::span<pollfd> fds, Clock::time_point until);

/// A new socket for channels, closed on exec. Throws TUTTI_SYSTEM or TUTTI_NO_MEMORY.
UniqueFd open_socket();

/// The abstract name at which ranks of `address` meet: any text of any length, apart for each user.
std::string socket_name(const std::string& address);

}  // namespace tutti
