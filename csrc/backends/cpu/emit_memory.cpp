// Memory: contiguous lanes by one (masked) access, others by the gather instructions of AVX-512 or lane by lane.
#include "emit_memory.h"

#include "emit_convert.h"

#include "llvm/IR/IntrinsicsX86.h"

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

bool is_number(Value* stride, uint64_t number) {
  auto* constant = llvm::dyn_cast<llvm::ConstantInt>(stride);
  return constant && constant->getZExtValue() == number;
}

/// Where lanes that run time leaves out are stored.
Value* stack_slot(Code& code, llvm::Type* type) {
  llvm::BasicBlock& entry = code.ir.GetInsertBlock()->getParent()->getEntryBlock();
  return llvm::IRBuilder<>(&entry, entry.begin()).CreateAlloca(type);
}

Value* stride_offsets(Code& code, Value* stride, int lanes) {
  return code.ir.CreateMul(lane_numbers(code.ir.getInt64Ty(), lanes), splat(code, stride, lanes));
}

Value* load_bits(Code& code, DType dtype, Value* address, Value* stride, int lanes, Value* mask) {
  auto& ir = code.ir;
  llvm::Type* element = memory_element(ir.getContext(), dtype);
  llvm::Type* type = with_lanes(element, lanes);
  if (lanes == 1) return ir.CreateAlignedLoad(element, address, element_align(dtype));
  if (is_number(stride, 0)) return splat(code, ir.CreateAlignedLoad(element, address, element_align(dtype)), lanes);
  if (is_number(stride, 1) && !mask) return ir.CreateAlignedLoad(type, address, element_align(dtype));
  if (is_number(stride, 1) && (code.isa.avx512 || known_lane(mask, 0) >= 0 || wide_enough(dtype)))
    return ir.CreateMaskedLoad(type, address, element_align(dtype), mask, llvm::Constant::getNullValue(type));
  return nullptr;
}

}  // namespace

bool masks_well(const Isa& isa, DType dtype, bool contiguous) {
  return isa.avx512 && (contiguous || wide_enough(dtype));
}

Value* emit_load(Code& code, DType dtype, Value* address, Value* stride, int lanes, Value* mask) {
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
  // Lanes that only run time can leave out read what the first one does, which is always in use.
  if (known_lane(mask, 0) < 0) offsets = ir.CreateSelect(mask, offsets, splat(code, slice(code, offsets, 0, 1), lanes));
  llvm::SmallVector<Value*, 64> addresses;
  for (int lane = 0; lane < lanes; ++lane)
    addresses.push_back(element_address(code, dtype, address, slice(code, offsets, lane, 1)));
  return from_memory(code, load_lane_by_lane(code, dtype, addresses, mask), dtype);
}

void emit_store(Code& code, DType dtype, Value* value, Value* address, Value* stride, Value* mask) {
  auto& ir = code.ir;
  const int lanes = lanes_of(value);
  Value* bits = to_memory(code, value, dtype);
  if (lanes == 1 || (is_number(stride, 1) && !mask)) {
    ir.CreateAlignedStore(bits, address, element_align(dtype));
    return;
  }
  const bool known = known_lane(mask, 0) >= 0;
  if (is_number(stride, 1) && (code.isa.avx512 || known || wide_enough(dtype))) {
    ir.CreateMaskedStore(bits, address, element_align(dtype), mask);
    return;
  }
  Value* offsets = stride_offsets(code, stride, lanes);
  if (code.isa.avx512 && wide_enough(dtype)) {
    ir.CreateMaskedScatter(bits, element_address(code, dtype, address, offsets), element_align(dtype),
                           mask ? mask : all_lanes(code, lanes));
    return;
  }
  Value* nowhere = known ? nullptr : stack_slot(code, bits->getType()->getScalarType());
  for (int lane = 0; lane < lanes; ++lane) {
    if (known_lane(mask, lane) == 0) continue;
    Value* to = element_address(code, dtype, address, slice(code, offsets, lane, 1));
    if (!known) to = ir.CreateSelect(slice(code, mask, lane, 1), to, nowhere);
    ir.CreateAlignedStore(slice(code, bits, lane, 1), to, element_align(dtype));
  }
}

void emit_prefetch(Code& code, DType dtype, Value* address, int64_t offset) {
  constexpr int kForReading = 0, kIntoSecondCache = 2, kData = 1;
  auto& ir = code.ir;
  Value* line = ir.CreatePtrAdd(address, ir.getInt64(static_cast<uint64_t>(offset * info(dtype).bytes)));
  ir.CreateIntrinsic(llvm::Intrinsic::prefetch, {line->getType()},
                     {line, ir.getInt32(kForReading), ir.getInt32(kIntoSecondCache), ir.getInt32(kData)});
}

void emit_stream(Code& code, DType dtype, Value* value, Value* address) {
  auto& ir = code.ir;
  const auto bytes = static_cast<uint64_t>(lanes_of(value) * info(dtype).bytes);
  llvm::StoreInst* store = ir.CreateAlignedStore(to_memory(code, value, dtype), address, Align(bytes));
  llvm::Metadata* yes = llvm::ConstantAsMetadata::get(ir.getInt32(1));
  store->setMetadata(llvm::LLVMContext::MD_nontemporal, llvm::MDNode::get(ir.getContext(), yes));
}

void emit_stream_end(Code& code) { code.ir.CreateIntrinsic(llvm::Intrinsic::x86_sse_sfence, {}, {}); }

}  // namespace braze::cpu
