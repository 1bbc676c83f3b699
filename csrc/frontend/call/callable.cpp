// The hot path of a compiled call, and the Python type around it.
#include "frontend/call/callable.h"

#include <structmember.h>
#include <torch/csrc/utils/pybind.h>

#include <chrono>

#include "frontend/call/entry.h"
#include "frontend/call/passthrough.h"
#include "frontend/call/vector_arguments.h"
#include "frontend/capture/recorder.h"

namespace braze {
namespace {

constexpr size_t most_entries = 16;
constexpr uint64_t first_shadow = 256;

struct Slot {
  PyRef object;  // the Python object that owns the entry
  Entry* entry;
  std::vector<PyRef> death_watches;
};

/// Slots on their way out: their entries are retired, then freed when this goes.
class RetiredSlots {
 public:
  void add(Slot&& slot) {
    slot.entry->retire();
    slots_.push_back(std::move(slot));
  }

 private:
  std::vector<Slot> slots_;
};

struct CallCounters {
  uint64_t misses = 0, passed_through = 0, intercepted = 0, evicted = 0;
};

struct Callable {
  PyObject_HEAD PyObject* dict;
  PyObject* weak_references;
  vectorcallfunc vectorcall;
  PyObject* function;
  PyObject* handler;
  std::vector<Slot>* slots;
  bool disabled;
  CallCounters counters;
};

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

PyObject* call_function(Callable* self, PyObject* const* args, size_t nargsf, PyObject* keyword_names) {
  if (self->function == nullptr) {
    PyErr_SetString(PyExc_RuntimeError, "a compiled function was called while it was being destroyed");
    return nullptr;
  }
  return PyObject_Vectorcall(self->function, args, nargsf, keyword_names);
}

/// handler.method(first, args, kwargs)
PyObject* call_handler(Callable* self, const char* method, PyObject* first, PyObject* const* args, size_t nargsf,
                       PyObject* keyword_names) {
  PyRef tuple = PyRef::steal(pack_positional(args, nargsf)),
        dict = PyRef::steal(pack_keywords(args, nargsf, keyword_names));
  PyRef name = PyRef::steal(PyUnicode_InternFromString(method));
  if (!tuple || !dict || !name) return nullptr;
  return PyObject_CallMethodObjArgs(self->handler, name.get(), first, tuple.get(), dict.get(), nullptr);
}

bool is_shadow_turn(uint64_t hits) { return hits >= first_shadow && (hits & (hits - 1)) == 0; }

/// One sample of the trial: the entry or the function, whichever is due.
PyObject* run_on_trial(Callable* self, Entry& entry, const TorchState& state, PyObject* const* args, size_t nargsf,
                       PyObject* keyword_names) {
  if (entry.trial.next_is_eager()) {
    ++entry.counters.eager_by_choice;
    int64_t start = now_ns();
    PyObject* result = call_function(self, args, nargsf, keyword_names);
    if (result != nullptr) entry.trial.add_eager(now_ns() - start);
    return result;
  }
  CallInputs inputs;
  int64_t start = now_ns();  // the guards are part of what the entry costs
  if (!entry.matches(state, args, static_cast<size_t>(PyVectorcall_NARGS(nargsf)), keyword_names, inputs))
    return nullptr;
  PyObject* result = entry.run(inputs);
  if (result != nullptr) entry.trial.add_compiled(now_ns() - start);
  return result;
}

/// Null without a Python error: the call takes another path than the one recorded (a value differs, an index is out of
/// range).
PyObject* run_entry(Callable* self, const PyRef& object, Entry& entry, const TorchState& state, CallInputs& inputs,
                    PyObject* const* args, size_t nargsf, PyObject* keyword_names) {
  uint64_t hits = ++entry.counters.hits;
  PyObject* result = nullptr;
  if (entry.is_eager()) return call_function(self, args, nargsf, keyword_names);
  switch (entry.trial.verdict()) {
    case Trial::Verdict::Slower:
      ++entry.counters.eager_by_choice;
      return call_function(self, args, nargsf, keyword_names);
    case Trial::Verdict::Undecided:
      if (!entry.is_settled()) {
        result = entry.run(inputs);
      } else if (entry.varies() && PyObject_HasAttrString(self->handler, "rehearse")) {
        return call_handler(self, "rehearse", object.get(), args, nargsf, keyword_names);
      } else {
        result = run_on_trial(self, entry, state, args, nargsf, keyword_names);
      }
      break;
    case Trial::Verdict::Faster:
      if (is_shadow_turn(hits) && PyObject_HasAttrString(self->handler, "shadow")) {
        ++entry.counters.shadowed;
        return call_handler(self, "shadow", object.get(), args, nargsf, keyword_names);
      }
      result = entry.run(inputs);
      break;
  }
  return result;
}

/// Drops the entries that can answer no call any more.
void purge(Callable* self) {
  RetiredSlots retired;
  auto& slots = *self->slots;
  for (size_t i = slots.size(); i-- > 0;) {
    if (!slots[i].entry->is_dead()) continue;
    retired.add(std::move(slots[i]));
    slots.erase(slots.begin() + static_cast<ptrdiff_t>(i));
  }
}

PyObject* callable_vectorcall(PyObject* object, PyObject* const* args, size_t nargsf, PyObject* keyword_names) {
  auto* self = reinterpret_cast<Callable*>(object);
  if (passthrough() || self->disabled || is_recording()) {
    ++self->counters.passed_through;
    return call_function(self, args, nargsf, keyword_names);
  }
  TorchState state = TorchState::current();
  if (!self->slots->empty()) {
    CallInputs inputs;
    auto positional = static_cast<size_t>(PyVectorcall_NARGS(nargsf));
    std::vector<Slot>& slots = *self->slots;
    bool any_stale = false;
    for (size_t i = 0; i < slots.size(); ++i) {
      if (slots[i].entry->matches(state, args, positional, keyword_names, inputs)) {
        const size_t at = slots[i].entry->is_eager() ? i : 0;
        if (at < i)
          std::rotate(slots.begin(), slots.begin() + static_cast<ptrdiff_t>(i),
                      slots.begin() + static_cast<ptrdiff_t>(i) + 1);
        PyRef held = slots[at].object;
        PyObject* result = run_entry(self, held, *slots[at].entry, state, inputs, args, nargsf, keyword_names);
        if (result != nullptr || PyErr_Occurred()) return result;
      }
      inputs.reset();
      any_stale |= i < slots.size() && slots[i].entry->is_stale();
    }
    if (any_stale) purge(self);
  }
  if (state.is_intercepted() || self->handler == nullptr) {
    ++self->counters.intercepted;
    return call_function(self, args, nargsf, keyword_names);
  }
  ++self->counters.misses;
  return call_handler(self, "miss", object, args, nargsf, keyword_names);
}

// The Python type.

PyObject* callable_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"function", "handler", nullptr};
  PyObject *function, *handler;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OO:Callable", const_cast<char**>(names), &function, &handler))
    return nullptr;
  if (!PyCallable_Check(function)) {
    PyErr_Format(PyExc_TypeError, "Callable: got a %s where a callable is needed", Py_TYPE(function)->tp_name);
    return nullptr;
  }
  auto* self = reinterpret_cast<Callable*>(type->tp_alloc(type, 0));
  if (self == nullptr) return nullptr;
  self->vectorcall = callable_vectorcall;
  self->function = Py_NewRef(function);
  self->handler = Py_NewRef(handler);
  self->slots = new std::vector<Slot>;
  self->counters = CallCounters{};
  return reinterpret_cast<PyObject*>(self);
}

