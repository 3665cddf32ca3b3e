// A CUDA runtime without a device. Device memory is host memory, copies copy, kernels do nothing; launches, copies,
// waits and allocations are reported, and what a stream capture forbids is refused with CUDA's own error codes.
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <unordered_map>
#include <vector>

#include "reporting.h"

namespace {

struct Stream { int number; bool captured; };
struct Event { int number; bool captured; };
struct Block { size_t size; int kind; };
struct Configuration { dim3 grid, block; size_t shared; void *stream; };

using Hook = void (*)(const char *kind, const char *detail, int stream);

const int HOST = cudaMemoryTypeHost, DEVICE = cudaMemoryTypeDevice;
const uint32_t EXPONENT = 0x7f800000, MINUS_ONE = 0xffffffff, LARGEST_LABEL = 1 << 20;
const size_t PAGE = 4096, ALIGNMENT = 2 << 20;

std::mutex lock;
Hook hook = nullptr;
std::atomic<long> launches{0};
std::unordered_map<const void *, std::string> kernel_names;
std::map<uintptr_t, Block> blocks;
size_t used = 0;
int streams = 0, events = 0;
const void *last_kernel = nullptr;

Stream *capture = nullptr;  // the stream whose work is being captured
bool capture_invalid = false;
int capture_mode = 0;
long captured_nodes = 0;
unsigned long long captures = 0;

thread_local int thread_mode = cudaStreamCaptureModeGlobal;
thread_local bool thread_captures = false;
thread_local int last_error = 0;
thread_local std::vector<Configuration> configurations;

// FAKE_GPU_MIB has the memory of the card, or those of several cards, of which CUDA_VISIBLE_DEVICES chooses one: "40,80".
size_t capacity() {
  static const size_t bytes = [] {
    const char *mib = getenv("FAKE_GPU_MIB"), *visible = getenv("CUDA_VISIBLE_DEVICES");
    if (!mib) return size_t{143771} << 20;
    for (int card = visible ? atoi(visible) : 0; card > 0 && strchr(mib, ','); card--) mib = strchr(mib, ',') + 1;
    return strtoul(mib, nullptr, 10) << 20;
  }();
  return bytes;
}

// FAKE_GPU_FAIL has the code of an error of CUDA, and the launch from which on each fails: "700,500".
int failure_at(long launch) {
  static const char *fail = getenv("FAKE_GPU_FAIL");
  static const long from = fail && strchr(fail, ',') ? atol(strchr(fail, ',') + 1) : 0;
  return fail && launch >= from ? atoi(fail) : cudaSuccess;
}

cudaError_t failed(int code) { return static_cast<cudaError_t>(last_error = code); }

int number_of(void *stream) { return stream ? static_cast<Stream *>(stream)->number : 0; }

bool is_captured(void *stream) { return stream && capture && static_cast<Stream *>(stream)->captured; }

// Whether this call is one that the open capture forbids to this thread; the capture is lost then.
bool forbidden(const char *call) {
  if (!capture || thread_mode == cudaStreamCaptureModeRelaxed) return false;
  bool applies = capture_mode == cudaStreamCaptureModeGlobal ||
                 (capture_mode == cudaStreamCaptureModeThreadLocal && thread_captures);
  if (!applies) return false;
  capture_invalid = true;
  report(FORBIDDEN, call);
  return true;
}

int kind_of(const void *pointer) {
  std::lock_guard<std::mutex> guard(lock);
  auto address = reinterpret_cast<uintptr_t>(pointer);
  auto next = blocks.upper_bound(address);
  if (next == blocks.begin()) return 0;
  --next;
  return address < next->first + next->second.size ? next->second.kind : 0;
}

// Memory that costs nothing until it is written, and reads as zeros.
void *new_block(size_t size, int kind) {
  size = (size + PAGE - 1) & ~(PAGE - 1);
  void *raw = mmap(nullptr, size + ALIGNMENT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  uintptr_t address = (reinterpret_cast<uintptr_t>(raw) + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
  std::lock_guard<std::mutex> guard(lock);
  blocks[address] = {size, kind};
  return reinterpret_cast<void *>(address);
}

std::string name_of(const void *kernel) {
  std::lock_guard<std::mutex> guard(lock);
  auto found = kernel_names.find(kernel);
  return found == kernel_names.end() ? "?" : found->second;
}

cudaError_t launch(const void *kernel, void *stream) {
  last_kernel = kernel;
  launched(name_of(kernel).c_str(), stream);
  const int failure = failure_at(launches);
  return failure ? failed(failure) : cudaSuccess;
}

// No kernel has computed what the host reads back. A single number is made up: one, and of truth values "true", but
// "false" to whether any of many is: so checks for finite values pass. Of many numbers, those that would not be
// finite as float32 become zero, unless all can be labels.
void make_up(void *target, size_t size) {
  if (size == 1) {
    std::string kernel = name_of(last_kernel);
    bool any = kernel.find("or_kernel") != std::string::npos || kernel.find("direct_copy") != std::string::npos;
    *static_cast<char *>(target) = !any;
  } else if (size == sizeof(int64_t)) {
    *static_cast<int64_t *>(target) = 1;
  } else if (size == sizeof(float)) {
    *static_cast<float *>(target) = 1;
  } else if (size % sizeof(uint32_t) == 0) {
    uint32_t *words = static_cast<uint32_t *>(target), *end = words + size / sizeof(uint32_t);
    if (std::all_of(words, end, [](uint32_t word) { return word <= LARGEST_LABEL || word == MINUS_ONE; })) return;
    std::replace_if(words, end, [](uint32_t word) { return (word & EXPONENT) == EXPONENT; }, 0u);
  }
}

cudaError_t copy(void *target, const void *source, size_t size, bool waits, void *stream) {
  const int to = kind_of(target), from = kind_of(source);
  const bool within = to == DEVICE && from == DEVICE, across = to == DEVICE || from == DEVICE;
  const bool pinned = to == HOST || from == HOST;
  char detail[96];
  snprintf(detail, sizeof detail, "%s %s, %zu bytes", from == DEVICE ? "to host" : "to device", pinned ? "pinned" : "pageable", size);
  if (capture && waits && forbidden("cudaMemcpy")) return failed(cudaErrorStreamCaptureUnsupported);
  if (is_captured(stream)) {
    captured_nodes++;
    if (across && !within) report(COPY, detail, stream);
    if (within) report(ORDER, "copies within the device", stream);
    return cudaSuccess;
  }
  if (across && !within) report(COPY, detail, stream);
  if (within) report(ORDER, "copies within the device", stream);
  if (waits && across) report(WAIT, "cudaMemcpy", stream);
  if (within) return cudaSuccess;
  memcpy(target, source, size);
  if (from == DEVICE) make_up(target, size);
  return cudaSuccess;
}

cudaError_t new_stream(cudaStream_t *stream) {
  *stream = reinterpret_cast<cudaStream_t>(new Stream{++streams, false});
  return cudaSuccess;
}

Event *as_event(cudaEvent_t event) { return reinterpret_cast<Event *>(event); }

int no_function() { return 0; }

}  // namespace

// ---- reports
void report(const char *kind, const char *detail, void *stream) {
  if (hook) hook(kind, detail, number_of(stream));
}

void launched(const char *name, void *stream) {
  launches++;
  report(LAUNCH, name, stream);
  if (!capture) return;
  if (stream && !is_captured(stream))
    report(UNCAPTURED, name, stream);
  else
    captured_nodes++;
}

bool capturing() { return capture != nullptr; }
void invalidate_capture() { capture_invalid = true; }

EXPORTED void fake_gpu_hook(Hook callback) { hook = callback; }
EXPORTED long fake_gpu_launches() { return launches; }
EXPORTED void fake_gpu_launched(const char *name, void *stream) { launched(name, stream); }
EXPORTED int fake_gpu_kind(const void *pointer) { return kind_of(pointer); }

// ---- kernels
EXPORTED void **__cudaRegisterFatBinary(void *) { static void *handle[1]; return handle; }
EXPORTED void __cudaRegisterFunction(void **, const char *host, char *, const char *name, int, void *, void *, void *, void *, int *) {
  std::lock_guard<std::mutex> guard(lock);
  kernel_names[host] = name;
}
EXPORTED unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared, void *stream) {
  configurations.push_back({grid, block, shared, stream});
  return 0;
}
EXPORTED cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared, void *stream) {
  Configuration last = configurations.back();
  configurations.pop_back();
  *grid = last.grid, *block = last.block, *shared = last.shared, *static_cast<void **>(stream) = last.stream;
  return cudaSuccess;
}
EXPORTED cudaError_t __cudaGetKernel(void **kernel, const void *host) { *kernel = const_cast<void *>(host); return cudaSuccess; }
EXPORTED cudaError_t __cudaLaunchKernel(void *kernel, dim3, dim3, void **, size_t, cudaStream_t stream) { return launch(kernel, stream); }
EXPORTED cudaError_t cudaLaunchKernel(const void *kernel, dim3, dim3, void **, size_t, cudaStream_t stream) { return launch(kernel, stream); }
EXPORTED cudaError_t cudaLaunchKernelExC(const cudaLaunchConfig_t *config, const void *kernel, void **) { return launch(kernel, config->stream); }
EXPORTED cudaError_t cudaLaunchCooperativeKernel(const void *kernel, dim3, dim3, void **, size_t, cudaStream_t stream) { return launch(kernel, stream); }
EXPORTED cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *attributes, const void *) {
  *attributes = {};
  attributes->maxThreadsPerBlock = 1024, attributes->numRegs = 32, attributes->maxDynamicSharedSizeBytes = 232448;
  attributes->ptxVersion = attributes->binaryVersion = 90;
  return cudaSuccess;
}
EXPORTED cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *count, const void *, int, size_t) { *count = 2; return cudaSuccess; }
EXPORTED cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *count, const void *, int, size_t, unsigned) { *count = 2; return cudaSuccess; }

