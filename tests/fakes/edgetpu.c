// An Edge TPU without an Edge TPU: a TFLite delegate that stands in for libedgetpu.so.1.
//
// What is plugged in are the files `devices/usb-N` and `devices/pci-N` beside this library. A file's
// first word says how that device behaves, and is read anew at every call:
//
//   ok       finds one object of class 1 with score 0.875 in the middle of every picture
//   error    the inference fails with an error        busy    it cannot be opened
//   abort    the process dies, as libedgetpu does     stuck   opening it never returns
//   hang     the inference never returns              slow    the inference takes 0.3 s
//
// Unplugging (removing the file) while it is open kills the process at the next inference on USB and
// is an error on PCIe. Opening a USB device that another process has open kills that process.
// `log` beside the library says "opened|closed|clash DEVICE PID", a line each.
//
// Needs no TFLite headers. The structures are those of TFLite's c/common.h on any LP64 machine, as far
// as they are used; the types that the real ones share are only named here.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef COMMIT
#define COMMIT "0000000000000000000000000000000000000000"
#endif
#define EXPORT __attribute__((visibility("default")))
#define MOST_DEVICES 16
#define NAME_SIZE 32

// The real library carries such a line; it tells for which TFLite it was built.
__attribute__((used)) static const char build_line[] = "TENSORFLOW_COMMIT=" COMMIT;

typedef struct { int size; int data[]; } IntArray;

typedef struct {
  int type; void *data; IntArray *dims; float scale; int32_t zero_point; int allocation; size_t bytes;
  const void *mapped; const char *name; void *delegate; int handle; bool stale, variable;
  int quantisation; void *parameters, *sparsity; IntArray *dims_signature;
} Tensor;

typedef struct { IntArray *inputs, *outputs, *intermediates, *temporaries; void *user_data; } Node;

typedef struct Context Context;

typedef struct {
  void *(*init)(Context *, const char *, size_t);
  void (*free)(Context *, void *);
  int (*prepare)(Context *, Node *);
  int (*invoke)(Context *, Node *);
  const char *(*profile)(const Context *, const Node *);
  int32_t builtin_code; const char *custom_name; int version;
  void *external, *async_kernel; uint64_t inplace;
} Registration;

typedef struct Delegate {
  void *data;
  int (*prepare)(Context *, struct Delegate *);
  void *copy_from, *copy_to, *free_buffer;
  int64_t flags;
  void *opaque;
} Delegate;

struct Context {
  size_t tensor_count;
  int (*execution_plan)(Context *, IntArray **);
  Tensor *tensors;
  void *implementation, *resize;
  void (*report)(Context *, const char *, ...);
  void *add_tensors;
  int (*node)(Context *, int, Node **, Registration **);
  int (*replace)(Context *, Registration, const IntArray *, Delegate *);
};

// What one process has open. Several delegates share a device, as they do in libedgetpu.
typedef struct { char name[NAME_SIZE]; int users, lock; } Device;
static Device open_devices[MOST_DEVICES];

static const char *home(void) {
  static char folder[PATH_MAX];
  Dl_info here;
  if (!folder[0] && dladdr(build_line, &here)) {
    snprintf(folder, sizeof folder, "%s", here.dli_fname);
    *strrchr(folder, '/') = 0;
  }
  return folder;
}

static void note(const char *what, const char *device, int pid) {
  char path[PATH_MAX], line[80];
  snprintf(path, sizeof path, "%s/log", home());
  int length = snprintf(line, sizeof line, "%s %s %d\n", what, device, pid);
  int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0 || write(file, line, length) != length) abort();
  close(file);
}

static bool behaviour(const char *device, char *word) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/devices/%s", home(), device);
  FILE *file = fopen(path, "re");
  if (!file) return false;
  if (fscanf(file, "%15s", word) != 1) strcpy(word, "ok");
  fclose(file);
  return true;
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

static int plugged_in(char names[MOST_DEVICES][NAME_SIZE]) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/devices", home());
  DIR *folder = opendir(path);
  if (!folder) return 0;
  int count = 0;
  for (struct dirent *entry; count < MOST_DEVICES && (entry = readdir(folder));)
    if (!strncmp(entry->d_name, "usb-", 4) || !strncmp(entry->d_name, "pci-", 4))
      snprintf(names[count++], NAME_SIZE, "%.20s", entry->d_name);
  closedir(folder);
  qsort(names, count, NAME_SIZE, by_name);
  return count;
}

// "usb:1", ":0", "pci", "": which of those that are plugged in.
static bool chosen(const char *wanted, char *name) {
  char names[MOST_DEVICES][NAME_SIZE], kind[8] = "";
  int index = 0, count = plugged_in(names);
  const char *colon = strchr(wanted, ':');
  if (colon) index = atoi(colon + 1);
  snprintf(kind, sizeof kind, "%.*s", colon ? (int)(colon - wanted) : 7, wanted);
  for (int i = 0; i < count; i++)
    if (!strncmp(names[i], kind, strlen(kind)) && index-- == 0) {
      strcpy(name, names[i]);
      return true;
    }
  return false;
}

