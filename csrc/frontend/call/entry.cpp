// Entries: the cold parts, and the run.
#include "frontend/call/entry.h"

#include <torch/csrc/Exceptions.h>

#include <chrono>

namespace braze {

Entry::Entry(EntryParts parts, const TorchState& torch_state) : parts_(std::move(parts)), torch_state_(torch_state) {}

PyRef Entry::run_on(const CallInputs& inputs, at::TensorImpl* const* tensors, size_t count,
                    std::vector<at::Tensor>& outputs) {
  struct Running {  // the executable may let other threads run, and those may retire this entry
    Entry& entry;
    explicit Running(Entry& e) : entry(e) { ++entry.running_; }
    ~Running() {
      if (--entry.running_ == 0 && entry.retired_) entry.clear();
    }
  } running(*this);
  std::shared_ptr<const SymbolicCall::Instance> instance;
  if (parts_.symbolic && !(instance = parts_.symbolic->at(inputs.symbols))) return PyRef();
  Executable& executable = instance ? *instance->call : *parts_.executable;
  if (!executable.run(tensors, count, outputs)) return PyRef();
  const int64_t* numbers = instance ? instance->numbers.data() : nullptr;
  return PyRef::steal(parts_.outputs->make(outputs, tensors, inputs.containers.data(), numbers));
}

PyObject* Entry::run(const CallInputs& inputs) {
  HANDLE_TH_ERRORS
  std::vector<PyRef> kept;  // other threads may run meanwhile, and change what holds the containers
  for (PyObject* container : inputs.containers) kept.push_back(PyRef::borrow(container));
  std::vector<at::Tensor> outputs;
  PyRef made = run_on(inputs, inputs.tensors.data(), inputs.tensors.size(), outputs);
  ++(made ? counters.compiled : counters.declined);
  if (!made || !parts_.effects) return made.release();
  if (!parts_.effects->apply(made.get(), inputs.containers.data())) return nullptr;
  return Py_NewRef(PyTuple_GET_ITEM(made.get(), 0));
  END_HANDLE_TH_ERRORS
}

std::optional<int64_t> Entry::rehearse(PyObject* const* args, size_t positional, PyObject* keyword_names,
                                       const std::vector<at::Tensor>& tensors, std::vector<at::Tensor>& outputs) {
  std::vector<at::TensorImpl*> impls;
  for (const at::Tensor& tensor : tensors) impls.push_back(tensor.unsafeGetTensorImpl());
  const auto start = std::chrono::steady_clock::now();
  CallInputs inputs;
  if (!matches(TorchState::current(), args, positional, keyword_names, inputs)) return std::nullopt;
  if (impls.size() != inputs.tensors.size()) return std::nullopt;
  PyRef made = run_on(inputs, impls.data(), impls.size(), outputs);
  if (!made) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
}

std::string Entry::explain_miss(const TorchState& now, PyObject* const* args, size_t positional,
                                PyObject* keyword_names) {
  if (std::vector<std::string> names = torch_state_.difference(now); !names.empty()) {
    std::string text = "PyTorch state differs: ";
    for (size_t i = 0; i < names.size(); ++i) text += (i ? ", " : "") + names[i];
    return text;
  }
  if (std::string text = parts_.arguments->explain(args, positional, keyword_names); !text.empty()) return text;
  if (is_eager()) return "";
  if (std::string text = parts_.state->explain(); !text.empty()) return text + " changed";
  if (std::string text = parts_.captured->explain(); !text.empty()) return text;
  if (std::string text = parts_.watched->explain(); !text.empty()) return text;
  if (is_stale()) return "a frozen weight was written";
  CallInputs inputs;
  return matches(now, args, positional, keyword_names, inputs) ? ""
                                                               : "the arguments alias other tensors, or no longer do";
}

std::vector<std::string> Entry::describe_guards() const {
  if (is_eager()) return {};
  std::vector<std::string> lines = parts_.captured->describe(), state = parts_.state->describe();
  lines.insert(lines.end(), state.begin(), state.end());
  return lines;
}

std::vector<PyObject*> Entry::captured() const {
  std::vector<PyObject*> tensors;
  for (size_t i = 0; parts_.captured && i < parts_.captured->size(); ++i) tensors.push_back(parts_.captured->tensor(i));
  return tensors;
}

void Entry::retire() {
  retired_ = true;
  if (running_ == 0) clear();
}

int Entry::visit(visitproc visit, void* arg) const {
  // A part another owner also holds is not ours to report: the collector would count its references as ours alone.
  auto visit_part = [&](const auto& part) { return part && part.use_count() == 1 ? part->visit(visit, arg) : 0; };
  if (int stop = visit_part(parts_.arguments)) return stop;
  if (int stop = visit_part(parts_.state)) return stop;
  if (int stop = visit_part(parts_.captured)) return stop;
  if (int stop = visit_part(parts_.watched)) return stop;
  if (int stop = visit_part(parts_.effects)) return stop;
  return visit_part(parts_.outputs);
}

void Entry::clear() {
  if (parts_.state) parts_.state->clear();
  if (parts_.captured) parts_.captured->clear();
  if (parts_.watched) parts_.watched->clear();
}

}  // namespace braze
