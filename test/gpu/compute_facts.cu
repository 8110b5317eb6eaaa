/* What a compute share can be built on: what a pair of events says about a kernel whose time the kernel itself stamps,
 * and what time slicing between processes does to kernels and to such timings.
 *
 * usage: compute_facts events             how far a pair of events is from the kernel's own time, by length
 *        compute_facts slicing US SECONDS  kernels of about US back to back: quantiles of their own stamps and of events
 * Prints one JSON object a line. Exit 77 where there is no GPU.
 */
#include <cuda_runtime.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#define CHECK(call)                                                                                                   \
    do {                                                                                                              \
        cudaError_t code = (call);                                                                                    \
        if (code != cudaSuccess) {                                                                                    \
            fprintf(stderr, "%s: %s\n", #call, cudaGetErrorString(code));                                             \
            exit(code == cudaErrorNoDevice || code == cudaErrorInsufficientDriver ? 77 : 1);                          \
        }                                                                                                             \
    } while (0)

struct stamp {
    unsigned long long start;
    unsigned long long end;
};

static __device__ unsigned long long globaltimer()
{
    unsigned long long now;
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
    return now;
}

/* So many dependent steps: work, not time, so that a turn of somebody else's within makes it longer. */
__global__ void work(unsigned long long steps, stamp *out, float *sink)
{
    unsigned long long start = globaltimer();
    float value = threadIdx.x;
    for (unsigned long long at = 0; at < steps; at++) {
        value = value * 1.0000001f + 0.5f;
    }
    if (value == 0.123f) {
        *sink = value;
    }
    if (blockIdx.x == 0 && threadIdx.x == 0) {
        out->start = start;
        out->end = globaltimer();
    }
}

static stamp *stamps;
static float *sink;
static const int STAMPS = 1 << 20;

static void launch(unsigned long long steps, int at, cudaStream_t stream)
{
    work<<<132, 128, 0, stream>>>(steps, stamps + at % STAMPS, sink);
}

static double quantile(std::vector<double> values, double q)
{
    if (values.empty()) {
        return -1;
    }
    size_t at = (size_t)(q * (values.size() - 1));
    std::nth_element(values.begin(), values.begin() + at, values.end());
    return values[at];
}

static double seconds_now()
{
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

static double own_us(int at)
{
    return (stamps[at % STAMPS].end - stamps[at % STAMPS].start) / 1e3;
}

/* Steps a microsecond, with the card awake. */
static double calibrate(cudaStream_t stream)
{
    double best = 0;
    for (int round = 0; round < 400; round++) {
        launch(200000, 0, stream);
        CHECK(cudaStreamSynchronize(stream));
        best = std::max(best, 200000 / own_us(0));
    }
    return best;
}

static void events(cudaStream_t stream, double per_us)
{
    cudaEvent_t start, end;
    CHECK(cudaEventCreate(&start));
    CHECK(cudaEventCreate(&end));
    for (double us : {0.0, 2.0, 5.0, 10.0, 20.0, 50.0, 200.0, 1000.0}) {
        for (int mode = 0; mode < 3; mode++) { /* idle, behind other work, between kernels of its own length */
            std::vector<double> own, pair;
            for (int round = 0; round < 101; round++) {
                if (mode == 1) {
                    launch((unsigned long long)(400 * per_us), 1, stream);
                } else if (mode == 2) {
                    launch((unsigned long long)(400 * per_us), 1, stream);
                    for (int more = 0; more < 20; more++) {
                        launch((unsigned long long)(us * per_us), 2, stream);
                    }
                }
                CHECK(cudaEventRecord(start, stream));
                if (us > 0) {
                    launch((unsigned long long)(us * per_us), 0, stream);
                }
                CHECK(cudaEventRecord(end, stream));
                if (mode == 2) {
                    launch((unsigned long long)(us * per_us), 2, stream);
                }
                CHECK(cudaStreamSynchronize(stream));
                float ms = 0;
                CHECK(cudaEventElapsedTime(&ms, start, end));
                pair.push_back(ms * 1e3);
                own.push_back(us > 0 ? own_us(0) : 0);
            }
            /* The span of fifty, back to back: what one launch adds to a full stream. */
            launch((unsigned long long)(400 * per_us), 1, stream);
            CHECK(cudaEventRecord(start, stream));
            for (int more = 0; more < 50; more++) {
                launch((unsigned long long)(us * per_us), 2, stream);
            }
            CHECK(cudaEventRecord(end, stream));
            CHECK(cudaStreamSynchronize(stream));
            float span = 0;
            CHECK(cudaEventElapsedTime(&span, start, end));
            printf("{\"id\":\"compute.events\",\"us\":%g,\"stream\":\"%s\",\"ownUs\":%.3f,\"pairUs\":%.3f,"
                   "\"pairP10\":%.3f,\"pairP90\":%.3f,\"spanOfOneUs\":%.3f}\n",
                   us, mode == 0 ? "idle" : mode == 1 ? "behind work" : "between its like", quantile(own, 0.5),
                   quantile(pair, 0.5), quantile(pair, 0.1), quantile(pair, 0.9), span * 1e3 / 50);
            fflush(stdout);
        }
    }
}

static void slicing(cudaStream_t stream, double per_us, double us, double seconds)
{
    const int RING = 64;
    int ahead = us >= 1000 ? 4 : RING;
    cudaEvent_t pairs[RING][2];
    for (auto &pair : pairs) {
        CHECK(cudaEventCreate(&pair[0]));
        CHECK(cudaEventCreate(&pair[1]));
    }
    std::vector<double> timed;
    int count = 0;
    double began = seconds_now();
    while (seconds_now() - began < seconds && count < STAMPS) {
        int slot = count % ahead;
        if (count >= ahead) {
            float ms = 0;
            CHECK(cudaEventSynchronize(pairs[slot][1]));
            CHECK(cudaEventElapsedTime(&ms, pairs[slot][0], pairs[slot][1]));
            timed.push_back(ms * 1e3);
        }
        CHECK(cudaEventRecord(pairs[slot][0], stream));
        launch((unsigned long long)(us * per_us), count, stream);
        CHECK(cudaEventRecord(pairs[slot][1], stream));
        count++;
    }
    CHECK(cudaStreamSynchronize(stream));
    double took = seconds_now() - began;
    std::vector<double> own, stretched, gaps;
    for (int at = 1; at < count; at++) {
        own.push_back(own_us(at));
        gaps.push_back((double)(long long)(stamps[at].start - stamps[at - 1].end) / 1e3);
    }
    double usual = quantile(own, 0.1);
    double absent = 0;
    for (double one : own) {
        if (one > usual + 200) {
            stretched.push_back(one - usual);
        }
    }
    for (double gap : gaps) {
        absent += gap > 100 ? gap : 0;
    }
    printf("{\"id\":\"compute.slicing\",\"us\":%g,\"perSecond\":%.2f,\"ownP10\":%.2f,\"ownP50\":%.2f,\"ownP90\":%.2f,"
           "\"ownMax\":%.1f,\"stretched\":%.4f,\"stretchP10\":%.1f,\"stretchP50\":%.1f,\"stretchP90\":%.1f,"
           "\"gapP50\":%.2f,\"gapP99\":%.1f,\"gapMax\":%.1f,\"absentInGaps\":%.3f,\"eventP10\":%.2f,\"eventP25\":%.2f,"
           "\"eventP50\":%.2f,\"eventP90\":%.2f}\n",
           us, count / took, usual, quantile(own, 0.5), quantile(own, 0.9), quantile(own, 1),
           own.empty() ? 0.0 : (double)stretched.size() / own.size(), quantile(stretched, 0.1),
           quantile(stretched, 0.5), quantile(stretched, 0.9), quantile(gaps, 0.5), quantile(gaps, 0.99),
           quantile(gaps, 1), absent / 1e6 / took, quantile(timed, 0.1), quantile(timed, 0.25), quantile(timed, 0.5),
           quantile(timed, 0.9));
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        return 2;
    }
    cudaStream_t stream;
    CHECK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    CHECK(cudaHostAlloc(&stamps, sizeof(stamp) * STAMPS, cudaHostAllocDefault));
    CHECK(cudaMalloc(&sink, 4));
    /* Two that calibrate at once would disturb each other: a second one may be told. */
    double per_us = getenv("STEPS_PER_US") != nullptr ? atof(getenv("STEPS_PER_US")) : calibrate(stream);
    if (strcmp(argv[1], "events") == 0) {
        events(stream, per_us);
    } else if (strcmp(argv[1], "calibrate") == 0) {
        printf("{\"id\":\"compute.calibration\",\"stepsPerUs\":%.4f}\n", per_us);
    } else if (argc == 4) {
        slicing(stream, per_us, atof(argv[2]), atof(argv[3]));
    }
    return 0;
}