static void take(Device *device) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/%s.lock", home(), device->name);
  struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  device->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (!fcntl(device->lock, F_SETLK, &all)) return;
  if (!fcntl(device->lock, F_GETLK, &all) && all.l_type != F_UNLCK) {
    note("clash", device->name, all.l_pid);
    kill(all.l_pid, SIGABRT);
  }
  all.l_type = F_WRLCK;
  fcntl(device->lock, F_SETLKW, &all);
}

static Device *opened(const char *name) {
  Device *spare = NULL;
  for (int i = 0; i < MOST_DEVICES; i++) {
    Device *device = &open_devices[i];
    if (device->users && !strcmp(device->name, name)) return device->users++, device;
    if (!device->users) spare = device;
  }
  strcpy(spare->name, name);
  spare->users = 1;
  take(spare);
  note("opened", name, getpid());
  return spare;
}

static int fail(Context *context, const char *reason) {
  context->report(context, "Failed to execute request. %s", reason);
  return 1;
}

// TFLite hands the kernel what it replaces; the delegate comes first.
static void *init(Context *context, const char *parameters, size_t length) {
  (void)context, (void)length;
  return (*(Delegate *const *)(const void *)parameters)->data;
}

static void done(Context *context, void *data) { (void)context, (void)data; }

static int prepare(Context *context, Node *node) { (void)context, (void)node; return 0; }

static int invoke(Context *context, Node *node) {
  char word[16];
  const char *name = ((Device *)node->user_data)->name;
  if (!behaviour(name, word)) {
    if (name[0] == 'u') abort();
    return fail(context, "the device is gone");
  }
  if (!strcmp(word, "error")) return fail(context, "told to fail");
  if (!strcmp(word, "abort")) abort();
  if (!strcmp(word, "hang")) for (;;) pause();
  if (!strcmp(word, "slow")) usleep(300000);
  // The outputs of the network in edgetpu.py: boxes, class ids, scores, count.
  static const float answers[4][4] = {{0.25, 0.25, 0.75, 0.75}, {1}, {0.875}, {1}};
  for (int i = 0; i < node->outputs->size; i++) {
    Tensor *tensor = &context->tensors[node->outputs->data[i]];
    memset(tensor->data, 0, tensor->bytes);
    if (node->outputs->size == 4)
      memcpy(tensor->data, answers[i], tensor->bytes < sizeof answers[i] ? tensor->bytes : sizeof answers[i]);
  }
  return 0;
}

static int claim(Context *context, Delegate *delegate) {
  IntArray *plan;
  if (context->execution_plan(context, &plan)) return 1;
  int found = 0, count = plan->size, *nodes = calloc(count + 1, sizeof *nodes);
  for (int i = 0; i < count; i++) {
    Node *node;
    Registration *registration;
    if (context->node(context, plan->data[i], &node, &registration)) return 1;
    if (registration->custom_name && !strcmp(registration->custom_name, "edgetpu-custom-op"))
      nodes[found++] = plan->data[i];
  }
  Registration kernel = {.init = init, .free = done, .prepare = prepare, .invoke = invoke,
                         .custom_name = "FakeEdgeTpu", .version = 1};
  for (int i = 0; i < found; i++) {
    struct { int size, data[1]; } one = {1, {nodes[i]}};
    if (context->replace(context, kernel, (IntArray *)&one, delegate)) return 1;
  }
  free(nodes);
  return 0;
}

EXPORT Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count,
                                               void (*report)(const char *)) {
  (void)report;  // nor does the real one say why
  const char *wanted = "";
  char name[NAME_SIZE], word[16];
  for (size_t i = 0; i < count; i++)
    if (!strcmp(keys[i], "device")) wanted = values[i];
  if (!chosen(wanted, name) || !behaviour(name, word) || !strcmp(word, "busy")) return NULL;
  if (!strcmp(word, "stuck")) for (;;) pause();
  Delegate *delegate = calloc(1, sizeof *delegate);
  delegate->data = opened(name);
  delegate->prepare = claim;
  delegate->flags = 1;  // dynamic tensors are allowed
  return delegate;
}

EXPORT void tflite_plugin_destroy_delegate(Delegate *delegate) {
  if (!delegate) return;
  Device *device = delegate->data;
  if (--device->users == 0) {
    note("closed", device->name, getpid());
    close(device->lock);
  }
  free(delegate);
}

typedef struct { int type; const char *path; } Listed;

EXPORT Listed *edgetpu_list_devices(size_t *count) {
  char names[MOST_DEVICES][NAME_SIZE];
  *count = plugged_in(names);
  if (!*count) return NULL;
  size_t room = *count * (sizeof(Listed) + PATH_MAX);
  Listed *listed = calloc(1, room);
  char *path = (char *)(listed + *count);
  for (size_t i = 0; i < *count; i++, path += strlen(path) + 1) {
    listed[i] = (Listed){names[i][0] == 'u', path};
    snprintf(path, PATH_MAX, "%s/devices/%s", home(), names[i]);
  }
  return listed;
}

EXPORT void edgetpu_free_devices(Listed *listed) { free(listed); }

EXPORT const char *edgetpu_version(void) { return "BuildLabel(fake), RuntimeVersion(14)"; }

EXPORT void edgetpu_verbosity(int verbosity) { (void)verbosity; }