// ---- the device: the numbers of an H200
// FAKE_GPUS of them (1), of which CUDA_VISIBLE_DEVICES lists those that are visible; they share the host's memory.
static std::vector<int> visible() {
  const char *number = getenv("FAKE_GPUS"), *listed = getenv("CUDA_VISIBLE_DEVICES");
  int cards = number ? std::max(1, atoi(number)) : 1;
  std::vector<int> found;
  if (!number || !listed) {
    for (int card = 0; card < cards; card++) found.push_back(card);
    return found;
  }
  std::stringstream rest(listed);
  for (std::string card; std::getline(rest, card, ',') && !card.empty() && atoi(card.c_str()) < cards;) found.push_back(atoi(card.c_str()));
  return found;
}
static thread_local int current = 0;
EXPORTED cudaError_t cudaGetDeviceCount(int *count) { *count = static_cast<int>(visible().size()); return *count ? cudaSuccess : cudaErrorNoDevice; }
EXPORTED cudaError_t cudaGetDevice(int *device) { *device = current; return cudaSuccess; }
EXPORTED cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= static_cast<int>(visible().size())) return failed(cudaErrorInvalidDevice);
  current = device;
  return cudaSuccess;
}
EXPORTED cudaError_t cudaDriverGetVersion(int *version) { *version = 13000; return cudaSuccess; }
EXPORTED cudaError_t cudaRuntimeGetVersion(int *version) { *version = 13000; return cudaSuccess; }
EXPORTED cudaError_t cudaDeviceGetPCIBusId(char *text, int size, int) { snprintf(text, size, "0000:01:00.0"); return cudaSuccess; }
EXPORTED cudaError_t cudaDeviceCanAccessPeer(int *can, int, int) { *can = 0; return cudaSuccess; }
EXPORTED cudaError_t cudaDeviceGetStreamPriorityRange(int *lowest, int *highest) {
  if (lowest) *lowest = 0;
  if (highest) *highest = -5;
  return cudaSuccess;
}
EXPORTED cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attribute, int) {
  static const std::map<int, int> values = {
      {cudaDevAttrMaxThreadsPerBlock, 1024}, {cudaDevAttrMaxBlockDimX, 1024}, {cudaDevAttrMaxBlockDimY, 1024},
      {cudaDevAttrMaxBlockDimZ, 64}, {cudaDevAttrMaxGridDimX, 2147483647}, {cudaDevAttrMaxGridDimY, 65535},
      {cudaDevAttrMaxGridDimZ, 65535}, {cudaDevAttrMaxSharedMemoryPerBlock, 49152}, {cudaDevAttrWarpSize, 32},
      {cudaDevAttrMaxRegistersPerBlock, 65536}, {cudaDevAttrClockRate, 1980000}, {cudaDevAttrMultiProcessorCount, 132},
      {cudaDevAttrL2CacheSize, 60 << 20}, {cudaDevAttrMaxThreadsPerMultiProcessor, 2048}, {cudaDevAttrUnifiedAddressing, 1},
      {cudaDevAttrComputeCapabilityMajor, 9}, {cudaDevAttrComputeCapabilityMinor, 0},
      {cudaDevAttrMaxSharedMemoryPerMultiprocessor, 233472}, {cudaDevAttrMaxRegistersPerMultiprocessor, 65536},
      {cudaDevAttrCooperativeLaunch, 1}, {cudaDevAttrMaxSharedMemoryPerBlockOptin, 232448},
      {cudaDevAttrMaxBlocksPerMultiprocessor, 32}, {cudaDevAttrReservedSharedMemoryPerBlock, 1024},
      {cudaDevAttrMemoryPoolsSupported, 1}};
  auto found = values.find(attribute);
  *value = found == values.end() ? 0 : found->second;
  return cudaSuccess;
}
EXPORTED cudaError_t cudaGetDeviceProperties(cudaDeviceProp *properties, int device) {
  cudaDeviceProp card = {};
  strcpy(card.name, "Fake GPU");
  for (int i = 0; i < 16; i++) card.uuid.bytes[i] = static_cast<char>(i);
  const auto cards = visible();
  if (device > 0 || getenv("FAKE_GPUS")) card.uuid.bytes[0] = static_cast<char>(cards.at(device));
  card.totalGlobalMem = capacity();
  card.sharedMemPerBlock = 49152, card.sharedMemPerBlockOptin = 232448, card.sharedMemPerMultiprocessor = 233472;
  card.regsPerBlock = card.regsPerMultiprocessor = 65536, card.warpSize = 32, card.maxThreadsPerBlock = 1024, card.maxThreadsPerMultiProcessor = 2048;
  card.maxThreadsDim[0] = card.maxThreadsDim[1] = 1024, card.maxThreadsDim[2] = 64;
  card.maxGridSize[0] = 2147483647, card.maxGridSize[1] = card.maxGridSize[2] = 65535;
  card.memPitch = 2147483647, card.totalConstMem = 65536, card.textureAlignment = 512;
  card.major = 9, card.multiProcessorCount = 132, card.l2CacheSize = 60 << 20, card.memoryBusWidth = 6144;
  card.canMapHostMemory = card.concurrentKernels = card.ECCEnabled = card.unifiedAddressing = card.cooperativeLaunch = 1;
  card.asyncEngineCount = 3, card.streamPrioritiesSupported = 1, card.maxBlocksPerMultiProcessor = 32;
  card.reservedSharedMemPerBlock = 1024, card.memoryPoolsSupported = 1, card.pciBusID = 1;
  *properties = card;
  return cudaSuccess;
}
EXPORTED cudaError_t cudaDeviceSynchronize() {
  if (forbidden("cudaDeviceSynchronize")) return failed(cudaErrorStreamCaptureUnsupported);
  report(WAIT, "cudaDeviceSynchronize");
  return cudaSuccess;
}
EXPORTED cudaError_t cudaGetLastError() { int code = last_error; last_error = 0; return static_cast<cudaError_t>(code); }
EXPORTED cudaError_t cudaPeekAtLastError() { return static_cast<cudaError_t>(last_error); }
EXPORTED const char *cudaGetErrorString(cudaError_t code) {
  switch (code) {
    case cudaSuccess: return "no error";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorNoKernelImageForDevice: return "no kernel image is available for execution on the device";
    case cudaErrorIllegalAddress: return "an illegal memory access was encountered";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated: return "operation failed due to a previous error during capture";
    default: return "an error of the fake GPU";
  }
}
EXPORTED const char *cudaGetErrorName(cudaError_t code) {
  switch (code) {
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated: return "cudaErrorStreamCaptureInvalidated";
    default: return "cudaErrorUnknown";
  }
}
// The driver's functions by name; those that it lacks do nothing.
EXPORTED cudaError_t cudaGetDriverEntryPointByVersion(const char *name, void **function, unsigned, unsigned long long, cudaDriverEntryPointQueryResult *result) {
  void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_GLOBAL);
  *function = driver ? dlsym(driver, name) : nullptr;
  if (!*function) *function = reinterpret_cast<void *>(no_function);
  if (result) *result = cudaDriverEntryPointSuccess;
  return cudaSuccess;
}

