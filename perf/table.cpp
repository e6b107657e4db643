#include "perf/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "perf/line_probe.h"

namespace tutti {
namespace {

constexpr double kBusyLoad = 0.7;  // above this, others take a noticeable part of a core

/// About four digits: what a median of this many samples is worth.
std::string us_text(std::optional<double> us) {
  if (!us) return "-";
  const int decimals = *us < 1000 ? 2 : *us < 100'000 ? 1 : 0;
  return fmt::format("{:.{}f}", *us, decimals);
}

std::string bandwidth_text(double GBps) {
  return fmt::format("{:.{}f}", GBps, GBps < 1000 ? 2 : 0);
}

std::string share_text(const std::optional<double>& share) {
  return share ? fmt::format("{:.0f}", *share * 100) : "-";
}

/// The round trips before and after, and what they say of the cores' distance.
std::string line_text(const CellResult& result) {
  const auto& [before, after] = result.line_ns;
  if (!before || !after) return "-";
  const auto state = line_state(*before);
  return fmt::format("{:.0f}/{:.0f} {}", *before, *after,
                     state == line_state(*after) ? state : std::string_view("mixed"));
}

/// nccl-tests' block: time, algbw, busbw, #wrong.
std::string figures(const CellResult* result, bool check) {
  if (result == nullptr) return fmt::format("{:>9} {:>7} {:>7} {:>6}", "-", "-", "-", "-");
  return fmt::format("{:>9} {:>7} {:>7} {:>6}", us_text(result->time_us),
                     bandwidth_text(result->algbw_GBps), bandwidth_text(result->busbw_GBps),
                     check ? std::to_string(result->wrong) : "N/A");
}

/// p50, p99, % of limit.
std::string more_figures(const CellResult* result) {
  if (result == nullptr) return fmt::format("{:>9} {:>9} {:>6}", "-", "-", "-");
  return fmt::format("{:>9} {:>9} {:>6}", us_text(result->p50_us), us_text(result->p99_us),
                     share_text(result->limit_share));
}

std::string memory_text(const CellResult& result) {
  if (result.count == 0 && result.dtype == "none") return "-";
  return result.registered ? "reg" : "page";
}

std::string row(const CellResult* out, const CellResult* in, const SweepSettings& settings) {
  const CellResult& any = out != nullptr ? *out : *in;
  const bool rooted = find_collective(any.collective)->rooted;
  return fmt::format(
      "{:>12} {:>12} {:>9} {:>7} {:>7} {} {}  {:<26} {:>6} {:>9} {} {}  {}\n", any.bytes, any.count,
      any.dtype, any.op, rooted ? settings.root : -1, figures(out, settings.check),
      figures(in, settings.check), (any.chosen ? "*" : " ") + any.algorithm, memory_text(any),
      us_text(any.predicted_us), more_figures(out), more_figures(in), line_text(any));
}

std::string join_cpus(const std::vector<int>& cpus) {
  return cpus.empty() ? "?" : fmt::format("{}", fmt::join(cpus, ","));
}

std::string worded(const std::string& text) { return text.empty() ? "unknown" : text; }

}  // namespace

std::string table_preamble(const MachineFacts& machine, const SweepSettings& settings) {
  std::string text =
      fmt::format("# tutti perf {}: version {}\n# Host {}, {}; {}\n", settings.collective,
                  machine.tutti_version, machine.host, machine.kernel, worded(machine.cpu));
  text += fmt::format("# Topology: {} CPUs, {} cores, {} packages, {} NUMA nodes; {}\n",
                      machine.cpus, machine.cores, machine.packages, machine.numa_nodes,
                      fmt::join(machine.caches, "; "));
  text += fmt::format("# Pages {} B; huge pages {}, for shared memory {}\n", machine.page_bytes,
                      worded(machine.huge_pages), worded(machine.shared_huge_pages));
  if (machine.load > kBusyLoad)
    text += fmt::format("# This machine is busy: load {:.1f}. Times will be too long, and vary.\n",
                        machine.load);
  for (const auto& [name, value] : machine.environment)
    text += fmt::format("# {}={}\n", name, value);
  const std::string step = settings.step_bytes != 0 ? fmt::format("+{} B", settings.step_bytes)
                                                    : fmt::format("x{}", settings.step_factor);
  text += fmt::format(
      "# minBytes {} maxBytes {} step {} warmup iters {} iters {} validation {} seed {} budget "
      "{:g} s\n",
      settings.min_bytes, settings.max_bytes, step, settings.warmup,
      settings.iters == 0 ? "auto" : std::to_string(settings.iters), settings.check ? 1 : 0,
      settings.seed, settings.budget_s);
  return text;
}

std::string table_heading(const WorldFacts& world, const std::string& host) {
  std::string text = fmt::format("#\n# {}, {} ranks\n", world.collective, world.ranks);
  for (std::size_t rank = 0; rank < world.places.size(); ++rank)
    text += fmt::format("#  Rank {:>2} Pid {:>6} on {} CPUs {}\n", rank, world.places[rank].pid,
                        host, join_cpus(world.places[rank].cpus));
  if (world.line_ns)
    text += fmt::format("#  A cache line between ranks 0 and 1, there and back: {:.0f} ns ({})\n",
                        *world.line_ns, line_state(*world.line_ns));
  text += fmt::format("#\n#{:>80} {:>32}  {:<26} {:>16} {:>26} {:>26}\n", "out-of-place",
                      "in-place", "", "", "out-of-place", "in-place");
  const std::string figures =
      fmt::format("{:>9} {:>7} {:>7} {:>6}", "time", "algbw", "busbw", "#wrong");
  const std::string units = fmt::format("{:>9} {:>7} {:>7} {:>6}", "(us)", "(GB/s)", "(GB/s)", "");
  const std::string more = fmt::format("{:>9} {:>9} {:>6}", "p50", "p99", "%limit");
  const std::string more_units = fmt::format("{:>9} {:>9} {:>6}", "(us)", "(us)", "");
  text += fmt::format("#{:>11} {:>12} {:>9} {:>7} {:>7} {} {}  {:<26} {:>6} {:>9} {} {}  {}\n",
                      "size", "count", "type", "redop", "root", figures, figures, " algorithm",
                      "memory", "predicted", more, more, "line");
  text += fmt::format("#{:>11} {:>12} {:>9} {:>7} {:>7} {} {}  {:<26} {:>6} {:>9} {} {}  {}\n",
                      "(B)", "(elements)", "", "", "", units, units, " (* chosen)", "", "(us)",
                      more_units, more_units, "(ns)");
  return text;
}

std::string table_rows(const std::vector<CellResult>& results, const SweepSettings& settings) {
  std::string text;
  for (auto at = results.begin(); at != results.end();) {
    // Cells come with their two forms next to each other, out of place first.
    const CellResult& first = *at++;
    const bool paired = at != results.end() && !first.in_place && at->in_place &&
                        at->algorithm == first.algorithm && at->registered == first.registered;
    const CellResult* in = first.in_place ? &first : paired ? &*at++ : nullptr;
    text += row(first.in_place ? nullptr : &first, in, settings);
  }
  return text;
}

std::string table_overlaps(const std::vector<CellResult>& results) {
  std::string text;
  for (const CellResult& r : results)
    if (r.overlap)
      text += fmt::format(
          "# overlap: {} B {}{}, {}, {}: compute {} us, communicate {}, both at once {}: {:.0f} % "
          "hidden\n",
          r.bytes, r.chosen ? "*" : "", r.algorithm, memory_text(r),
          r.in_place ? "in place" : "out of place", us_text(r.overlap->compute_us),
          us_text(r.overlap->communication_us), us_text(r.overlap->both_us),
          100 * r.overlap->hidden);
  return text;
}

std::string reproducible_cost(const std::vector<CellResult>& results) {
  std::string ratios, chosen;
  for (const CellResult& r : results) {
    if (r.algorithm != kReproducible) continue;
    const auto other = std::ranges::find_if(results, [&](const CellResult& c) {
      return c.chosen && c.registered == r.registered && c.in_place == r.in_place;
    });
    if (other == results.end()) continue;
    chosen = other->algorithm;
    ratios += fmt::format("{} {}{} {:.2f}", ratios.empty() ? "" : ",", memory_text(r),
                          r.in_place ? " in place" : "", r.time_us / other->time_us);
  }
  if (ratios.empty()) return "";
  return fmt::format("# reproducible, in times of {}:{}\n", chosen, ratios);
}

// One line for all cells of a size that share a reason.
std::string table_skipped(const std::vector<SkippedCell>& skipped) {
  std::string text;
  for (auto at = skipped.begin(); at != skipped.end();) {
    const SkippedCell& first = *at;
    std::vector<std::string> algorithms;
    int cells = 0;
    for (; at != skipped.end() && at->bytes == first.bytes && at->dtype == first.dtype &&
           at->op == first.op && at->reason == first.reason;
         ++at, ++cells) {
      if (algorithms.empty() || algorithms.back() != at->algorithm)
        algorithms.push_back(at->algorithm);
    }
    text += fmt::format("# skipped: {} B {} {}, {} {} ({}): {}\n", first.bytes, first.dtype,
                        first.op, cells, cells == 1 ? "cell" : "cells", fmt::join(algorithms, ", "),
                        first.reason);
  }
  return text;
}

std::string table_footer(const std::vector<CellResult>& results,
                         const std::vector<std::string>& notes) {
  std::size_t wrong = 0;
  double bandwidth = 0;
  double rows = 0;
  for (const CellResult& result : results) {
    wrong += result.wrong;
    if (!result.chosen) continue;
    bandwidth += result.busbw_GBps;
    rows += 1;
  }
  std::string text =
      fmt::format("# Out of bounds values : {} {}\n", wrong, wrong == 0 ? "OK" : "FAILED");
  text += fmt::format("# Avg bus bandwidth    : {:.4f}\n", rows > 0 ? bandwidth / rows : 0);
  text +=
      "# (average: the chosen algorithms) GB = 1e9 B. time: back-to-back calls; p50, p99: calls "
      "timed\n"
      "# alone; each the slowest rank's unless -a says otherwise. memory: reg is from tutti_alloc, "
      "page\n"
      "# is ordinary.\n"
      "# %limit: 100 times limit / time. The limit is measured beside each size: all the ranks' "
      "cores,\n"
      "# in one address space, load every input byte once and store every output byte once, "
      "without a\n"
      "# message (or half a round trip of a cache line, where that takes longer). In cache, below "
      "about\n"
      "# a MiB, real ranks cannot reach it: they must fetch each other's lines.\n"
      "# line: a cache line there and back between ranks 0 and 1, before and after the size's "
      "cells.\n";
  for (const std::string& note : notes) text += fmt::format("# {}\n", note);
  return text;
}

}  // namespace tutti
