#!/bin/sh
# Fails when a kernel of one instruction set defines a symbol that the linker would share with the others: an inline
# function of the standard library, built for AVX-512, would stop an older processor wherever it is called.
# Usage: check_kernel_symbols.sh LIBRARY
set -eu
nm -C --defined-only "$1" | awk '
  /\.o:$/ { kernels = ($1 ~ /^(baseline|avx2|avx512)\./); seen += kernels }
  kernels && $2 ~ /^[WVu]$/ { print "shared with other instruction sets: " $0; shared = 1 }
  END { if (seen == 0) { print "no kernels in the library"; exit 1 } exit shared }'