// ---- memory
EXPORTED cudaError_t cudaMalloc(void **pointer, size_t size) {
  if (forbidden("cudaMalloc")) return failed(cudaErrorStreamCaptureUnsupported);
  *pointer = nullptr;
  if (used + size > capacity()) return failed(cudaErrorMemoryAllocation);
  report(ALLOCATION, "cudaMalloc");
  *pointer = new_block(size, DEVICE);
  used += size;
  return cudaSuccess;
}
EXPORTED cudaError_t cudaFree(void *pointer) {
  if (!pointer) return cudaSuccess;
  if (forbidden("cudaFree")) return failed(cudaErrorStreamCaptureUnsupported);
  report(WAIT, "cudaFree");
  std::lock_guard<std::mutex> guard(lock);
  auto found = blocks.find(reinterpret_cast<uintptr_t>(pointer));
  if (found == blocks.end()) return cudaSuccess;
  used -= found->second.size;
  munmap(pointer, found->second.size);
  blocks.erase(found);
  return cudaSuccess;
}
EXPORTED cudaError_t cudaMemGetInfo(size_t *free, size_t *total) {
  const size_t context = 256 << 20;
  *total = capacity();
  *free = used + context < capacity() ? capacity() - used - context : 0;
  return cudaSuccess;
}
EXPORTED cudaError_t cudaHostAlloc(void **pointer, size_t size, unsigned) {
  if (forbidden("cudaHostAlloc")) return failed(cudaErrorStreamCaptureUnsupported);
  report(ALLOCATION, "cudaHostAlloc");
  *pointer = new_block(size ? size : 1, HOST);
  return cudaSuccess;
}
EXPORTED cudaError_t cudaFreeHost(void *) {
  if (forbidden("cudaFreeHost")) return failed(cudaErrorStreamCaptureUnsupported);
  report(WAIT, "cudaFreeHost");
  return cudaSuccess;
}
EXPORTED cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *attributes, const void *pointer) {
  *attributes = {};
  attributes->type = static_cast<cudaMemoryType>(kind_of(pointer)), attributes->device = current;
  if (attributes->type != cudaMemoryTypeUnregistered) attributes->devicePointer = const_cast<void *>(pointer);
  if (attributes->type == cudaMemoryTypeHost) attributes->hostPointer = const_cast<void *>(pointer);
  return cudaSuccess;
}
EXPORTED cudaError_t cudaMemcpy(void *target, const void *source, size_t size, cudaMemcpyKind) { return copy(target, source, size, true, nullptr); }
EXPORTED cudaError_t cudaMemcpyAsync(void *target, const void *source, size_t size, cudaMemcpyKind, cudaStream_t stream) { return copy(target, source, size, false, stream); }
EXPORTED cudaError_t cudaMemsetAsync(void *, int, size_t, cudaStream_t stream) { launched("memset", stream); return cudaSuccess; }
EXPORTED cudaError_t cudaGetSymbolAddress(void **pointer, const void *symbol) { *pointer = const_cast<void *>(symbol); return cudaSuccess; }
EXPORTED cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t *pool, int) { *pool = reinterpret_cast<cudaMemPool_t>(1); return cudaSuccess; }

