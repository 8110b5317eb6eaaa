/* CALL(name, parameters, arguments): what the driver of refuse_test.c can refuse. */
CALL(cuMemAlloc_v2, (CUdeviceptr * out, size_t bytes), (out, bytes))
CALL(cuMemAllocManaged, (CUdeviceptr * out, size_t bytes, unsigned flags), (out, bytes, flags))
CALL(cuMemFree_v2, (CUdeviceptr address), (address))
CALL(cuMemCreate,
     (CUmemGenericAllocationHandle * out, size_t bytes, const CUmemAllocationProp *prop, unsigned long long flags),
     (out, bytes, prop, flags))
CALL(cuMemRelease, (CUmemGenericAllocationHandle handle), (handle))
CALL(cuMemMap,
     (CUdeviceptr address, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle, unsigned long long flags),
     (address, bytes, offset, handle, flags))
CALL(cuMemUnmap, (CUdeviceptr address, size_t bytes), (address, bytes))
CALL(cuMemRetainAllocationHandle, (CUmemGenericAllocationHandle * out, void *address), (out, address))
CALL(cuArrayCreate_v2, (CUarray * out, const CUDA_ARRAY_DESCRIPTOR *descriptor), (out, descriptor))
CALL(cuArrayDestroy, (CUarray array), (array))
CALL(cuMemAllocFromPoolAsync, (CUdeviceptr * out, size_t bytes, CUmemoryPool pool, CUstream stream),
     (out, bytes, pool, stream))
CALL(cuMemFreeAsync, (CUdeviceptr address, CUstream stream), (address, stream))
CALL(cuMemPoolDestroy, (CUmemoryPool pool), (pool))
CALL(cuMemPoolTrimTo, (CUmemoryPool pool, size_t keep), (pool, keep))
CALL(cuCtxDestroy_v2, (CUcontext context), (context))
