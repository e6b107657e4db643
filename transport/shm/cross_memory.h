// Reading another process's memory with process_vm_readv().
#pragma once

#include <cstddef>
#include <cstdint>

namespace tutti {

/// Lets processes of the same user read this one where the Yama security module forbids it.
void permit_cross_memory();

enum class CrossRead { kDone, kGone, kRefused };

/// Copies `bytes` at `address` of process `pid` to `dst`. kGone: there is no such process;
/// kRefused: not permitted, or not all mapped.
CrossRead cross_read(int pid, std::uint64_t address, std::byte* dst, std::size_t bytes);

}  // namespace tutti