// ---- streams and events
EXPORTED cudaError_t cudaStreamCreate(cudaStream_t *stream) { return new_stream(stream); }
EXPORTED cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned) { return new_stream(stream); }
EXPORTED cudaError_t cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned, int) { return new_stream(stream); }
EXPORTED cudaError_t cudaStreamGetPriority(cudaStream_t, int *priority) { *priority = 0; return cudaSuccess; }
EXPORTED cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (!is_captured(stream)) return cudaSuccess;
  capture_invalid = true;
  return failed(cudaErrorStreamCaptureUnsupported);
}
EXPORTED cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (is_captured(stream)) {
    capture_invalid = true;
    report(FORBIDDEN, "cudaStreamSynchronize of a captured stream", stream);
    return failed(cudaErrorStreamCaptureUnsupported);
  }
  if (forbidden("cudaStreamSynchronize")) return failed(cudaErrorStreamCaptureUnsupported);
  report(WAIT, "cudaStreamSynchronize", stream);
  return cudaSuccess;
}
EXPORTED cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (!event) return cudaSuccess;
  report(ORDER, ("waits for event " + std::to_string(as_event(event)->number)).c_str(), stream);
  if (stream && as_event(event)->captured && capture) reinterpret_cast<Stream *>(stream)->captured = true;
  return cudaSuccess;
}
EXPORTED cudaError_t cudaStreamAddCallback(cudaStream_t stream, cudaStreamCallback_t callback, void *data, unsigned) { callback(stream, cudaSuccess, data); return cudaSuccess; }
EXPORTED cudaError_t cudaLaunchHostFunc(cudaStream_t, cudaHostFn_t function, void *data) { function(data); return cudaSuccess; }
EXPORTED cudaError_t cudaEventCreate(cudaEvent_t *event) { *event = reinterpret_cast<cudaEvent_t>(new Event{++events, false}); return cudaSuccess; }
EXPORTED cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned) { return cudaEventCreate(event); }
EXPORTED cudaError_t cudaEventDestroy(cudaEvent_t event) { delete as_event(event); return cudaSuccess; }
EXPORTED cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  report(ORDER, ("records event " + std::to_string(as_event(event)->number)).c_str(), stream);
  as_event(event)->captured = is_captured(stream);
  return cudaSuccess;
}
EXPORTED cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned) { return cudaEventRecord(event, stream); }
EXPORTED cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (as_event(event)->captured) {
    capture_invalid = true;
    report(FORBIDDEN, "cudaEventQuery of a captured event");
    return failed(cudaErrorCapturedEvent);
  }
  if (forbidden("cudaEventQuery")) return failed(cudaErrorStreamCaptureUnsupported);
  report(ORDER, ("finds over event " + std::to_string(as_event(event)->number)).c_str());
  return cudaSuccess;
}
EXPORTED cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (forbidden("cudaEventSynchronize")) return failed(cudaErrorStreamCaptureUnsupported);
  report(WAIT, "cudaEventSynchronize");
  report(ORDER, ("finds over event " + std::to_string(as_event(event)->number)).c_str());
  return cudaSuccess;
}
EXPORTED cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t, cudaEvent_t) { *milliseconds = 0.1f; return cudaSuccess; }