int callable_traverse(PyObject* object, visitproc visit, void* arg) {
  auto* self = reinterpret_cast<Callable*>(object);
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(self->dict);
  Py_VISIT(self->function);
  Py_VISIT(self->handler);
  if (self->slots == nullptr) return 0;
  for (const Slot& slot : *self->slots) {
    if (int stop = slot.object.visit(visit, arg)) return stop;
    for (const PyRef& watch : slot.death_watches) {
      if (int stop = watch.visit(visit, arg)) return stop;
    }
  }
  return 0;
}

void drop_slots(Callable* self) {
  if (self->slots == nullptr) return;
  RetiredSlots retired;
  std::vector<Slot> dropped;
  dropped.swap(*self->slots);
  for (Slot& slot : dropped) retired.add(std::move(slot));
}

int callable_clear(PyObject* object) {
  auto* self = reinterpret_cast<Callable*>(object);
  drop_slots(self);
  Py_CLEAR(self->dict);
  Py_CLEAR(self->handler);
  Py_CLEAR(self->function);
  return 0;
}

void callable_dealloc(PyObject* object) {
  auto* self = reinterpret_cast<Callable*>(object);
  PyTypeObject* type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  if (self->weak_references != nullptr) PyObject_ClearWeakRefs(object);
  callable_clear(object);
  delete self->slots;
  type->tp_free(object);
  Py_DECREF(type);
}

