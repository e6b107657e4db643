#include <array>

#include "tools/options.h"

namespace tutti {
namespace {

constexpr std::array kOptions = {
    // Positional arguments.
    OptionRow{"PEV", "collective", "COLLECTIVE",
              "all_reduce, broadcast, reduce, reduce_scatter, all_gather, gather, scatter, "
              "all_to_all, scan, exclusive_scan or barrier; perf: also all",
              "all_reduce; verify: all"},
    OptionRow{"E", "size", "SIZE", "bytes of the message", "1M"},

    // How many, and what.
    OptionRow{"R", "-n,--ranks", "N", "ranks to start (also -np)", "usable cores"},
    OptionRow{"PEV", "--ranks", "N,…", "rank counts",
              "perf: cores, then twice as many; explain: cores; verify: 1-33"},
    OptionRow{"P", "-n,--iters", "N", "calls per round", "auto"},
    OptionRow{"P", "-b,--minbytes", "BYTES", "smallest message", "8"},
    OptionRow{"P", "-e,--maxbytes", "BYTES", "largest message", "64M"},
    OptionRow{"P", "-f,--stepfactor", "X", "each size is X times the one before", "2"},
    OptionRow{"P", "-i,--stepbytes", "BYTES", "each size is that much more than the one before",
              "off"},
    OptionRow{"P", "-w,--warmup_iters", "N", "calls before the first measured one", "1"},
    OptionRow{"P", "-c,--check", "0/1", "verify every element", "1"},
    OptionRow{"PE", "-o,--op", "OP", "reduction", "sum"},
    OptionRow{"PE", "-d,--datatype", "TYPE", "type of the elements", "f32"},
    OptionRow{"PEV", "-r,--root", "RANK", "root of a rooted collective", "0; verify: all"},
    OptionRow{"P", "-t,--nthreads", "N", "ranks per process, as threads", "1"},
    OptionRow{"P", "-a,--average", "0-3", "report rank 0, or the mean, min or max over ranks", "3"},
    OptionRow{"P", "-R,--local_register", "0/1/both", "memory from tutti_alloc", "both"},
    OptionRow{"P", "--in-place", "no/yes/both", "results over inputs", "both"},
    OptionRow{"PEV", "--algo", "NAME,…/auto/all", "algorithms",
              "all: side by side, the chosen one marked"},
    OptionRow{"P", "--reproducible", "", "time reproducible calls too, and print what they cost",
              ""},
    OptionRow{"P", "--budget", "S", "seconds for the whole sweep", "150"},
    OptionRow{"P", "--overlap", "", "how much of each call computation hides", ""},
    OptionRow{"V", "--long", "",
              "one seeded case a size, for powers of two, neighbours, primes to 2048", ""},
    OptionRow{"PV", "--seed", "N", "of random inputs and orders", "random, printed"},

    // How ranks run.
    OptionRow{"PR", "--bind-to", "core/numa/none", "where ranks run",
              "core; none when oversubscribed"},
    OptionRow{"PR", "--report-bindings", "", "say where each rank runs", ""},
    OptionRow{"R", "-x", "VAR[=V]", "pass a variable to the ranks, with value V if given",
              "the whole environment"},
    OptionRow{"R", "--tag-output", "", "begin every line of output with its rank", ""},
    OptionRow{"PRV", "-T,--timeout", "S", "end the work after S seconds", "none"},

    // Where results go.
    OptionRow{"PEV", "-J,--json", "FILE", "write results as JSON; - is standard output", "off"},
    OptionRow{"P", "--csv", "FILE", "write results as CSV; - is standard output", "off"},
    OptionRow{"E", "--draw", "txt", "add a space-time picture of the plan", "off"},
};

}  // namespace

std::span<const OptionRow> option_table() { return kOptions; }

}  // namespace tutti
