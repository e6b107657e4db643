// What is under way between ranks in virtual time: when a message can be seen, and when its sender
// sees that it was read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "collectives/plan.h"

namespace tutti::predict {

inline constexpr std::uint32_t kNone = 0xffffffff;
inline constexpr double kUnknown = std::numeric_limits<double>::infinity();

struct Message {
  double there_s = 0;  // when the receiver can see it
  double read_s = 0;   // when the sender sees that it was read
  std::size_t bytes = 0;
  std::size_t touched = 0;  // by the sender until then: see Ranks
  Buffer from = Buffer::kInput;
  std::uint32_t next = kNone;  // the next one of its edge; Messages' own
};

/// From whom, to whom, on which lane.
struct Way {
  std::uint32_t from = 0, to = 0, lane = 0;
};

/// All messages of a walk. Memory grows with the edges that are used: thousands of ranks that talk
/// to a few others each need a page for each of these, not a row of all ranks.
class Messages {
 public:
  /// `window`: posts that an edge holds.
  Messages(std::uint32_t ranks, std::uint32_t window);

  void post(const Way& way, const Message& message);
  /// The oldest unread message; null if there is none. Valid until the next post().
  const Message* unread(const Way& way) const {
    const Edge* edge = find(way);
    return edge != nullptr && edge->unread != kNone ? &messages_[edge->unread] : nullptr;
  }
  /// That message is read; its sender sees it at `seen_s`. There must be one.
  void read(const Way& way, double seen_s);

  /// When the sender sees that all messages but the newest `lag` are read.
  double when_read(const Way& way, std::uint32_t lag) const;
  /// The same of all messages that the rank has sent.
  double when_all_read(std::uint32_t from) const;

 private:
  /// The messages of one way, oldest first: a list in messages_.
  struct Edge {
    std::uint32_t posted = 0, read = 0;
    std::uint32_t unread = kNone;  // the oldest one
    std::uint32_t newest = kNone;
    std::uint32_t oldest = kNone;  // of the newest W: must be read before a further one is posted
  };
  static constexpr std::uint32_t kPageEdges = 16;
  using Page = std::array<Edge, kPageEdges>;

  struct Outgoing {
    std::vector<std::unique_ptr<Page>> pages;  // by edge number; null: none was used
    std::vector<const Edge*> used;
  };

  // By distance, so that neighbours share a page.
  std::uint32_t number_of(const Way& way) const {
    const std::uint32_t distance =
        way.to >= way.from ? way.to - way.from : way.to + ranks_ - way.from;
    return way.lane * ranks_ + distance;
  }
  const Edge* find(const Way& way) const {
    const std::uint32_t number = number_of(way);
    const auto& page = outgoing_[way.from].pages[number / kPageEdges];
    return page ? &(*page)[number % kPageEdges] : nullptr;
  }
  Edge& find_or_add(const Way& way);
  double when_edge_read(const Edge& edge, std::uint32_t lag) const;

  const std::uint32_t ranks_, window_;
  std::vector<Outgoing> outgoing_;  // by sender
  std::vector<Message> messages_;
};

}  // namespace tutti::predict
