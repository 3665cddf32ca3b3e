// What the stand-ins of the runtime and of the libraries share: one report for each call that matters.
#pragma once

#define EXPORTED extern "C" __attribute__((visibility("default")))

// Kinds of a report.
#define LAUNCH "launch"            // a kernel, a graph, or a call of a library that launches kernels
#define COPY "copy"                // between host and device; the detail names direction and kind of memory
#define WAIT "wait"                // the host waits for the device
#define ALLOCATION "allocation"    // of device memory or pinned memory
#define CAPTURE "capture"          // a capture begins or ends
#define FORBIDDEN "forbidden"      // a call that invalidates the capture that is open
#define UNCAPTURED "uncaptured"    // work outside the capture that is open
#define ORDER "order"              // an event is recorded or waited for, or a decoder writes

void report(const char *kind, const char *detail, void *stream = nullptr);
void launched(const char *name, void *stream = nullptr);
bool capturing();
void invalidate_capture();
