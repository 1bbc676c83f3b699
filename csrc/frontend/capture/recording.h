// What a traced call did, as the dispatcher saw it: leaf operators in order, with a snapshot of every tensor they
// touched.
#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "frontend/capture/absence.h"
#include "frontend/capture/refusal.h"
#include "graph/graph.h"

namespace braze {

/// A tensor's metadata at the moment an operator read or made it. Offsets and strides are in elements.
struct TensorSnapshot {
  int tensor = -1;   // position in Recording::tensors; -1: an undefined tensor
  int storage = -1;  // position in Recording::storages
  DType dtype = DType::f32;
  Geometry geometry;  // offset counts from the start of the storage
  bool requires_grad = false;
};

/// A number that Python was given, to be found the same at each replay.
struct ReadValue {
  DType dtype = DType::f32;
  std::array<char, 8> bytes{};  // as it lies in memory
};

struct RecordedOp {
  ExternCall call;  // args index into `operands`; mutates and returns are left to functionalise
  std::vector<TensorSnapshot> operands;
  std::vector<int> written;               // operands the schema marks as written
  std::vector<TensorSnapshot> outputs;    // every returned tensor, lists flattened
  std::vector<TensorSnapshot> rewritten;  // the written operands again, as the call left them
  std::optional<ReadValue> read;          // the operator hands operand 0, one element, to Python, cast to this dtype
  bool differentiated = false;            // under grad mode, with a result that requires grad
  bool sized_by_values = false;           // values decide the size of a result, as far as is known
};

struct SeenStorage {
  c10::weak_intrusive_ptr<c10::StorageImpl> impl;
  int64_t bytes = 0;
  bool made = false;       // by a recorded operator
  bool unwritten = false;  // made by an `empty` operator and not written since
  std::string composite;   // the composite operator whose parts were recorded when it was made; empty: none
};

struct SeenTensor {
  c10::weak_intrusive_ptr<c10::TensorImpl, c10::UndefinedTensorImpl> impl;
  int storage = -1;
  at::Tensor literal;        // what torch.tensor([...]) lifts, kept alive
  at::Tensor literal_value;  // a copy from before anything could write to it
};

/// A random number generator that operators drew from, and its state after the last of them.
struct SeenGenerator {
  at::Generator generator;
  at::Tensor state;
  bool moved = false;
};

/// Python asked a tensor for something, and there was none.
struct SeenAbsence {
  at::Tensor tensor;
  Absence what;
};

struct Recording {
  std::vector<RecordedOp> ops;
  std::vector<SeenStorage> storages;
  std::vector<SeenTensor> tensors;
  int value_dependent = 0;                // ops that read a number, or whose result may be sized by values
  std::vector<SeenGenerator> generators;  // the first one is PyTorch's own, which operators use that name none
  std::vector<SeenAbsence> absences;
  bool reads_offsets = false;   // storage_offset() was asked for, or as_strided counted from the start of a storage
  bool meets_autograd = false;  // an operator ran under grad mode, or Python asked what autograd knows of a tensor
  Refusal refusal;
};

}  // namespace braze
