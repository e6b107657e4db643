// tutti.hpp: every collective and message, with ranks as threads, and what it refuses. The headers
// of the library's own classes come with it: no name may clash.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "collectives/communicator.h"
#include "tests/cpp_wrapper_kit.h"

namespace {

using namespace tutti::cpp;
using namespace tutti::test;

void reduce_everywhere(Communicator& comm, std::size_t count) {
  const Elements sum = sum_of_all(comm.size(), count);
  const Elements mine = sent_by(comm.rank(), count);
  Elements recv(count, -1);
  comm.all_reduce(mine, recv, TUTTI_SUM);
  expect(recv == sum, "all_reduce");
  Elements data = mine;
  comm.all_reduce(data, TUTTI_SUM);
  expect(data == sum, "all_reduce in place");

  Elements whole = sent_by(comm.rank(), blocks(comm, count));
  recv.assign(count, -1);
  comm.reduce_scatter(whole, recv, TUTTI_SUM);
  const Elements whole_sum = sum_of_all(comm.size(), whole.size());
  expect(recv == block(whole_sum, comm.rank(), count), "reduce_scatter");
}

void use_each_root(Communicator& comm, std::size_t count) {
  const Elements mine = sent_by(comm.rank(), count);
  const Elements all = all_sent(comm.size(), count);
  for (int root = 0; root < comm.size(); ++root) {
    const bool is_root = comm.rank() == root;
    Elements recv(count, -1), whole(is_root ? all.size() : 0, -1);
    comm.broadcast(is_root ? std::span(mine) : std::span<const std::int32_t>(), recv, root);
    expect(recv == sent_by(root, count), "broadcast");
    Elements data = mine;
    comm.broadcast(data, root);
    expect(data == sent_by(root, count), "broadcast in place");

    data = mine;
    comm.reduce(data, TUTTI_SUM, root);
    if (is_root) expect(data == sum_of_all(comm.size(), count), "reduce in place");
    if (is_root) {
      comm.reduce(mine, recv, TUTTI_MAX, root);
      expect(recv == sent_by(comm.size() - 1, count), "reduce");
    } else {
      comm.reduce(mine, {}, TUTTI_MAX, root);
    }

    comm.gather(mine, whole, root);
    if (is_root) expect(whole == all, "gather");
    recv.assign(count, -1);
    comm.scatter(whole, recv, root);
    expect(recv == mine, "scatter");
  }
}

void move_blocks(Communicator& comm, std::size_t count) {
  const Elements mine = sent_by(comm.rank(), count);
  Elements whole(blocks(comm, count), -1);
  comm.all_gather(mine, whole);
  expect(whole == all_sent(comm.size(), count), "all_gather");

  const Elements outgoing = sent_by(comm.rank(), whole.size());
  comm.all_to_all(outgoing, whole);
  for (int rank = 0; rank < comm.size(); ++rank)
    expect(block(whole, rank, count) == block(sent_by(rank, whole.size()), comm.rank(), count),
           "all_to_all");
  comm.barrier();
}

TEST_CASE("the wrapper's collectives do what the C API's do") {
  on_all_worlds([](Communicator& comm) {
    for (const std::size_t count : {0U, 1U, 7U, 1000U}) {
      reduce_everywhere(comm, count);
      use_each_root(comm, count);
      move_blocks(comm, count);
    }
  });
}

TEST_CASE("the wrapper sends and receives") {
  on_all_worlds([](Communicator& comm) {
    const int next = (comm.rank() + 1) % comm.size();
    const int previous = (comm.rank() + comm.size() - 1) % comm.size();
    const Elements mine = sent_by(comm.rank(), 100);
    Elements recv(100, -1);
    comm.send_recv(mine, next, recv, previous);
    expect(recv == sent_by(previous, 100), "send_recv");

    recv.assign(100, -1);
    Group group(comm);
    comm.recv(recv, previous);
    comm.send(mine, next);
    expect(recv[0] == -1, "a call of an open group was made");
    group.end();
    expect(recv == sent_by(previous, 100), "send and recv in a group");
  });
}

TEST_CASE("the wrapper's scans combine what lower ranks gave") {
  on_all_worlds([](Communicator& comm) {
    const Elements mine = sent_by(comm.rank(), 20);
    Elements recv(20, -1), data = mine;
    comm.scan(mine, recv, TUTTI_SUM);
    comm.scan(data, TUTTI_SUM);
    expect(recv == sum_of_all(comm.rank() + 1, 20) && data == recv, "scan");
    data = mine;
    comm.exclusive_scan(mine, recv, TUTTI_SUM);
    comm.exclusive_scan(data, TUTTI_SUM);
    if (comm.rank() > 0)
      expect(recv == sum_of_all(comm.rank(), 20) && data == recv, "exclusive_scan");
  });
}

TEST_CASE("the wrapper finds the least value and where it is") {
  on_all_worlds([](Communicator& comm) {
    std::array<Indexed<double>, 2> least{{{10.0 - comm.rank(), comm.rank()}, {1.0, comm.rank()}}};
    comm.all_reduce(least, TUTTI_MIN_INDEX);
    expect(least[0].index == comm.size() - 1 && least[1].index == 0, "the index");
  });
}

TEST_CASE("the wrapper's reproducible sums are what one thread replays") {
  on_all_worlds([](Communicator& comm) {
    const auto share = [](int rank) { return std::vector<float>(33, 0.1F / float(rank + 1)); };
    std::vector<float> sum(33), replayed(33);
    comm.all_reduce(share(comm.rank()), sum, TUTTI_SUM, {.reproducible = true});
    std::vector<std::vector<float>> shares;
    for (int rank = 0; rank < comm.size(); ++rank) shares.push_back(share(rank));
    replay_reduce({shares.begin(), shares.end()}, replayed, TUTTI_SUM);
    expect(std::memcmp(sum.data(), replayed.data(), 33 * sizeof(float)) == 0, "the bits");
    shares[0].pop_back();
    expect_refusal(
        [&] {
          replay_reduce({shares.begin(), shares.end()}, replayed, TUTTI_SUM);
        },
        TUTTI_INVALID, "an input has 32 elements, result 33");
  });
}

TEST_CASE("the wrapper lists the candidates of a call") {
  CHECK(run(2, [](Communicator& comm) {
          const std::vector<Candidate> found = comm.candidates(TUTTI_ALL_REDUCE, 1000);
          expect(found.size() > 3, "too few");
          int chosen = 0;
          for (const Candidate& c : found) {
            expect(c.predicted_s > 0 && !c.name.empty(), "a candidate without price or name");
            chosen += c.chosen ? 1 : 0;
          }
          expect(chosen == 1, "several chosen");
          std::vector<float> x(1000, 1);
          comm.all_reduce(x, TUTTI_SUM,
                          {.algorithm = found[0].name.c_str(), .timeout = std::chrono::minutes(1)});
        }) == "");
}

TEST_CASE("the wrapper's errors name array and sizes, or are the C API's") {
  on_all_worlds([](Communicator& comm) {
    const auto n = static_cast<std::size_t>(comm.size());
    const std::string rank = "rank " + std::to_string(comm.rank()) + ": ";
    Elements five(5), six(6), many(5 * n + 1);
    const auto refuses = [&](const std::function<void()>& body, const std::string& words) {
      expect_refusal(body, TUTTI_INVALID, rank + words);
    };
    refuses([&] { comm.all_reduce(five, six, TUTTI_SUM); },
            "all_reduce: recv has 6 elements, but the call takes 5");
    refuses([&] { comm.all_gather(five, many); }, "all_gather: recv has");
    refuses([&] { comm.reduce_scatter(many, five, TUTTI_SUM); }, "reduce_scatter: send has");
    refuses([&] { comm.broadcast(five, six, comm.rank()); }, "broadcast: recv has");
    refuses([&] { comm.reduce(five, {}, TUTTI_SUM, comm.rank()); }, "reduce: recv has 0");
    refuses([&] { comm.gather(five, many, comm.rank()); }, "gather: recv has");
    refuses([&] { comm.scatter({}, five, comm.rank()); }, "scatter: send has 0");
    refuses([&] { comm.all_to_all(five, many); }, "all_to_all: ");
    refuses([&] { comm.broadcast(five, comm.size()); }, "broadcast: root is");
    expect_refusal([&] { comm.all_reduce(five, TUTTI_SUM, {.algorithm = "flight"}); },
                   TUTTI_NOT_FOUND, "flight");
  });
}

}  // namespace
