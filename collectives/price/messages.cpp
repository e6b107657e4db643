#include "collectives/price/messages.h"

#include <algorithm>

namespace tutti::predict {

Messages::Messages(std::uint32_t ranks, std::uint32_t window)
    : ranks_(ranks), window_(window), outgoing_(ranks) {
  for (Outgoing& o : outgoing_) o.pages.resize((ranks * kMaxLanes + kPageEdges - 1) / kPageEdges);
}

Messages::Edge& Messages::find_or_add(const Way& way) {
  const std::uint32_t number = number_of(way);
  Outgoing& outgoing = outgoing_[way.from];
  auto& page = outgoing.pages[number / kPageEdges];
  if (!page) page = std::make_unique<Page>();
  Edge& edge = (*page)[number % kPageEdges];
  if (edge.posted == 0) outgoing.used.push_back(&edge);
  return edge;
}

void Messages::post(const Way& way, const Message& message) {
  Edge& edge = find_or_add(way);
  const auto index = static_cast<std::uint32_t>(messages_.size());
  messages_.push_back(message);
  if (edge.newest != kNone) messages_[edge.newest].next = index;
  if (edge.unread == kNone) edge.unread = index;
  if (edge.oldest == kNone) edge.oldest = index;
  edge.newest = index;
  if (++edge.posted > window_) edge.oldest = messages_[edge.oldest].next;
}

void Messages::read(const Way& way, double seen_s) {
  Edge& edge = find_or_add(way);
  Message& message = messages_[edge.unread];
  message.read_s = seen_s;
  edge.unread = message.next;
  ++edge.read;
}

double Messages::when_read(const Way& way, std::uint32_t lag) const {
  const Edge* edge = find(way);
  return edge == nullptr ? 0 : when_edge_read(*edge, lag);
}

double Messages::when_edge_read(const Edge& edge, std::uint32_t lag) const {
  if (edge.posted <= lag || lag >= window_) return 0;  // the window saw to it
  if (edge.posted - edge.read > lag) return kUnknown;
  if (lag == 0) return messages_[edge.newest].read_s;
  std::uint32_t message = edge.oldest;
  for (std::uint32_t k = std::min(edge.posted, window_) - 1; k > lag; --k)
    message = messages_[message].next;
  return messages_[message].read_s;
}

double Messages::when_all_read(std::uint32_t from) const {
  double read_s = 0;
  for (const Edge* edge : outgoing_[from].used) {
    read_s = std::max(read_s, when_edge_read(*edge, 0));
    if (read_s == kUnknown) break;
  }
  return read_s;
}

}  // namespace tutti::predict
