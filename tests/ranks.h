// Ranks for tests: as threads of this process, or as processes.
#pragma once

#include <functional>
#include <string>

#include "tutti/tutti.h"

namespace tutti::test {

enum class RankKind { kThreads, kProcesses };

/// An address that no other world of the tests has.
std::string fresh_address();

/// What one rank does. Throws std::runtime_error (see expect()) to fail.
using RankBody = std::function<void(int rank, tutti_comm* comm)>;

/// Starts a world of `size` ranks, runs `body` on each and finishes. Returns what went wrong, one
/// line a rank; empty if nothing did. Processes are forked: call it without other threads running.
std::string run_ranks(RankKind kind, int size, const RankBody& body);

/// Like run_ranks(), but `body` starts the world itself, from the config it is given.
using ConfigBody = std::function<void(const tutti_config& config)>;
std::string run_configs(RankKind kind, int size, const ConfigBody& body);

/// Throws with `text` if `holds` is false. (Catch2's macros are for one thread only.)
void expect(bool holds, const std::string& text);

/// Throws with the communicator's error text unless `status` is TUTTI_OK.
void ok(tutti_status status, const tutti_comm* comm);

}  // namespace tutti::test
