// Which instruction sets Highway compiles the kernels for. Include before any Highway header, in
// every file that includes one: the answer must be the same everywhere.
#pragma once

// SSSE3: no CPU of interest stops there. SVE: its vectors have no size at compile time, which the
// tree of balanced reductions needs; such CPUs run NEON.
#ifndef TUTTI_FEW_TARGETS
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#else
// Under sanitizers (meson.build) the baseline and AVX2 do: their checks take long to compile.
#define HWY_DISABLED_TARGETS \
  (HWY_SSSE3 | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_SSE4 | HWY_AVX3 | HWY_AVX3_DL)
#endif
