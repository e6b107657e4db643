// The inner loops of the measured limit: sums or copies of f32 vectors, straight from all the
// inputs to all the outputs.
#pragma once

#include <cstddef>
#include <span>

namespace tutti {

/// Elements that a call handles at a time: a multiple of a cache line for every width of vector.
inline constexpr std::size_t kLimitBlock = 64;

enum class Store { kCached, kStreaming };

/// For i in [first, last): outputs[…][i] = sum of inputs[…][i]. `first` and `last`: multiples of
/// kLimitBlock; every pointer aligned to 64 bytes.
void limit_pass(std::span<const float* const> inputs, std::span<float* const> outputs,
                std::size_t first, std::size_t last, Store store);

/// Whether this processor has stores that go past the caches.
bool has_streaming_stores();

}  // namespace tutti