PyObject* callable_repr(PyObject* object) {
  return PyUnicode_FromFormat("<braze.compile of %R>", reinterpret_cast<Callable*>(object)->function);
}

PyObject* callable_get(PyObject* self, PyObject* instance, PyObject*) {
  return instance == nullptr || instance == Py_None ? Py_NewRef(self) : PyMethod_New(self, instance);
}

/// Called with the weak reference of an object that died; bound to a weak reference of the callable.
PyObject* on_death(PyObject* callable_reference, PyObject*) {
  PyRef object = PyRef::borrow(PyWeakref_GET_OBJECT(callable_reference));
  if (object.get() != Py_None && reinterpret_cast<Callable*>(object.get())->slots != nullptr)
    purge(reinterpret_cast<Callable*>(object.get()));
  Py_RETURN_NONE;
}

PyMethodDef on_death_definition = {"purge", on_death, METH_O, nullptr};

std::vector<PyRef> watch_deaths(PyObject* callable, const Entry& entry) {
  std::vector<PyRef> watches;
  PyRef reference = PyRef::steal(PyWeakref_NewRef(callable, nullptr));
  PyRef callback = PyRef::steal(reference ? PyCFunction_New(&on_death_definition, reference.get()) : nullptr);
  for (auto& [path, object] : entry.objects()) {
    PyRef watch = PyRef::steal(callback ? PyWeakref_NewRef(object, callback.get()) : nullptr);
    if (watch) watches.push_back(std::move(watch));
    PyErr_Clear();
  }
  return watches;
}

PyObject* callable_add_entry(PyObject* object, PyObject* const* args, Py_ssize_t count) {
  auto* self = reinterpret_cast<Callable*>(object);
  if (count != 1 && count != 2) {
    PyErr_SetString(PyExc_TypeError, "Callable.add_entry(entry, trial=True)");
    return nullptr;
  }
  PyObject* entry_object = args[0];
  try {
    auto* entry = pybind11::handle(entry_object).cast<Entry*>();
    if (count == 2 && !PyObject_IsTrue(args[1])) entry->trial.skip();
    Slot slot{PyRef::borrow(entry_object), entry, watch_deaths(object, *entry)};
    purge(self);
    RetiredSlots evicted;
    if (self->slots->size() >= most_entries) {
      evicted.add(std::move(self->slots->back()));
      self->slots->pop_back();
      ++self->counters.evicted;
    }
    // What is eager's may be a wide kind of call: entries that answer some of them come first.
    self->slots->insert(entry->is_eager() ? self->slots->end() : self->slots->begin(), std::move(slot));
  } catch (const pybind11::cast_error&) {
    PyErr_Format(PyExc_TypeError, "Callable.add_entry: got a %s where an Entry is needed",
                 Py_TYPE(entry_object)->tp_name);
    return nullptr;
  }
  Py_RETURN_NONE;
}

PyObject* callable_remove_entry(PyObject* object, PyObject* entry_object) {
  auto& slots = *reinterpret_cast<Callable*>(object)->slots;
  for (size_t i = 0; i < slots.size(); ++i) {
    if (slots[i].object.get() != entry_object) continue;
    RetiredSlots removed;
    removed.add(std::move(slots[i]));
    slots.erase(slots.begin() + static_cast<ptrdiff_t>(i));
    break;
  }
  Py_RETURN_NONE;
}

PyObject* callable_disable(PyObject* object, PyObject*) {
  reinterpret_cast<Callable*>(object)->disabled = true;
  Py_RETURN_NONE;
}

PyObject* callable_clear_entries(PyObject* object, PyObject*) {
  drop_slots(reinterpret_cast<Callable*>(object));
  Py_RETURN_NONE;
}

PyObject* callable_entries(PyObject* object, void*) {
  auto& slots = *reinterpret_cast<Callable*>(object)->slots;
  PyObject* list = PyList_New(static_cast<Py_ssize_t>(slots.size()));
  for (size_t i = 0; list && i < slots.size(); ++i)
    PyList_SET_ITEM(list, static_cast<Py_ssize_t>(i), Py_NewRef(slots[i].object.get()));
  return list;
}