// ---- captures and graphs: a graph is the number of its nodes, and that of its capture
struct Graph { long nodes; unsigned long long capture; };
EXPORTED cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode *mode) {
  int before = thread_mode;
  thread_mode = *mode;
  *mode = static_cast<cudaStreamCaptureMode>(before);
  return cudaSuccess;
}
EXPORTED cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus *status) {
  *status = !is_captured(stream)  ? cudaStreamCaptureStatusNone
            : capture_invalid ? cudaStreamCaptureStatusInvalidated
                              : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}
EXPORTED cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus *status, unsigned long long *id, cudaGraph_t *graph, const cudaGraphNode_t **nodes, const cudaGraphEdgeData **edges, size_t *count) {
  if (id) *id = captures;
  if (graph) *graph = reinterpret_cast<cudaGraph_t>(1);
  if (nodes) *nodes = nullptr;
  if (edges) *edges = nullptr;
  if (count) *count = 0;
  return cudaStreamIsCapturing(stream, status);
}
EXPORTED cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  if (!stream) return failed(cudaErrorStreamCaptureUnsupported);
  capture = reinterpret_cast<Stream *>(stream);
  capture->captured = thread_captures = true;
  capture_invalid = false, captured_nodes = 0, capture_mode = mode, captures++;
  report(CAPTURE, ("begins, number " + std::to_string(captures)).c_str(), stream);
  return cudaSuccess;
}
EXPORTED cudaError_t cudaStreamBeginCaptureToGraph(cudaStream_t stream, cudaGraph_t, const cudaGraphNode_t *, const cudaGraphEdgeData *, size_t, cudaStreamCaptureMode mode) { return cudaStreamBeginCapture(stream, mode); }
EXPORTED cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph) {
  if (capture) capture->captured = false;
  capture = nullptr, thread_captures = false, *graph = nullptr;
  report(CAPTURE, ("ends with " + std::to_string(captured_nodes) + " nodes").c_str(), stream);
  if (capture_invalid) return failed(cudaErrorStreamCaptureInvalidated);
  *graph = reinterpret_cast<cudaGraph_t>(new Graph{captured_nodes, captures});
  return cudaSuccess;
}
EXPORTED cudaError_t cudaGraphInstantiate(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long) { *executable = reinterpret_cast<cudaGraphExec_t>(graph); return cudaSuccess; }
EXPORTED cudaError_t cudaGraphInstantiateWithFlags(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long flags) { return cudaGraphInstantiate(executable, graph, flags); }
EXPORTED cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t *, size_t *count) { *count = reinterpret_cast<Graph *>(graph)->nodes; return cudaSuccess; }
EXPORTED cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  launched(("graph of capture " + std::to_string(reinterpret_cast<Graph *>(graph)->capture)).c_str(), stream);
  return cudaSuccess;
}
EXPORTED cudaError_t cudaUserObjectCreate(cudaUserObject_t *object, void *, cudaHostFn_t, unsigned, unsigned) { *object = reinterpret_cast<cudaUserObject_t>(1); return cudaSuccess; }
