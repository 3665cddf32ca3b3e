// cuBLAS, cuSOLVER, cuDNN and nvJPEG without a device: a call that computes is one launch. The build adds functions
// that do nothing for all others that torch and torchvision import.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "reporting.h"

using Status = int;
using Handle = void *;

#define COMPUTES(name) EXPORTED Status name() { launched(#name); return 0; }
#define CREATES(name, position) \
  EXPORTED Status name(Handle *first, Handle *second, Handle *third) { *position = calloc(1, 256); return 0; }

// A handle that is first used inside a capture allocates, which no capture allows.
static Status new_handle(Handle *handle, const char *name) {
  static int library;
  if (capturing()) report(FORBIDDEN, name);
  *handle = &library;
  return 0;
}

// ---- cuBLAS
EXPORTED Status cublasCreate_v2(Handle *handle) { return new_handle(handle, "cublasCreate"); }
EXPORTED Status cublasGetMathMode(Handle, int *mode) { *mode = 0; return 0; }
EXPORTED Status cublasGetPointerMode_v2(Handle, int *mode) { *mode = 0; return 0; }
COMPUTES(cublasSgemm_v2) COMPUTES(cublasDgemm_v2) COMPUTES(cublasGemmEx) COMPUTES(cublasSgemmEx)
COMPUTES(cublasSgemmBatched) COMPUTES(cublasSgemmStridedBatched) COMPUTES(cublasDgemmStridedBatched)
COMPUTES(cublasGemmStridedBatchedEx) COMPUTES(cublasSgemv_v2) COMPUTES(cublasDgemv_v2) COMPUTES(cublasSdot_v2)
COMPUTES(cublasDdot_v2) COMPUTES(cublasDotEx) COMPUTES(cublasStrsm_v2) COMPUTES(cublasDtrsm_v2)
COMPUTES(cublasStrsmBatched) COMPUTES(cublasDtrsmBatched) COMPUTES(cublasLtMatmul)
CREATES(cublasLtMatmulDescCreate, first) CREATES(cublasLtMatrixLayoutCreate, first)
CREATES(cublasLtMatmulPreferenceCreate, first)
EXPORTED size_t cublasLtGetVersion() { return 130101; }
EXPORTED Status cublasLtMatmulAlgoGetHeuristic(Handle, Handle, Handle, Handle, Handle, Handle, Handle, int, void *results, int *found) {
  const size_t RESULT = 128;
  memset(results, 0, RESULT);
  *found = 1;
  return 0;
}

// ---- cuSOLVER
EXPORTED Status cusolverDnCreate(Handle *handle) { return new_handle(handle, "cusolverDnCreate"); }
CREATES(cusolverDnCreateParams, first) CREATES(cusolverDnCreateSyevjInfo, first)
EXPORTED Status cusolverDnSpotrfBatched() {
  static const bool refuses = getenv("FAKE_GPU_REFUSES_CHOLESKY") != nullptr;
  if (refuses && capturing()) {
    const Status internal_error = 7;
    invalidate_capture();
    return internal_error;
  }
  launched("cusolverDnSpotrfBatched");
  return 0;
}
COMPUTES(cusolverDnDpotrfBatched) COMPUTES(cusolverDnXpotrf) COMPUTES(cusolverDnSpotrf) COMPUTES(cusolverDnDpotrf)
COMPUTES(cusolverDnSsyevd) COMPUTES(cusolverDnDsyevd) COMPUTES(cusolverDnSsyevj) COMPUTES(cusolverDnSsyevjBatched)
COMPUTES(cusolverDnDsyevjBatched) COMPUTES(cusolverDnXsyevd) COMPUTES(cusolverDnXsyevBatched)
// Sizes of workspaces, where torch reads one that nothing has set: the arguments up to it.
#define SIZE32(name, ...) EXPORTED Status name(__VA_ARGS__, int *size) { *size = 64; return 0; }
#define SIZE64(name, ...) EXPORTED Status name(__VA_ARGS__, size_t *device, size_t *host) { *device = 1024, *host = 0; return 0; }
#define MATRIX Handle, int, int, void *, int
#define EIGEN Handle, int, int, int, void *, int, void *
SIZE32(cusolverDnSpotrf_bufferSize, MATRIX) SIZE32(cusolverDnDpotrf_bufferSize, MATRIX)
SIZE32(cusolverDnSsyevd_bufferSize, EIGEN) SIZE32(cusolverDnDsyevd_bufferSize, EIGEN)
SIZE32(cusolverDnSsyevj_bufferSize, EIGEN) SIZE32(cusolverDnSsyevjBatched_bufferSize, EIGEN)
SIZE32(cusolverDnDsyevjBatched_bufferSize, EIGEN)
SIZE64(cusolverDnXpotrf_bufferSize, Handle, Handle, int, int64_t, int, const void *, int64_t, int)
#define EIGEN64 Handle, Handle, int, int, int64_t, int, const void *, int64_t, int, const void *, int
SIZE64(cusolverDnXsyevd_bufferSize, EIGEN64) SIZE64(cusolverDnXsyevBatched_bufferSize, EIGEN64)

