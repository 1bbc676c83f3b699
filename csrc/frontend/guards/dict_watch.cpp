// One watcher of the process, and who wants to know of which dict.
#include "frontend/guards/dict_watch.h"

#if PY_VERSION_HEX >= 0x030C0000

#include <algorithm>
#include <unordered_map>
#include <vector>

namespace braze {
namespace {

struct Subscription {
  DictObserver* observer;
  uint32_t place;
};

/// Never destroyed: dicts are changed and freed until the very end of the process.
std::unordered_map<PyObject*, std::vector<Subscription>>& subscriptions() {
  static auto* const all = new std::unordered_map<PyObject*, std::vector<Subscription>>;
  return *all;
}

int on_event(PyDict_WatchEvent event, PyObject* dict, PyObject* key, PyObject*) {
  auto found = subscriptions().find(dict);
  if (found == subscriptions().end()) return 0;
  const bool one_key = event == PyDict_EVENT_ADDED || event == PyDict_EVENT_MODIFIED || event == PyDict_EVENT_DELETED;
  for (const Subscription& one : found->second) one.observer->dict_changes(one.place, one_key ? key : nullptr);
  if (event == PyDict_EVENT_DEALLOCATED) subscriptions().erase(found);
  return 0;
}

/// -1 when the interpreter has no watcher left.
int watcher() {
  static const int id = [] {
    const int made = PyDict_AddWatcher(on_event);
    if (made < 0) PyErr_Clear();
    return made;
  }();
  return id;
}

}  // namespace

bool watch_dict(PyObject* dict, DictObserver& observer, uint32_t place) {
  if (watcher() < 0) return false;
  if (PyDict_Watch(watcher(), dict) < 0) {
    PyErr_Clear();
    return false;
  }
  subscriptions()[dict].push_back({&observer, place});
  return true;
}

void unwatch_dict(PyObject* dict, DictObserver& observer) {
  auto found = subscriptions().find(dict);
  if (found == subscriptions().end()) return;
  auto& all = found->second;
  std::erase_if(all, [&](const Subscription& one) { return one.observer == &observer; });
  if (!all.empty()) return;
  subscriptions().erase(found);
  if (PyDict_Unwatch(watcher(), dict) < 0) PyErr_Clear();
}

}  // namespace braze

#else

namespace braze {

bool watch_dict(PyObject*, DictObserver&, uint32_t) { return false; }
void unwatch_dict(PyObject*, DictObserver&) {}

}  // namespace braze

#endif
