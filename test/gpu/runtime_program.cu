// A program of the CUDA runtime: linked statically, or built for per-thread default streams. Prints what it computed.
#include <cstdio>
#include <thread>
#include <vector>

__global__ void step(double *x, int n, double k)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] = x[i] * k + 1.0 / (i + 1);
}

static double work(int seed)
{
    const int n = 1 << 18;
    double *device;
    std::vector<double> host(n, seed);
    if (cudaMalloc(&device, n * sizeof(double)) != cudaSuccess) return -1;
    cudaMemcpyAsync(device, host.data(), n * sizeof(double), cudaMemcpyHostToDevice);
    for (int i = 0; i < 50; i++) step<<<n / 256, 256>>>(device, n, 0.5 + seed * 0.01);
    cudaMemcpyAsync(host.data(), device, n * sizeof(double), cudaMemcpyDeviceToHost);
    cudaStreamSynchronize(0);
    cudaFree(device);
    double sum = 0;
    for (double v : host) sum += v;
    return sum;
}

int main()
{
    double sums[4];
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++) threads.emplace_back([t, &sums] { sums[t] = work(t); });
    for (auto &t : threads) t.join();
    void *p;
    cudaError_t pool = cudaMallocAsync(&p, 1 << 20, 0);
    if (pool == cudaSuccess) pool = cudaFreeAsync(p, 0);
    printf("{\"id\": \"runtime\", \"values\": [\"%a\", \"%a\", \"%a\", \"%a\", \"%d\"]}\n", sums[0], sums[1], sums[2], sums[3], (int)pool);
    return cudaDeviceSynchronize() != cudaSuccess;
}
