#include "tests/transport_test_kit.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "kernels/error.h"
#include "tests/leaks.h"

namespace tutti::test {
namespace {

World fresh_world(int size) {
  World world;
  world.size = size;
  world.address = fresh_address();
  world.start_timeout = std::chrono::seconds(30);
  world.call_timeout = std::chrono::seconds(30);
  return world;
}

Ended run_one(const WorldBody& body, World world, int rank) {
  world.rank = rank;
  try {
    body(world);
    return {};
  } catch (const Error& error) {
    return {error.what(), error.status(), 0};
  } catch (const std::exception& error) {
    return {error.what(), TUTTI_INTERNAL, 0};
  }
}

[[noreturn]] void run_child(const WorldBody& body, const World& world, int rank, int out) {
  Ended ended = run_one(body, world, rank);
  if (leaks()) ended = {"leaks memory after: " + ended.error, TUTTI_INTERNAL, 0};
  const std::string text = std::to_string(ended.status) + " " + ended.error;
  const ssize_t written = write(out, text.data(), text.size());
  _exit(written == static_cast<ssize_t>(text.size()) ? 0 : 1);
}

Ended reap(pid_t pid, int in) {
  std::string text;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(in, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(n));
  close(in);
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) return {"killed", TUTTI_INTERNAL, WTERMSIG(status)};
  if (text.empty()) return {"exited without a word", TUTTI_INTERNAL, 0};
  const std::size_t blank = text.find(' ');
  return {text.substr(blank + 1), std::stoi(text), 0};
}

std::vector<Ended> run_processes(const World& world, const WorldBody& body) {
  std::vector<std::pair<pid_t, int>> children;
  std::fflush(nullptr);
  for (int rank = 0; rank < world.size; ++rank) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("pipe");
    const pid_t pid = fork();
    if (pid == 0) {
      close(ends[0]);
      run_child(body, world, rank, ends[1]);
    }
    close(ends[1]);
    children.emplace_back(pid, ends[0]);
  }
  std::vector<Ended> ended;
  for (const auto& [pid, in] : children) ended.push_back(reap(pid, in));
  return ended;
}

}  // namespace

std::vector<Ended> run_worlds(RankKind kind, int size, const WorldBody& body) {
  const World world = fresh_world(size);
  if (kind == RankKind::kProcesses) return run_processes(world, body);
  std::vector<Ended> ended(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank)
    threads.emplace_back(
        [&, rank] { ended[static_cast<std::size_t>(rank)] = run_one(body, world, rank); });
  for (std::thread& thread : threads) thread.join();
  return ended;
}

std::vector<Ended> run_transports(RankKind kind, int size, const TransportBody& body,
                                  const std::function<void(World&)>& adjust) {
  return run_worlds(kind, size, [&](const World& given) {
    World world = given;
    if (adjust) adjust(world);
    const auto transport = make_shm_transport(world);
    try {
      body(*transport);
    } catch (const std::exception& error) {
      transport->abandon(Error(TUTTI_INTERNAL, error.what()));
      throw;
    }
  });
}

std::string errors_of(const std::vector<Ended>& ranks) {
  std::string text;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank)
    if (ranks[rank].status != TUTTI_OK)
      text += "[" + std::to_string(rank) + "] " + ranks[rank].error + "\n";
  return text;
}

void begin(Transport& transport, const CallRecord& call, std::chrono::milliseconds timeout) {
  transport.publish(call);
  transport.begin(call, timeout);
}

void await(Transport& transport, const std::function<bool()>& attempt) {
  while (!attempt()) transport.progress() ? transport.busy() : transport.idle();
  transport.busy();
}

void post(Transport& t, int peer, int lane, std::span<const Piece> pieces) {
  await(t, [&] { return t.endpoint(peer).post(lane, kHash, pieces); });
}

void drain(Transport& t, int peer, int lane) {
  await(t, [&] { return t.endpoint(peer).drained(lane, 0); });
}

std::vector<std::byte> receive(Transport& t, int peer, int lane, std::size_t bytes, How how) {
  std::vector<std::byte> message(bytes);
  Endpoint& endpoint = t.endpoint(peer);
  std::size_t done = 0;
  do {
    View view;
    await(t, [&] {
      view = how == How::kView ? endpoint.view(lane, kHash, bytes - done)
                               : endpoint.fetch(lane, kHash, message.data() + done, bytes - done,
                                                Stores::kCached);
      return view.there;
    });
    expect(view.bytes <= bytes - done, "a view is longer than the message");
    if (how == How::kView && view.bytes > 0) {
      std::memcpy(message.data() + done, view.data, view.bytes);
      endpoint.advance(lane, view.bytes);
    }
    done += view.bytes;
  } while (done < bytes);
  endpoint.release(lane);
  return message;
}

std::vector<std::byte> pattern(std::size_t bytes, unsigned seed) {
  std::vector<std::byte> data(bytes);
  for (std::size_t i = 0; i < bytes; ++i)
    data[i] = static_cast<std::byte>((i * 131 + i / 251 + seed * 17 + 3) & 0xff);
  return data;
}

CallRecord some_call(std::uint64_t sequence, std::uint64_t count) {
  CallRecord call;
  call.sequence = sequence;
  call.count = count;
  call.op = TUTTI_SUM;
  call.collective = TUTTI_ALL_REDUCE;
  call.dtype = TUTTI_F32;
  call.hash = static_cast<std::uint32_t>(count * 2654435761u + 1);
  return call;
}

}  // namespace tutti::test