PyObject* callable_counters(PyObject* object, void*) {
  const CallCounters& counters = reinterpret_cast<Callable*>(object)->counters;
  return Py_BuildValue("{s:K,s:K,s:K,s:K}", "misses", counters.misses, "passed_through", counters.passed_through,
                       "intercepted", counters.intercepted, "evicted", counters.evicted);
}

PyObject* callable_explain_miss(PyObject* object, PyObject* const* args, Py_ssize_t nargs, PyObject* keyword_names) {
  auto& slots = *reinterpret_cast<Callable*>(object)->slots;
  TorchState state = TorchState::current();
  PyRef list = PyRef::steal(PyList_New(0));
  for (Slot& slot : slots) {
    std::string text = slot.entry->explain_miss(state, args, static_cast<size_t>(nargs), keyword_names);
    PyRef line = PyRef::steal(PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
    if (!list || !line || PyList_Append(list.get(), line.get()) < 0) return nullptr;
  }
  return list.release();
}

/// Pickled and copied by name, as functions are; a method as the method it is, of a copy of its object. (A recurrent
/// layer of PyTorch copies what it is called through, which other modules leave out.)
PyObject* callable_reduce(PyObject* object, PyObject*) {
  PyObject* function = reinterpret_cast<Callable*>(object)->function;
  if (PyMethod_Check(function)) return PyObject_CallMethod(function, "__reduce__", nullptr);
  return PyObject_GetAttrString(object, "__qualname__");
}

PyMethodDef methods[] = {
    {"add_entry", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(callable_add_entry)), METH_FASTCALL,
     "add_entry(entry, trial=True): adds an entry in front; the one least recently used of 16 goes."},
    {"remove_entry", callable_remove_entry, METH_O, "Drops this entry if it is there."},
    {"disable", callable_disable, METH_NOARGS, "From now on every call is a plain call of the function."},
    {"clear", callable_clear_entries, METH_NOARGS, "Drops all entries."},
    {"explain_miss", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(callable_explain_miss)),
     METH_FASTCALL | METH_KEYWORDS,
     "For a call with these arguments: for each entry why it does not answer, or '' where it does."},
    {"__reduce__", callable_reduce, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr}};

PyMemberDef members[] = {{"__vectorcalloffset__", T_PYSSIZET, offsetof(Callable, vectorcall), READONLY, nullptr},
                         {"__dictoffset__", T_PYSSIZET, offsetof(Callable, dict), READONLY, nullptr},
                         {"__weaklistoffset__", T_PYSSIZET, offsetof(Callable, weak_references), READONLY, nullptr},
                         {"function", T_OBJECT_EX, offsetof(Callable, function), READONLY, "What is compiled."},
                         {"handler", T_OBJECT_EX, offsetof(Callable, handler), READONLY, "What answers misses."},
                         {nullptr, 0, 0, 0, nullptr}};

PyGetSetDef getters[] = {{"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
                         {"entries", callable_entries, nullptr, "The entries, most recently used first.", nullptr},
                         {"counters", callable_counters, nullptr, "Calls no entry answered, by cause.", nullptr},
                         {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyType_Slot type_slots[] = {{Py_tp_new, reinterpret_cast<void*>(callable_new)},
                            {Py_tp_dealloc, reinterpret_cast<void*>(callable_dealloc)},
                            {Py_tp_traverse, reinterpret_cast<void*>(callable_traverse)},
                            {Py_tp_clear, reinterpret_cast<void*>(callable_clear)},
                            {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                            {Py_tp_repr, reinterpret_cast<void*>(callable_repr)},
                            {Py_tp_descr_get, reinterpret_cast<void*>(callable_get)},
                            {Py_tp_methods, methods},
                            {Py_tp_members, members},
                            {Py_tp_getset, getters},
                            {Py_tp_doc, const_cast<char*>("A compiled function. Callable(function, handler).")},
                            {0, nullptr}};

PyType_Spec type_spec = {
    "braze._C.Callable", sizeof(Callable), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR, type_slots};

}  // namespace

PyTypeObject* callable_type() {
  static PyObject* type = PyType_FromSpec(&type_spec);
  if (type == nullptr) throw pybind11::error_already_set();
  return reinterpret_cast<PyTypeObject*>(type);
}

}  // namespace braze
