#ifndef TRANCHE_TEST_SLATE_H
#define TRANCHE_TEST_SLATE_H

#include "gpu/gpu.h"

extern const struct gpu_backend gpu_slate;

#endif
