import { expect, test } from 'vitest';
import { classify, declaredFunctions, readTable } from '../../scripts/header-diff.mjs';

const header = `
  /* CUresult CUDAAPI cuOnlyInAComment(void); */
  #define cuMemAlloc cuMemAlloc_v2
  #define CUDA_VERSION 99000
  CUresult CUDAAPI cuMemAlloc(CUdeviceptr *dptr, size_t bytesize);
  CUresult CUDAAPI cuMemNew(CUdeviceptr *dptr);
  #define cuMemcpy __CUDA_API_PTDS(cuMemcpy)
  #define cuLaunchKernel __CUDA_API_PTSZ(cuLaunchKernel)
  CUresult CUDAAPI
  cuDeviceGetName(char *name);
`;
const table = readTable(
  'HOOK(memory, CUresult, cuMemAlloc_v2, (CUdeviceptr *out, size_t bytes))\nHOOK(launch, CUresult, cuLaunchKernel_ptsz,\n (int x))',
  'FORWARD(cuMemcpy*, "copies")\nFORWARD(cuDeviceGet*, "a question")\nFORWARD(cuDeviceGetName, "its \\"own\\" reason")',
);

test('finds prototypes, renamed names and per-thread forms, and nothing in comments', () => {
  expect(declaredFunctions(header, 'cu')).toEqual([
    'cuDeviceGetName',
    'cuLaunchKernel',
    'cuLaunchKernel_ptsz',
    'cuMemAlloc',
    'cuMemAlloc_v2',
    'cuMemNew',
    'cuMemcpy',
    'cuMemcpy_ptds',
  ]);
});

test('NVML declares with its own word, and its constants are no functions', () => {
  const nvml =
    '#define nvmlInit nvmlInit_v2\n#define nvmlClocksNone nvmlClocksEventNone\nnvmlReturn_t DECLDIR nvmlShutdown(void);';
  expect(declaredFunctions(nvml, 'nvml')).toEqual(['nvmlInit_v2', 'nvmlShutdown']);
});

test('what is neither hooked nor forwarded is unclassified', () => {
  const states = Object.fromEntries(
    classify(declaredFunctions(header, 'cu'), table).map((row) => [row.name, row.state]),
  );
  expect(states).toMatchObject({
    cuMemAlloc_v2: 'hooked',
    cuLaunchKernel_ptsz: 'hooked',
    cuMemcpy_ptds: 'forwarded',
    cuMemAlloc: 'unclassified',
    cuMemNew: 'unclassified',
  });
});

test('the most particular reason speaks for a name', () => {
  const [row] = classify(['cuDeviceGetName'], table);
  expect(row?.reason).toContain('own');
});
