#include "perf/results.h"
#include "tools/json_text.h"

#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>

namespace nlohmann {

template <class Value>
struct adl_serializer<std::optional<Value>> {
  static void to_json(json& out, const std::optional<Value>& value) {
    if (value)
      out = *value;
    else
      out = nullptr;
  }
  static void from_json(const json& in, std::optional<Value>& value) {
    if (in.is_null())
      value.reset();
    else
      value = in.get<Value>();
  }
};

}  // namespace nlohmann

namespace tutti {

void to_json(nlohmann::json& json, const OverlapResult& overlap) {
  json = {{"compute_us", overlap.compute_us},
          {"communication_us", overlap.communication_us},
          {"both_us", overlap.both_us},
          {"hidden", overlap.hidden}};
}

void from_json(const nlohmann::json& json, OverlapResult& overlap) {
  json.at("compute_us").get_to(overlap.compute_us);
  json.at("communication_us").get_to(overlap.communication_us);
  json.at("both_us").get_to(overlap.both_us);
  json.at("hidden").get_to(overlap.hidden);
}

void to_json(nlohmann::json& json, const CellResult& r) {
  json = {
      {"collective", r.collective}, {"algorithm", r.algorithm},
      {"chosen", r.chosen},         {"ranks", r.ranks},
      {"bytes", r.bytes},           {"count", r.count},
      {"dtype", r.dtype},           {"op", r.op},
      {"in_place", r.in_place},     {"registered", r.registered},
      {"time_us", r.time_us},       {"predicted_us", r.predicted_us},
      {"p50_us", r.p50_us},         {"p99_us", r.p99_us},
      {"min_us", r.min_us},         {"samples_us", r.samples_us},
      {"algbw_GBps", r.algbw_GBps}, {"busbw_GBps", r.busbw_GBps},
      {"limit_us", r.limit_us},     {"limit_share", r.limit_share},
      {"wrong", r.wrong},           {"line_ns", r.line_ns},
      {"overlap", r.overlap},
  };
}

void from_json(const nlohmann::json& json, CellResult& r) {
  json.at("collective").get_to(r.collective);
  json.at("algorithm").get_to(r.algorithm);
  json.at("chosen").get_to(r.chosen);
  json.at("ranks").get_to(r.ranks);
  json.at("bytes").get_to(r.bytes);
  json.at("count").get_to(r.count);
  json.at("dtype").get_to(r.dtype);
  json.at("op").get_to(r.op);
  json.at("in_place").get_to(r.in_place);
  json.at("registered").get_to(r.registered);
  json.at("time_us").get_to(r.time_us);
  json.at("predicted_us").get_to(r.predicted_us);
  json.at("p50_us").get_to(r.p50_us);
  json.at("p99_us").get_to(r.p99_us);
  json.at("min_us").get_to(r.min_us);
  json.at("samples_us").get_to(r.samples_us);
  json.at("algbw_GBps").get_to(r.algbw_GBps);
  json.at("busbw_GBps").get_to(r.busbw_GBps);
  json.at("limit_us").get_to(r.limit_us);
  json.at("limit_share").get_to(r.limit_share);
  json.at("wrong").get_to(r.wrong);
  json.at("line_ns").get_to(r.line_ns);
  json.at("overlap").get_to(r.overlap);
}

void to_json(nlohmann::json& json, const SkippedCell& cell) {
  json = {
      {"collective", cell.collective}, {"algorithm", cell.algorithm},   {"ranks", cell.ranks},
      {"bytes", cell.bytes},           {"dtype", cell.dtype},           {"op", cell.op},
      {"in_place", cell.in_place},     {"registered", cell.registered}, {"reason", cell.reason},
  };
}

void from_json(const nlohmann::json& json, SkippedCell& cell) {
  json.at("collective").get_to(cell.collective);
  json.at("algorithm").get_to(cell.algorithm);
  json.at("ranks").get_to(cell.ranks);
  json.at("bytes").get_to(cell.bytes);
  json.at("dtype").get_to(cell.dtype);
  json.at("op").get_to(cell.op);
  json.at("in_place").get_to(cell.in_place);
  json.at("registered").get_to(cell.registered);
  json.at("reason").get_to(cell.reason);
}

void to_json(nlohmann::json& json, const RankPlace& place) {
  json = {{"pid", place.pid}, {"cpus", place.cpus}};
}

void from_json(const nlohmann::json& json, RankPlace& place) {
  json.at("pid").get_to(place.pid);
  json.at("cpus").get_to(place.cpus);
}

void to_json(nlohmann::json& json, const WorldFacts& world) {
  json = {{"collective", world.collective},
          {"ranks", world.ranks},
          {"places", world.places},
          {"line_ns", world.line_ns}};
}

void from_json(const nlohmann::json& json, WorldFacts& world) {
  json.at("collective").get_to(world.collective);
  json.at("ranks").get_to(world.ranks);
  json.at("places").get_to(world.places);
  json.at("line_ns").get_to(world.line_ns);
}

PipeSink::~PipeSink() { close(fd_); }

void PipeSink::write_line(const nlohmann::json& json) const {
  const std::string line = json_text(json) + "\n";
  for (std::size_t done = 0; done < line.size();) {
    const ssize_t written = write(fd_, &line[done], line.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0)
      throw std::system_error(errno, std::generic_category(), "cannot send results to tutti perf");
    done += static_cast<std::size_t>(written);
  }
}

void PipeSink::world(const WorldFacts& facts) { write_line({{"world", facts}}); }

void PipeSink::cells(const std::vector<CellResult>& results,
                     const std::vector<SkippedCell>& skipped) {
  write_line({{"cells", results}, {"skipped", skipped}});
}

void PipeSink::note(const std::string& text) { write_line({{"note", text}}); }

void PipeSink::refuse(const std::string& text) { write_line({{"refused", text}}); }

namespace {

void forward_line(const std::string& line, ResultSink& sink, std::optional<std::string>& refused) {
  const auto json = nlohmann::json::parse(line);
  if (json.contains("refused")) refused = json.at("refused").get<std::string>();
  if (json.contains("world")) sink.world(json.at("world").get<WorldFacts>());
  if (json.contains("note")) sink.note(json.at("note").get<std::string>());
  if (json.contains("cells"))
    sink.cells(json.at("cells").get<std::vector<CellResult>>(),
               json.at("skipped").get<std::vector<SkippedCell>>());
}

}  // namespace

std::optional<std::string> forward_lines(int fd, ResultSink& sink) {
  std::optional<std::string> refused;
  std::string pending;
  std::array<char, 1 << 16> chunk;
  for (;;) {
    const ssize_t got = read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      throw std::system_error(errno, std::generic_category(), "cannot read the ranks' results");
    if (got == 0) return refused;  // a rank that died in the middle of a line leaves it unsaid
    pending.append(chunk.data(), static_cast<std::size_t>(got));
    for (std::size_t end = pending.find('\n'); end != std::string::npos; end = pending.find('\n')) {
      forward_line(pending.substr(0, end), sink, refused);
      pending.erase(0, end + 1);
    }
  }
}

}  // namespace tutti
