// Fits values of any number of lanes to functions of 4, 8 or 16.
#include "externals.h"

#include <algorithm>
#include <string>
#include <vector>

#include "llvm/IR/Module.h"
#include "support/error.h"

namespace braze::cpu {
namespace {

using llvm::Value;

struct Row {
  Op op;
  std::string name;
  int arity;
  std::string f32_suffix, f64_suffix;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> table = {
#define EXTERNAL(op, name, arity, f32, f64) {Op::op##_, #name, arity, #f32, #f64},
#include "externals.def"
#undef EXTERNAL
  };
  return table;
}

const Row& row_of(Op op) {
  for (const Row& row : rows())
    if (row.op == op) return row;
  throw Error(Error::Kind::Internal, "no external function for " + std::string(info(op).name));
}

std::string vector_symbol(const Row& row, bool is_double, int lanes) {
  return "Sleef_" + row.name + (is_double ? "d" : "f") + std::to_string(lanes) +
         (is_double ? row.f64_suffix : row.f32_suffix);
}

Value* call(Code& code, const std::string& symbol, llvm::Type* type, llvm::ArrayRef<Value*> args) {
  std::vector<llvm::Type*> types(args.size(), type);
  llvm::Module& module = *code.ir.GetInsertBlock()->getModule();
  llvm::FunctionCallee callee = module.getOrInsertFunction(symbol, llvm::FunctionType::get(type, types, false));
  if (auto* function = llvm::dyn_cast<llvm::Function>(callee.getCallee())) {
    function->setDoesNotThrow();
    function->setDoesNotAccessMemory();
  }
  return code.ir.CreateCall(callee, args);
}

Value* by_vectors(Code& code, const Row& row, bool is_double, llvm::ArrayRef<Value*> args) {
  llvm::Type* type = args[0]->getType();
  const int lanes = lanes_of(type);
  const int widest = code.isa.vector_bits / (is_double ? 64 : 32);
  const int narrowest = 256 / (is_double ? 64 : 32);
  const int each = std::clamp(lanes, narrowest, widest);
  std::vector<Value*> parts;
  for (int start = 0; start < lanes; start += each) {
    std::vector<Value*> part;
    for (Value* arg : args) part.push_back(window(code, arg, start, each));
    Value* result = call(code, vector_symbol(row, is_double, each), with_lanes(type->getScalarType(), each), part);
    parts.push_back(slice(code, result, 0, std::min(each, lanes)));
  }
  return concatenate(code, parts);
}

Value* by_scalars(Code& code, Op op, bool is_double, llvm::ArrayRef<Value*> args) {
  llvm::Type* type = args[0]->getType();
  const std::string symbol = std::string(info(op).name) + (is_double ? "" : "f");
  std::vector<Value*> results;
  for (int lane = 0; lane < lanes_of(type); ++lane) {
    std::vector<Value*> scalars;
    for (Value* arg : args) scalars.push_back(slice(code, arg, lane, 1));
    results.push_back(call(code, symbol, type->getScalarType(), scalars));
  }
  return concatenate(code, results);
}

}  // namespace

Value* emit_external(Code& code, Op op, llvm::ArrayRef<Value*> args) {
  const Row& row = row_of(op);
  llvm::Type* type = args[0]->getType();
  const bool is_double = type->getScalarType()->isDoubleTy();
  if (!code.isa.avx2) return by_scalars(code, op, is_double, args);
  if (is_double || row.f32_suffix != "-") return by_vectors(code, row, is_double, args);
  std::vector<Value*> wide;
  for (Value* arg : args) wide.push_back(code.ir.CreateFPExt(arg, like(type, code.ir.getDoubleTy())));
  return code.ir.CreateFPTrunc(by_vectors(code, row, true, wide), type);
}

const char* const* external_symbols() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Row& row : rows()) {
      for (int lanes : {8, 16})
        if (row.f32_suffix != "-") all.push_back(vector_symbol(row, false, lanes));
      for (int lanes : {4, 8}) all.push_back(vector_symbol(row, true, lanes));
    }
    return all;
  }();
  static const std::vector<const char*> pointers = [] {
    std::vector<const char*> all;
    for (const std::string& name : names) all.push_back(name.c_str());
    all.push_back(nullptr);
    return all;
  }();
  return pointers.data();
}

}  // namespace braze::cpu
