// Memory: contiguous lanes by one (masked) access, others by the gather instructions of AVX-512 or lane by lane.
#include "emit_memory.h"

#include "emit_convert.h"

namespace braze::cpu {
namespace {

using llvm::Align;
using llvm::Value;

Align element_align(DType dtype) { return Align(static_cast<uint64_t>(info(dtype).bytes)); }

bool wide_enough(DType dtype) { return info(dtype).bytes >= 4; }

/// Whether a lane of a mask is known: 1 set, 0 clear, -1 not known before run time.
int known_lane(Value* mask, int lane) {
  if (!mask) return 1;
  auto* constant = llvm::dyn_cast<llvm::Constant>(mask);
  auto* element = constant ? constant->getAggregateElement(static_cast<unsigned>(lane)) : nullptr;
  return element ? static_cast<int>(element->isOneValue()) : -1;
}

Value* all_lanes(Code& code, int lanes) {
  return llvm::Constant::getAllOnesValue(with_lanes(code.ir.getInt1Ty(), lanes));
}

Value* element_address(Code& code, DType dtype, Value* address, Value* offset) {
  return code.ir.CreateGEP(memory_element(code.ir.getContext(), dtype), address, offset);
}

/// One scalar load a lane; lanes a constant mask leaves out are zero.
Value* load_lane_by_lane(Code& code, DType dtype, llvm::ArrayRef<Value*> addresses, Value* mask) {
  llvm::Type* element = memory_element(code.ir.getContext(), dtype);
  llvm::SmallVector<Value*, 64> lanes;
  for (size_t lane = 0; lane < addresses.size(); ++lane) {
    const bool clear = known_lane(mask, static_cast<int>(lane)) == 0;
    lanes.push_back(clear ? static_cast<Value*>(llvm::Constant::getNullValue(element))
                          : code.ir.CreateAlignedLoad(element, addresses[lane], element_align(dtype)));
  }
  return concatenate(code, lanes);
}

Value* stride_offsets(Code& code, int64_t stride, int lanes) {
  llvm::SmallVector<llvm::Constant*, 64> offsets;
  for (int lane = 0; lane < lanes; ++lane) offsets.push_back(code.ir.getInt64(static_cast<uint64_t>(lane * stride)));
  return llvm::ConstantVector::get(offsets);
}

Value* load_bits(Code& code, DType dtype, Value* address, int64_t stride, int lanes, Value* mask) {
  auto& ir = code.ir;
  llvm::Type* element = memory_element(ir.getContext(), dtype);
  llvm::Type* type = with_lanes(element, lanes);
  if (lanes == 1) return ir.CreateAlignedLoad(element, address, element_align(dtype));
  if (stride == 0) return splat(code, ir.CreateAlignedLoad(element, address, element_align(dtype)), lanes);
  if (stride == 1 && !mask) return ir.CreateAlignedLoad(type, address, element_align(dtype));
  if (stride == 1)
    return ir.CreateMaskedLoad(type, address, element_align(dtype), mask, llvm::Constant::getNullValue(type));
  return nullptr;
}

}  // namespace

bool masks_well(const Isa& isa, DType dtype, bool contiguous) {
  return isa.avx512 && (contiguous || wide_enough(dtype));
}

Value* emit_load(Code& code, DType dtype, Value* address, int64_t stride, int lanes, Value* mask) {
  if (Value* bits = load_bits(code, dtype, address, stride, lanes, mask)) return from_memory(code, bits, dtype);
  return emit_gather(code, dtype, address, stride_offsets(code, stride, lanes), mask);
}

Value* emit_gather(Code& code, DType dtype, Value* address, Value* offsets, Value* mask) {
  auto& ir = code.ir;
  const int lanes = lanes_of(offsets);
  llvm::Type* element = memory_element(ir.getContext(), dtype);
  if (lanes > 1 && code.isa.avx512 && wide_enough(dtype)) {
    llvm::Type* type = with_lanes(element, lanes);
    Value* bits = ir.CreateMaskedGather(type, element_address(code, dtype, address, offsets), element_align(dtype),
                                        mask ? mask : all_lanes(code, lanes), llvm::Constant::getNullValue(type));
    return from_memory(code, bits, dtype);
  }
  llvm::SmallVector<Value*, 64> addresses;
  for (int lane = 0; lane < lanes; ++lane)
    addresses.push_back(element_address(code, dtype, address, slice(code, offsets, lane, 1)));
  return from_memory(code, load_lane_by_lane(code, dtype, addresses, mask), dtype);
}

void emit_store(Code& code, DType dtype, Value* value, Value* address, int64_t stride, Value* mask) {
  auto& ir = code.ir;
  const int lanes = lanes_of(value);
  Value* bits = to_memory(code, value, dtype);
  if (lanes == 1 || (stride == 1 && !mask)) {
    ir.CreateAlignedStore(bits, address, element_align(dtype));
    return;
  }
  if (stride == 1) {
    ir.CreateMaskedStore(bits, address, element_align(dtype), mask);
    return;
  }
  Value* offsets = stride_offsets(code, stride, lanes);
  if (code.isa.avx512 && wide_enough(dtype)) {
    ir.CreateMaskedScatter(bits, element_address(code, dtype, address, offsets), element_align(dtype),
                           mask ? mask : all_lanes(code, lanes));
    return;
  }
  for (int lane = 0; lane < lanes; ++lane)
    if (known_lane(mask, lane) != 0)
      ir.CreateAlignedStore(slice(code, bits, lane, 1),
                            element_address(code, dtype, address, slice(code, offsets, lane, 1)), element_align(dtype));
}

}  // namespace braze::cpu
