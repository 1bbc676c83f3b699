// Being told of a change of a dict before it happens (Python 3.12 and later), so that dicts cost nothing while nobody
// changes them.
#pragma once

#include <Python.h>

#include <cstdint>

namespace braze {

class DictObserver {
 public:
  /// Called with the GIL held, inside whatever changes the dict: it runs no Python code and leaves Python's error as it
  /// is. `place`: as given to watch_dict. `key`: the one that is added, replaced or deleted; null when it may be any.
  virtual void dict_changes(uint32_t place, PyObject* key) = 0;

 protected:
  ~DictObserver() = default;
};

/// False where there is no such thing, and nothing has been done. The observer must stop watching before it dies.
bool watch_dict(PyObject* dict, DictObserver& observer, uint32_t place);

/// Takes back all that `observer` was to be told of this dict, which may be dead.
void unwatch_dict(PyObject* dict, DictObserver& observer);

}  // namespace braze
