#ifndef TRANCHE_VERSION_H
#define TRANCHE_VERSION_H

#ifndef TRANCHE_VERSION
#define TRANCHE_VERSION "0.0.0-dev"
#endif

#define PROTOCOL_VERSION 1

#if defined(__x86_64__)
#define TRANCHE_ARCH "x86_64"
#elif defined(__aarch64__)
#define TRANCHE_ARCH "aarch64"
#else
#error "Tranche runs on x86_64 and aarch64"
#endif

#endif
