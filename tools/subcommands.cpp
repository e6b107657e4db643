#include <array>

#include "tools/subcommand.h"

namespace tutti {
namespace {

constexpr std::array kSubcommands = {
    SubcommandRow{'R', "run", "start ranks of a program on this host", make_run,
                  "program [arguments…]"},
    SubcommandRow{'P', "perf", "measure every algorithm, verified, beside the machine's limit",
                  make_perf},
    SubcommandRow{'E', "explain", "say which algorithm a call takes, why, and what it does",
                  make_explain},
    SubcommandRow{'V', "verify", "prove every algorithm's plans", make_verify},
    SubcommandRow{'N', "env", "show variables, memory budgets and this machine", make_env},
};

}  // namespace

std::span<const SubcommandRow> subcommands() { return kSubcommands; }

}  // namespace tutti
