#include "frontend/freeze/freezing.h"

#include <ATen/ops/from_blob.h>

#include <algorithm>

#include "frontend/capture/convert.h"
#include "support/error.h"

namespace braze {

int Freezing::input_of(ValueId id) const {
  const auto& inputs = program.graph.inputs;
  auto found = std::find(inputs.begin(), inputs.end(), id);
  return found == inputs.end() ? -1 : static_cast<int>(found - inputs.begin());
}

bool Freezing::is_at_hand(const Access& access) const { return program.graph.value(access.value).frozen; }

const at::Tensor& Freezing::tensor_of(int slot) const {
  const auto count = static_cast<int>(slots_.size());
  return slot < count ? slots_[slot] : program.constants.at(slot - count);
}

void Freezing::depend_on(int slot) {
  if (slot < static_cast<int>(slots_.size())) baked_[slot] = 1;
}

at::Tensor Freezing::numbers(const Access& access) {
  const int input = input_of(access.value);
  check_internal(input >= 0, "a constant is no input");
  const GraphInput& place = program.inputs[input];
  depend_on(place.slot);
  const DType dtype = program.graph.value(access.value).dtype;
  const auto* memory = static_cast<const char*>(tensor_of(place.slot).unsafeGetTensorImpl()->data());
  const int64_t begin = (place.delta + access.geometry.offset) * info(dtype).bytes;
  return at::from_blob(const_cast<char*>(memory) + begin, access.geometry.sizes, access.geometry.strides,
                       at::TensorOptions().dtype(scalar_type_of(dtype)));
}

ValueId Freezing::add_constant(const at::Tensor& tensor) {
  const ValueId id = program.graph.add_input(*dtype_of(tensor.scalar_type()), tensor.numel());
  program.graph.values[id].frozen = true;
  program.inputs.push_back({next_slot(), 0});
  program.constants.push_back(tensor);
  return id;
}

ExternArg Freezing::add_packed(at::Tensor packed, int64_t bytes) {
  program.packed.push_back(std::move(packed));
  record.bytes += bytes;
  return NamedArg{"packed", std::to_string(program.packed.size() - 1)};
}

}  // namespace braze