// ---- cuDNN
struct Descriptor { int type; };
EXPORTED size_t cudnnGetVersion() {
  static const char *version = getenv("FAKE_GPU_CUDNN");
  return version ? strtoul(version, nullptr, 10) : 92400;
}
EXPORTED size_t cudnnGetCudartVersion() { return 13000; }
EXPORTED const char *cudnnGetErrorString(int) { return "an error of the fake GPU"; }
EXPORTED void cudnnGetLastErrorString(char *text, size_t size) { if (size) *text = 0; }
EXPORTED Status cudnnCreate(Handle *handle) { return new_handle(handle, "cudnnCreate"); }
EXPORTED Status cudnnGetStream(Handle, void **stream) { *stream = nullptr; return 0; }
EXPORTED Status cudnnBackendCreateDescriptor(int type, void **descriptor) { *descriptor = new Descriptor{type}; return 0; }
EXPORTED Status cudnnBackendDestroyDescriptor(void *descriptor) { delete static_cast<Descriptor *>(descriptor); return 0; }
// Attributes that are read: one descriptor for each list of them, and zero for each number.
EXPORTED Status cudnnBackendGetAttribute(void *, int, int type, int64_t wanted, int64_t *given, void *values) {
  const int INT64 = 3, FLOAT = 4, VOID_POINTER = 6, HEURISTIC = 8, DESCRIPTOR = 15;
  if (given) *given = 0;
  if (type == DESCRIPTOR) {
    if (given) *given = 1;
  } else if (wanted > 0 && (type == INT64 || type == FLOAT || type == VOID_POINTER || type == HEURISTIC)) {
    if (given) *given = 1;
    if (values) memset(values, 0, sizeof(int64_t));
  }
  return 0;
}
COMPUTES(cudnnBackendExecute) COMPUTES(cudnnBatchNormalizationForwardTrainingEx)
COMPUTES(cudnnBatchNormalizationBackwardEx) COMPUTES(cudnnBatchNormalizationForwardInference)
COMPUTES(cudnnConvolutionForward) COMPUTES(cudnnConvolutionBackwardData) COMPUTES(cudnnConvolutionBackwardFilter)
EXPORTED Status cudnnGetBatchNormalizationForwardTrainingExWorkspaceSize(Handle, int, int, Handle, Handle, Handle, Handle, Handle, size_t *size) { *size = 0; return 0; }
EXPORTED Status cudnnGetBatchNormalizationBackwardExWorkspaceSize(Handle, int, int, Handle, Handle, Handle, Handle, Handle, Handle, Handle, size_t *size) { *size = 0; return 0; }
EXPORTED Status cudnnGetBatchNormalizationTrainingExReserveSpaceSize(Handle, int, int, Handle, Handle, size_t *size) { *size = 0; return 0; }
CREATES(cudnnCreateTensorDescriptor, first) CREATES(cudnnCreateFilterDescriptor, first)
CREATES(cudnnCreateConvolutionDescriptor, first) CREATES(cudnnCreateActivationDescriptor, first)
CREATES(cudnnCreateDropoutDescriptor, first) CREATES(cudnnCreateRNNDescriptor, first)
CREATES(cudnnCreatePoolingDescriptor, first)

