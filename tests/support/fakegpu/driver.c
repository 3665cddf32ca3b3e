// libcuda.so.1 without a device: what torch and Triton ask of the driver, and the launches of Triton's kernels.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef int Result;

// The runtime is preloaded, so its symbols are those of the process.
#define RUNTIME(type, name) ((type)dlsym(RTLD_DEFAULT, name))

Result cuInit(unsigned flags) { return 0; }
Result cuDriverGetVersion(int *version) { *version = 13000; return 0; }
Result cuDeviceGetCount(int *count) { *count = 1; return 0; }
Result cuDeviceGet(int *device, int index) { *device = index; return 0; }
Result cuDeviceGetName(char *name, int size, int device) { strncpy(name, "Fake GPU", size); return 0; }
Result cuCtxGetDevice(int *device) { *device = 0; return 0; }
Result cuDevicePrimaryCtxGetState(int device, unsigned *flags, int *active) {
  if (flags) *flags = 0;
  *active = 1;
  return 0;
}
Result cuDevicePrimaryCtxRetain(void **context, int device) { *context = (void *)1; return 0; }
Result cuCtxGetCurrent(void **context) { *context = (void *)1; return 0; }
Result cuGetErrorString(int code, const char **text) { *text = "an error of the fake GPU"; return 0; }
Result cuDeviceGetAttribute(int *value, int attribute, int device) {
  Result (*get)(int *, int, int) = RUNTIME(Result(*)(int *, int, int), "cudaDeviceGetAttribute");
  return get ? get(value, attribute, device) : 1;
}
Result cuPointerGetAttribute(void *value, int attribute, uint64_t pointer) {
  enum { MEMORY_TYPE = 2, DEVICE_POINTER = 3 };
  int (*kind_of)(const void *) = RUNTIME(int (*)(const void *), "fake_gpu_kind");
  int kind = kind_of ? kind_of((void *)pointer) : 0;
  if (!kind) return 1;
  if (attribute == DEVICE_POINTER)
    *(void **)value = (void *)pointer;
  else if (attribute == MEMORY_TYPE)
    *(unsigned *)value = kind;
  else
    *(uint64_t *)value = 1;
  return 0;
}

// A kernel of a module is its name.
Result cuModuleLoadData(void **module, const void *image) { *module = (void *)1; return 0; }
Result cuModuleLoadDataEx(void **module, const void *image, unsigned count, void *options, void *values) { *module = (void *)1; return 0; }
Result cuModuleGetFunction(void **function, void *module, const char *name) { *function = strdup(name); return 0; }
Result cuFuncGetAttribute(int *value, int attribute, void *function) { *value = 32; return 0; }
Result cuOccupancyMaxActiveBlocksPerMultiprocessor(int *count, void *function, int block, size_t shared) { *count = 2; return 0; }
static Result launch(const char *name, void *stream) {
  void (*launched)(const char *, void *) = RUNTIME(void (*)(const char *, void *), "fake_gpu_launched");
  if (launched) launched(name, stream);
  return 0;
}
Result cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, void *stream, void **arguments, void **extra) { return launch(function, stream); }
Result cuLaunchKernelEx(const void *config, void *function, void **arguments, void **extra) { return launch(function, NULL); }

#define NOTHING(name) Result name() { return 0; }
NOTHING(cuCtxGetLimit) NOTHING(cuCtxPopCurrent_v2) NOTHING(cuCtxPushCurrent_v2) NOTHING(cuCtxSetCurrent)
NOTHING(cuCtxSetLimit) NOTHING(cuCtxSynchronize) NOTHING(cuDeviceGetUuid) NOTHING(cuDevicePrimaryCtxRelease)
NOTHING(cuFuncSetAttribute) NOTHING(cuFuncSetCacheConfig) NOTHING(cuGetErrorName) NOTHING(cuGetProcAddress_v2)
NOTHING(cuLaunchCooperativeKernel) NOTHING(cuLinkAddData_v2) NOTHING(cuLinkComplete) NOTHING(cuLinkCreate_v2)
NOTHING(cuMemAddressFree) NOTHING(cuMemAddressReserve) NOTHING(cuMemCreate) NOTHING(cuMemGetAddressRange_v2)
NOTHING(cuMemGetAllocationGranularity) NOTHING(cuMemGetAllocationPropertiesFromHandle)
NOTHING(cuMemHostGetDevicePointer) NOTHING(cuMemImportFromShareableHandle) NOTHING(cuMemMap) NOTHING(cuMemRelease)
NOTHING(cuMemSetAccess) NOTHING(cuMemUnmap) NOTHING(cuModuleGetLoadingMode) NOTHING(cuModuleLoad)
NOTHING(cuModuleUnload) NOTHING(cuMulticastAddDevice) NOTHING(cuMulticastBindMem) NOTHING(cuMulticastCreate)
NOTHING(cuStreamGetCtx) NOTHING(cuStreamSynchronize) NOTHING(cuStreamWriteValue32_v2) NOTHING(cuTensorMapEncodeTiled)
