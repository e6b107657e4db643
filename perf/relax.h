// A hint to the core that it is waiting.
#pragma once

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace tutti {

#if defined(__x86_64__) || defined(__i386__)
inline void relax_core() { _mm_pause(); }
#elif defined(__aarch64__)
inline void relax_core() { asm volatile("yield"); }
#else
inline void relax_core() {}
#endif

}  // namespace tutti
