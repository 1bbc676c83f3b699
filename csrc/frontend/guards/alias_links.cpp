// Alias links: found by sorting storage ranges once, checked by comparing a few addresses.
#include "frontend/guards/alias_links.h"

#include <c10/util/SmallVector.h>
#include <torch/csrc/autograd/python_variable.h>

#include <algorithm>
#include <bit>

namespace braze {
namespace {

void find_same_objects(at::TensorImpl* const* inputs, size_t count, uint32_t* first) {
  if (count <= 8) {
    for (uint32_t i = 0; i < count; ++i) {
      first[i] = 0;
      while (inputs[first[i]] != inputs[i]) ++first[i];
    }
    return;
  }
  size_t capacity = std::bit_ceil(count * 2);
  c10::SmallVector<uint32_t, 256> table;
  table.assign(capacity, UINT32_MAX);
  for (uint32_t i = 0; i < count; ++i) {
    size_t slot = (reinterpret_cast<uintptr_t>(inputs[i]) >> 4) * 0x9E3779B97F4A7C15ull >> 32 & (capacity - 1);
    while (table[slot] != UINT32_MAX && inputs[table[slot]] != inputs[i]) slot = (slot + 1) & (capacity - 1);
    if (table[slot] == UINT32_MAX) table[slot] = i;
    first[i] = table[slot];
  }
}

uintptr_t storage_begin(const at::TensorImpl* tensor) {
  return tensor->has_storage() ? reinterpret_cast<uintptr_t>(tensor->unsafe_storage().unsafeGetStorageImpl()->data())
                               : 0;
}

uintptr_t storage_end(const at::TensorImpl* tensor) {
  return tensor->has_storage() ? storage_begin(tensor) + tensor->unsafe_storage().nbytes() : 0;
}

int64_t address(const at::TensorImpl* tensor) {
  return static_cast<int64_t>(storage_begin(tensor)) +
         tensor->storage_offset() * static_cast<int64_t>(tensor->itemsize());
}

}  // namespace

at::TensorImpl* AliasLinks::impl(const End& end, at::TensorImpl* const* inputs) {
  return end.object ? THPVariable_Unpack(end.object).unsafeGetTensorImpl() : inputs[end.input];
}

void AliasLinks::build(at::TensorImpl* const* inputs, size_t count, const std::vector<PyObject*>& state) {
  first_same_.resize(count);
  state_tensor_.assign(count, nullptr);
  find_same_objects(inputs, count, first_same_.data());
  std::vector<End> ends;
  for (uint32_t i = 0; i < count; ++i) ends.push_back({nullptr, i});
  for (PyObject* object : state) {
    const at::TensorImpl* tensor = THPVariable_Unpack(object).unsafeGetTensorImpl();
    state_.insert(tensor);
    state_filter_.set(filter_bit(tensor));
    for (size_t i = 0; i < count; ++i) {
      if (inputs[i] == tensor) state_tensor_[i] = object;
    }
    ends.push_back({object, 0});
  }
  std::stable_sort(ends.begin(), ends.end(), [&](const End& a, const End& b) {
    return storage_begin(impl(a, inputs)) < storage_begin(impl(b, inputs));
  });
  const End* first = nullptr;
  uintptr_t stop = 0;
  for (const End& end : ends) {
    const at::TensorImpl* tensor = impl(end, inputs);
    if (storage_begin(tensor) == storage_end(tensor)) continue;
    if (first != nullptr && storage_begin(tensor) < stop) {
      links_.push_back({*first, end, address(tensor) - address(impl(*first, inputs))});
    } else {
      first = &end;
    }
    stop = std::max(stop, storage_end(tensor));
  }
}

bool AliasLinks::is_of_state(const at::TensorImpl* tensor) const {
  return state_filter_.test(filter_bit(tensor)) && state_.count(tensor) != 0;
}

bool AliasLinks::same_objects_hold(at::TensorImpl* const* inputs, size_t count) const {
  if (count <= 1) return true;
  c10::SmallVector<uint32_t, 64> first;
  first.resize(count);
  find_same_objects(inputs, count, first.data());
  return std::equal(first_same_.begin(), first_same_.end(), first.begin());
}

bool AliasLinks::check(at::TensorImpl* const* inputs, size_t count) const {
  if (count != first_same_.size() || !same_objects_hold(inputs, count)) return false;
  for (size_t i = 0; i < count; ++i) {
    if (PyObject* expected = state_tensor_[i]) {
      if (THPVariable_Unpack(expected).unsafeGetTensorImpl() != inputs[i]) return false;
    } else if (is_of_state(inputs[i])) {
      return false;
    }
  }
  for (const Link& link : links_) {
    const at::TensorImpl *a = impl(link.a, inputs), *b = impl(link.b, inputs);
    if (storage_begin(a) == 0 || address(b) - address(a) != link.distance) return false;
  }
  return true;
}

}  // namespace braze
