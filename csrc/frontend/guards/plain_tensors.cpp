// Where the words of a tensor's Python object are.
#include "frontend/guards/plain_tensors.h"

#include <torch/csrc/autograd/python_variable.h>

#include <algorithm>

#include "frontend/guards/cpython_objects.h"

namespace braze {

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"
static_assert(sizeof(THPVariable::cdata) == sizeof(uintptr_t));
const ptrdiff_t PlainTensors::kContent = offsetof(THPVariable, cdata);
#pragma GCC diagnostic pop

bool PlainTensors::add(PyObject* tensor) {
  PyObject** slot = cpython::dict_slot(tensor);
  if (slot == nullptr || *slot != nullptr || !THPVariable_Check(tensor)) return false;
  if (!known_.insert(tensor).second) return true;
  const uintptr_t type = word_of(&tensor->ob_type);
  const ptrdiff_t offset = reinterpret_cast<char*>(slot) - reinterpret_cast<char*>(tensor);
  auto at = std::find_if(kinds_.begin(), kinds_.end(),
                         [&](const Kind& kind) { return kind.type == type && kind.slot == offset; });
  if (at == kinds_.end()) at = kinds_.insert(at, {type, offset, {}});
  at->objects.push_back({tensor, word_of(reinterpret_cast<char*>(tensor) + kContent)});
  return true;
}

void PlainTensors::follow(Kind& kind) {
  for (Object& object : kind.objects) object.content = word_of(reinterpret_cast<const char*>(object.tensor) + kContent);
  ++swaps_;
}

}  // namespace braze