// ---- cuSPARSE
EXPORTED Status cusparseCreate(Handle *handle) { return new_handle(handle, "cusparseCreate"); }
EXPORTED const char *cusparseGetErrorString(int) { return "an error of the fake GPU"; }

// ---- nvJPEG
CREATES(nvjpegCreateSimple, first) CREATES(nvjpegJpegStateCreate, second) CREATES(nvjpegDecoderStateCreate, third)
CREATES(nvjpegBufferPinnedCreate, third) CREATES(nvjpegBufferDeviceCreate, third)
CREATES(nvjpegJpegStreamCreate, second) CREATES(nvjpegDecodeParamsCreate, second)
EXPORTED Status nvjpegDecoderCreate(Handle, int, Handle *decoder) { *decoder = calloc(1, 256); return 0; }
EXPORTED Status nvjpegCreateEx(int, Handle, Handle, unsigned, Handle *handle) { *handle = calloc(1, 256); return 0; }
EXPORTED Status nvjpegGetProperty(int property, int *value) { *value = property == 0 ? 13 : 0; return 0; }
// Height and width are in the segment that begins the frame.
static bool find_size(const unsigned char *bytes, size_t size, int *height, int *width) {
  for (size_t at = 2; at + 9 < size;) {
    const int marker = bytes[at + 1];
    if (bytes[at] != 0xff) { at++; continue; }
    if (marker == 0xc0 || marker == 0xc2) {
      *height = bytes[at + 5] * 256 + bytes[at + 6], *width = bytes[at + 7] * 256 + bytes[at + 8];
      return true;
    }
    at += 2 + bytes[at + 2] * 256 + bytes[at + 3];
  }
  return false;
}
EXPORTED Status nvjpegGetImageInfo(Handle, const unsigned char *bytes, size_t size, int *components, int *subsampling, int *widths, int *heights) {
  const int JPEG_NOT_SUPPORTED = 5;
  int height, width;
  if (!find_size(bytes, size, &height, &width)) return JPEG_NOT_SUPPORTED;
  *components = 3, *subsampling = 0;
  for (int i = 0; i < 4; i++) heights[i] = i < 3 ? height : 0, widths[i] = i < 3 ? width : 0;
  return 0;
}
// Every file has the picture by which the product checks a decoder: red grows to the right, green downwards. A
// byte of which the lower seven bits are set is avoided: four of them could be a number that is not finite.
struct Picture { unsigned char *channel[4]; size_t pitch[4]; };
static int batch_size = 0;
EXPORTED Status nvjpegDecodeBatchedInitialize(Handle, Handle, int size, int, int) { batch_size = size; return 0; }
EXPORTED Status nvjpegDecodeBatchedSupported(Handle, Handle, int *is_not) { *is_not = 0; return 0; }
EXPORTED Status nvjpegDecodeBatched(Handle, Handle, const unsigned char *const *files, const size_t *sizes, Picture *pictures, void *stream) {
  const int PERIOD = 64;
  for (int i = 0; i < batch_size; i++) {
    int height = 0, width = 0;
    find_size(files[i], sizes[i], &height, &width);
    char detail[96];
    const size_t bytes = pictures[i].pitch[0] * height;
    for (int c = 0; c < 3; c++) {
      snprintf(detail, sizeof detail, "nvJPEG writes %zu bytes at %zu", bytes, reinterpret_cast<size_t>(pictures[i].channel[c]));
      report(ORDER, detail, stream);
    }
    for (int y = 0; y < height; y++)
      for (int x = 0; x < width; x++) {
        const int red = x % PERIOD * 255 / (PERIOD - 1), colours[3] = {red, y % PERIOD * 255 / (PERIOD - 1), 255 - red};
        for (int c = 0; c < 3; c++) pictures[i].channel[c][y * pictures[i].pitch[c] + x] = colours[c] - (colours[c] % 128 == 127);
      }
  }
  return 0;
}
EXPORTED Status nvjpegDecodeJpegDevice(Handle, Handle, Handle, void *, void *stream) {
  report(ORDER, "nvJPEG writes", stream);
  return 0;
}
